// The options of `mgpt tokenizer`: one command for learning, using and converting tokenizers.

import MicroGPT

/// What `mgpt tokenizer` was asked to do.
struct TokenizerOptions: JSONOptions {
  /// Always given.
  var action: TokenizerAction?
  /// Text, or ids to decode.
  var data: String?
  /// A tokenizer of any format.
  var tokenizer: String?
  /// Tokens to learn.
  var vocabularySize: Int?
  /// The pattern to learn with, or that of a file which doesn't say it; nil for gpt2.
  var pattern: PreTokenizerPattern?
  /// File to write.
  var output: String?
  /// The format of the file to write.
  var format: TokenizerFormat?
  /// Whether a document per line is learned from.
  var lines = false
  /// Whether names of special tokens in the text stand for these.
  var special = false
  var force = false
  var json = false

  func invocation() -> Invocation { .tokenizer(self) }

  static var name: String { "tokenizer" }
  static var summary: String { "Train, use and convert byte-pair tokenizers" }
  static var examples: [String] {
    [
      "mgpt tokenizer train --data book.txt --vocab-size 4096 --out tokenizer.json",
      "mgpt tokenizer count --tokenizer tokenizer.json --data book.txt",
      "mgpt tokenizer encode --tokenizer gpt2/vocab.json --data book.txt --json",
      "mgpt tokenizer convert --tokenizer gpt2 --out gpt2.tiktoken --format tiktoken",
    ]
  }
  static var positional: Option<TokenizerOptions>? {
    Option.value(
      "ACTION", "ACTION", .choice, into: \.action, example: "count", requirement: .always,
      help: "What to do"
    ).asPositional()
  }
  static var sections: [OptionSection<TokenizerOptions>] {
    [
      OptionSection(
        "Options",
        [
          .value(
            "data", "PATH", .fileOrFolder, into: \.data, example: "book.txt",
            help:
              "Text, a folder of texts, or JSON lines; also packed by gzip. For decode, ids with "
              + "blanks between them"),
          .value(
            "tokenizer", "PATH", .fileOrFolder, into: \.tokenizer, example: "tokenizer.json",
            help: "tokenizer.json, vocab.json, .tiktoken, or a folder with one"),
          .value(
            "vocab-size", "N", .integer(1...1 << 40), into: \.vocabularySize, example: "4096",
            help: "Tokens to learn: 256 bytes, merged ones and <|endoftext|>"),
          .value(
            "pattern", "NAME", .choice, into: \.pattern, default: "gpt2", example: "gpt4",
            help: "Pieces of text within which bytes merge, where no file says it"),
          .flag("lines", into: \.lines, help: "Learn from lines as documents, without line breaks"),
          .value(
            "out", "FILE", .file, into: \.output, example: "tokenizer.json",
            help: "Tokenizer to write"),
          .value(
            "format", "NAME", .choice, into: \.format, default: "huggingface",
            example: "tiktoken", help: "Format to write; gpt2 writes merges.txt beside FILE"),
          .flag(
            "special", into: \.special,
            help: "Names such as <|endoftext|> in the text stand for special tokens"),
          .flag("force", into: \.force, help: "Replace the file to write if it exists"),
          .json(help: "Print counts and ids as JSON"),
        ])
    ]
  }
  static var notes: [String] {
    [
      "encode and decode write to standard output; /dev/stdin reads standard input. Texts may be "
        + "larger than memory; encode and count put a line feed between the files of a folder and "
        + "between records. A tokenizer of characters, vocab.json as of randyGPT, leaves out what it "
        + "has no character for, and says so."
    ]
  }
}
