// Turns what was asked for, what a family and a preset say and what the data are into a run that is
// decided in every point. Nothing is written here. Runs that go on: TrainSetup+Resume.swift.

import MicroGPT

/// A run, ready to start.
struct TrainSetup {
  var architecture: ModelConfiguration
  var estimate: MemoryEstimate
  var tokenizer: any TextTokenizer
  var corpus: Corpus
  var configuration: TrainingConfiguration
  var options: RunOptions
  var logEvery = 1
  /// Of a step, where `fitSteps` measured it.
  var stepSeconds: Double?
  var folder: String
  /// The checkpoint that is continued, if one is.
  var resumed: SafeTensors?
  /// The model of that checkpoint.
  var loaded: GPT?
  /// What the person should know about choices made for them, a line each.
  var notes: [String] = []
  /// What the person should know before that, on standard error.
  var warning: String?

  /// Where `--profile` puts its trace.
  var tracePath: String { folder + "/trace.json" }

  /// The model to train, in memory from here on: a new one, or that of the checkpoint.
  func makeModel() throws -> GPT {
    try loaded ?? GPT(architecture, seed: configuration.seed)
  }
}

extension TrainSetup {
  /// Decides everything.
  ///
  /// *Throws* the first thing that is wrong, before anything is written. Nothing of the model's
  /// size is reserved yet, except for a model that is resumed.
  init(_ asked: TrainOptions, compute: Compute) throws {
    if let path = asked.resume {
      try self.init(resuming: path, asked, compute)
    } else {
      try self.init(new: asked, compute)
    }
  }

  // MARK: A new run

  private init(new asked: TrainOptions, _ compute: Compute) throws {
    guard let path = asked.data else {
      throw SetupError.missing(flag: "--data", why: "a new run needs a text to train on")
    }
    let data = try TrainData(asked, path: path)
    tokenizer = data.tokenizer
    let longest = data.lengths
    let choice = try Self.size(asked, data, compute)
    let preset = try asked.preset.map(findPreset) ?? choice.preset
    let family =
      asked.family.flatMap { ModelFamily(rawValue: $0.rawValue) } ?? preset.family
    architecture = try Self.model(asked, preset, family, tokenizer, longest)
    let context = architecture.contextLength
    corpus = try data.corpus(
      contextLength: context, validationFraction: asked.validationFraction ?? 0.1,
      crossesDocuments: asked.crossDocuments)
    configuration = try Self.recipe(asked, preset, family, context: context)
    estimate = try Self.estimate(
      architecture, configuration, tokenCount: data.residentTokenCount(corpus), asked, compute)
    (folder, options) = Self.places(asked, dataPath: path)
    if !asked.plan { try Self.refuseUsed(folder, options, force: asked.force) }
    if asked.choosesSize { notes.append(Self.words(choice, data.byteCount, tokenizer, asked)) }
    if let longest, let note = longest.note(context: context) { notes.append(note) }
    notes += data.notes
    warning = data.warning
    finish(asked)
    try fitSteps(asked, compute)
  }

  private static func model(
    _ asked: TrainOptions, _ preset: ModelPreset, _ family: ModelFamily,
    _ tokenizer: any TextTokenizer, _ documents: DocumentLengths?
  ) throws -> ModelConfiguration {
    let heads = asked.heads ?? (asked.embedDim == nil ? preset.heads : min(4, preset.heads))
    var c = family.configuration(
      vocabularySize: tokenizer.vocabularySize,
      contextLength: asked.context
        ?? min(preset.context, documents.map { $0.longest + 1 } ?? preset.context),
      layerCount: try layers(asked) ?? preset.layers, headCount: heads,
      modelWidth: asked.embedDim ?? preset.width, keyValueHeadCount: asked.keyValueHeads,
      hiddenWidth: asked.hiddenDim)
    if let activation = asked.activation.flatMap({ Activation(rawValue: $0.rawValue) }) {
      c.activation = activation
    }
    c.queryKeyNorm = asked.queryKeyNorm ?? c.queryKeyNorm
    c.logitSoftCap = asked.logitSoftCap ?? c.logitSoftCap
    c.tiedHead = asked.tieHead ?? c.tiedHead
    if !c.tiedHead { c.embeddingScale = 1 }
    c.dropout = asked.dropout ?? Recipe(preset, family: family).dropout
    try recursion(asked, &c)
    try c.validate()
    return c
  }

  static func recipe(
    _ asked: TrainOptions, _ preset: ModelPreset, _ family: ModelFamily, context: Int
  ) throws -> TrainingConfiguration {
    let recipe = Recipe(
      preset, family: family,
      optimizer: asked.optimizer.flatMap { OptimizerKind(rawValue: $0.rawValue) })
    try refuseForeign(asked, recipe.optimizer)
    let steps = asked.steps ?? preset.steps
    let maximum = asked.learningRate ?? recipe.learningRate
    let minimum = asked.minLearningRate ?? (recipe.endsAtZero ? 0 : maximum / 10)
    if minimum > maximum {
      throw ConfigurationError.outOfRange(
        option: "--min-lr", found: "\(minimum)", range: "at most --lr \(maximum)")
    }
    var adamW = recipe.adamW
    adamW.beta1 = asked.beta1 ?? adamW.beta1
    adamW.beta2 = asked.beta2 ?? adamW.beta2
    adamW.weightDecay = asked.weightDecay ?? adamW.weightDecay
    // Short documents: as many tokens in a step as the preset has, in more rows.
    let rows = max(preset.batchSize * preset.context / context, 1)
    let batchSize = asked.batchSize ?? (asked.context == nil ? rows : preset.batchSize)
    var configuration = TrainingConfiguration(
      steps: steps, batchSize: batchSize,
      gradientAccumulation: asked.gradAccum ?? 1, adamW: adamW,
      schedule: LearningRateSchedule(
        kind: asked.schedule.flatMap { ScheduleKind(rawValue: $0.rawValue) } ?? recipe.schedule,
        maximum: maximum, minimum: minimum,
        warmupSteps: asked.warmup ?? Recipe.warmupSteps(of: steps), totalSteps: steps,
        patience: asked.patience ?? recipe.patience),
      gradientClip: asked.gradClip ?? recipe.gradientClip, seed: asked.seed ?? 1)
    configuration.recomputes = asked.recompute
    configuration.recursionLoss =
      asked.recursionLoss.flatMap { RecursionLoss(rawValue: $0.rawValue) } ?? .gate
    configuration.gateStart = asked.gateStart ?? Recipe.gateStart(codaCount: asked.coda ?? 0)
    configuration.growsLoops = asked.loopGrowth
    configuration.precision =
      asked.precision.flatMap { Precision(rawValue: $0.rawValue) } ?? .float32
    configuration.optimizer = recipe.optimizer
    configuration.optimizerState =
      asked.optimizerState.flatMap { OptimizerStateFormat(rawValue: $0.rawValue) } ?? .float32
    configuration.muon = recipe.muon
    configuration.muon.momentum = asked.momentum ?? recipe.muon.momentum
    configuration.muon.adamWRate = asked.adamWLearningRate ?? recipe.muon.adamWRate
    configuration.gradientLimit = asked.gradClipValue ?? 0
    return configuration
  }

  /// Neither a newer nor a better checkpoint of another run is replaced unasked.
  static func refuseUsed(_ folder: String, _ options: RunOptions, force: Bool) throws {
    if let file = fileInPlaceOfFolder(folder) {
      throw SetupError.notAFolder(folder: folder, file: file)
    }
    if force { return }
    for file in [options.lastPath, options.bestPath] where fileExists(file) {
      throw SetupError.folderInUse(folder: folder, file: file)
    }
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

  // MARK: Both

  /// What only Muon reads is refused beside another optimizer, rather than ignored.
  static func refuseForeign(_ asked: TrainOptions, _ optimizer: OptimizerKind) throws(SetupError) {
    if optimizer == .muon { return }
    for (option, value) in [
      ("--momentum", asked.momentum), ("--adamw-lr", asked.adamWLearningRate),
    ] where value != nil {
      throw .onlyForMuon(
        option: option, optimizer: optimizer.rawValue, resumes: asked.resume != nil)
    }
  }

  mutating func finish(_ asked: TrainOptions, saved: RunProgress? = nil) {
    let steps = configuration.steps
    options.evaluateEvery =
      asked.evalEvery ?? saved?.evaluateEvery
      ?? Recipe.evaluateEvery(of: steps, configuration.schedule)
    options.saveEvery = asked.saveEvery ?? saved?.saveEvery ?? .steps(0)
    options.maximumCelsius = asked.maxTemp
    options.timeLimit = asked.time.map(Double.init)
    options.sampleTokens = asked.sampleTokens
    logEvery = asked.logEvery ?? max(1, steps / 200)
  }

  /// Plans the memory of the run, and refuses what does not fit into the memory that is available.
  static func estimate(
    _ model: ModelConfiguration, _ recipe: TrainingConfiguration, tokenCount: Int,
    _ asked: TrainOptions, _ compute: Compute
  ) throws -> MemoryEstimate {
    let supply = MemorySupply()
    let available = supply.byteCount
    let least = MemoryEstimate.leastByteCount(model, recipe)
    // Beyond 2^58 bytes nothing can be planned, whatever was asked for.
    let limit = asked.force || asked.plan ? 0x1p58 : available.map { Double($0) } ?? 0x1p58
    if least > limit {
      throw MemoryError.doesNotFit(
        needed: Int(min(least, 0x1p62)), available: available ?? 0, note: supply.note)
    }
    let estimate = MemoryEstimate(
      model, recipe, tokenCount: tokenCount, samples: asked.sampleTokens > 0, compute: compute)
    if !asked.force, !asked.plan, let available, estimate.byteCount > available {
      throw MemoryError.doesNotFit(
        needed: estimate.byteCount, available: available, note: supply.note)
    }
    return estimate
  }
}
