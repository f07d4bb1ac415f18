// The options of `mgpt generate`. Not here: the sampling itself.

/// What `mgpt generate` was asked to do.
struct GenerateOptions: ThreadedOptions, SeededOptions, ModelOptions {
  /// Checkpoint; always given.
  var model: String?
  /// Text to continue; nil starts at the beginning of a text.
  var prompt: String?
  var maxTokens = 256
  /// Each ends the sample where it appears; never empty texts.
  var stop: [String] = []
  var numSamples = 1
  /// 0 takes the most probable token.
  var temperature = 0.8
  /// 0 is off.
  var topK = 0
  /// 1 is off.
  var topP = 1.0
  /// 0 is off.
  var minP = 0.0
  /// 1 is off.
  var repetitionPenalty = 1.0
  /// nil asks for a new seed in each run.
  var seed: UInt64?
  var threads: Int?
  var keyValueCache = KeyValueCacheChoice.f32

  func invocation() -> Invocation { .generate(self) }
}

extension GenerateOptions {
  static var name: String { "generate" }
  static var summary: String { "Write text with a trained model" }
  static var examples: [String] {
    [
      "mgpt generate --model runs/names/best.safetensors --num-samples 10",
      "mgpt generate --model best.safetensors --prompt Once --top-p 0.95",
    ]
  }

  static var sections: [OptionSection<GenerateOptions>] {
    [
      OptionSection("Model and text", textOptions),
      OptionSection("Sampling", samplingOptions),
      OptionSection(
        "Running", [.seed(default: "a new one in each run"), .threads, keyValueCacheOption]),
    ]
  }

  private static var textOptions: [Option<GenerateOptions>] {
    [
      .model(.always),
      .value(
        "prompt", "TEXT", .text, into: \.prompt, default: "the beginning of a text",
        example: "\"Once upon a time\"", help: "Text to continue"
      ).named(older: ["start"]),
      .value(
        "max-tokens", "N", .integer(1...1_000_000_000), into: \.maxTokens,
        help: "Longest sample; past the context window the window slides"
      ).named(older: ["max-new-tokens"], suggestedFor: ["length", "num-tokens", "n-predict"]),
      .list(
        "stop", "TEXT", .name("a text of at least one character"), into: \.stop, example: "END",
        help: "End a sample before this text. May be given several times"),
      .value(
        "num-samples", "N", .integer(1...1_000_000), into: \.numSamples, help: "Samples to write"
      ).named(suggestedFor: ["samples", "count"]),
    ]
  }

  private static var keyValueCacheOption: Option<GenerateOptions> {
    .value(
      "kv-cache", "FORMAT", .choice, into: \.keyValueCache, example: "int8",
      help: "Storage of keys and values: the smaller, the faster long texts"
    ).named(suggestedFor: ["cache", "cache-type"])
  }

  private static var samplingOptions: [Option<GenerateOptions>] {
    [
      .value(
        "temperature", "X", .real(.including(0), .including(100)), into: \.temperature,
        help: "Below 1 safer, above 1 more surprising (0 = always the most probable token)"
      ).named(suggestedFor: ["temp"]),
      .value(
        "top-k", "N", .integer(0...1_000_000_000), into: \.topK, example: "40",
        help: "Choose among the N most probable tokens (0 = off)"),
      .value(
        "top-p", "X", .real(.excluding(0), .including(1)), into: \.topP, example: "0.95",
        help: "Choose among the most probable tokens that sum to X (1 = off)"
      ).named(suggestedFor: ["nucleus"]),
      .value(
        "min-p", "X", .real(.including(0), .including(1)), into: \.minP, example: "0.05",
        help: "Drop tokens below X times the highest probability (0 = off)"),
      .value(
        "repetition-penalty", "X", .real(.excluding(0), .including(10)),
        into: \.repetitionPenalty, example: "1.1",
        help: "Above 1, tokens that were used become less probable (1 = off)"
      ).named(suggestedFor: ["repeat-penalty"]),
    ]
  }
}
