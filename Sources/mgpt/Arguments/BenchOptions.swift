// The options of `mgpt bench`. Most belong to one subject only; giving one with the other subject
// is an error, so everything that has a default is optional here.

/// What `mgpt bench` was asked to do.
struct BenchOptions: ThreadedOptions, JSONOptions {
  var subject = BenchSubject.kernels
  // Kernels
  /// Measure only what has this text in its name.
  var filter: String?
  /// The first shape of each benchmark and fewer samples.
  var quick = false
  // Both
  var json = false
  var threads: Int?
  // Train
  var family: FamilyChoice?
  /// Name of a set of sizes; not checked here.
  var preset: String?
  var layers: Int?
  var heads: Int?
  var keyValueHeads: Int?
  var embedDim: Int?
  var hiddenDim: Int?
  var context: Int?
  /// Sequences per forward pass.
  var batchSize: Int?
  /// Forward passes per step.
  var gradAccum: Int?
  var vocabSize: Int?
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
      OptionSection("Options of bench train", trainOptions),
    ]
  }

  private static var kernelOptions: [Option<BenchOptions>] {
    [
      .value(
        "filter", "NAME", .name("a part of a name"), into: \.filter, default: "everything",
        example: "matmul", help: "Measure only what has NAME in its name"),
      .flag("quick", into: \.quick, help: "Fewer shapes and repetitions"),
    ]
  }

  private static var trainOptions: [Option<BenchOptions>] {
    [
      .value(
        "preset", "NAME", .name("the name of a preset"), into: \.preset, default: "none",
        example: "small", help: "Family and sizes that other options don't give"),
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
      size("context", 1 << 20, into: \.context, default: "64", help: "Tokens per sequence"),
      size(
        "batch-size", 65536, into: \.batchSize, default: "12", help: "Sequences per forward pass"),
      size("grad-accum", 65536, into: \.gradAccum, default: "1", help: "Forward passes per step"),
      .value(
        "precision", "NAME", .choice, into: \.precision, default: "f32", example: "bf16",
        help: "Numbers that products and saved activations are in"),
      .flag(
        "recompute", into: \.recompute, help: "Compute activations again instead of keeping them"),
      size("vocab-size", 1 << 24, into: \.vocabSize, default: "65", help: "Token ids"),
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
  /// Throws the first option that was given but belongs to the other subject.
  func checkSubject() throws(CommandLineError) {
    let other: BenchSubject = subject == .kernels ? .train : .kernels
    if let option = given(of: other).first {
      throw .unknownOption(
        command: "bench \(subject.rawValue)", found: "--\(option)", suggestion: nil,
        owners: ["bench \(other.rawValue)"])
    }
  }

  private func given(of subject: BenchSubject) -> [String] {
    let pairs: [(String, Bool)] =
      switch subject {
      case .kernels: [("filter", filter != nil), ("quick", quick)]
      case .train:
        [
          ("family", family != nil), ("layers", layers != nil), ("heads", heads != nil),
          ("kv-heads", keyValueHeads != nil), ("embed-dim", embedDim != nil),
          ("hidden-dim", hiddenDim != nil), ("context", context != nil),
          ("batch-size", batchSize != nil), ("grad-accum", gradAccum != nil),
          ("vocab-size", vocabSize != nil),
          ("optimizer", optimizer != nil), ("optimizer-state", optimizerState != nil),
          ("precision", precision != nil), ("recompute", recompute), ("steps", steps != nil),
          ("preset", preset != nil), ("profile", profile), ("trace", trace != nil),
        ]
      }
    return pairs.filter(\.1).map(\.0)
  }
}
