// One token per Unicode scalar of the training text. Scalars, not graphemes: the vocabulary stays
// small (an accent may be its own token) and does not depend on the Unicode version of the machine.

/// A tokenizer whose vocabulary is the characters that a training text contains.
///
/// Ids `0 ..< n` are the n characters in order of their code points, `n` begins a document,
/// `n + 1` ends it, and `n + 2` is every character that the training text did not have.
public struct CharacterTokenizer: TextTokenizer, Equatable {
  /// The vocabulary in ascending order; the index is the id.
  public let characters: [Unicode.Scalar]

  // Ids of the code points below 0x800, which are all the one- and two-byte sequences: Latin,
  // Greek, Cyrillic, Hebrew and Arabic need no search.
  private let lowIDs: [Int32]  // (0x800)

  /// Collects the vocabulary of a whole training text.
  ///
  /// *Cost*: O(bytes), about 3 ns each, and 1.1 MB for the table of characters seen.
  ///
  /// *Throws* `invalidUTF8`.
  public init(trainingText text: [UInt8]) throws(TokenizerError) {
    try self.init(trainingText: text, in: [text.startIndex..<text.endIndex])
  }

  /// Collects the vocabulary of some ranges of a training text, for example of its lines without
  /// the line breaks.
  ///
  /// *Throws* `invalidUTF8`, with an offset into `text`.
  public init(trainingText text: [UInt8], in ranges: [Range<Int>]) throws(TokenizerError) {
    var seen = [Bool](repeating: false, count: 0x11_0000)  // by code point
    for range in ranges {
      var i = range.lowerBound
      while i < range.upperBound {
        guard let (value, byteCount) = decodeScalar(in: text, at: i, end: range.upperBound) else {
          throw .invalidUTF8(byte: text[i], offset: i)
        }
        seen[Int(value)] = true
        i += byteCount
      }
    }
    self.init(seen: seen)
  }

  /// The vocabulary of the code points that `seen` says yes to.
  ///
  /// *Requires*: 0x11_0000 elements.
  init(seen: [Bool]) {
    self.init(sorted: seen.indices.compactMap { seen[$0] ? Unicode.Scalar(UInt32($0)) : nil })
  }

  /// The vocabulary of characters in ascending order.
  init(sorted characters: [Unicode.Scalar]) {
    self.characters = characters
    var low = [Int32](repeating: Int32(characters.count + 2), count: 0x800)
    for (id, character) in characters.enumerated() where character.value < 0x800 {
      low[Int(character.value)] = Int32(id)
    }
    lowIDs = low
  }

  /// `.character`.
  public var kind: TokenizerKind { .character }
  /// The characters and three special tokens.
  public var vocabularySize: Int { characters.count + 3 }
  /// The id after the last character.
  public var beginToken: Int32? { Int32(characters.count) }
  /// The id after `beginToken`.
  public var endToken: Int32? { Int32(characters.count + 1) }
  /// The last id.
  public var unknownToken: Int32? { Int32(characters.count + 2) }

  /// Appends one id per Unicode scalar of `text[range]`.
  ///
  /// *Cost*: O(bytes), about 7 ns each. *Throws* `invalidUTF8`.
  public func encode(
    _ text: [UInt8], in range: Range<Int>, to tokens: inout [Int32]
  ) throws(TokenizerError) {
    var i = range.lowerBound
    while i < range.upperBound {
      guard let (value, byteCount) = decodeScalar(in: text, at: i, end: range.upperBound) else {
        throw .invalidUTF8(byte: text[i], offset: i)
      }
      tokens.append(value < 0x800 ? lowIDs[Int(value)] : search(value))
      i += byteCount
    }
  }

  /// Appends the UTF-8 form of one character; unknown and out of range give U+FFFD.
  public func append(_ token: Int32, to bytes: inout [UInt8]) {
    let id = Int(token)
    if characters.indices.contains(id) {
      bytes.append(contentsOf: characters[id].utf8)
    } else if token != beginToken && token != endToken {
      bytes.append(contentsOf: replacementCharacter)
    }
  }

  /// The id of any code point, by binary search: a dictionary would be a second copy of the
  /// vocabulary for 13 comparisons in the worst real case (some 5,000 Han characters).
  private func search(_ value: UInt32) -> Int32 {
    var (low, high) = (0, characters.count)
    while low < high {
      let middle = (low + high) / 2
      if characters[middle].value < value { low = middle + 1 } else { high = middle }
    }
    let found = low < characters.count && characters[low].value == value
    return Int32(found ? low : characters.count + 2)
  }
}

// MARK: - In checkpoints

extension CharacterTokenizer {
  /// The vocabulary as code points.
  ///
  /// Not as one string: Swift compares strings up to canonical
  /// equivalence, so two different vocabularies could compare equal.
  public var json: JSON {
    .object([
      JSON.Member("kind", .string(kind.rawValue)),
      JSON.Member("vocabulary_size", .integer(vocabularySize)),
      JSON.Member("characters", .array(characters.map { .integer(Int($0.value)) })),
    ])
  }

  /// Reads what `json` wrote.
  ///
  /// *Throws* `damaged` unless the code points are Unicode scalars in
  /// strictly ascending order.
  init(json: JSON) throws(TokenizerError) {
    let field = tokenizerField("characters", of: json)
    guard case .array(let values)? = field else {
      throw .damaged(
        field: "characters", found: describe(field), expected: "an array of code points")
    }
    var characters: [Unicode.Scalar] = []
    characters.reserveCapacity(values.count)
    for (index, value) in values.enumerated() {
      guard case .integer(let number) = value, let codePoint = UInt32(exactly: number),
        let character = Unicode.Scalar(codePoint)
      else {
        throw .damaged(
          field: "characters[\(index)]", found: describe(value), expected: "a Unicode code point")
      }
      if let last = characters.last, last >= character {
        throw .damaged(
          field: "characters[\(index)]", found: "\(codePoint)",
          expected: "more than \(last.value), the one before")
      }
      characters.append(character)
    }
    self.init(sorted: characters)
  }
}
