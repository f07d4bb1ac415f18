// What can go wrong with a tokenizer's file, and the words for it.

/// A tokenizer file that can't be read as byte-level BPE, or a tokenizer that a format can't hold.
public enum TokenizerFileError: UserFacingError, Equatable {
  /// The file is no JSON.
  case notJSON(path: String, JSONError)
  /// The file is of another kind of tokenizer; `found` names it.
  case otherKind(path: String, found: String)
  /// A field has a value that makes no sense.
  case damaged(path: String, field: String, found: String, expected: String)
  /// A line of a text file is wrong.
  case badLine(path: String, line: Int, found: String, expected: String)
  /// Everything was read, but it makes no tokenizer.
  case unusable(path: String, BytePairError)
  /// The format is for tokens of bytes, and the tokenizer's are made of characters.
  case charactersNotWritable(format: String)
  /// The format has no words for this tokenizer.
  case notWritable(format: String, found: String, expected: String)

  /// The code the process exits with.
  public var exitCode: ExitCode { .data }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .notJSON(let path, let error):
      "\(path): \(error.description) Use a whole tokenizer.json or vocab.json."
    case .otherKind(let path, let found):
      "\(path) is another kind of tokenizer. Found \(found), expected byte-level BPE as of GPT-2. "
        + "Use such a file, or train one with `mgpt tokenizer train`."
    case .damaged(let path, let field, let found, let expected):
      "\(path) is damaged at \(field). Found \(found), expected \(expected). Use another copy."
    case .badLine(let path, let line, let found, let expected):
      "\(path) is damaged in line \(line). Found \(found), expected \(expected). Use another copy."
    case .unusable(let path, let error):
      "\(path) can't be used. \(error.fault). Use another tokenizer."
    case .charactersNotWritable(let format):
      "this tokenizer can't be written as \(format). Found tokens of characters, expected tokens of "
        + "bytes. Use --format pairs."
    case .notWritable(let format, let found, let expected):
      "this tokenizer can't be written as \(format). Found \(found), expected \(expected). Use "
        + "--format huggingface."
    }
  }
}

/// A string of a file in quotes, harmless and short enough for a message.
func quotedForMessage(_ text: String) -> String {
  let shown = text.unicodeScalars.prefix(40).map { scalar in
    (0x20..<0x7F).contains(scalar.value) ? Character(scalar) : "?"
  }
  return "\"\(String(shown))\(text.unicodeScalars.count > 40 ? "…" : "")\""
}
