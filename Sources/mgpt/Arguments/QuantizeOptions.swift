// The options of `mgpt quantize` and `mgpt dequantize`, and those that the two share.

import MicroGPT

/// Options that name a checkpoint to write.
protocol OutputOptions: CommandOptions {
  /// The file to write; always given.
  var output: String? { get set }
  /// Whether to replace it if it exists.
  var force: Bool { get set }
}

extension Option where Root: OutputOptions {
  static func output(example: String) -> Option {
    .value(
      "out", "FILE", .file, into: \.output, example: example, requirement: .always,
      help: "Checkpoint to write")
  }
  static var force: Option {
    .flag("force", into: \.force, help: "Replace the file to write if it exists")
  }
}

/// What `mgpt quantize` was asked to do.
struct QuantizeOptions: ThreadedOptions, JSONOptions, ModelOptions, OutputOptions {
  /// Checkpoint; always given.
  var model: String?
  /// The format of the weights; always given.
  var target: QuantizationTarget?
  var output: String?
  /// Text to measure the damage on.
  var data: String?
  /// Tokens of it to measure on, at most.
  var maxTokens = 100_000
  var force = false
  var json = false
  var threads: Int?

  func invocation() -> Invocation { .quantize(self) }

  static var name: String { "quantize" }
  static var summary: String { "Make a model small and fast: weights in 8 or 4 bits" }
  static var examples: [String] {
    [
      "mgpt quantize --model runs/book --to int8 --out book-int8.safetensors",
      "mgpt quantize --model runs/book --to int4 --out b4.safetensors --data book.txt",
    ]
  }
  static var sections: [OptionSection<QuantizeOptions>] {
    [
      OptionSection(
        "Options",
        [
          .model(.always),
          .value(
            "to", "FORMAT", .choice, into: \.target, example: "int8", requirement: .always,
            help: "int8: a scale per row; int8-block and int4: per 32 weights; int4-search: with "
              + "the scales of least error"),
          .output(example: "best-int8.safetensors"),
          .value(
            "data", "FILE", .file, into: \.data, example: "data/names.txt",
            help: "UTF-8 text to compare both models on: loss, divergence, agreement"),
          .value(
            "max-tokens", "N", .integer(1...1_000_000_000), into: \.maxTokens,
            help: "Tokens of the text to compare on, at most"),
          .force,
          .threads,
          .json(help: "Print the report as JSON"),
        ])
    ]
  }
}

/// What `mgpt dequantize` was asked to do.
struct DequantizeOptions: ThreadedOptions, ModelOptions, OutputOptions {
  /// Checkpoint; always given.
  var model: String?
  var output: String?
  var force = false
  var threads: Int?

  func invocation() -> Invocation { .dequantize(self) }

  static var name: String { "dequantize" }
  static var summary: String { "Write a quantised model with weights in float32" }
  static var examples: [String] {
    ["mgpt dequantize --model best-int8.safetensors --out best-float32.safetensors"]
  }
  static var sections: [OptionSection<DequantizeOptions>] {
    [
      OptionSection(
        "Options",
        [.model(.always), .output(example: "best-float32.safetensors"), .force, .threads])
    ]
  }
}
