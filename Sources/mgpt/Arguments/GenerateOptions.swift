// The options of `mgpt generate`. Not here: the sampling itself.

import MicroGPT

/// What `mgpt generate` was asked to do.
struct GenerateOptions: WritingOptions {
  /// Checkpoint; always given.
  var model: String?
  /// Text to continue; nil starts at the beginning of a text.
  var prompt: String?
  var maxTokens = 256
  /// Each ends the sample where it appears; never empty texts.
  var stop: [String] = []
  var numSamples = 1
  var sampling = SamplingOptions()
  var logitBias: [LogitBiasArgument] = []
  /// Tokens to report with each one; nil for none.
  var logProbabilities: Int?
  /// Where those reports go; nil for standard output, in place of the text.
  var logProbabilitiesFile: String?
  /// nil asks for a new seed in each run.
  var seed: UInt64?
  var threads: Int?
  var keyValueCache = KeyValueFormat.float32
  var depth = DepthArguments()
  /// Colour each piece of text by the passes its token took.
  var showDepth = false

  func invocation() -> Invocation { .generate(self) }
}

extension GenerateOptions {
  static var name: String { "generate" }
  static var summary: String { "Write text with a trained model" }
  static var examples: [String] {
    [
      "mgpt generate --model runs/names/best.safetensors --num-samples 10",
      "mgpt generate --model best.safetensors --prompt Once --top-p 0.95",
      "mgpt generate --model best.safetensors --logit-bias e:-inf --logprobs 5",
    ]
  }

  static var sections: [OptionSection<GenerateOptions>] {
    [
      OptionSection("Model and text", textOptions),
      OptionSection("Sampling", Option.samplingOptions),
      OptionSection("Probabilities", probabilityOptions),
      OptionSection(
        "Running", [.seed(default: "a new one in each run"), .threads, .keyValueCache]),
      OptionSection("Recursive models", recursionOptions),
    ]
  }

  static var notes: [String] { [samplingOrder] }

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

  private static var recursionOptions: [Option<GenerateOptions>] {
    Option.depthOptions + [
      .flag(
        "show-depth", into: \.showDepth,
        help: "Colour text by the passes its tokens took (on a terminal), and print the average")
    ]
  }

  private static var probabilityOptions: [Option<GenerateOptions>] {
    [
      .value(
        "logprobs", "N", .integer(0...1000), into: \.logProbabilities, default: "off",
        example: "5",
        help: "Print a line of JSON for each token, in place of the text: its id, its text, its "
          + "log-probability, and those of the N best. They are the model's own, before sampling "
          + "changes them"
      ).named(suggestedFor: ["logprob", "top-logprobs", "n-probs"]),
      .value(
        "logprobs-out", "FILE", .file, into: \.logProbabilitiesFile, default: "standard output",
        example: "logprobs.jsonl", help: "Write these lines to FILE, and the text as usual"),
    ]
  }
}
