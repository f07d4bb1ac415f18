// The course of a run: steps, evaluations, checkpoints, and an orderly end when asked to stop.
// Shows nothing itself; an observer is told.

/// Who watches a run.
public protocol TrainingObserver: AnyObject {
  /// After every step.
  func didStep(_ report: StepReport) throws
  /// After every evaluation; `sample` is generated text, if any was asked for.
  func didEvaluate(_ report: EvaluationReport, sample: String?) throws
  /// Some times a second while the run pauses because the machine is hot, and once when it goes on.
  func didCool(_ report: CoolingReport) throws
  /// Whether the run should save and end now.
  var shouldStop: Bool { get }
}

extension TrainingObserver {
  /// Nothing.
  public func didCool(_ report: CoolingReport) throws {}
}

/// How much lies between two checkpoints.
public enum SaveInterval: Sendable, Equatable {
  /// Steps, beside the checkpoints of evaluations; with 0 there are only these and the last one.
  case steps(Int)
  /// Seconds, whatever is evaluated in between.
  case seconds(Int)
}

/// What a run does besides stepping.
public struct RunOptions: Sendable, Equatable {
  /// Steps between evaluations; 0 for the last step only, which is always evaluated.
  public var evaluateEvery = 250
  /// How often the last checkpoint is replaced; it is at the end in any case.
  public var saveEvery = SaveInterval.steps(0)
  /// The run pauses above this temperature of the processor; nil for never.
  public var maximumCelsius: Double?
  /// Seconds after which the run is evaluated, saved and ended, however many steps are left.
  public var timeLimit: Double?
  /// Tokens of the sample at each evaluation; 0 for none.
  public var sampleTokens = 0
  /// The checkpoint that is always the newest.
  public var lastPath: String
  /// The checkpoint with the lowest validation loss.
  public var bestPath: String
  /// Recorded in checkpoints, so that `--resume` needs no other flag.
  public var source: DataSource
  /// Floating-point operations per second this machine reaches at most; nil if unmeasured.
  public var peakFlops: Double?

  /// The defaults, with these files.
  public init(lastPath: String, bestPath: String, source: DataSource) {
    self.lastPath = lastPath
    self.bestPath = bestPath
    self.source = source
  }
}

/// Drives a trainer from where it stands to the last step of its configuration.
public final class TrainingRun {
  /// How a run ended.
  public enum End: Sendable { case finished, stopped }

  private let trainer: Trainer
  private let evaluator: Evaluator
  private let tokenizer: any TextTokenizer
  private let layout: CorpusLayout
  private let options: RunOptions
  private let compute: Compute
  private let clock: RunClock
  private let sensors: MachineSensors?
  private var cooling: Cooling?
  private var generator: TextGenerator?
  /// Best validation loss so far.
  public private(set) var progress: RunProgress
  private var lastSaved: Int?
  private var savedAt: Double
  private var peak = (seconds: -Double.infinity, byteCount: 0)

  /// Reserves the memory for evaluations and samples.
  ///
  /// Without `sensors` it never pauses, and reports say nothing of the machine.
  public init(
    trainer: Trainer, validation: TokenSplit, tokenizer: any TextTokenizer, layout: CorpusLayout,
    options: RunOptions, progress: RunProgress = RunProgress(), compute: Compute,
    sensors: MachineSensors? = nil, clock: RunClock = .system
  ) throws {
    self.trainer = trainer
    self.tokenizer = tokenizer
    self.layout = layout
    self.options = options
    self.compute = compute
    self.sensors = sensors
    self.clock = clock
    savedAt = clock.now()
    cooling = sensors == nil ? nil : options.maximumCelsius.map { Cooling(maximum: $0) }
    self.progress = progress
    self.progress.evaluateEvery = options.evaluateEvery
    self.progress.saveEvery = options.saveEvery
    evaluator = try Evaluator(
      model: trainer.model, split: validation, batchSize: trainer.configuration.batchSize,
      compute: compute)
    if options.sampleTokens > 0 {
      generator = try TextGenerator(model: trainer.model, tokenizer: tokenizer, compute: compute)
    }
    if trainer.step > 0 { lastSaved = trainer.step }
  }

  /// Runs to the end or until the observer asks to stop; saves in both cases.
  ///
  /// *Throws* `TrainingError.notFinite` without saving: the last good checkpoint stays, and none is
  /// ever written of weights that are not numbers.
  public func run(_ observer: some TrainingObserver) throws -> End {
    let start = clock.now()
    savedAt = start
    // A run that was stopped between a step and its evaluation makes up for it.
    if trainer.step > 0 && isEvaluationDue { try evaluate(observer) }
    while trainer.step < trainer.configuration.steps && !observer.shouldStop {
      if isTimeUp(since: start) {
        if progress.evaluatedStep != trainer.step { try evaluate(observer) }
        break
      }
      try coolDown(observer)
      if observer.shouldStop { break }
      try step(since: start, observer)
      if observer.shouldStop { break }
      if isEvaluationDue {
        try evaluate(observer)
      } else if isSaveDue {
        try save()
      }
    }
    if lastSaved != trainer.step { try save() }
    let isComplete = trainer.step >= trainer.configuration.steps && !isEvaluationDue
    return isComplete ? .finished : .stopped
  }

  private func isTimeUp(since start: Double) -> Bool {
    options.timeLimit.map { clock.now() - start >= $0 } ?? false
  }

  private var isEvaluationDue: Bool {
    let isLast = trainer.step >= trainer.configuration.steps
    let isMultiple = options.evaluateEvery > 0 && trainer.step % options.evaluateEvery == 0
    return (isLast || isMultiple) && progress.evaluatedStep != trainer.step
  }

  private var isSaveDue: Bool {
    switch options.saveEvery {
    case .steps(let count): count > 0 && trainer.step % count == 0
    case .seconds(let count): clock.now() - savedAt >= Double(count)
    }
  }

  private func step(since start: Double, _ observer: some TrainingObserver) throws {
    try trainer.prepareStep()
    let before = clock.now()
    let result: Trainer.StepResult
    do {
      result = try trainer.runStep()
    } catch .notFinite(let step, let what, _, _, _) {
      throw notFinite(what, step: step)
    }
    let now = clock.now()
    let seconds = max(now - before, 1e-9)
    let rate = Double(trainer.tokensPerStep) / seconds
    let flops = rate * trainer.model.configuration.trainingFlopsPerToken
    try observer.didStep(
      StepReport(
        step: trainer.step, totalSteps: trainer.configuration.steps, loss: result.loss,
        learningRate: result.learningRate, gradientNorm: result.gradientNorm,
        stepMilliseconds: seconds * 1000, tokensPerSecond: rate,
        shareOfPeak: options.peakFlops.map { flops / $0 }, elapsedSeconds: now - start,
        peakResidentByteCount: peakResidentByteCount(at: now),
        machine: sensors?.state(at: now) ?? MachineState(), pausedSeconds: cooling?.pausedSeconds))
  }

  /// Waits between two steps until the machine is cool enough, or the run is to end.
  private func coolDown(_ observer: some TrainingObserver) throws {
    guard let sensors, cooling != nil else { return }
    func report(_ celsius: Double?, _ seconds: Double, isOver: Bool) throws {
      guard let celsius, let goal = cooling?.goal else { return }
      try observer.didCool(
        CoolingReport(
          step: trainer.step, totalSteps: trainer.configuration.steps, celsius: celsius,
          goal: goal, seconds: seconds, isOver: isOver))
    }
    while true {
      let now = clock.now()
      let celsius = sensors.state(at: now).celsius
      switch cooling?.decide(celsius, at: now) {
      case .wait(let seconds):
        try report(celsius, seconds, isOver: false)
        if !observer.shouldStop { clock.sleep(0.2) }
      case .goOn(let seconds): return try report(celsius, seconds, isOver: true)
      case .lost:
        if lastSaved != trainer.step { try save() }
        throw SensorError.lost(step: trainer.step, path: options.lastPath)
      case .run, nil: return
      }
      if observer.shouldStop { return cooling?.end(at: clock.now()) ?? () }
    }
  }

  /// That of the last step is new, others are at most a fifth of a second old: reading it takes as
  /// long as a step of the smallest models.
  private func peakResidentByteCount(at now: Double) -> Int {
    if now - peak.seconds > 0.2 || trainer.step >= trainer.configuration.steps {
      peak = (now, SystemInfo.ownPeakResidentByteCount)
    }
    return peak.byteCount
  }

  /// The error for a run that has left the numbers.
  ///
  /// It names the highest learning rate, which is the one that can be chosen, not that of the step.
  private func notFinite(_ what: String, step: Int) -> TrainingError {
    .notFinite(
      step: step, what: what, learningRate: trainer.schedule.maximum, lastGood: lastSaved,
      adamWRate: trainer.configuration.highestAdamWRate)
  }

  /// Evaluates, keeps the best, saves the last.
  ///
  /// The schedule learns of the loss before the state is saved, so that a resumed run goes on from
  /// the same state.
  private func evaluate(_ observer: some TrainingObserver) throws {
    guard let result = evaluator.run(shouldStop: { observer.shouldStop }) else { return }
    guard result.loss.isFinite else { throw notFinite("validation loss", step: trainer.step) }
    progress.evaluatedStep = trainer.step
    trainer.schedule.observe(validationLoss: result.loss)
    let isBest = result.loss < (progress.bestLoss ?? .infinity)
    if isBest {
      progress.bestLoss = result.loss
      progress.bestStep = trainer.step
    }
    // The best one first: a crash in between leaves an older last checkpoint, whose run will come
    // to the same best one again.
    if isBest { try save(to: options.bestPath) }
    // The record before the checkpoint that calls the step evaluated: a crash between repeats the
    // evaluation, and the resumed run cuts the record off; the other way round it would be lost.
    try observer.didEvaluate(
      EvaluationReport(
        step: trainer.step, loss: result.loss, perplexity: result.perplexity,
        bitsPerByte: result.bitsPerByte, tokenCount: result.tokenCount, isBest: isBest),
      sample: try sample())
    // By time, this one waits for its turn as well. Not the very first: a run that has a best
    // checkpoint only could not be resumed. Nor one whose step was saved before it was evaluated: a
    // kill would have it evaluated and recorded once more.
    if case .seconds = options.saveEvery, !isSaveDue, let lastSaved, lastSaved != trainer.step {
      return
    }
    try save()
  }

  private func save() throws {
    try save(to: options.lastPath)
    (lastSaved, savedAt) = (trainer.step, clock.now())
  }

  private func save(to path: String) throws {
    // The update of a step whose loss was finite may still have overflowed.
    guard trainer.squaredWeights.isFinite else {
      throw notFinite("size of the weights", step: trainer.step)
    }
    try TrainingCheckpoint.save(
      trainer, tokenizer: tokenizer, layout: layout, source: options.source, progress: progress,
      to: path)
  }

  /// Text from the model as it is now, always from the same random numbers: what changes from one
  /// evaluation to the next is the model.
  private func sample() throws -> String? {
    guard let generator else { return nil }
    var options = GenerationOptions()
    options.maxTokens = self.options.sampleTokens
    options.seed = trainer.configuration.seed
    var text: [UInt8] = []
    for number in 0..<(layout == .documents ? 4 : 1) {
      if number > 0 { text.append(UInt8(ascii: "\n")) }
      _ = try generator.generate(
        prompt: [], layout: layout, options: options, sample: number, clock: { 0 },
        emit: {
          text.append(contentsOf: $0)
          return true
        })
    }
    return String(decoding: text, as: UTF8.self)
  }
}
