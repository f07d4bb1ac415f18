// What can go wrong with files of tokens, and the words for it. Positions count tokens from 0.

/// Files of tokens that can't be used.
public enum TokenFileError: UserFacingError, Equatable {
  /// The folder has no training or no validation file.
  case lacks(folder: String, file: String)
  /// The size is no multiple of a token's.
  case odd(path: String, byteCount: Int, width: Int)
  /// meta.json, or the header of a shard, says otherwise.
  case notDescribed(path: String, by: String, what: String, found: String, expected: String)
  /// A token that the tokenizer does not have.
  case badID(path: String, id: Int, position: Int, vocabularySize: Int)
  /// meta.json is no JSON.
  case notJSON(path: String, JSONError)
  /// A field of meta.json, meta.pkl or of the header of a shard has another value than it must.
  case damaged(path: String, field: String, found: String, expected: String)
  /// meta.pkl does what a description of a vocabulary need not do.
  case foreignPickle(path: String, offset: Int, found: String)
  /// Nothing says which tokenizer made the tokens.
  case noTokenizer(folder: String)
  /// The tokens are of another tokenizer.
  case otherTokenizer(folder: String, found: String, expected: String)
  /// A split has too few tokens.
  case tooShort(path: String, found: Int, expected: Int)

  /// The code the process exits with.
  public var exitCode: ExitCode {
    switch self {
    case .lacks: .noInput
    case .noTokenizer: .usage
    default: .data
    }
  }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .lacks(let folder, let file):
      "\(printable(folder)) is no folder of token files. Found no \(file), expected one for training "
        + "and one for validation. Make them with `mgpt data prepare`."
    case .odd(let path, let byteCount, let width):
      "\(printable(path)) is cut off. Found \(byteCount) bytes, expected a multiple of \(width). Make "
        + "it again."
    case .notDescribed(let path, let description, let what, let found, let expected):
      "\(printable(path)) is not the file that \(description) describes. Found \(found) \(what), "
        + "expected \(expected). Make it again."
    case .badID(let path, let id, let position, let size):
      "\(printable(path)) is not of this tokenizer. Found the id \(id) at token \(position), expected "
        + "0 to \(size - 1). Name the tokenizer that made it, or make it again."
    case .notJSON(let path, let error):
      "\(printable(path)): \(error.description) Make the folder again with `mgpt data prepare`."
    case .damaged(let path, let field, let found, let expected):
      "\(printable(path)) is damaged at \(field). Found \(found), expected \(expected). Make it again."
    case .foreignPickle(let path, let offset, let found):
      "\(printable(path)) is no nanoGPT vocabulary. Found \(found) at byte \(offset), expected numbers, "
        + "texts and dictionaries only. It was not run; prepare the text with `mgpt data prepare`."
    case .noTokenizer(let folder):
      "\(printable(folder)) does not say which tokenizer made it. Found neither meta.json nor meta.pkl, "
        + "expected --tokenizer FILE. For GPT-2's ids name its tokenizer.json or vocab.json."
    case .otherTokenizer(let folder, let found, let expected):
      "the tokens in \(printable(folder)) are of another tokenizer. Found \(found), expected "
        + "\(expected). Prepare the text with that tokenizer, or leave --tokenizer out."
    case .tooShort(let path, let found, let expected):
      "\(printable(path)) is too short. Found \(found) tokens, expected at least \(expected). Prepare a "
        + "longer text."
    }
  }
}

extension TextTokenizer {
  /// Kind, size and fingerprint, such as `bpe of 1024 ids (3f2a11c0)`.
  public var identity: String {
    "\(kind.rawValue) of \(vocabularySize) ids (\(fingerprint))"
  }

  /// A checksum of the description of a tokenizer, as 8 hexadecimal digits.
  ///
  /// For people to tell two apart. Not for cryptography.
  public var fingerprint: String { hexadecimal(crc32c(json.description), digits: 8) }
}
