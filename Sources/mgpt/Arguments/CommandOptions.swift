// What a command declares, the list of all commands, and the options that several commands share.

import MicroGPT

/// The typed result of a command line, and the declarations that lead to it.
protocol CommandOptions: Equatable, Sendable {
  /// The word that selects the command.
  static var name: String { get }
  /// One sentence without a full stop.
  static var summary: String { get }
  /// Complete command lines, shown in the help.
  static var examples: [String] { get }
  /// The argument without a name, if the command takes one.
  static var positional: Option<Self>? { get }
  /// The options in the order of the help.
  static var sections: [OptionSection<Self>] { get }
  /// Paragraphs below the options in the help.
  static var notes: [String] { get }

  /// All options at their defaults.
  init()
  /// What the program is to do.
  func invocation() -> Invocation
}

/// Options under one heading of the help.
struct OptionSection<Root> {
  let title: String
  let options: [Option<Root>]

  init(_ title: String, _ options: [Option<Root>]) {
    self.title = title
    self.options = options
  }
}

/// What the command line asks for.
enum Invocation: Equatable, Sendable {
  case demo(DemoOptions)
  case train(TrainOptions)
  case generate(GenerateOptions)
  case chat(ChatOptions)
  case eval(EvalOptions)
  case inspect(InspectOptions)
  case quantize(QuantizeOptions)
  case dequantize(DequantizeOptions)
  case tokenizer(TokenizerOptions)
  case data(DataOptions)
  case presets(PresetsOptions)
  case bench(BenchOptions)
  /// Print this text to standard output and exit with 0.
  case help(String)
  /// Print this shell script to standard output and exit with 0.
  case completions(String)
  /// Print the version and exit with 0.
  case version
}

/// Every command, in the order of the help.
var commandTypes: [any CommandOptions.Type] {
  [
    DemoOptions.self, TrainOptions.self, GenerateOptions.self, ChatOptions.self,
    EvalOptions.self, InspectOptions.self, QuantizeOptions.self, DequantizeOptions.self,
    TokenizerOptions.self, DataOptions.self, PresetsOptions.self, BenchOptions.self,
    CompletionsOptions.self,
    HelpOptions.self,
  ]
}

/// A command without its types: what help, suggestions and completion scripts need.
struct CommandDescription: Equatable, Sendable {
  struct Section: Equatable, Sendable {
    let title: String
    let options: [OptionDescription]
  }

  let name: String
  let summary: String
  let examples: [String]
  let positional: OptionDescription?
  let sections: [Section]
  let notes: [String]

  /// The options of all sections.
  var options: [OptionDescription] { sections.flatMap(\.options) }

  /// Descriptions of `commandTypes`.
  static var all: [CommandDescription] { commandTypes.map { $0.description } }
}

extension CommandOptions {
  static var positional: Option<Self>? { nil }
  static var notes: [String] { [] }

  static var description: CommandDescription {
    CommandDescription(
      name: name, summary: summary, examples: examples, positional: positional?.description,
      sections: sections.map { section in
        CommandDescription.Section(
          title: section.title, options: section.options.map(\.description))
      }, notes: notes)
  }
}

/// Options that choose the number of threads.
protocol ThreadedOptions: CommandOptions {
  /// Worker threads; nil for one per fast core.
  var threads: Int? { get set }
}

extension Option where Root: ThreadedOptions {
  static var threads: Option {
    .value(
      "threads", "N", .integer(1...256), into: \.threads, default: "one per fast core",
      example: "4",
      help: "Worker threads. The results are the same for any number")
  }
}

/// Options that choose how keys and values are stored.
protocol CachedOptions: CommandOptions {
  /// Numbers of the key/value cache.
  var keyValueCache: KeyValueFormat { get set }
}

extension Option where Root: CachedOptions {
  static var keyValueCache: Option {
    .value(
      "kv-cache", "FORMAT", .choice, into: \.keyValueCache, example: "int8",
      help: "Storage of keys and values: the smaller, the faster long texts"
    ).named(suggestedFor: ["cache", "cache-type"])
  }
}

/// Options that start the random generator.
protocol SeededOptions: CommandOptions {
  /// The seed; nil for the default that `seed(default:)` describes.
  var seed: UInt64? { get set }
}

extension Option where Root: SeededOptions {
  static func seed(default defaultText: String) -> Option {
    .value(
      "seed", "N", .integer(0...UInt64.max), into: \.seed, default: defaultText, example: "1",
      help: "Seed of the random generator. The same seed gives the same result")
  }
}

/// Options that choose output for other programs.
protocol JSONOptions: CommandOptions {
  /// Whether to print JSON instead of text.
  var json: Bool { get set }
}

extension Option where Root: JSONOptions {
  static func json(help: String) -> Option { .flag("json", into: \.json, help: help) }
}

/// Options that name a trained model.
protocol ModelOptions: CommandOptions {
  /// A checkpoint file.
  var model: String? { get set }
}

extension Option where Root: ModelOptions {
  static func model(_ requirement: Requirement) -> Option {
    Option.value(
      "model", "FILE", .file, into: \.model, example: "runs/names/best.safetensors",
      requirement: requirement, help: "Checkpoint of the model, a .safetensors file"
    ).named(older: ["checkpoint", "load-checkpoint"], suggestedFor: ["model-path", "ckpt"])
  }
}
