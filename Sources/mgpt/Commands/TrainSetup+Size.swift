// What a run decides about size and time where nobody says them: the size for text, time and
// memory, and the steps that fit into the time.

import MicroGPT

extension TrainOptions {
  /// Whether the size of the model is left to the program.
  var choosesSize: Bool {
    preset == nil && layers == nil && embedDim == nil && core == nil && heads == nil
  }
}

extension TrainSetup {
  /// The size that suits; measures the peak for a twentieth of a second if there is a time to
  /// keep.
  static func size(
    _ asked: TrainOptions, _ data: TrainData, _ compute: Compute
  ) throws -> SizeChoice {
    let tokenizer = data.tokenizer
    let available = asked.force || asked.plan ? nil : MemorySupply().byteCount
    // The peak alone: measuring the memory would take a buffer of hundreds of megabytes.
    let speed =
      asked.time == nil
      ? nil : MachineSpeed(flops: compute.measurePeakFlops(), bytesPerSecond: 0)
    func model(_ preset: ModelPreset) -> ModelConfiguration {
      preset.configuration(vocabularySize: tokenizer.vocabularySize)
    }
    func plan(_ preset: ModelPreset) -> TrainingConfiguration? {
      try? recipe(asked, preset, preset.family, context: preset.context)
    }
    return SizeChoice(
      byteCount: data.byteCount,
      isList: (data.lengths?.longest ?? .max) <= SizeChoice.longestOfLists,
      seconds: asked.time.map(Double.init),
      tokensPerSecond: { preset in
        guard let speed, let plan = plan(preset) else { return .infinity }
        let tokens = plan.batchSize * preset.context * plan.gradientAccumulation
        return Double(tokens) / speed.stepSeconds(model(preset), plan)
      },
      parameterCount: { $0.parameterCount(vocabularySize: tokenizer.vocabularySize) },
      fits: { preset in
        guard let available, let plan = plan(preset) else { return true }
        let estimate = MemoryEstimate(
          model(preset), plan, tokenCount: data.mostResidentTokens, samples: asked.sampleTokens > 0,
          compute: compute)
        return estimate.byteCount <= available
      })
  }

  /// The choice in a line, with its reason.
  static func words(
    _ choice: SizeChoice, _ byteCount: Int, _ tokenizer: any TextTokenizer, _ asked: TrainOptions
  ) -> String {
    let reason =
      switch choice.limit {
      case .text: ""
      case .time: ", the largest that learns enough in \(Format.duration(Double(asked.time ?? 0)))"
      case .memory: ", the largest that fits into memory"
      }
    return "size \(choice.preset.name) and \(tokenizer.kind.rawValue) tokens, for "
      + "\(Format.bytes(byteCount)) of text\(reason); choose another with --preset or --layers, "
      + "--heads, --embed-dim, --context"
  }

  /// With `--time`, and where `--steps` is not given: as many steps as fit.
  ///
  /// Some real steps are measured on a model that is thrown away. What is left over, a fifteenth,
  /// is for a machine that becomes busier; evaluations are counted, and there is only one if four
  /// would take a tenth of the time.
  mutating func fitSteps(_ asked: TrainOptions, _ compute: Compute) throws {
    guard let time = asked.time, asked.steps == nil else { return }
    let seconds = Double(time)
    let trainer = try Trainer(
      model: makeModel(), configuration: configuration.withoutStages, training: corpus.training,
      compute: compute)
    let step = try Self.stepSeconds(trainer, atMost: seconds / 20)
    stepSeconds = step
    // Forward is a third of a step.
    let share = Double(corpus.validation.tokenCount) / Double(trainer.tokensPerStep)
    let evaluation = step * share / 3
    let isLong = 4 * evaluation > 0.1 * seconds
    let left = seconds * 14 / 15 - (isLong ? 1 : 4) * evaluation
    let steps = min(max(Int(left / step), 1), 1_000_000_000)
    configuration.steps = steps
    configuration.schedule.totalSteps = steps
    configuration.schedule.warmupSteps = asked.warmup ?? Recipe.warmupSteps(of: steps)
    finish(asked)
    if isLong && asked.evalEvery == nil && configuration.schedule.kind != .plateau {
      options.evaluateEvery = 0
    }
  }

  /// The median of ten steps, of fewer if these take longer than `limit` seconds.
  private static func stepSeconds(_ trainer: Trainer, atMost limit: Double) throws -> Double {
    // The first one touches all memory.
    _ = try trainer.runStep()
    var durations: [Double] = []
    let start = SystemInfo.seconds
    repeat {
      let before = SystemInfo.seconds
      _ = try trainer.runStep()
      durations.append(max(SystemInfo.seconds - before, 1e-7))
    } while durations.count < 10 && SystemInfo.seconds - start < limit
    return durations.sorted()[durations.count / 2]
  }
}
