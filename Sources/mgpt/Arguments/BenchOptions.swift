// The options of `mgpt bench`. Most belong to one subject or two; giving one with another subject
// is an error, so everything that has a default is optional here.

import MicroGPT

/// What `mgpt bench` was asked to do.
struct BenchOptions: ThreadedOptions, JSONOptions, ModelOptions {
  var subject = BenchSubject.kernels
  // Kernels
  /// Measure only what has this text in its name.
  var filter: String?
  /// The first shape of each benchmark and fewer samples.
  var quick = false
  /// Print a block of text for an issue instead.
  var report = false
  // All
  var json = false
  var threads: Int?
  // Train and generate
  var family: FamilyChoice?
  /// Name of a set of sizes; not checked here.
  var preset: String?
  var layers: Int?
  var heads: Int?
  var keyValueHeads: Int?
  var embedDim: Int?
  var hiddenDim: Int?
  var context: Int?
  var vocabSize: Int?
  // Train
  /// Sequences per forward pass.
  var batchSize: Int?
  /// Forward passes per step.
  var gradAccum: Int?
  var precision: PrecisionChoice?
  /// Compute activations again in backward.
  var recompute = false
  var optimizer: OptimizerChoice?
  var optimizerState: OptimizerStateChoice?
  /// Steps that are timed.
  var steps: Int?
  /// Time each operation.
  var profile = false
  /// Trace file.
  var trace: String?
  // Generate
  /// Checkpoint; nil for random weights.
  var model: String?
  /// Empty for all, or for that of the checkpoint.
  var formats: [BenchFormat] = []
  var promptTokens: Int?
  /// Tokens to decode.
  var maxTokens: Int?
  /// Tokens in front of them.
  var decodeAfter: Int?
  /// Sequences decoded at once.
  var sequences: Int?
  /// Numbers that keys and values are stored in.
  var keyValueCache: KeyValueFormat?
  /// Repetitions.
  var runs: Int?
  /// Folder for the models that are made.
  var keep: String?

  func invocation() -> Invocation { .bench(self) }
}

extension BenchOptions {
  static var name: String { "bench" }
  static var summary: String { "Measure speed against the peak of this machine" }
  static var examples: [String] {
    [
      "mgpt bench kernels", "mgpt bench kernels --filter matmul --threads 1 --json",
      "mgpt bench train --layers 6 --embed-dim 384 --heads 6 --context 256",
      "mgpt bench train --preset small --profile --trace trace.json",
      "mgpt bench generate --preset gpt2 --format int8 --format int4",
      "mgpt bench --report",
      "mgpt bench generate --model best-int8.safetensors --threads 2 --json",
    ]
  }
  static var positional: Option<BenchOptions>? {
    Option.value(
      "SUBJECT", "SUBJECT", .choice, into: \.subject, help: "What to measure"
    ).asPositional()
  }
  static var sections: [OptionSection<BenchOptions>] {
    [
      OptionSection("Options", [.threads, .json(help: "Print one JSON object")]),
      OptionSection("Options of bench kernels", kernelOptions),
      OptionSection("Options of bench train and bench generate", modelOptions),
      OptionSection("Options of bench train", trainOptions),
      OptionSection("Options of bench generate", generateOptions),
    ]
  }

  private static var kernelOptions: [Option<BenchOptions>] {
    [
      .value(
        "filter", "NAME", .name("a part of a name"), into: \.filter, default: "everything",
        example: "matmul", help: "Measure only what has NAME in its name"),
      .flag("quick", into: \.quick, help: "Fewer shapes and repetitions"),
      .flag(
        "report", into: \.report,
        help: "Print the machine and a few figures instead, as text to paste into an issue"),
    ]
  }

  private static var modelOptions: [Option<BenchOptions>] {
    [
      .value(
        "preset", "NAME", .name("the name of a preset"), into: \.preset, default: "none",
        example: "small",
        help: "Sizes that other options don't give; for bench train also the family. Its names are "
          + "those of mgpt train, for bench generate tiny, gpt2, xl and 500m"),
      .value(
        "family", "NAME", .choice, into: \.family, default: "gpt2", example: "modern",
        help: "Architecture"),
      size("layers", 1024, into: \.layers, default: "4", help: "Transformer blocks"),
      size("heads", 1024, into: \.heads, default: "4", help: "Attention heads"),
      size(
        "kv-heads", 1024, into: \.keyValueHeads, default: "as many as heads",
        help: "Key/value heads, a divisor of the heads"),
      size("embed-dim", 65536, into: \.embedDim, default: "128", help: "Width of the model"),
      size(
        "hidden-dim", 1 << 20, into: \.hiddenDim, default: "by family", help: "Width of the MLP"),
      size(
        "context", 1 << 20, into: \.context, default: "64; bench generate: 256",
        help: "Tokens per sequence"),
      size("vocab-size", 1 << 24, into: \.vocabSize, default: "65", help: "Token ids"),
    ]
  }

  private static var trainOptions: [Option<BenchOptions>] {
    [
      size(
        "batch-size", 65536, into: \.batchSize, default: "12", help: "Sequences per forward pass"),
      size("grad-accum", 65536, into: \.gradAccum, default: "1", help: "Forward passes per step"),
      .value(
        "precision", "NAME", .choice, into: \.precision, default: "f32", example: "bf16",
        help: "Numbers that products and saved activations are in"),
      .flag(
        "recompute", into: \.recompute, help: "Compute activations again instead of keeping them"),
      .value(
        "optimizer", "NAME", .choice, into: \.optimizer, default: "adamw", example: "muon",
        help: "Update rule"),
      .value(
        "optimizer-state", "FORMAT", .choice, into: \.optimizerState, default: "f32",
        example: "bf16", help: "Storage of the optimizer's moments"),
      size(
        "steps", 1_000_000, into: \.steps, default: "30", help: "Steps to time, after 5 more"),
      .flag("profile", into: \.profile, help: "Time each operation"),
      .value(
        "trace", "FILE", .file, into: \.trace, example: "trace.json",
        help: "Write a trace of the last steps for Perfetto or chrome://tracing"),
    ]
  }

  private static var generateOptions: [Option<BenchOptions>] {
    [
      .model(.optional),
      .list(
        "format", "FORMAT", .choice, into: \.formats, example: "int8",
        help: "Format of the weights, all for each; without it that of the model, or all of random "
          + "weights"),
      size(
        "prompt-tokens", 1 << 20, into: \.promptTokens, default: "512, at most the context",
        help: "Tokens of the prompt"),
      size(
        "max-tokens", 1 << 20, into: \.maxTokens, default: "64, at most half the context",
        help: "Tokens to decode"),
      size(
        "decode-after", 1 << 20, into: \.decodeAfter, default: "the prompt",
        help: "Tokens in the context when decoding begins"),
      size(
        "sequences", 1024, into: \.sequences, default: "1",
        help: "Sequences that are decoded at once"),
      .value(
        "kv-cache", "FORMAT", .choice, into: \.keyValueCache, default: "f32", example: "int8",
        help: "How keys and values are stored"),
      size("runs", 100_000, into: \.runs, default: "5", help: "Repetitions, at least"),
      .value(
        "keep", "FOLDER", .folder, into: \.keep, default: "nowhere", example: "models",
        help: "Keep the models that were made, one file for each format"),
    ]
  }

  private static func size(
    _ name: String, _ largest: Int, into path: WritableKeyPath<BenchOptions, Int?>,
    default defaultText: String, help: String
  ) -> Option<BenchOptions> {
    .value(
      name, "N", .integer(1...largest), into: path, default: defaultText,
      example: Int(defaultText) == nil ? "2" : defaultText, help: help)
  }
}

extension BenchOptions {
  /// Throws the first option that was given but belongs to other subjects.
  func checkSubject() throws(CommandLineError) {
    for (name, isGiven, owners) in owned where isGiven && !owners.contains(subject) {
      throw .unknownOption(
        command: "bench \(subject.rawValue)", found: "--\(name)", suggestion: nil,
        owners: owners.map { "bench \($0.rawValue)" })
    }
    for (name, isGiven) in [("filter", filter != nil), ("quick", quick)] where report && isGiven {
      throw .unknownOption(
        command: "bench --report", found: "--\(name)", suggestion: nil, owners: ["bench kernels"])
    }
  }

  /// The options that describe a model and were given.
  var sizesGiven: [String] { sizes.filter(\.1).map(\.0) }

  private var sizes: [(String, Bool)] {
    [
      ("preset", preset != nil), ("family", family != nil), ("layers", layers != nil),
      ("heads", heads != nil), ("kv-heads", keyValueHeads != nil),
      ("embed-dim", embedDim != nil), ("hidden-dim", hiddenDim != nil),
      ("context", context != nil), ("vocab-size", vocabSize != nil),
    ]
  }

  /// The options that not all subjects have: whether they were given, and who has them.
  private var owned: [(name: String, isGiven: Bool, owners: [BenchSubject])] {
    let kernels: [(String, Bool)] = [
      ("filter", filter != nil), ("quick", quick), ("report", report),
    ]
    let train: [(String, Bool)] = [
      ("batch-size", batchSize != nil), ("grad-accum", gradAccum != nil),
      ("optimizer", optimizer != nil), ("optimizer-state", optimizerState != nil),
      ("precision", precision != nil), ("recompute", recompute), ("steps", steps != nil),
      ("profile", profile), ("trace", trace != nil),
    ]
    let generate: [(String, Bool)] = [
      ("model", model != nil), ("format", !formats.isEmpty),
      ("prompt-tokens", promptTokens != nil), ("max-tokens", maxTokens != nil),
      ("decode-after", decodeAfter != nil), ("runs", runs != nil), ("keep", keep != nil),
      ("sequences", sequences != nil), ("kv-cache", keyValueCache != nil),
    ]
    let groups: [(options: [(String, Bool)], owners: [BenchSubject])] = [
      (kernels, [.kernels]), (sizes, [.train, .generate]), (train, [.train]),
      (generate, [.generate]),
    ]
    return groups.flatMap { group in
      group.options.map { (name: $0.0, isGiven: $0.1, owners: group.owners) }
    }
  }
}
