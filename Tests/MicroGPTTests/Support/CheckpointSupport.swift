// Writing and changing checkpoints, for tests of what is read back.
@testable import MicroGPT

/// A checkpoint's tensors and metadata in memory, to be written again with changes.
struct LooseCheckpoint {
  var tensors: [(name: String, shape: [Int], values: [Float])] = []
  var metadata: [(key: String, value: String)] = []

  init() {}

  init(path: String) throws {
    let file = try SafeTensors(path: path)
    for entry in file.entries {
      tensors.append((entry.name, entry.shape, try file.floats(of: entry.name)))
    }
    for key in ["format", "configuration", "tokenizer", "layout", "training"] {
      if let value = file.metadata[key] { metadata.append((key, value)) }
    }
  }

  /// Replaces the JSON under `key` of the metadata text `text`.
  mutating func set(_ text: String, _ key: String, _ value: JSON) throws {
    for i in metadata.indices where metadata[i].key == text {
      let members = try JSON.parse(metadata[i].value).objectValue ?? []
      metadata[i].value =
        JSON.object(members.map { $0.key == key ? JSON.Member(key, value) : $0 }).description
    }
  }

  /// Writes it with right checksums; returns `path`.
  @discardableResult func write(_ path: String) throws -> String {
    var writer = try SafeTensorsWriter(
      path: path, tensors: tensors.map { TensorSpecification(name: $0.name, shape: $0.shape) },
      metadata: metadata)
    for tensor in tensors {
      try tensor.values.withUnsafeBufferPointer { try writer.write($0, of: tensor.name) }
    }
    try writer.commit()
    return path
  }
}

extension SmallRun {
  /// Saves the trainer; returns `path`.
  @discardableResult func save(
    _ path: String, progress: RunProgress = RunProgress()
  ) throws -> String {
    try TrainingCheckpoint.save(
      trainer, tokenizer: tokenizer, layout: corpus.layout,
      source: DataSource(path: "t", validationFraction: 0.1), progress: progress, to: path)
    return path
  }

  /// A new trainer that goes on from `path`, with nothing shared but the text.
  static func resumed(_ path: String, layout: CorpusLayout, threads: Int = 1) throws -> (
    trainer: Trainer, progress: RunProgress, compute: Compute
  ) {
    let saved = try ModelFile(path: path)
    let recipe = try TrainingCheckpoint.recipe(of: saved.file)
    let compute = try Compute(threadCount: threads)
    let trainer = try Trainer(
      model: saved.model, configuration: recipe,
      training: SmallTexts.corpus(layout).corpus.training, compute: compute)
    let progress = try TrainingCheckpoint.restore(trainer, from: saved.file, recipe: recipe)
    return (trainer, progress, compute)
  }
}
