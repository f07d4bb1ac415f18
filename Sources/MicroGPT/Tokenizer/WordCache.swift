// Pieces that came before in the same text, with the tokens they became. Text is full of them: of
// English nine in ten are among the last few thousand. Lives for one call of `encode`.

/// A direct-mapped cache from pieces of a text to places in its tokens.
///
/// It copies neither: a slot says where the piece stood and where its tokens are. A new piece
/// replaces whatever had its slot, so the size is bounded whatever the text.
struct WordCache {
  /// Where a piece was and what it became.
  struct Slot {
    /// The bytes themselves, up to 8 of them, else a hash.
    var key: UInt64 = 0
    /// Where the piece begins in the text.
    var offset = 0
    /// Where its tokens begin.
    var start = 0
    /// Bytes of the piece; 0 in a free slot.
    var length: UInt32 = 0
    /// Tokens of the piece.
    var count: UInt32 = 0
  }

  /// Texts shorter than this are encoded without: making the slots would cost more than it saves.
  static let leastText = 8192
  private static let largest = 1 << 17  // slots of 32 bytes: 4 MB

  private(set) var slots: [Slot]
  private let mask: UInt64

  /// Makes a cache for a text of `byteCount` bytes.
  init(byteCount: Int) {
    var capacity = 1024
    while capacity < Self.largest && capacity * 32 < byteCount { capacity *= 2 }
    slots = [Slot](repeating: Slot(), count: capacity)
    mask = UInt64(capacity - 1)
  }

  /// The key of a piece: its bytes up to 8 of them, else a hash.
  ///
  /// *Source* of the hash: FNV-1a, G. Fowler, L. C. Noll, K.-P. Vo.
  @inline(__always)
  static func key(_ text: [UInt8], _ start: Int, _ end: Int) -> UInt64 {
    if end - start <= 8 {
      var key: UInt64 = 0
      for i in start..<end { key = key << 8 | UInt64(text[i]) }
      return key
    }
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for i in start..<end { hash = (hash ^ UInt64(text[i])) &* 0x100_0000_01B3 }
    return hash
  }

  /// The slot of a key.
  @inline(__always)
  func index(_ key: UInt64, _ length: Int) -> Int {
    let mixed = (key &+ UInt64(truncatingIfNeeded: length)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: (mixed >> 32) & mask)
  }

  /// Whether a slot holds the piece `text[start..<end]`.
  @inline(__always)
  func holds(_ slot: Slot, _ key: UInt64, _ text: [UInt8], _ start: Int, _ end: Int) -> Bool {
    guard slot.key == key, Int(slot.length) == end - start else { return false }
    if end - start <= 8 { return true }
    for i in 0..<end - start where text[slot.offset + i] != text[start + i] { return false }
    return true
  }

  /// Remembers a piece.
  @inline(__always)
  mutating func store(_ slot: Slot, at index: Int) { slots[index] = slot }
}
