// The course of a run: what is saved when, resuming without a trace, stopping in order, and the end
// at numbers that are none.
import Testing

@testable import MicroGPT

/// Counts what it is told, and asks to stop after a step or during an evaluation.
private final class Watcher: TrainingObserver {
  var steps: [StepReport] = []
  var evaluations: [EvaluationReport] = []
  var samples: [String?] = []
  var stopAfterStep = Int.max
  /// Stop once the question was asked so often after the last step.
  var patience = 0
  private var questions = 0
  var onStep: (Int) throws -> Void = { _ in }

  func didStep(_ report: StepReport) throws {
    steps.append(report)
    questions = 0
    try onStep(report.step)
  }

  func didEvaluate(_ report: EvaluationReport, sample: String?) throws {
    evaluations.append(report)
    samples.append(sample)
  }

  var shouldStop: Bool {
    guard let last = steps.last, last.step >= stopAfterStep else { return false }
    questions += 1
    return questions > patience
  }
}

@Suite struct TrainingRunTests {
  private static func small(
    _ name: String, _ layout: CorpusLayout, rate: Double = 1e-2
  ) throws -> SmallRun {
    try SmallRun(
      name, layout: layout, steps: 12, batchSize: 2, accumulation: 2, schedule: .plateau,
      rate: rate)
  }

  private func options(_ run: SmallRun, _ folder: TemporaryFolder) -> RunOptions {
    var options = run.options(folder)
    (options.evaluateEvery, options.saveEvery) = (3, .steps(4))
    return options
  }

  private func drive(
    _ run: SmallRun, _ folder: TemporaryFolder, progress: RunProgress = RunProgress(),
    sampleTokens: Int = 0, _ watcher: Watcher
  ) throws -> TrainingRun.End {
    var options = options(run, folder)
    options.sampleTokens = sampleTokens
    let course = try TrainingRun(
      trainer: run.trainer, validation: run.corpus.validation, tokenizer: run.tokenizer,
      layout: run.corpus.layout, options: options, progress: progress, compute: run.compute)
    return try course.run(watcher)
  }

  /// Goes on from the last checkpoint of `folder` with fresh objects.
  private func resume(
    _ run: SmallRun, _ folder: TemporaryFolder, threads: Int, _ watcher: Watcher
  ) throws -> (Trainer, TrainingRun.End) {
    let (trainer, progress, _) = try SmallRun.resumed(
      folder.file("last.safetensors"), layout: run.corpus.layout, threads: threads)
    let next = SmallRun(run, trainer)
    return (trainer, try drive(next, folder, progress: progress, watcher))
  }

  /// Steps to stop after, and how many questions later: the first question ends the run after the
  /// step, the third one during an evaluation.
  private static let stops = [(1, 0), (4, 0), (6, 2), (9, 0), (11, 0)]

  /// 12 steps at once, or stopped anywhere and continued: the same weights, moments, data position,
  /// schedule, evaluations and files.
  @Test(arguments: CorpusLayout.allCases, ["gpt2-dropout", "modern-dropout"])
  func resumingLeavesNoTrace(_ layout: CorpusLayout, _ name: String) throws {
    let (whole, parts) = (try TemporaryFolder(), try TemporaryFolder())
    let run = try Self.small(name, layout)
    let watcher = Watcher()
    #expect(try drive(run, whole, watcher) == .finished)
    #expect(watcher.steps.map(\.step) == Array(1...12))
    #expect(watcher.evaluations.map(\.step) == [3, 6, 9, 12])
    for (stop, patience) in Self.stops {
      let first = Watcher()
      (first.stopAfterStep, first.patience) = (stop, patience)
      let begun = try Self.small(name, layout)
      #expect(try drive(begun, parts, first) == .stopped)
      #expect(begun.trainer.step == stop)
      let second = Watcher()
      let (trainer, end) = try resume(begun, parts, threads: 2, second)
      #expect(end == .finished && TrainerState(trainer) == run.state, "stopped after \(stop)")
      #expect(first.evaluations + second.evaluations == watcher.evaluations, "after \(stop)")
      for file in ["last.safetensors", "best.safetensors"] {
        let (a, b) = (try whole.content(file), try parts.content(file))
        #expect(a == b, "\(file), stopped after \(stop)")
      }
    }
  }

  /// Evaluated, saved and ended by the clock; going on leaves no trace of that.
  @Test func endsWhenTheTimeIsUp() throws {
    let (folder, whole) = (try TemporaryFolder(), try Self.small("modern", .stream))
    _ = try drive(whole, try TemporaryFolder(), Watcher())
    let run = try Self.small("modern", .stream)
    var now = 100.0
    let watcher = Watcher()
    watcher.onStep = { _ in now += 2 }
    var options = options(run, folder)
    options.timeLimit = 12
    let course = try TrainingRun(
      trainer: run.trainer, validation: run.corpus.validation, tokenizer: run.tokenizer,
      layout: .stream, options: options, compute: run.compute,
      clock: RunClock(now: { now }, sleep: { _ in }))
    #expect(try course.run(watcher) == .stopped)
    #expect(watcher.steps.map(\.step) == Array(1...6))
    #expect(watcher.evaluations.map(\.step) == [3, 6])
    #expect(folder.names == ["best.safetensors", "last.safetensors"])
    let (trainer, end) = try resume(run, folder, threads: 1, Watcher())
    #expect(end == .finished && TrainerState(trainer) == whole.state)
    // Where none is due the last one is made all the same.
    options.evaluateEvery = 0
    let other = try Self.small("modern", .stream)
    let seen = Watcher()
    seen.onStep = { _ in now += 2 }
    let cut = try TrainingRun(
      trainer: other.trainer, validation: other.corpus.validation, tokenizer: other.tokenizer,
      layout: .stream, options: options, compute: other.compute,
      clock: RunClock(now: { now }, sleep: { _ in }))
    #expect(try cut.run(seen) == .stopped && seen.evaluations.map(\.step) == [6])
  }

  /// Killed between checkpoints: what was not saved is done again, to the same end.
  @Test func killedBetweenCheckpoints() throws {
    struct Kill: Error {}
    let folder = try TemporaryFolder()
    let whole = try Self.small("gpt2-dropout", .documents)
    _ = try drive(whole, try TemporaryFolder(), Watcher())
    let killed = Watcher()
    killed.onStep = { if $0 == 5 { throw Kill() } }
    #expect(throws: Kill.self) {
      _ = try drive(Self.small("gpt2-dropout", .documents), folder, killed)
    }
    let (trainer, end) = try resume(whole, folder, threads: 1, Watcher())
    #expect(end == .finished && TrainerState(trainer) == whole.state)
    #expect(folder.names == ["best.safetensors", "last.safetensors"])
  }

  /// Without a step there is nothing to do but what is due.
  @Test func finishedRunsStayAsTheyAre() throws {
    let folder = try TemporaryFolder()
    let run = try Self.small("modern", .stream)
    _ = try drive(run, folder, Watcher())
    let before = try folder.content("last.safetensors")
    let watcher = Watcher()
    let (trainer, end) = try resume(run, folder, threads: 1, watcher)
    #expect(end == .finished && watcher.steps.isEmpty && watcher.evaluations.isEmpty)
    #expect(TrainerState(trainer) == run.state)
    let after = try folder.content("last.safetensors")
    #expect(after == before)
  }

  @Test func theBestIsKept() throws {
    let folder = try TemporaryFolder()
    let run = try Self.small("gpt2", .stream, rate: 0.3)
    let watcher = Watcher()
    _ = try drive(run, folder, watcher)
    let best = try #require(watcher.evaluations.min { $0.loss < $1.loss })
    #expect(watcher.evaluations.filter(\.isBest).last == best)
    let file = try ModelFile(path: folder.file("best.safetensors"))
    #expect(try TrainingCheckpoint.step(of: file.file) == best.step)
    let evaluator = try Evaluator(
      model: file.model, split: run.corpus.validation, batchSize: 2, compute: run.compute)
    #expect(evaluator.run()?.loss == best.loss)
    #expect(watcher.evaluations.last?.step == 12)
  }

  /// Samples change nothing in the run.
  @Test func samplesAreNoPartOfTheRun() throws {
    for layout in CorpusLayout.allCases {
      let (plain, sampled) = (
        try Self.small("modern", layout), try Self.small("modern", layout)
      )
      let watcher = Watcher()
      _ = try drive(plain, try TemporaryFolder(), Watcher())
      _ = try drive(sampled, try TemporaryFolder(), sampleTokens: 9, watcher)
      #expect(plain.state == sampled.state && watcher.samples.count == 4)
      #expect(watcher.samples.allSatisfy { $0 != nil })
    }
  }

  // MARK: Numbers that are none

  private func spoil(_ run: SmallRun, with value: Float) throws {
    let model = run.trainer.model
    model.values(of: try #require(model.table["norm.weight"]))[0] = value
  }

  private func failure(_ body: () throws -> Void) -> TrainingError? {
    do {
      try body()
      return nil
    } catch { return error as? TrainingError }
  }

  @Test func stopsAtNaNAndKeepsTheLastCheckpoint() throws {
    let folder = try TemporaryFolder()
    let run = try Self.small("modern", .stream)
    let watcher = Watcher()
    var kept: [UInt8] = []
    watcher.onStep = { step in
      guard step == 5 else { return }
      kept = try folder.content("last.safetensors")
      try spoil(run, with: .nan)
    }
    let error = failure { _ = try drive(run, folder, watcher) }
    #expect(
      error?.description == "the loss is not a number at step 6; the checkpoint of step 4 is kept. "
        + "Found a learning rate of 0.01. Try --lr 0.0025, a longer --warmup, or --grad-clip 1.")
    #expect(error?.exitCode == .failure)
    let after = try folder.content("last.safetensors")
    #expect(after == kept && !kept.isEmpty)
    let (trainer, end) = try resume(run, folder, threads: 1, Watcher())
    #expect(end == .finished && trainer.model.weights.floats.allSatisfy { $0.isFinite })
  }

  /// An evaluation right after the step that ruined the weights.
  @Test func stopsAtAValidationLossOfNaN() throws {
    let folder = try TemporaryFolder()
    let run = try Self.small("modern", .stream)
    let watcher = Watcher()
    watcher.onStep = { if $0 == 6 { try spoil(run, with: .nan) } }
    let error = failure { _ = try drive(run, folder, watcher) }
    #expect(
      error?.description
        == "the validation loss is not a number at step 6; the checkpoint of step 4 "
        + "is kept. Found a learning rate of 0.01. Try --lr 0.0025, a longer --warmup, or "
        + "--grad-clip 1.")
    let file = try ModelFile(path: folder.file("last.safetensors"))
    #expect(try TrainingCheckpoint.step(of: file.file) == 4)
    #expect(file.model.weights.floats.allSatisfy { $0.isFinite })
  }

  /// Weights that are infinite where the loss does not show it (the soft cap hides it).
  @Test func refusesToSaveInfiniteWeights() throws {
    let folder = try TemporaryFolder()
    let run = try Self.small("modern", .stream)
    let watcher = Watcher()
    watcher.onStep = { if $0 == 6 { try spoil(run, with: .infinity) } }
    let error = failure { _ = try drive(run, folder, watcher) }
    #expect(
      error?.description == "the size of the weights is not a number at step 6; the checkpoint of "
        + "step 4 is kept. Found a learning rate of 0.01. Try --lr 0.0025, a longer --warmup, or "
        + "--grad-clip 1.")
    let file = try ModelFile(path: folder.file("last.safetensors"))
    #expect(file.model.weights.floats.allSatisfy { $0.isFinite })
  }

  @Test func anAbsurdLearningRate() throws {
    let folder = try TemporaryFolder()
    let run = try SmallRun("gpt2", steps: 12, schedule: .constant, rate: 1e30)
    let error = failure { _ = try drive(run, folder, Watcher()) }
    guard case .notFinite(_, _, let rate, let lastGood, _)? = error else {
      Issue.record("no error")
      return
    }
    #expect(rate >= 5e29 && lastGood == nil || lastGood == 2)
    #expect(
      TrainingError.notFinite(step: 1, what: "gradient", learningRate: 1, lastGood: nil).description
        == "the gradient is not a number at step 1; nothing was saved yet. Found a learning rate "
        + "of 1.0. Try --lr 0.25, a longer --warmup, or --grad-clip 1.")
    #expect(
      TrainingError.notFinite(
        step: 1, what: "loss", learningRate: 0.02, lastGood: nil, adamWRate: 3e-3
      ).description
        == "the loss is not a number at step 1; nothing was saved yet. Found a learning "
        + "rate of 0.02 and AdamW's 0.003. Try --lr 0.005, --adamw-lr 0.00075, a longer --warmup, "
        + "or --grad-clip 1.")
  }
}
