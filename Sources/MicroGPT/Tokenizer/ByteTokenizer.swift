// One token per byte: no vocabulary to learn, nothing it can't encode. Sequences are longer than
// with characters as soon as the text leaves ASCII.

/// A tokenizer whose ids 0 … 255 are the bytes themselves; 256 begins and 257 ends a document.
public struct ByteTokenizer: TextTokenizer, Equatable {
  /// Makes the tokenizer; there is only one.
  public init() {}

  /// `.byte`.
  public var kind: TokenizerKind { .byte }
  /// The 256 bytes, begin and end.
  public var vocabularySize: Int { 258 }
  /// 256.
  public var beginToken: Int32? { 256 }
  /// 257.
  public var endToken: Int32? { 257 }
  /// None: every byte has an id.
  public var unknownToken: Int32? { nil }

  /// Appends one id per byte; never throws.
  public func encode(
    _ text: [UInt8], in range: Range<Int>, to tokens: inout [Int32]
  ) throws(TokenizerError) {
    for byte in text[range] { tokens.append(Int32(byte)) }
  }

  /// Appends the byte that is the token; ids out of range give U+FFFD.
  public func append(_ token: Int32, to bytes: inout [UInt8]) {
    switch token {
    case 0..<256: bytes.append(UInt8(token))
    case 256, 257: break
    default: bytes.append(contentsOf: replacementCharacter)
    }
  }

  /// Nothing but the kind and its size.
  public var json: JSON {
    .object([
      JSON.Member("kind", .string(kind.rawValue)),
      JSON.Member("vocabulary_size", .integer(vocabularySize)),
    ])
  }
}
