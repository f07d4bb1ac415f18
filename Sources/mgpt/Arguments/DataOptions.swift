// The options of `mgpt data`: text to files of tokens.

import MicroGPT

/// What `mgpt data` does.
enum DataAction: String, CaseIterable, Sendable {
  case prepare
}

/// What `mgpt data` was asked to do.
struct DataOptions: TextOptions, JSONOptions {
  /// Always given.
  var action: DataAction?
  /// Text, folder, JSON lines.
  var data: String?
  /// Folder to write.
  var output: String?
  var layout: LayoutChoice?
  var tokenizer: TokenizerChoice?
  var bpe: Int?
  var validationFraction: Double?
  var force = false
  var json = false

  func invocation() -> Invocation { .data(self) }

  static var name: String { "data" }
  static var summary: String { "Turn text into files of tokens, once for many runs" }
  static var examples: [String] {
    [
      "mgpt data prepare --data book.txt --out book --bpe 4096",
      "mgpt data prepare --data stories.jsonl.gz --out stories --tokenizer t.json",
    ]
  }
  static var positional: Option<DataOptions>? {
    Option.value(
      "ACTION", "ACTION", .choice, into: \.action, example: "prepare", requirement: .always,
      help: "What to do"
    ).asPositional()
  }
  static var sections: [OptionSection<DataOptions>] {
    [
      OptionSection(
        "Options",
        [
          .value(
            "data", "PATH", .fileOrFolder, into: \.data, example: "book.txt",
            requirement: .always,
            help: "UTF-8 text, a folder of texts, or JSON lines with a text in \"text\"; also "
              + "packed by gzip"
          ).named(suggestedFor: ["input", "dataset", "file", "text"]),
          .value(
            "out", "DIR", .folder, into: \.output, example: "book", requirement: .always,
            help: "Folder of train.bin, val.bin and meta.json"
          ).named(suggestedFor: ["out-dir", "output"]),
          .layout, .tokenizer(default: "char"), .bpe, .validationFraction,
          .flag("force", into: \.force, help: "Make the files anew, whatever is in the folder"),
          .json(help: "Print what was made as JSON"),
        ])
    ]
  }
  static var notes: [String] {
    [
      "The text may be larger than memory. Train on the folder with mgpt train --data DIR; it "
        + "remembers its tokenizer. The files are nanoGPT's: numbers of 16 bits, of 32 bits "
        + "beyond 65536 tokens. Run again, it makes them anew if text, tokenizer or options have "
        + "changed, and says so if nothing has."
    ]
  }
}
