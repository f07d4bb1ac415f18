// Reading a model out of a checkpoint: configuration, weights, tokenizer. It stands in Inference,
// not in Model, because a model knows token ids only and this file knows text. What a training run
// needs beside these is in Training/TrainingCheckpoint.swift.

/// A model with the tokenizer it was trained with.
public struct ModelFile {
  /// Configuration and weights.
  public let model: GPT
  /// What turns text into its tokens and back.
  public let tokenizer: any TextTokenizer
  /// Whether it was trained on a stream of text or on documents.
  public let layout: CorpusLayout
  /// The open file; its tensors stay mapped.
  public let file: SafeTensors
  /// How its weights are quantised; nil where they are numbers of 16 bits or more.
  let quantization: QuantizationHeader?

  /// What is done with the weights.
  public enum Use: Sendable {
    /// They are copied into one block, to be changed. Quantised weights can't be.
    case training
    /// Matrices are read where they stand in the file, if they can be.
    case inference
  }

  /// Keys of a checkpoint's `__metadata__`.
  enum Key {
    static let format = "format"
    static let configuration = "configuration"
    static let tokenizer = "tokenizer"
    static let layout = "layout"
    static let training = "training"
  }

  /// The format of the quantised weights; nil for others.
  public var quantizedFormat: QuantizedFormat? { quantization?.format }

  /// Opens, verifies and reads a checkpoint.
  ///
  /// *Throws* `CheckpointError` if the file is damaged or foreign, or quantised and to be trained;
  /// `ConfigurationError` or `TokenizerError` if what it describes is impossible, `MemoryError`.
  public init(path: String, for use: Use = .training) throws {
    try self.init(path: path, for: use, availableMemory: SystemInfo.availableMemoryByteCount)
  }

  /// The same where `availableMemory` bytes can be had; nil if nobody knows.
  init(path: String, for use: Use, availableMemory: Int?) throws {
    file = try SafeTensors(path: path)
    quantization = try QuantizationHeader(of: file)
    if use == .training, let quantization {
      throw CheckpointError.quantized(path: path, format: quantization.format.rawValue)
    }
    let configuration = try ModelConfiguration(json: file.requireJSON(Key.configuration))
    tokenizer = try makeTokenizer(from: file.requireJSON(Key.tokenizer))
    layout = file.metadata[Key.layout].flatMap(CorpusLayout.init(rawValue:)) ?? .stream
    // Shapes are compared before memory is reserved: a damaged configuration must not cost any.
    try configuration.validate()
    let whole = ParameterTable(configuration)
    // Quantised files have our names and orientations, whatever the family.
    let names = quantization == nil ? configuration.family : nil
    let candidates = use == .inference ? whole.stored(for: names) : []
    let mapped = MappedWeights(candidates, in: file, quantization)
    let table = ParameterTable(configuration, outside: mapped.types)
    let copied = table.stored(for: names).filter { mapped.types[$0.parameter.name] == nil }
    for parameter in copied { _ = try file.require(parameter.name, shape: parameter.shape) }
    let matrices = try mapped.matrices(of: table)
    if use == .inference, let availableMemory {
      let weights = matrices.byteCount + table.elementCount * 4
      let cache = KeyValueCache.byteCount(configuration)
      if weights + cache > availableMemory {
        throw MemoryError.modelDoesNotFit(
          weights: weights, cache: cache, available: availableMemory)
      }
    }
    try file.verifyChecksums()
    // What is copied need not be in memory twice; verifying has touched all of it.
    for parameter in copied { file.release(try file.require(parameter.name)) }
    model =
      matrices.matrices.isEmpty
      ? try GPT(configuration) : try GPT(configuration, table, matrices: matrices)
    for parameter in copied {
      try parameter.read(from: file, as: parameter.name, to: model.weights)
      file.release(try file.require(parameter.name))
    }
  }
}
