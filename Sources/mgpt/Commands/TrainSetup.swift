// Turns what was asked for, what a family and a preset say and what the data are into a run that is
// decided in every point. Nothing is written here.

import MicroGPT

/// A run, ready to start.
struct TrainSetup {
  var model: GPT
  var tokenizer: any TextTokenizer
  var corpus: Corpus
  var configuration: TrainingConfiguration
  var options: RunOptions
  var logEvery = 1
  var folder: String
  /// The checkpoint that is continued, if one is.
  var resumed: SafeTensors?
  /// What the person should know about choices made for them, a line each.
  var notes: [String] = []
}

/// Why a run can't be set up.
enum SetupError: UserFacingError, Equatable {
  case folderInUse(folder: String, file: String)
  case missing(flag: String, why: String)
  case otherModel(option: String, found: String, expected: String, path: String)
  case finished(steps: Int, path: String)
  case noSuchRun(path: String)

  var exitCode: ExitCode {
    switch self {
    case .folderInUse: .cantCreate
    case .missing: .usage
    case .otherModel, .finished: .config
    case .noSuchRun: .noInput
    }
  }

  var description: String {
    switch self {
    case .folderInUse(let folder, let file):
      "\(folder) already holds a run. Found \(file). Use --resume \(folder) to go on, another "
        + "--out, or --force to replace it."
    case .missing(let flag, let why):
      "\(flag) is missing: \(why)."
    case .otherModel(let option, let found, let expected, let path):
      "\(option) differs from the run in \(path). Found \(found), expected \(expected). Leave "
        + "\(option) out to resume, or start a new run without --resume."
    case .finished(let steps, let path):
      "the run in \(path) is complete. Found \(steps) of \(steps) steps. Use a larger --steps to "
        + "go on."
    case .noSuchRun(let path):
      "nothing to resume in \(path). Found no last.safetensors there. Give a checkpoint file or the "
        + "folder of a run."
    }
  }
}

extension TrainSetup {
  /// Decides everything.
  ///
  /// *Throws* the first thing that is wrong, before anything is written.
  init(_ asked: TrainOptions) throws {
    if let path = asked.resume {
      try self.init(resuming: path, asked)
    } else {
      try self.init(new: asked)
    }
  }

  // MARK: A new run

  private init(new asked: TrainOptions) throws {
    guard let path = asked.data else {
      throw SetupError.missing(flag: "--data", why: "a new run needs a text to train on")
    }
    let text = try readFile(path)
    let layout = Self.layout(asked.layout, text)
    let kind = asked.tokenizer.flatMap { TokenizerKind(rawValue: $0.rawValue) } ?? .character
    tokenizer = try makeTokenizer(kind, for: text, layout: layout, path: path)
    let preset =
      try asked.preset.map { name throws(ConfigurationError) in try ModelPreset.named(name) }
      ?? ModelPreset.suggested(tokenCount: text.count)
    let family =
      asked.family.flatMap { ModelFamily(rawValue: $0.rawValue) } ?? preset.family
    let model = try Self.model(asked, preset, family, tokenizer, layout, text)
    corpus = try Corpus(
      text: text, layout: layout, tokenizer: tokenizer, contextLength: model.contextLength,
      validationFraction: asked.validationFraction ?? 0.1, path: path)
    configuration = try Self.recipe(asked, preset, family)
    try Self.checkMemory(model, configuration, asked)
    (folder, options) = Self.places(asked, dataPath: path)
    if !asked.force && fileExists(options.lastPath) {
      throw SetupError.folderInUse(folder: folder, file: options.lastPath)
    }
    resumed = nil
    if asked.preset == nil && asked.layers == nil && asked.embedDim == nil {
      notes.append(
        "size \(preset.name) chosen for \(Format.bytes(text.count)) of text; --preset or --layers, "
          + "--heads, --embed-dim, --context choose others")
    }
    self.model = try GPT(model, seed: configuration.seed)
    finish(asked)
  }

  private static func layout(_ choice: LayoutChoice?, _ text: [UInt8]) -> CorpusLayout {
    switch choice {
    case .stream?: .stream
    case .documents?: .documents
    case .auto?, nil: CorpusLayout.suggested(for: text)
    }
  }

  private static func model(
    _ asked: TrainOptions, _ preset: ModelPreset, _ family: ModelFamily,
    _ tokenizer: any TextTokenizer, _ layout: CorpusLayout, _ text: [UInt8]
  ) throws -> ModelConfiguration {
    let heads = asked.heads ?? (asked.embedDim == nil ? preset.heads : min(4, preset.heads))
    var c = family.configuration(
      vocabularySize: tokenizer.vocabularySize,
      contextLength: asked.context
        ?? (layout == .documents ? min(preset.context, longestLine(text) + 1) : preset.context),
      layerCount: asked.layers ?? preset.layers, headCount: heads,
      modelWidth: asked.embedDim ?? preset.width, keyValueHeadCount: asked.keyValueHeads,
      hiddenWidth: asked.hiddenDim)
    if let activation = asked.activation.flatMap({ Activation(rawValue: $0.rawValue) }) {
      c.activation = activation
    }
    c.queryKeyNorm = asked.queryKeyNorm ?? c.queryKeyNorm
    c.logitSoftCap = asked.logitSoftCap ?? c.logitSoftCap
    c.tiedHead = asked.tieHead ?? c.tiedHead
    if !c.tiedHead { c.embeddingScale = 1 }
    c.dropout = asked.dropout ?? c.dropout
    try c.validate()
    return c
  }

  private static func recipe(
    _ asked: TrainOptions, _ preset: ModelPreset, _ family: ModelFamily
  ) throws -> TrainingConfiguration {
    let recipe = Recipe(family)
    let steps = asked.steps ?? preset.steps
    let maximum = asked.learningRate ?? recipe.learningRate
    let minimum = asked.minLearningRate ?? maximum / 10
    if minimum > maximum {
      throw ConfigurationError.outOfRange(
        option: "--min-lr", found: "\(minimum)", range: "at most --lr \(maximum)")
    }
    var adamW = recipe.adamW
    adamW.beta1 = asked.beta1 ?? adamW.beta1
    adamW.beta2 = asked.beta2 ?? adamW.beta2
    adamW.weightDecay = asked.weightDecay ?? adamW.weightDecay
    return TrainingConfiguration(
      steps: steps, batchSize: asked.batchSize ?? preset.batchSize,
      gradientAccumulation: asked.gradAccum ?? 1, adamW: adamW,
      schedule: LearningRateSchedule(
        kind: asked.schedule.flatMap { ScheduleKind(rawValue: $0.rawValue) } ?? recipe.schedule,
        maximum: maximum, minimum: minimum,
        warmupSteps: asked.warmup ?? Recipe.warmupSteps(of: steps), totalSteps: steps,
        patience: asked.patience ?? recipe.patience),
      gradientClip: asked.gradClip ?? recipe.gradientClip, seed: asked.seed ?? 1)
  }

  private static func places(
    _ asked: TrainOptions, dataPath: String
  ) -> (String, RunOptions) {
    let folder =
      asked.out ?? asked.checkpointPath.map { parentFolder(of: $0) }
      ?? "runs/" + stem(of: dataPath)
    let last = asked.checkpointPath ?? folder + "/last.safetensors"
    let source = DataSource(path: dataPath, validationFraction: asked.validationFraction ?? 0.1)
    let best = folder + "/best.safetensors"
    return (folder, RunOptions(lastPath: last, bestPath: best, source: source))
  }

  // MARK: Going on with a run

  private init(resuming given: String, _ asked: TrainOptions) throws {
    let path = try Self.checkpoint(at: given)
    let saved = try ModelFile(path: path)
    var recipe = try TrainingCheckpoint.recipe(of: saved.file)
    try Self.compare(asked, with: saved, recipe, path)
    if let steps = asked.steps {
      recipe.steps = steps
      recipe.schedule.totalSteps = steps
    }
    var source = try TrainingCheckpoint.source(of: saved.file)
    source.path = asked.data ?? source.path
    let text = try readFile(source.path)
    if let choice = asked.tokenizer, choice.rawValue != saved.tokenizer.kind.rawValue {
      throw SetupError.otherModel(
        option: "--tokenizer", found: choice.rawValue, expected: saved.tokenizer.kind.rawValue,
        path: path)
    }
    tokenizer = saved.tokenizer
    corpus = try Corpus(
      text: text, layout: saved.layout, tokenizer: tokenizer,
      contextLength: saved.model.configuration.contextLength,
      validationFraction: source.validationFraction, path: source.path)
    configuration = recipe
    try Self.checkMemory(saved.model.configuration, configuration, asked)
    folder = asked.out ?? parentFolder(of: path)
    // Going on from the best checkpoint must not overwrite it with a later, worse one.
    let keepsName = asked.out == nil && stem(of: path) != "best"
    options = RunOptions(
      lastPath: keepsName ? path : folder + "/last.safetensors",
      bestPath: folder + "/best.safetensors", source: source)
    model = saved.model
    resumed = saved.file
    finish(asked)
  }

  private static func checkpoint(at path: String) throws -> String {
    if !isFolder(path) { return path }
    let last = path + "/last.safetensors"
    guard fileExists(last) else { throw SetupError.noSuchRun(path: path) }
    return last
  }

  /// A resumed run is the same run: sizes and recipe may be repeated but not changed; only the
  /// number of steps may grow.
  private static func compare(
    _ asked: TrainOptions, with saved: ModelFile, _ recipe: TrainingConfiguration, _ path: String
  ) throws {
    let c = saved.model.configuration
    let pairs: [(String, String?, String)] = [
      ("--family", asked.family?.rawValue, c.family.rawValue),
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
      ("--layout", asked.layout == .auto ? nil : asked.layout?.rawValue, saved.layout.rawValue),
      ("--batch-size", asked.batchSize.map(String.init), String(recipe.batchSize)),
      ("--grad-accum", asked.gradAccum.map(String.init), String(recipe.gradientAccumulation)),
      ("--seed", asked.seed.map { String($0) }, String(recipe.seed)),
      ("--lr", asked.learningRate.map { "\($0)" }, "\(recipe.schedule.maximum)"),
      ("--min-lr", asked.minLearningRate.map { "\($0)" }, "\(recipe.schedule.minimum)"),
      ("--warmup", asked.warmup.map(String.init), String(recipe.schedule.warmupSteps)),
      ("--schedule", asked.schedule?.rawValue, recipe.schedule.kind.rawValue),
      ("--patience", asked.patience.map(String.init), String(recipe.schedule.patience)),
      ("--weight-decay", asked.weightDecay.map { "\($0)" }, "\(recipe.adamW.weightDecay)"),
      ("--beta1", asked.beta1.map { "\($0)" }, "\(recipe.adamW.beta1)"),
      ("--beta2", asked.beta2.map { "\($0)" }, "\(recipe.adamW.beta2)"),
      ("--grad-clip", asked.gradClip.map { "\($0)" }, "\(recipe.gradientClip)"),
    ]
    for case (let option, let found?, let expected) in pairs where found != expected {
      throw SetupError.otherModel(option: option, found: found, expected: expected, path: path)
    }
    let step = try TrainingCheckpoint.step(of: saved.file)
    if step >= asked.steps ?? recipe.steps { throw SetupError.finished(steps: step, path: path) }
  }

  // MARK: Both

  private mutating func finish(_ asked: TrainOptions) {
    let steps = configuration.steps
    options.evaluateEvery = asked.evalEvery ?? Recipe.evaluateEvery(of: steps)
    options.saveEvery = asked.saveEvery ?? 0
    options.sampleTokens = asked.sampleTokens
    logEvery = asked.logEvery ?? max(1, steps / 200)
  }

  /// Refuses a plan that does not fit into the memory that is available.
  private static func checkMemory(
    _ model: ModelConfiguration, _ configuration: TrainingConfiguration, _ asked: TrainOptions
  ) throws {
    if asked.force || asked.plan { return }
    let compute = try Compute(threadCount: asked.threads ?? SystemInfo.processorCount)
    let estimate = MemoryEstimate(
      model, batchSize: configuration.batchSize,
      gradientAccumulation: configuration.gradientAccumulation, samples: asked.sampleTokens > 0,
      compute: compute)
    guard let available = SystemInfo.availableMemoryByteCount else { return }
    if estimate.byteCount > available {
      throw MemoryError.doesNotFit(needed: estimate.byteCount, available: available)
    }
  }
}

private func onOff(_ flag: Bool) -> String { flag ? "on" : "off" }

/// Bytes of the longest line: the longest document, its end token included as one.
private func longestLine(_ text: [UInt8]) -> Int {
  var longest = 1
  var length = 0
  for byte in text {
    length = byte == UInt8(ascii: "\n") ? 0 : length + 1
    longest = max(longest, length)
  }
  return longest
}
