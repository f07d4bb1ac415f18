// What every tokenizer does: bytes of text to token ids and back, and its own description in a
// checkpoint. Knows no model and no file. Start at `ByteTokenizer` for the simplest one.

/// A reversible map between UTF-8 text and token ids `0 ..< vocabularySize`.
///
/// Text is bytes, not `String`: files may be damaged, and tokens may be parts of a character.
/// The decoded tokens of a text, one after the other, are the text again, except that an
/// `unknownToken` stands for exactly one Unicode scalar that the vocabulary lacks, and that
/// `leftOutByteCount` says what is lost where there is none.
public protocol TextTokenizer: Sendable {
  /// Which tokenizer this is, in the words of the command line.
  var kind: TokenizerKind { get }

  /// The number of token ids, special ones included.
  var vocabularySize: Int { get }

  /// The id that begins a document, if there is one.
  var beginToken: Int32? { get }

  /// The id that ends a document, if there is one.
  var endToken: Int32? { get }

  /// The id of everything that the vocabulary lacks; nil if it lacks nothing.
  var unknownToken: Int32? { get }

  /// Appends the ids of `text[range]` to `tokens`; never a begin or end token.
  ///
  /// *Cost*: O(bytes); grows `tokens` by at most one id per byte.
  ///
  /// *Throws* `invalidUTF8`, with an offset into `text`, from tokenizers that need UTF-8.
  func encode(
    _ text: [UInt8], in range: Range<Int>, to tokens: inout [Int32]
  ) throws(TokenizerError)

  /// Bytes of `text[range]` that no token stands for.
  func leftOutByteCount(_ text: [UInt8], in range: Range<Int>) -> Int

  /// Appends the text of one token to `bytes`, possibly only a part of a character.
  ///
  /// Begin and end tokens have no text; the unknown token and ids out of range give U+FFFD.
  func append(_ token: Int32, to bytes: inout [UInt8])

  /// The description saved in checkpoints; `makeTokenizer(from:)` reads it back.
  var json: JSON { get }
}

extension TextTokenizer {
  /// Nothing is left out.
  public func leftOutByteCount(_ text: [UInt8], in range: Range<Int>) -> Int { 0 }

  /// The token before a document: that which begins one, or the end of the one before.
  public var documentBegin: Int32? { beginToken ?? endToken }

  /// The ids of a whole text.
  public func encode(_ text: [UInt8]) throws(TokenizerError) -> [Int32] {
    var tokens: [Int32] = []
    tokens.reserveCapacity(text.count)
    try encode(text, in: text.startIndex..<text.endIndex, to: &tokens)
    return tokens
  }

  /// The text of a sequence of tokens.
  public func decode(_ tokens: [Int32]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(tokens.count)
    for token in tokens { append(token, to: &bytes) }
    return bytes
  }
}

/// The tokenizers there are, named as on the command line (`--tokenizer`).
public enum TokenizerKind: String, CaseIterable, Sendable {
  /// One token per Unicode scalar of the training text.
  case character = "char"
  /// One token per byte.
  case byte
  /// Byte pairs, merged; see `BytePairTokenizer`.
  case bpe
}

/// Rebuilds the tokenizer that a checkpoint describes.
///
/// *Throws* `unknownKind` and `damaged`; nothing in `json` is trusted.
public func makeTokenizer(from json: JSON) throws(TokenizerError) -> any TextTokenizer {
  guard case .string(let name)? = tokenizerField("kind", of: json) else {
    throw .damaged(
      field: "kind", found: describe(tokenizerField("kind", of: json)), expected: "a name")
  }
  guard let kind = TokenizerKind(rawValue: name) else { throw .unknownKind(name) }
  let tokenizer: any TextTokenizer =
    switch kind {
    case .character: try CharacterTokenizer(json: json)
    case .byte: ByteTokenizer()
    case .bpe: try BytePairTokenizer(json: json)
    }
  let size = tokenizerField("vocabulary_size", of: json)
  guard size == .integer(tokenizer.vocabularySize) else {
    throw .damaged(
      field: "vocabulary_size", found: describe(size), expected: "\(tokenizer.vocabularySize)")
  }
  return tokenizer
}

/// The member `key` of an object; nil if it has none or is no object.
func tokenizerField(_ key: String, of json: JSON) -> JSON? {
  guard case .object(let members) = json else { return nil }
  return members.first { $0.key == key }?.value
}

/// A few words for a value found where another was expected.
func describe(_ json: JSON?) -> String {
  switch json {
  case nil: "nothing"
  case .null: "null"
  case .bool(let value): "\(value)"
  case .integer(let value): "\(value)"
  case .number(let value): "\(value)"
  case .string: "a string"
  case .array(let values): "an array of \(values.count) values"
  case .object: "an object"
  }
}
