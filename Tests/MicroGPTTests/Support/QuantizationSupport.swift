// Small models written to files, quantised and read again.
@testable import MicroGPT

/// A model in a file, and what quantising it made.
struct QuantizedCase {
  let folder: TemporaryFolder
  let compute: Compute
  let original: ModelFile
  let quantized: ModelFile
  let reports: [QuantizationReport]

  /// The small model `name` with random weights, or `width` wide with context 40.
  init(
    _ name: String, _ target: QuantizationTarget, width: Int? = nil, threads: Int = 1,
    change: (GPT) -> Void = { _ in }
  ) throws {
    folder = try TemporaryFolder()
    compute = try Compute(threadCount: threads)
    let path = try QuantizedCase.write(name, width: width, to: folder.file("a"), change: change)
    original = try ModelFile(path: path, for: .inference)
    let output = folder.file("b")
    reports = try Quantizer(compute: compute).quantize(original, to: target, path: output) ?? []
    quantized = try ModelFile(path: output, for: .inference)
  }

  /// Writes such a model as a checkpoint without a run; returns the path.
  static func write(
    _ name: String, width: Int? = nil, to path: String, change: (GPT) -> Void = { _ in }
  ) throws -> String {
    let tokenizer = ByteTokenizer()
    var c = SmallModels.configuration(name)
    c.vocabularySize = tokenizer.vocabularySize
    if let width {
      c.modelWidth = width
      c.hiddenWidth = 4 * width
      c.contextLength = 40
    }
    let model = try GPT(c)
    SmallModels.randomize(model, seed: 3)
    change(model)
    let stored = model.table.stored(for: c.family)
    var file = try SafeTensorsWriter(
      path: path, tensors: stored.map { TensorSpecification(name: $0.name, shape: $0.shape) },
      metadata: [
        (ModelFile.Key.format, "pt"), (ModelFile.Key.configuration, c.json.description),
        (ModelFile.Key.tokenizer, tokenizer.json.description),
        (ModelFile.Key.layout, CorpusLayout.stream.rawValue),
      ])
    for parameter in stored {
      try parameter.write(from: model.weights, as: parameter.name, to: &file)
    }
    try file.commit()
    return path
  }

  /// The quantised file once more, with other words on its quantisation, or tensors of other
  /// descriptions or left out.
  func changed(
    header: String? = nil,
    _ tensor: (TensorSpecification) -> TensorSpecification? = { $0 }
  ) throws -> String {
    let path = folder.file("c")
    let file = quantized.file
    var metadata: [(key: String, value: String)] = []
    for key in ["format", "configuration", "tokenizer", "layout"] {
      if let value = file.metadata[key] { metadata.append((key, value)) }
    }
    metadata.append(("quantization", header ?? file.metadata["quantization"] ?? ""))
    let kept = file.entries.compactMap { entry in
      tensor(TensorSpecification(name: entry.name, dtype: entry.dtype, shape: entry.shape))
    }
    var writer = try SafeTensorsWriter(path: path, tensors: kept, metadata: metadata)
    for entry in file.entries where kept.contains(where: { $0.name == entry.name }) {
      try file.withBytes(of: entry) { bytes throws(FileError) in
        try writer.write(bytes, of: entry.name)
      }
    }
    try writer.commit()
    return path
  }
}

/// The logits (T, V) of `tokens` in one pass without a cache.
func uncachedLogits(_ model: GPT, _ tokens: [Int32], _ compute: Compute) throws -> [Float] {
  let graph = LogitsGraph(
    model.configuration, model.table, batchSize: 1, sequenceLength: tokens.count, cached: false)
  let executor = try Executor(
    graph.graph, compute: compute, parameters: model.weights, matrices: model.matrices)
  _ = executor.integers(graph.tokens).update(fromContentsOf: tokens)
  executor.forward()
  return Array(executor.floats(graph.logits))
}
