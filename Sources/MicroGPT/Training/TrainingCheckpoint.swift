// A training run as one file: weights, moments of the optimizer, and in the metadata everything
// else that decides what comes next. What is saved and loaded is bit-exact.

/// What a run remembers beside weights and optimizer.
public struct RunProgress: Sendable, Equatable {
  /// Lowest validation loss so far, and the step it was seen at.
  public var bestLoss: Double?
  /// The step at which `bestLoss` was seen.
  public var bestStep: Int?
  /// The step of the last evaluation.
  public var evaluatedStep: Int?
  /// Steps between evaluations: `plateau` depends on them, so a resumed run keeps them.
  public var evaluateEvery: Int?
  /// How often it is saved.
  public var saveEvery: SaveInterval?

  /// The progress of a run that has not begun.
  public init() {}
}

/// Where a run's text is and how it was split.
public struct DataSource: Sendable, Equatable {
  /// The text file, as the command line named it.
  public var path: String
  /// Part of the text, at its end, that is kept for evaluation.
  public var validationFraction: Double

  /// The text at `path`, split at this fraction.
  public init(path: String, validationFraction: Double) {
    self.path = path
    self.validationFraction = validationFraction
  }
}

/// Saves and restores the state of a `Trainer`.
public enum TrainingCheckpoint {
  /// Writes a checkpoint: aside, synced, renamed; the previous file survives until then.
  public static func save(
    _ trainer: Trainer, tokenizer: any TextTokenizer, layout: CorpusLayout, source: DataSource,
    progress: RunProgress, to path: String
  ) throws {
    let model = trainer.model
    let stored = model.table.stored(for: model.configuration.family)
    let moments = SavedMoments(trainer)
    let tensors =
      stored.map { TensorSpecification(name: $0.name, shape: $0.shape) } + moments.tensors
    var file = try SafeTensorsWriter(
      path: path, tensors: tensors,
      metadata: [
        (ModelFile.Key.format, "pt"),
        (ModelFile.Key.configuration, model.configuration.json.description),
        (ModelFile.Key.tokenizer, tokenizer.json.description),
        (ModelFile.Key.layout, layout.rawValue),
        (ModelFile.Key.training, state(trainer, source, progress).description),
      ])
    for parameter in stored {
      try parameter.write(from: model.weights, as: parameter.name, to: &file)
    }
    try moments.write(to: &file)
    try file.commit()
  }

  private static func state(
    _ trainer: Trainer, _ source: DataSource, _ progress: RunProgress
  ) -> JSON {
    let c = trainer.configuration
    let schedule = trainer.schedule
    var (stepsBetweenSaves, secondsBetweenSaves): (Int?, Int?)
    switch progress.saveEvery {
    case .steps(let count): stepsBetweenSaves = count
    case .seconds(let count): secondsBetweenSaves = count
    case nil: break
    }
    return [
      "step": .integer(trainer.step), "steps": .integer(c.steps),
      "batch_size": .integer(c.batchSize), "grad_accum": .integer(c.gradientAccumulation),
      "seed": .string(String(c.seed)), "grad_clip": .number(c.gradientClip),
      "precision": .string(c.precision.rawValue),
      "grad_clip_value": .number(c.gradientLimit),
      "recursion_loss": .string(c.recursionLoss.rawValue), "loop_growth": .bool(c.growsLoops),
      "gate_start": .number(c.gateStart),
      "optimizer": [
        "name": .string(c.optimizer.rawValue), "state": .string(c.optimizerState.rawValue),
        "momentum": .number(c.muon.momentum), "adamw_lr": .number(c.muon.adamWRate),
        "beta1": .number(c.adamW.beta1), "beta2": .number(c.adamW.beta2),
        "epsilon": .number(c.adamW.epsilon), "weight_decay": .number(c.adamW.weightDecay),
      ],
      "schedule": [
        "kind": .string(schedule.kind.rawValue), "lr": .number(schedule.maximum),
        "min_lr": .number(schedule.minimum), "warmup": .integer(schedule.warmupSteps),
        "patience": .integer(schedule.patience),
        "halvings": .integer(schedule.plateau.halvings),
        "evaluations_since_best": .integer(schedule.plateau.evaluationsSinceBest),
        "plateau_best": .number(schedule.plateau.best),
      ],
      "data": trainer.sampler.state, "data_path": .string(source.path),
      "val_fraction": .number(source.validationFraction),
      "best_loss": progress.bestLoss.map { .number($0) } ?? .null,
      "best_step": progress.bestStep.map { .integer($0) } ?? .null,
      "evaluated_step": progress.evaluatedStep.map { .integer($0) } ?? .null,
      "evaluate_every": progress.evaluateEvery.map { .integer($0) } ?? .null,
      "save_every": stepsBetweenSaves.map { .integer($0) } ?? .null,
      "save_every_seconds": secondsBetweenSaves.map { .integer($0) } ?? .null,
    ]
  }

  /// The recipe that the run in `file` was trained with.
  ///
  /// *Throws* if the file is a model without a run.
  public static func recipe(of file: SafeTensors) throws -> TrainingConfiguration {
    let json = try file.requireJSON(ModelFile.Key.training)
    let reader = StateReader(path: file.path, json: json)
    let schedule = try reader.object("schedule")
    let optimizer = try reader.object("optimizer")
    guard let kind = ScheduleKind(rawValue: try schedule.text("kind")) else {
      throw reader.damage("an unknown schedule")
    }
    guard let seed = UInt64(try reader.text("seed")) else { throw reader.damage("a seed") }
    var recipe = TrainingConfiguration(
      steps: try reader.integer("steps"), batchSize: try reader.integer("batch_size"),
      gradientAccumulation: try reader.integer("grad_accum"), adamW: AdamWConfiguration(),
      schedule: LearningRateSchedule(
        kind: kind, maximum: try schedule.number("lr"), minimum: try schedule.number("min_lr"),
        warmupSteps: try schedule.integer("warmup"), totalSteps: try reader.integer("steps"),
        patience: try schedule.integer("patience")),
      gradientClip: try reader.number("grad_clip"), seed: seed)
    // Runs saved before there was a choice are float32.
    if json["precision"] != nil {
      guard let precision = Precision(rawValue: try reader.text("precision")) else {
        throw reader.damage("an unknown precision")
      }
      recipe.precision = precision
    }
    recipe.gradientLimit = json["grad_clip_value"]?.doubleValue ?? 0
    if json["recursion_loss"] != nil {
      guard let loss = RecursionLoss(rawValue: try reader.text("recursion_loss")) else {
        throw reader.damage("an unknown recursion loss")
      }
      recipe.recursionLoss = loss
      recipe.growsLoops = json["loop_growth"]?.boolValue ?? false
      recipe.gateStart = json["gate_start"]?.doubleValue ?? 0
    }
    try readOptimizer(optimizer, into: &recipe)
    recipe.schedule.plateau.halvings = try schedule.integer("halvings")
    recipe.schedule.plateau.evaluationsSinceBest = try schedule.integer("evaluations_since_best")
    recipe.schedule.plateau.best = schedule.json["plateau_best"]?.doubleValue ?? .infinity
    guard (1...(1 << 30)).contains(recipe.steps), (1...65536).contains(recipe.batchSize),
      (1...65536).contains(recipe.gradientAccumulation), recipe.schedule.warmupSteps >= 0,
      (0...LearningRateSchedule.maximumHalvings).contains(recipe.schedule.plateau.halvings)
    else { throw reader.damage("sizes out of range") }
    return recipe
  }

  /// Files from before there was a choice have AdamW in float32, and say nothing of the rest.
  private static func readOptimizer(
    _ optimizer: StateReader, into recipe: inout TrainingConfiguration
  ) throws {
    recipe.adamW.beta1 = try optimizer.number("beta1")
    recipe.adamW.beta2 = try optimizer.number("beta2")
    recipe.adamW.epsilon = try optimizer.number("epsilon")
    recipe.adamW.weightDecay = try optimizer.number("weight_decay")
    let state = optimizer.json["state"]?.stringValue ?? OptimizerStateFormat.float32.rawValue
    guard let kind = OptimizerKind(rawValue: try optimizer.text("name")),
      let format = OptimizerStateFormat(rawValue: state)
    else { throw optimizer.damage("an unknown optimizer") }
    (recipe.optimizer, recipe.optimizerState) = (kind, format)
    guard kind == .muon else { return }
    recipe.muon.momentum = try optimizer.number("momentum")
    recipe.muon.adamWRate = try optimizer.number("adamw_lr")
  }

  /// The text of the run in `file`.
  public static func source(of file: SafeTensors) throws -> DataSource {
    let reader = StateReader(path: file.path, json: try file.requireJSON(ModelFile.Key.training))
    let fraction = try reader.number("val_fraction")
    guard fraction > 0, fraction < 1 else { throw reader.damage("a fraction of \(fraction)") }
    return DataSource(path: try reader.text("data_path"), validationFraction: fraction)
  }

  /// Whether the windows of the run in `file`, whose text was cut by `layout`, cross documents.
  public static func crossesDocuments(_ file: SafeTensors, _ layout: CorpusLayout) -> Bool {
    let state = try? file.requireJSON(ModelFile.Key.training)["data"]
    return state?["layout"]?.stringValue == CorpusLayout.stream.rawValue && layout != .stream
  }

  /// Steps done by the run in `file`.
  public static func step(of file: SafeTensors) throws -> Int {
    let reader = StateReader(path: file.path, json: try file.requireJSON(ModelFile.Key.training))
    return try reader.integer("step")
  }

  /// What the run in `file` remembers of its evaluations.
  public static func progress(of file: SafeTensors) throws -> RunProgress {
    let json = try file.requireJSON(ModelFile.Key.training)
    func interval(_ key: String) -> Int? { json[key]?.intValue.flatMap { $0 < 0 ? nil : $0 } }
    var progress = RunProgress()
    progress.bestLoss = json["best_loss"]?.doubleValue
    progress.bestStep = json["best_step"]?.intValue
    progress.evaluatedStep = json["evaluated_step"]?.intValue
    progress.evaluateEvery = interval("evaluate_every")
    progress.saveEvery =
      interval("save_every").map { .steps($0) }
      ?? interval("save_every_seconds").map { .seconds($0) }
    return progress
  }

  /// Puts `trainer`, whose model has the weights of `file` already, at the saved point.
  public static func restore(
    _ trainer: Trainer, from file: SafeTensors, recipe: TrainingConfiguration
  ) throws -> RunProgress {
    let json = try file.requireJSON(ModelFile.Key.training)
    let reader = StateReader(path: file.path, json: json)
    try SavedMoments(trainer).read(from: file)
    let sampler = try BatchSampler(
      trainer.sampler.split, resuming: try reader.object("data").json)
    let step = try reader.integer("step")
    guard step >= 0 else { throw reader.damage("a negative step") }
    trainer.restore(step: step, sampler: sampler, plateau: recipe.schedule.plateau)
    return try progress(of: file)
  }
}

/// Reads the members of a saved state; what is missing or of another type is a damaged file.
private struct StateReader {
  let path: String
  let json: JSON

  func damage(_ words: String) -> CheckpointError {
    .damagedMetadata(
      path: path, key: ModelFile.Key.training, fault: "Found \(words), expected a saved run")
  }
  private func require<Value>(_ key: String, _ value: Value?) throws(CheckpointError) -> Value {
    guard let value else { throw damage("no usable \"\(key)\"") }
    return value
  }
  func integer(_ key: String) throws(CheckpointError) -> Int {
    try require(key, json[key]?.intValue)
  }
  func number(_ key: String) throws(CheckpointError) -> Double {
    try require(key, json[key]?.doubleValue)
  }
  func text(_ key: String) throws(CheckpointError) -> String {
    try require(key, json[key]?.stringValue)
  }
  func object(_ key: String) throws(CheckpointError) -> StateReader {
    StateReader(path: path, json: try require(key, json[key]))
  }
}
