// Small training runs: texts, recipes, trainers, and what a run leaves behind.
import Testing

@testable import MicroGPT

/// A text that small models can learn something from, in both layouts.
enum SmallTexts {
  static let stream: [UInt8] = Array(
    (0..<60).map { "line \($0 % 7) of a very small text, \($0 * $0 % 11) words" }
      .joined(separator: "\n").utf8)
  static let documents: [UInt8] = Array(
    ["ada", "ben", "clara", "dmitri", "eva", "fay", "gustav", "hal", "ida", "jo", "kim", "lo"]
      .flatMap { [$0, $0 + "lin", "mar" + $0] }.joined(separator: "\n").utf8)

  /// The corpus of a layout, with its tokenizer.
  ///
  /// Made once: collecting a vocabulary walks over all code points, which takes a fifth of a second
  /// in debug builds.
  static func corpus(
    _ layout: CorpusLayout
  ) throws -> (corpus: Corpus, tokenizer: any TextTokenizer) {
    try (layout == .stream ? streamCorpus : documentsCorpus).get()
  }

  private typealias Made = Result<(corpus: Corpus, tokenizer: any TextTokenizer), any Error>
  private static let streamCorpus = make(.stream, stream)
  private static let documentsCorpus = make(.documents, documents)

  private static func make(_ layout: CorpusLayout, _ text: [UInt8]) -> Made {
    Made {
      let tokenizer = try makeTokenizer(.character, for: text, layout: layout, path: "t")
      let corpus = try Corpus(
        text: text, layout: layout, tokenizer: tokenizer, contextLength: 16, path: "t")
      return (corpus, tokenizer)
    }
  }
}

/// An update rule and how it stores its moments.
struct OptimizerChoice: CustomTestStringConvertible {
  let kind: OptimizerKind
  let format: OptimizerStateFormat

  static let plain = OptimizerChoice(kind: .adamW, format: .float32)
  static let all = OptimizerKind.allCases.flatMap { kind in
    OptimizerStateFormat.allCases.map { OptimizerChoice(kind: kind, format: $0) }
  }
  var testDescription: String { "\(kind.rawValue) \(format.rawValue)" }
}

/// What a run computes in, and whether it keeps the values of its blocks.
struct GraphChoice: CustomTestStringConvertible {
  var precision = Precision.float32
  var recomputes = false

  static let plain = GraphChoice()
  static let all = Precision.allCases.flatMap { precision in
    [false, true].map { GraphChoice(precision: precision, recomputes: $0) }
  }
  var testDescription: String { precision.rawValue + (recomputes ? " recomputing" : "") }
}

/// A run of a small model.
struct SmallRun {
  let trainer: Trainer
  let corpus: Corpus
  let tokenizer: any TextTokenizer
  let compute: Compute

  init(
    _ name: String, layout: CorpusLayout = .stream, threads: Int = 1, backEnd: String? = nil,
    seed: UInt64 = 1, steps: Int = 10, batchSize: Int = 3, accumulation: Int = 1,
    schedule: ScheduleKind = .cosine, rate: Double = 1e-2, clip: Double = 1, limit: Double = 0,
    optimizer: OptimizerChoice = .plain, graph: GraphChoice = .plain,
    loss: RecursionLoss = .gate, grows: Bool = false, gateStart: Double = 0
  ) throws {
    (corpus, tokenizer) = try SmallTexts.corpus(layout)
    var c = SmallModels.configuration(name)
    c.vocabularySize = tokenizer.vocabularySize
    compute = try Compute(threadCount: threads, backEnd: backEnd)
    var recipe = TrainingConfiguration(
      steps: steps, batchSize: batchSize, gradientAccumulation: accumulation,
      adamW: AdamWConfiguration(),
      schedule: LearningRateSchedule(
        kind: schedule, maximum: rate, minimum: rate / 10, warmupSteps: 2, totalSteps: steps,
        patience: 1),
      gradientClip: clip, seed: seed)
    recipe.gradientLimit = limit
    (recipe.recursionLoss, recipe.growsLoops, recipe.gateStart) = (loss, grows, gateStart)
    (recipe.optimizer, recipe.optimizerState) = (optimizer.kind, optimizer.format)
    (recipe.precision, recipe.recomputes) = (graph.precision, graph.recomputes)
    trainer = try Trainer(
      model: GPT(c, seed: seed), configuration: recipe, training: corpus.training,
      compute: compute)
  }

  /// The run `other` with another trainer.
  init(_ other: SmallRun, _ trainer: Trainer) {
    (self.trainer, corpus, tokenizer, compute) = (
      trainer, other.corpus, other.tokenizer, other.compute
    )
  }

  /// Everything that training changes, bit by bit.
  var state: TrainerState { TrainerState(trainer) }

  /// A run of `trainer` with checkpoints in `folder`.
  func options(_ folder: TemporaryFolder) -> RunOptions {
    RunOptions(
      lastPath: folder.file("last.safetensors"), bestPath: folder.file("best.safetensors"),
      source: DataSource(path: "t", validationFraction: 0.1))
  }
}

/// The bits of a trainer's weights, moments, data position and schedule.
struct TrainerState: Equatable {
  var weights: [UInt32]
  var moments: [[UInt8]]
  var step: Int
  var data: JSON
  var plateau: LearningRateSchedule.PlateauState

  init(_ trainer: Trainer) {
    weights = trainer.model.weights.floats.map(\.bitPattern)
    moments = trainer.optimizer.moments.flatMap { [$0.values.values, $0.values.scales] }.map {
      Array(UnsafeRawBufferPointer(start: $0.base, count: $0.byteCount))
    }
    step = trainer.step
    data = trainer.sampler.state
    plateau = trainer.schedule.plateau
  }
}
