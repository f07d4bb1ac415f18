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

  /// Keys of a checkpoint's `__metadata__`.
  enum Key {
    static let format = "format"
    static let configuration = "configuration"
    static let tokenizer = "tokenizer"
    static let layout = "layout"
    static let training = "training"
  }

  /// Opens, verifies and reads a checkpoint.
  ///
  /// *Throws* `CheckpointError` if the file is damaged or foreign, `ConfigurationError` or
  /// `TokenizerError` if what it describes is impossible, `MemoryError`.
  public init(path: String) throws {
    file = try SafeTensors(path: path)
    let configuration = try ModelConfiguration(json: file.requireJSON(Key.configuration))
    tokenizer = try makeTokenizer(from: file.requireJSON(Key.tokenizer))
    layout = file.metadata[Key.layout].flatMap(CorpusLayout.init(rawValue:)) ?? .stream
    // Shapes are compared before memory is reserved: a damaged configuration must not cost any.
    let table = ParameterTable(configuration)
    let stored = table.stored(for: configuration.family)
    for parameter in stored { _ = try file.require(parameter.name, shape: parameter.shape) }
    try file.verifyChecksums()
    model = try GPT(configuration)
    for parameter in stored {
      try parameter.read(from: file, as: parameter.name, to: model.weights)
    }
  }
}
