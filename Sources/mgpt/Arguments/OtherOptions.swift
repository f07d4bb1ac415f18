// The options of the smaller commands: demo, eval, inspect, completions, help.

import MicroGPT

/// What `mgpt demo` was asked to do.
struct DemoOptions: ThreadedOptions, SeededOptions {
  /// Time for training.
  var seconds = 60
  /// nil for 1.
  var seed: UInt64?
  var threads: Int?

  func invocation() -> Invocation { .demo(self) }

  static var name: String { "demo" }
  static var summary: String { "Train on given names and invent new ones" }
  static var examples: [String] { ["mgpt demo", "mgpt demo --seconds 30"] }
  static var sections: [OptionSection<DemoOptions>] {
    [
      OptionSection(
        "Options",
        [
          .value(
            "seconds", "N", .integer(1...86400), into: \.seconds,
            help: "Time for training: of the names, and of a longer text if there is one"),
          .seed(default: "1"),
          .threads,
        ])
    ]
  }
}

/// What `mgpt eval` was asked to do.
struct EvalOptions: ThreadedOptions, JSONOptions, ModelOptions, DepthOptions {
  /// Checkpoint; always given.
  var model: String?
  /// Text to measure the loss on; always given.
  var data: String?
  /// Sequences per forward pass; nil for that of the training.
  var batchSize: Int?
  /// Numbers of the cache that the text is decoded with; nil to evaluate without one.
  var keyValueCache: KeyValueFormat?
  var depth = DepthArguments()
  /// Measure a range of thresholds.
  var exitSweep = false
  /// Where the sweep is drawn; nil for beside the model.
  var chart: String?
  var json = false
  var threads: Int?

  func invocation() -> Invocation { .eval(self) }

  static var name: String { "eval" }
  static var summary: String { "Measure the loss of a model on a whole text" }
  static var examples: [String] {
    ["mgpt eval --model runs/names/best.safetensors --data other.txt --json"]
  }
  static var sections: [OptionSection<EvalOptions>] {
    [
      OptionSection(
        "Options",
        [
          .model(.always),
          .value(
            "data", "PATH", .fileOrFolder, into: \.data, example: "data/names.txt",
            requirement: .always,
            help: "UTF-8 text, measured from its first byte to its last; or tokens, of which the "
              + "validation part is"),
          .value(
            "batch-size", "N", .integer(1...65536), into: \.batchSize,
            default: "as in training", example: "12", help: "Sequences per forward pass"),
          .value(
            "kv-cache", "FORMAT", .choice, into: \.keyValueCache, default: "no cache",
            example: "int8",
            help: "Decode token by token, from keys and values in this format"),
          .threads,
          .json(help: "Print loss, perplexity, bits_per_byte and tokens as JSON"),
        ]),
      OptionSection("Recursive models", recursionOptions),
    ]
  }
}

extension EvalOptions {
  private static var recursionOptions: [Option<EvalOptions>] {
    Option.depthOptions + [
      .flag(
        "exit-sweep", into: \.exitSweep,
        help: "Measure the loss against the passes for a range of thresholds, and draw it"),
      .value(
        "chart", "FILE", .file, into: \.chart, default: "exits.svg beside the model",
        example: "exits.svg", help: "Where the sweep is drawn"),
    ]
  }
}

/// What `mgpt inspect` was asked to do.
struct InspectOptions: JSONOptions, ModelOptions {
  /// Checkpoint, given with or without `--model`; always given.
  var model: String?
  var json = false

  func invocation() -> Invocation { .inspect(self) }

  static var name: String { "inspect" }
  static var summary: String { "Show what a checkpoint contains" }
  static var examples: [String] { ["mgpt inspect runs/names/best.safetensors"] }
  static var positional: Option<InspectOptions>? {
    Option.value(
      "FILE", "FILE", .file, into: \.model, example: "runs/names/best.safetensors",
      requirement: .always, help: "Checkpoint, a .safetensors file"
    ).asPositional(alsoOption: "model")
  }
  static var sections: [OptionSection<InspectOptions>] {
    [OptionSection("Options", [.model(.optional), .json(help: "Print JSON")])]
  }
}

/// Which shell `mgpt completions` writes for.
struct CompletionsOptions: CommandOptions {
  /// Always given.
  var shell: Shell?

  func invocation() -> Invocation { .completions(completionScript(for: shell ?? .bash)) }

  static var name: String { "completions" }
  static var summary: String { "Print a completion script for bash, zsh or fish" }
  static var examples: [String] {
    [
      "source <(mgpt completions bash)",
      "mgpt completions zsh > ~/.zfunc/_mgpt",
      "mgpt completions fish > ~/.config/fish/completions/mgpt.fish",
    ]
  }
  static var positional: Option<CompletionsOptions>? {
    Option.value(
      "SHELL", "SHELL", .choice, into: \.shell, example: "bash", requirement: .always,
      help: "Language of the script"
    ).asPositional()
  }
  static var sections: [OptionSection<CompletionsOptions>] { [] }
}

/// Which command `mgpt help` explains.
struct HelpOptions: CommandOptions {
  /// Name of a command; nil for the overview.
  var topic: String?

  func invocation() -> Invocation {
    let command = CommandDescription.all.first { $0.name == topic }
    return .help(command.map(help(for:)) ?? overviewHelp())
  }

  static var name: String { "help" }
  static var summary: String { "Explain a command" }
  static var examples: [String] { ["mgpt help train"] }
  static var positional: Option<HelpOptions>? {
    Option.value(
      "COMMAND", "COMMAND", .commandName, into: \.topic, default: "an overview of all commands",
      example: "train", help: "Command to explain"
    ).asPositional()
  }
  static var sections: [OptionSection<HelpOptions>] { [] }
}

extension ValueType where Value == String {
  /// The name of a command.
  fileprivate static var commandName: ValueType {
    let names = commandTypes.map { $0.name }
    return ValueType(
      expectation: listing(names, "or"), completion: .words(names), format: { $0 },
      parse: { names.contains($0) ? $0 : nil })
  }
}
