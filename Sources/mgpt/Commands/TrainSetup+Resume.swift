// A run that goes on: everything comes from its checkpoint; what the command line repeats is
// compared.

import MicroGPT

extension TrainSetup {
  // MARK: Going on with a run

  init(resuming given: String, _ asked: TrainOptions, _ compute: Compute) throws {
    let path = try Self.checkpoint(at: given)
    let saved = try ModelFile(path: path)
    let progress = try TrainingCheckpoint.progress(of: saved.file)
    let step = try TrainingCheckpoint.step(of: saved.file)
    var recipe = try TrainingCheckpoint.recipe(of: saved.file)
    var source = try TrainingCheckpoint.source(of: saved.file)
    try Self.compare(asked, with: saved, recipe, source, path)
    try Self.refuseForeign(asked, recipe.optimizer)
    notes = Self.change(&recipe, asked, step: step)
    // A run that was stopped between its last step and the evaluation of it is not complete.
    if step > recipe.steps || (step == recipe.steps && progress.evaluatedStep == step) {
      throw SetupError.finished(step: step, steps: recipe.steps, path: path)
    }
    source.path = asked.data ?? source.path
    let data = try TrainData(asked, path: source.path, saved: saved)
    warning = data.warning
    tokenizer = saved.tokenizer
    architecture = saved.model.configuration
    corpus = try data.corpus(
      contextLength: architecture.contextLength, validationFraction: source.validationFraction,
      crossesDocuments: TrainingCheckpoint.crossesDocuments(saved.file, saved.layout))
    recipe.recomputes = asked.recompute
    configuration = recipe
    estimate = try Self.estimate(
      architecture, configuration, tokenCount: data.residentTokenCount(corpus), asked, compute)
    folder = asked.out ?? asked.checkpointPath.map(parentFolder) ?? parentFolder(of: path)
    // Going on from the best checkpoint must not overwrite it with a later, worse one.
    let isElsewhere = asked.out != nil || asked.checkpointPath != nil
    let keepsName = !isElsewhere && stem(of: path) != "best"
    options = RunOptions(
      lastPath: asked.checkpointPath ?? (keepsName ? path : folder + "/last.safetensors"),
      bestPath: folder + "/best.safetensors", source: source)
    if isElsewhere && !asked.plan && !isSameFolder(folder, parentFolder(of: path)) {
      try Self.refuseUsed(folder, options, force: asked.force)
    }
    loaded = saved.model
    resumed = saved.file
    finish(asked, saved: progress)
  }

  private static func checkpoint(at path: String) throws -> String {
    if !isFolder(path) { return path }
    let last = path + "/last.safetensors"
    guard fileExists(last) else { throw SetupError.noSuchRun(path: path) }
    return last
  }

  /// A resumed run is the same run: sizes, data and order may be repeated but not changed.
  private static func compare(
    _ asked: TrainOptions, with saved: ModelFile, _ recipe: TrainingConfiguration,
    _ source: DataSource, _ path: String
  ) throws {
    let c = saved.model.configuration
    let schedule = recipe.schedule
    let sizes = "\(c.layerCount) layers, \(c.headCount) heads, width \(c.modelWidth)"
    let hasPresetSizes =
      try asked.preset.map { name throws(ConfigurationError) in
        let preset = try findPreset(name)
        return (preset.layers, preset.heads, preset.width)
          == (c.layerCount, c.headCount, c.modelWidth)
      } ?? true
    let pairs: [(String, String?, String)] = [
      ("--family", asked.family?.rawValue, c.family.rawValue),
      ("--preset", hasPresetSizes ? nil : asked.preset, sizes),
      ("--layers", asked.layers.map(String.init), String(c.layerCount)),
      ("--heads", asked.heads.map(String.init), String(c.headCount)),
      ("--kv-heads", asked.keyValueHeads.map(String.init), String(c.keyValueHeadCount)),
      ("--embed-dim", asked.embedDim.map(String.init), String(c.modelWidth)),
      ("--hidden-dim", asked.hiddenDim.map(String.init), String(c.hiddenWidth)),
      ("--context", asked.context.map(String.init), String(c.contextLength)),
      ("--activation", asked.activation?.rawValue, c.activation.rawValue),
      ("--qk-norm", asked.queryKeyNorm.map(onOff), onOff(c.queryKeyNorm)),
      ("--logit-soft-cap", asked.logitSoftCap.map { "\($0)" }, "\(c.logitSoftCap)"),
      ("--tie-head", asked.tieHead.map(onOff), onOff(c.tiedHead)),
      ("--dropout", asked.dropout.map { "\($0)" }, "\(c.dropout)"),
      ("--recursion-steps", asked.recursionSteps.map(String.init), String(c.passCount)),
      ("--prelude", asked.prelude.map(String.init), String(c.recursion?.preludeCount ?? 0)),
      ("--core", asked.core.map(String.init), String(c.coreLayers.count)),
      ("--coda", asked.coda.map(String.init), String(c.recursion?.codaCount ?? 0)),
      ("--injection", asked.injection?.rawValue, c.recursion?.injection.rawValue ?? "none"),
      (
        "--min-recursion-steps", asked.minRecursionSteps.map(String.init),
        String(c.recursion?.minimumSteps ?? 1)
      ),
      (
        "--exit-threshold", asked.exitThreshold.map { "\($0)" },
        "\(c.recursion?.exitThreshold ?? 1)"
      ),
      ("--recursion-loss", asked.recursionLoss?.rawValue, recipe.recursionLoss.rawValue),
      ("--gate-start", asked.gateStart.map { "\($0)" }, "\(recipe.gateStart)"),
      ("--loop-growth", asked.loopGrowth ? "on" : nil, recipe.growsLoops ? "on" : "off"),
      ("--tokenizer", asked.tokenizer.map(word), saved.tokenizer.kind.rawValue),
      ("--bpe", asked.bpe.map(String.init), vocabulary(saved.tokenizer)),
      (
        "--cross-documents", asked.crossDocuments ? "on" : nil,
        onOff(TrainingCheckpoint.crossesDocuments(saved.file, saved.layout))
      ),
      ("--layout", asked.layout == .auto ? nil : asked.layout?.rawValue, saved.layout.rawValue),
      (
        "--val-fraction", asked.validationFraction.map { "\($0)" }, "\(source.validationFraction)"
      ),
      ("--batch-size", asked.batchSize.map(String.init), String(recipe.batchSize)),
      ("--grad-accum", asked.gradAccum.map(String.init), String(recipe.gradientAccumulation)),
      ("--precision", asked.precision?.rawValue, recipe.precision.rawValue),
      ("--seed", asked.seed.map { String($0) }, String(recipe.seed)),
      ("--optimizer", asked.optimizer?.rawValue, recipe.optimizer.rawValue),
      ("--optimizer-state", asked.optimizerState?.rawValue, recipe.optimizerState.rawValue),
      ("--warmup", asked.warmup.map(String.init), String(schedule.warmupSteps)),
      ("--schedule", asked.schedule?.rawValue, schedule.kind.rawValue),
      ("--patience", asked.patience.map(String.init), String(schedule.patience)),
    ]
    for case (let option, let found?, let expected) in pairs where found != expected {
      throw SetupError.otherModel(option: option, found: found, expected: expected, path: path)
    }
  }

  /// Applies what may change, the number of steps and what steers the update; notes each change.
  ///
  /// A run whose loss ran away goes on from its last good checkpoint with a lower rate.
  private static func change(
    _ recipe: inout TrainingConfiguration, _ asked: TrainOptions, step: Int
  ) -> [String] {
    recipe.steps = asked.steps ?? recipe.steps
    recipe.schedule.totalSteps = recipe.steps
    var notes: [String] = []
    func set(_ option: String, _ value: inout Double, to new: Double?) {
      guard let new, new != value else { return }
      notes.append("\(option) \(new) from step \(step + 1) on, \(value) until then")
      value = new
    }
    set("--lr", &recipe.schedule.maximum, to: asked.learningRate)
    set("--min-lr", &recipe.schedule.minimum, to: asked.minLearningRate)
    recipe.schedule.minimum = min(recipe.schedule.minimum, recipe.schedule.maximum)
    set("--weight-decay", &recipe.adamW.weightDecay, to: asked.weightDecay)
    set("--beta1", &recipe.adamW.beta1, to: asked.beta1)
    set("--beta2", &recipe.adamW.beta2, to: asked.beta2)
    set("--adamw-lr", &recipe.muon.adamWRate, to: asked.adamWLearningRate)
    set("--momentum", &recipe.muon.momentum, to: asked.momentum)
    set("--grad-clip", &recipe.gradientClip, to: asked.gradClip)
    set("--grad-clip-value", &recipe.gradientLimit, to: asked.gradClipValue)
    return notes
  }
}

/// The kind of a tokenizer that was asked for; files hold byte pairs.
private func word(_ choice: TokenizerChoice) -> String {
  switch choice {
  case .kind(let kind): kind.rawValue
  case .file: TokenizerKind.bpe.rawValue
  }
}

/// What `--bpe` would have to say.
private func vocabulary(_ tokenizer: any TextTokenizer) -> String {
  tokenizer.kind == .bpe ? String(tokenizer.vocabularySize) : tokenizer.kind.rawValue
}

private func onOff(_ flag: Bool) -> String { flag ? "on" : "off" }
