// The options of commands that turn text into tokens: where a document ends, which tokens, how much
// is held back.

/// Options that say how a text becomes tokens.
protocol TextOptions: CommandOptions {
  /// Where a document ends.
  var layout: LayoutChoice? { get set }
  var tokenizer: TokenizerChoice? { get set }
  /// Tokens that a tokenizer learns from the text.
  var bpe: Int? { get set }
  /// Share of the text that is held back for validation, above 0 and at most 0.5.
  var validationFraction: Double? { get set }
}

extension Option where Root: TextOptions {
  static var layout: Option {
    .value(
      "layout", "KIND", .choice, into: \.layout, default: "auto", example: "documents",
      help: LayoutChoice.help)
  }
  static func tokenizer(default defaultText: String) -> Option {
    .value(
      "tokenizer", "KIND|FILE", .tokenizer, into: \.tokenizer, default: defaultText,
      example: "byte",
      help: "Unit of a token: char, byte, bpe (learned from the text), or a file such as "
        + "tokenizer.json")
  }
  static var bpe: Option {
    Option.value(
      "bpe", "N", .integer(257...1 << 22), into: \.bpe, default: "512 to 4096, by the text",
      example: "1024", help: "Tokens that --tokenizer bpe learns; implies it"
    ).named(suggestedFor: ["vocab-size"])
  }
  static var validationFraction: Option {
    Option.value(
      "val-fraction", "X", .real(.excluding(0), .including(0.5)), into: \.validationFraction,
      default: "0.1", example: "0.1", help: "Share of the text held back for validation"
    ).named(suggestedFor: ["val-split", "validation-fraction"])
  }
}
