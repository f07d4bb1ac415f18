// The options of `mgpt train`. A setting that a family, a preset or a resumed checkpoint can decide
// is optional here: nil means that the person did not say. Not here: the defaults that follow then.

import MicroGPT

/// What `mgpt train` was asked to do.
struct TrainOptions: TextOptions, ThreadedOptions, SeededOptions, JSONOptions {
  // Data and files
  /// Text to train on; given unless `resume` is.
  var data: String?
  /// How the text is cut into sequences.
  var layout: LayoutChoice?
  /// Let windows of training cross the ends of documents.
  var crossDocuments = false
  var tokenizer: TokenizerChoice?
  /// Tokens that a tokenizer learns from the text.
  var bpe: Int?
  /// Share of the text that is held back for validation, above 0 and at most 0.5.
  var validationFraction: Double?
  /// Run folder.
  var out: String?
  /// Checkpoint file from the older `--save_checkpoint`.
  ///
  /// Its folder is the run folder and its name is kept. Never set together with `out`.
  var checkpointPath: String?
  /// Checkpoint file or run folder to continue.
  var resume: String?
  /// Go on where the plan does not fit into memory.
  var force = false

  // Model
  var family: FamilyChoice?
  /// Name of a set of sizes; not checked here.
  var preset: String?
  var layers: Int?
  var heads: Int?
  var keyValueHeads: Int?
  var embedDim: Int?
  var hiddenDim: Int?
  var context: Int?
  var activation: ActivationChoice?
  var queryKeyNorm: Bool?
  /// Logit soft cap; 0 is off.
  var logitSoftCap: Double?
  var tieHead: Bool?
  var dropout: Double?

  // Recursion
  var recursionSteps: Int?
  var minRecursionSteps: Int?
  /// Kept in the checkpoint, for whoever runs the model.
  var exitThreshold: Double?
  var prelude: Int?
  var core: Int?
  var coda: Int?
  var injection: InjectionChoice?
  var recursionLoss: RecursionLossChoice?
  var gateStart: Double?
  var loopGrowth = false

  // Optimisation
  var steps: Int?
  /// Seconds that the run may take.
  var time: Int?
  /// Sequences per forward pass.
  var batchSize: Int?
  /// Forward passes per step.
  var gradAccum: Int?
  var optimizer: OptimizerChoice?
  var optimizerState: OptimizerStateChoice?
  var learningRate: Double?
  var minLearningRate: Double?
  /// Highest rate of AdamW beside Muon.
  var adamWLearningRate: Double?
  var warmup: Int?
  var schedule: ScheduleChoice?
  var patience: Int?
  var weightDecay: Double?
  /// Decay of Muon's momentum.
  var momentum: Double?
  var beta1: Double?
  var beta2: Double?
  /// Largest global norm of the gradient; 0 is off.
  var gradClip: Double?
  var precision: PrecisionChoice?
  /// Largest magnitude of an element of the gradient; 0 is off.
  var gradClipValue: Double?
  /// Compute activations again in backward instead of keeping them.
  var recompute = false
  var seed: UInt64?
  var threads: Int?

  // Progress
  /// Steps between evaluations; 0 evaluates at the end only.
  var evalEvery: Int?
  /// Between saved checkpoints.
  var saveEvery: SaveInterval?
  var logEvery: Int?
  /// Tokens of the text sample at each evaluation; 0 prints none.
  var sampleTokens = 100
  /// Degrees Celsius above which the run pauses.
  var maxTemp: Double?
  /// Print the memory plan and stop.
  var plan = false
  /// Record the time of every operation.
  var profile = false
  var json = false
  var quiet = false

  func invocation() -> Invocation { .train(self) }
}

extension TrainOptions {
  static var name: String { "train" }
  static var summary: String { "Train a model on a text file" }
  static var examples: [String] {
    [
      "mgpt train --data data/names.txt",
      "mgpt train --data book.txt --family gpt2 --layers 4 --heads 4 --embed-dim 128",
      "mgpt train --resume runs/names --steps 4000",
    ]
  }

  static var sections: [OptionSection<TrainOptions>] {
    [
      OptionSection("Data and files", dataOptions),
      OptionSection("Model (default: by family and preset)", modelOptions),
      OptionSection("Recursion: pass several times through the same layers", recursionOptions),
      OptionSection("Optimisation", optimisationOptions),
      OptionSection("Progress", progressOptions),
    ]
  }

  private static var dataOptions: [Option<TrainOptions>] {
    [
      .value(
        "data", "PATH", .fileOrFolder, into: \.data, example: "data/names.txt",
        requirement: .unless("resume"),
        help: "UTF-8 text, a folder of texts, JSON lines, any of them packed by gzip, or tokens of "
          + "`mgpt data prepare`, nanoGPT or llm.c"
      ).named(suggestedFor: ["input", "dataset", "file", "text"]),
      .layout,
      .flag(
        "cross-documents", into: \.crossDocuments,
        help: "Let training windows cross the ends of documents, as nanoGPT does"),
      .tokenizer(default: "by the text where the size is, else char"), .bpe, .validationFraction,
      .value(
        "out", "DIR", .folder, into: \.out, default: "runs/NAME, after the data file",
        example: "runs/names", help: "Run folder: checkpoints, metrics and loss curve"
      ).named(suggestedFor: ["out-dir", "output", "save"]),
      .value(
        "save-checkpoint", "FILE", .file, into: \.checkpointPath, example: "runs/a/b.safetensors",
        help: "the run folder is the folder of FILE, whose name is kept"
      ).asOlderSpelling(of: "out"),
      .value(
        "resume", "PATH", .fileOrFolder, into: \.resume, example: "runs/names",
        help: "Continue a run bit-exactly. PATH is its folder or one of its checkpoints"
      ).named(older: ["load-checkpoint", "checkpoint"], suggestedFor: ["continue", "init-from"]),
      .flag("force", into: \.force, help: "Go on although the memory plan does not fit"),
    ]
  }

  private static var modelOptions: [Option<TrainOptions>] {
    [
      .value(
        "family", "NAME", .choice, into: \.family, default: "modern", example: "modern",
        help: "Architecture"
      ).named(suggestedFor: ["model", "arch", "model-type"]),
      .value(
        "preset", "NAME", .name("the name of a preset"), into: \.preset,
        default: "sizes that fit the data, the time and the machine",
        example: "small", help: "Set of sizes, one of those that mgpt presets lists"
      ).named(suggestedFor: ["size", "config"]),
      size(
        "layers", 1024, into: \.layers, example: "4", help: "Transformer blocks",
        [
          "n-layer", "n-layers", "num-layers", "depth",
        ]),
      size(
        "heads", 1024, into: \.heads, example: "4", help: "Attention heads",
        [
          "n-head", "n-heads", "num-heads",
        ]),
      size(
        "kv-heads", 1024, into: \.keyValueHeads, default: "as many as heads", example: "2",
        help: "Key/value heads, a divisor of the heads", ["n-kv-head", "n-kv-heads"]),
      size(
        "embed-dim", 65536, into: \.embedDim, example: "128", help: "Width of the model",
        [
          "n-embd", "d-model", "hidden-size", "width", "dim",
        ]),
      size(
        "hidden-dim", 1 << 20, into: \.hiddenDim, example: "512", help: "Width of the MLP",
        [
          "d-ff", "ffn-dim", "intermediate-size",
        ]),
      size(
        "context", 1 << 20, into: \.context, example: "64", help: "Tokens per sequence",
        [
          "block-size", "seq-len", "sequence-length", "context-length", "n-ctx",
        ]),
      .value(
        "activation", "NAME", .choice, into: \.activation, example: "gelu",
        help: "Activation of the MLP"),
      .value(
        "qk-norm", "on|off", .onOff, into: \.queryKeyNorm, example: "on",
        help: "Normalise queries and keys"),
      .value(
        "logit-soft-cap", "X", .real(.including(0), .including(1000)), into: \.logitSoftCap,
        example: "15", help: "Bound of the logits (0 = off)"),
      .value(
        "tie-head", "on|off", .onOff, into: \.tieHead, example: "on",
        help: "Use the embedding as output layer"
      ).named(suggestedFor: ["tied", "tied-head", "tie-weights"]),
      .value(
        "dropout", "X", .real(.including(0), .excluding(1)), into: \.dropout, default: "0",
        example: "0.1", help: "Probability of dropping a value in training"),
    ]
  }

  /// A size with a default that depends on family and preset.
  private static func size(
    _ name: String, _ largest: Int, into path: WritableKeyPath<TrainOptions, Int?>,
    default defaultText: String? = nil, example: String, help: String, _ synonyms: [String]
  ) -> Option<TrainOptions> {
    .value(
      name, "N", .integer(1...largest), into: path, default: defaultText, example: example,
      help: help
    ).named(suggestedFor: synonyms)
  }
}
