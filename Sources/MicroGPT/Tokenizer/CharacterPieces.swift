// What byte pairs need where their tokens are made of characters instead of bytes: the id of each
// character, and lines as the pieces within which characters merge.

/// What the tokens of a vocabulary of pairs are made of.
public enum TokenAlphabet: String, Sendable {
  /// All 256 bytes: everything can be encoded.
  case bytes
  /// Some characters; what is none of them has no token and is left out.
  case characters
}

/// The ids of the tokens that are one character.
struct CharacterIDs: Equatable, Sendable {
  // Code points below 0x800, which are all sequences of one and two bytes, need no search.
  private var low = [Int32](repeating: -1, count: 0x800)
  private var others: [UInt32: Int32] = [:]

  /// Finds them among the tokens of a vocabulary.
  ///
  /// *Throws* `notText`, `tokenTwice`, `lacksCharacters`.
  init(_ tokens: [[UInt8]]) throws(BytePairError) {
    var count = 0
    for (id, bytes) in tokens.enumerated() where !bytes.isEmpty {
      guard firstFault(inUTF8: bytes, 0..<bytes.count) == nil else { throw .notText(id: id) }
      guard let (value, byteCount) = decodeScalar(in: bytes, at: 0, end: bytes.count),
        byteCount == bytes.count
      else { continue }
      if let first = find(value) { throw .tokenTwice(first: Int(first), second: id) }
      if value < 0x800 { low[Int(value)] = Int32(id) } else { others[value] = Int32(id) }
      count += 1
    }
    if count == 0 { throw .lacksCharacters }
  }

  /// The id of a code point; nil if it has none.
  @inline(__always)
  func find(_ value: UInt32) -> Int32? {
    if value >= 0x800 { return others[value] }
    let id = low[Int(value)]
    return id < 0 ? nil : id
  }

  /// Appends the ids of the characters of `text[start..<end]`, without those that have none.
  ///
  /// *Requires*: UTF-8.
  func append(_ text: [UInt8], _ start: Int, _ end: Int, to ids: inout [Int32]) {
    var position = start
    while position < end {
      guard let (value, byteCount) = decodeScalar(in: text, at: position, end: end) else { return }
      if let id = find(value) { ids.append(id) }
      position += byteCount
    }
  }

  /// Bytes of the characters of `text[range]` that have no id.
  func missingByteCount(_ text: [UInt8], _ range: Range<Int>) -> Int {
    var (position, count) = (range.lowerBound, 0)
    while position < range.upperBound {
      let found = decodeScalar(in: text, at: position, end: range.upperBound)
      let byteCount = found?.byteCount ?? 1
      if found.map({ find($0.value) == nil }) ?? true { count += byteCount }
      position += byteCount
    }
    return count
  }
}

/// Lines as pieces of text: a line feed is a piece of its own, and what lies between two is one.
enum LinePieces {
  /// Where the piece ends that begins at `start`.
  static func end(in text: [UInt8], at start: Int, end: Int) -> Int {
    var position = start
    while position < end && text[position] != 0x0A { position += 1 }
    return max(position, start + 1)
  }

  /// The last place within `text[start..<end]` where it can be cut without changing any piece: at a
  /// line feed; nil if there is none.
  static func lastSafeCut(in text: [UInt8], _ start: Int, _ end: Int) -> Int? {
    var position = end - 1
    while position > start && text[position] != 0x0A { position -= 1 }
    return position > start ? position : nil
  }
}

/// The first byte of `text[range]` that is not part of well-formed UTF-8; nil if there is none.
func firstFault(inUTF8 text: [UInt8], _ range: Range<Int>) -> Int? {
  var position = range.lowerBound
  while position < range.upperBound {
    guard let (_, byteCount) = decodeScalar(in: text, at: position, end: range.upperBound) else {
      return position
    }
    position += byteCount
  }
  return nil
}
