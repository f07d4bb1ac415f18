// What can go wrong with text and saved tokenizers, and the words for it.

/// A text that can't be encoded, or a saved tokenizer that can't be used.
public enum TokenizerError: UserFacingError, Equatable {
  /// Text that must be UTF-8 is not; the position is that of the first byte of the bad sequence.
  case invalidUTF8(byte: UInt8, offset: Int)
  /// A checkpoint names a tokenizer that this program does not have.
  case unknownKind(String)
  /// A checkpoint's tokenizer contradicts itself.
  case damaged(field: String, found: String, expected: String)

  /// The code the process exits with.
  public var exitCode: ExitCode { .data }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .invalidUTF8(let byte, let offset):
      "The text is not valid UTF-8: byte \(hexadecimal(byte)) at offset \(offset). "
        + "Convert it to UTF-8, or use a model trained with --tokenizer byte."
    case .unknownKind(let name):
      "The checkpoint needs an unknown tokenizer. Found \(quotedForMessage(name)), expected "
        + TokenizerKind.allCases.map { quotedForMessage($0.rawValue) }.joined(separator: " or ")
        + ". Use the version of mgpt that wrote it."
    case .damaged(let field, let found, let expected):
      "The checkpoint's tokenizer is damaged at \(quotedForMessage(field)). Found \(found), "
        + "expected \(expected). Use another checkpoint, or train again."
    }
  }
}

/// A byte in the form 0x0A.
func hexadecimal(_ byte: UInt8) -> String {
  "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
}
