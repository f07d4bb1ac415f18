// The speed of training: whole optimizer steps, as `mgpt train` does them, on random tokens. What
// is learnt means nothing; the time doesn't depend on it.

/// The speed of training a model of certain sizes.
public struct TrainingBenchmark: Sendable {
  /// The model.
  public var configuration: ModelConfiguration
  /// B: sequences per forward and backward.
  public var batchSize: Int
  /// Forward and backward passes per optimizer step.
  public var gradientAccumulation: Int
  /// What products and saved activations are in.
  public var precision = Precision.float32
  /// Whether backward computes the values of a block again.
  public var recomputes = false
  /// The update rule.
  public var optimizer = OptimizerKind.adamW
  /// How its moments are stored.
  public var optimizerState = OptimizerStateFormat.float32
  /// Steps that count.
  public var steps: Int
  /// Steps before them: page faults, caches, clock.
  public var warmUpSteps = 5
  /// Whether the time of every operation is recorded.
  public var isProfiled = false
  /// Where to write a trace of the last steps, if anywhere.
  public var tracePath: String?
  /// Of weights and tokens.
  public var seed: UInt64 = 1

  /// Describes a benchmark; nothing is reserved yet.
  public init(
    configuration: ModelConfiguration, batchSize: Int, gradientAccumulation: Int = 1, steps: Int
  ) {
    self.configuration = configuration
    self.batchSize = batchSize
    self.gradientAccumulation = gradientAccumulation
    self.steps = steps
  }

  /// What was measured.
  public struct Result: Equatable, Sendable {
    /// Durations of one step.
    public var seconds: SampleSummary
    /// Tokens of one step, all forward passes together.
    public var tokensPerStep: Int
    /// FLOP of one step, after `ModelConfiguration.trainingFlopsPerToken`.
    public var flopsPerStep: Double
    /// FLOP/s of multiply-adds, measured before and after the steps; the larger one.
    public var peak: Double
    /// Largest resident memory of the process so far.
    public var peakResidentByteCount: Int
    /// Of the last batch, before its update.
    public var loss: Double
    /// Weights of the model.
    public var parameterCount: Int
    /// Workers, the calling thread included.
    public var threads: Int
    /// The name of the back end.
    public var backEnd: String
    /// Bytes that the plan of the run says, the program itself left out.
    public var planByteCount = 0
    /// Largest resident memory of the process before the run reserved anything.
    public var baseByteCount = 0
    /// Time per operation, if it was asked for.
    public var profile: ProfileReport?

    /// At the median duration, as all rates.
    public var tokensPerSecond: Double { Double(tokensPerStep) / seconds.median }
    /// 10^9 FLOP/s.
    public var gigaflops: Double { flopsPerStep / seconds.median / 1e9 }
    /// The rate over the peak, 0 to 1.
    public var shareOfPeak: Double { gigaflops * 1e9 / peak }
    /// Resident memory over what plan and program explain: 1 if the plan is exact.
    public var shareOfPlan: Double {
      Double(peakResidentByteCount) / Double(planByteCount + baseByteCount)
    }
  }

  /// Trains and measures.
  ///
  /// *Throws* if the configuration is impossible, memory lacks, the loss is not a number, or the
  /// trace can't be written, which is tried first.
  public func run(_ compute: Compute) throws -> Result {
    precondition(steps >= 1 && batchSize >= 1 && gradientAccumulation >= 1, "nothing to do")
    try configuration.validate()
    try checkMemory(compute)
    if let tracePath { _ = try AtomicFile(path: tracePath) }
    let peakBefore = compute.measurePeakFlops()
    let baseByteCount = SystemInfo.ownPeakResidentByteCount
    let model = try GPT(configuration, seed: seed)
    let trainer = try Trainer(
      model: model, configuration: trainingConfiguration, training: randomTokens(),
      compute: compute)
    var durations = [Double](repeating: 0, count: steps)
    var loss = 0.0
    for step in -warmUpSteps..<steps {
      if step == 0 && (isProfiled || tracePath != nil) { trainer.startProfile() }
      let start = SystemInfo.seconds
      loss = try trainer.runStep().loss
      if step >= 0 { durations[step] = SystemInfo.seconds - start }
    }
    var result = Result(
      seconds: SampleSummary(durations), tokensPerStep: trainer.tokensPerStep,
      flopsPerStep: configuration.trainingFlopsPerToken * Double(trainer.tokensPerStep),
      peak: max(peakBefore, compute.measurePeakFlops()),
      peakResidentByteCount: SystemInfo.ownPeakResidentByteCount, loss: loss,
      parameterCount: model.parameterCount, threads: compute.threadCount,
      backEnd: compute.backEnd, planByteCount: plan(compute).byteCount,
      baseByteCount: baseByteCount)
    if let tracePath { try trainer.profile?.writeTrace(to: tracePath) }
    if isProfiled { result.profile = trainer.profileReport() }
    return result
  }

  /// What the run reserves; it neither evaluates nor generates text.
  private func plan(_ compute: Compute) -> MemoryEstimate {
    MemoryEstimate(
      configuration, trainingConfiguration, tokenCount: tokenCount, evaluation: false,
      samples: false, compute: compute)
  }

  /// The optimizer with the defaults and clipping at 1, at a constant rate.
  private var trainingConfiguration: TrainingConfiguration {
    var recipe = TrainingConfiguration(
      steps: warmUpSteps + steps, batchSize: batchSize,
      gradientAccumulation: gradientAccumulation, adamW: AdamWConfiguration(),
      schedule: LearningRateSchedule(
        kind: .constant, maximum: 1e-3, minimum: 0, warmupSteps: 0,
        totalSteps: warmUpSteps + steps, patience: 0),
      gradientClip: 1, seed: seed)
    recipe.recomputes = recomputes
    recipe.precision = precision
    recipe.optimizer = optimizer
    recipe.optimizerState = optimizerState
    return recipe
  }

  /// Long enough that rows of a batch rarely overlap.
  private var tokenCount: Int { max(1 << 16, 4 * (configuration.contextLength + 1)) }

  /// A stream of uniformly random token ids.
  private func randomTokens() -> TokenSplit {
    let count = tokenCount
    var generator = RandomGenerator(seed: seed, stream: RandomStream.sampling)
    let tokens = (0..<count).map { _ in
      Int32(generator.next(below: configuration.vocabularySize))
    }
    return TokenSplit(
      layout: .stream, pieces: [0..<count], tokens: tokens, paddingToken: 0,
      targetByteCount: count - 1)
  }

  /// The whole plan must fit: the system would otherwise grant the memory and end the process when
  /// it is used.
  private func checkMemory(_ compute: Compute) throws(MemoryError) {
    let supply = MemorySupply()
    guard let available = supply.byteCount else { return }
    // Before planning, which takes long for a thousand layers.
    let least = MemoryEstimate.leastByteCount(configuration, trainingConfiguration)
    if least > Double(available) {
      throw .doesNotFit(
        needed: Int(min(least, 0x1p62)), available: available, note: supply.note)
    }
    let needed = plan(compute).byteCount
    if needed > available {
      throw .doesNotFit(needed: needed, available: available, note: supply.note)
    }
  }
}

extension TrainingBenchmark.Result {
  /// The object that `mgpt bench train --json` prints.
  public var json: JSON {
    var object: JSON = [
      "step_ms": .number(seconds.median * 1e3), "step_ms_min": .number(seconds.minimum * 1e3),
      "step_ms_max": .number(seconds.maximum * 1e3), "steps": .integer(seconds.count),
      "tokens_per_step": .integer(tokensPerStep),
      "tokens_per_second": .number(tokensPerSecond), "gflops": .number(gigaflops),
      "peak_gflops": .number(peak / 1e9), "share_of_peak": .number(shareOfPeak),
      "peak_rss_bytes": .integer(peakResidentByteCount), "plan_bytes": .integer(planByteCount),
      "base_rss_bytes": .integer(baseByteCount), "share_of_plan": .number(shareOfPlan),
      "loss": .number(loss),
      "parameters": .integer(parameterCount), "threads": .integer(threads),
      "back_end": .string(backEnd),
    ]
    if let profile, case .object(let members) = object {
      object = .object(members + [JSON.Member("profile", profile.json)])
    }
    return object
  }
}
