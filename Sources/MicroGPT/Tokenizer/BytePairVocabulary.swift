// What a tokenizer of byte pairs is, without the tables that make it fast: tokens, merges, special
// tokens, pattern. Files are read into this and written from it; BytePairTokenizer.swift uses it.

/// A token that stands for no text of its own, such as `<|endoftext|>`.
public struct SpecialToken: Equatable, Sendable {
  /// Its id.
  public let id: Int32
  /// How it is written where text may contain it.
  public let text: String

  /// Makes a special token.
  public init(id: Int32, text: String) {
    self.id = id
    self.text = text
  }
}

/// Tokens and merges of a BPE tokenizer, byte-level or on characters, checked.
public struct BytePairVocabulary: Equatable, Sendable {
  /// One step of encoding: two neighbours become one.
  public struct Merge: Equatable, Sendable {
    let left: Int32
    let right: Int32
    let result: Int32

    /// Whether the result is the left part and the right part.
    fileprivate func fits(_ tokens: [[UInt8]]) -> Bool {
      [left, right, result].allSatisfy { tokens.indices.contains(Int($0)) }
        && tokens[Int(left)] + tokens[Int(right)] == tokens[Int(result)]
    }
  }

  /// The bytes of each id; none for special tokens and for ids that nothing stands for.
  public let tokens: [[UInt8]]
  /// In the order of their ranks: the first that applies anywhere in a piece is applied first.
  ///
  /// On characters that is the order of their results, which are behind their parts.
  public let merges: [Merge]
  /// In the order of their ids.
  public let specials: [SpecialToken]
  /// What tokens are made of.
  public let alphabet: TokenAlphabet
  /// How text is cut into pieces; on characters lines are.
  public let pattern: PreTokenizerPattern
  /// Whether a piece that is a token is not merged step by step: tiktoken's rule, and
  /// `ignore_merges` of Hugging Face's files.
  public let ignoresMerges: Bool
  /// The id of each byte; none on characters.
  let byteIDs: [Int32]  // (256)
  /// The ids of characters; nil on bytes.
  let characterIDs: CharacterIDs?

  /// The longest token, in bytes.
  static let longestToken = 65_535
  /// Bytes of all tokens together: a damaged file must not ask for all memory.
  static let largestText = 1 << 26
  /// The most ids: those of a file with more would be other numbers.
  static let largestVocabulary = 1 << 22

  /// Puts a tokenizer together.
  ///
  /// *Requires*: merges that fit the tokens. *Throws* what `BytePairError` lists.
  public init(
    tokens: [[UInt8]], merges: [Merge], specials: [SpecialToken], pattern: PreTokenizerPattern,
    ignoresMerges: Bool = false, alphabet: TokenAlphabet = .bytes
  ) throws(BytePairError) {
    try Self.checkSizes(tokens)
    byteIDs = alphabet == .bytes ? try Self.byteIDs(tokens) : []
    characterIDs = alphabet == .characters ? try CharacterIDs(tokens) : nil
    let sorted = specials.sorted { $0.id < $1.id }
    for (index, special) in sorted.enumerated() {
      guard tokens.indices.contains(Int(special.id)), tokens[Int(special.id)].isEmpty,
        !special.text.isEmpty, index == 0 || sorted[index - 1].id < special.id
      else { throw .badSpecial(id: Int(special.id)) }
    }
    for merge in merges {
      precondition(merge.fits(tokens), "\(merge)")
      if alphabet == .characters, merge.result <= max(merge.left, merge.right) {
        throw .mergedBeforeParts(result: Int(merge.result))
      }
    }
    self.tokens = tokens
    self.merges = alphabet == .bytes ? merges : merges.sorted { $0.result < $1.result }
    self.specials = sorted
    self.pattern = pattern
    self.ignoresMerges = ignoresMerges
    self.alphabet = alphabet
  }

  private static func checkSizes(_ tokens: [[UInt8]]) throws(BytePairError) {
    guard tokens.count <= Self.largestVocabulary else {
      throw .tooLarge(what: "ids", found: tokens.count, limit: Self.largestVocabulary)
    }
    var total = 0
    for (id, bytes) in tokens.enumerated() {
      total += bytes.count
      if bytes.count > Self.longestToken {
        throw .tooLarge(what: "bytes in token \(id)", found: bytes.count, limit: Self.longestToken)
      }
    }
    if total > Self.largestText {
      throw .tooLarge(what: "bytes of tokens", found: total, limit: Self.largestText)
    }
  }

  private static func byteIDs(_ tokens: [[UInt8]]) throws(BytePairError) -> [Int32] {
    var byteIDs = [Int32](repeating: -1, count: 256)
    for (id, bytes) in tokens.enumerated() {
      guard bytes.count == 1 else { continue }
      let byte = Int(bytes[0])
      if byteIDs[byte] >= 0 { throw .tokenTwice(first: Int(byteIDs[byte]), second: id) }
      byteIDs[byte] = Int32(id)
    }
    if let byte = byteIDs.firstIndex(of: -1) { throw .lacksByte(UInt8(byte)) }
    return byteIDs
  }

  /// The same with `<|endoftext|>` behind all ids, unless there is a token that ends documents.
  public func withEndToken() throws(BytePairError) -> BytePairVocabulary {
    if endToken != nil { return self }
    let end = SpecialToken(id: Int32(tokens.count), text: Self.endNames[0])
    return try BytePairVocabulary(
      tokens: tokens + [[]], merges: merges, specials: specials + [end], pattern: pattern,
      ignoresMerges: ignoresMerges, alphabet: alphabet)
  }

  /// How a token stands in a file: in GPT-2's characters, or as it is.
  func text(of id: Int32) -> String {
    let bytes = tokens[Int(id)]
    return alphabet == .bytes
      ? ByteAlphabet.text(of: bytes) : String(decoding: bytes, as: UTF8.self)
  }
}

// MARK: - Begin and end

extension BytePairVocabulary {
  /// Special tokens that end a document, in the files of others and in ours; the first one there is
  /// counts.
  static let endNames = ["<|endoftext|>", "<|eos|>", "<|end_of_text|>", "</s>"]
  /// Special tokens that begin one.
  static let beginNames = ["<|bos|>", "<|begin_of_text|>", "<s>"]

  /// The token that ends a document.
  var endToken: Int32? { special(Self.endNames) }
  /// The token that begins a document.
  var beginToken: Int32? { special(Self.beginNames) }

  private func special(_ names: [String]) -> Int32? {
    for name in names {
      if let found = specials.first(where: { $0.text == name }) { return found.id }
    }
    return nil
  }
}

/// Why tokens and merges make no tokenizer.
///
/// The readers of files add the path.
public enum BytePairError: UserFacingError, Equatable {
  /// A byte has no token, so that not every text could be encoded.
  case lacksByte(UInt8)
  /// Two ids stand for the same bytes.
  case tokenTwice(first: Int, second: Int)
  /// On characters: no token is one.
  case lacksCharacters
  /// On characters: a token is no UTF-8.
  case notText(id: Int)
  /// On characters: the result of a merge has a lower id than a part of it.
  case mergedBeforeParts(result: Int)
  /// A special token has an id that is out of range or has another meaning, or has no text.
  case badSpecial(id: Int)
  /// A number is beyond what a tokenizer may have.
  case tooLarge(what: String, found: Int, limit: Int)

  /// The code the process exits with.
  public var exitCode: ExitCode { .data }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    "The tokenizer can't be used. \(fault). Use another tokenizer."
  }

  /// The facts as a clause: without a full stop.
  var fault: String {
    switch self {
    case .lacksByte(let byte):
      "Found no token for byte \(hexadecimal(byte)), expected one for each of the 256 bytes"
    case .tokenTwice(let first, let second):
      "Found the same bytes for ids \(first) and \(second), expected each token once"
    case .lacksCharacters: "Found no token of one character, expected at least one"
    case .notText(let id): "Found token \(id) that is no UTF-8, expected characters"
    case .mergedBeforeParts(let id):
      "Found token \(id) merged from a later one, expected each behind its parts"
    case .badSpecial(let id):
      "Found special token \(id) without a text or with the id of another token, expected its own"
    case .tooLarge(let what, let found, let limit):
      "Found \(found) \(what), expected at most \(limit)"
    }
  }
}
