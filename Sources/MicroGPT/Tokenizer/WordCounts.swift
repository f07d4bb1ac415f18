// How often each piece of text occurs. All that a trainer keeps of its text: memory grows with the
// distinct pieces, not with the text.

/// A hash table from pieces to their counts, in the order in which they first came.
struct WordCounts {
  /// A piece: its place in `bytes`, and how often it came.
  struct Word {
    let start: Int
    let length: Int
    let key: UInt64
    var count: Int
  }

  private(set) var words: [Word] = []
  /// All pieces, one behind the other.
  private(set) var bytes: [UInt8] = []
  private var slots = [Int32](repeating: -1, count: 1 << 12)

  /// Counts `text[start..<end]`.
  mutating func add(_ text: [UInt8], _ start: Int, _ end: Int) {
    if words.count * 2 >= slots.count { grow() }
    let key = WordCache.key(text, start, end)
    var slot = place(key)
    while slots[slot] >= 0 {
      let index = Int(slots[slot])
      if isSame(words[index], key, text, start, end) {
        words[index].count += 1
        return
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    slots[slot] = Int32(words.count)
    words.append(Word(start: bytes.count, length: end - start, key: key, count: 1))
    bytes.append(contentsOf: text[start..<end])
  }

  private func place(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & (slots.count - 1)
  }

  private func isSame(
    _ word: Word, _ key: UInt64, _ text: [UInt8], _ start: Int, _ end: Int
  ) -> Bool {
    guard word.key == key, word.length == end - start else { return false }
    for i in 0..<word.length where bytes[word.start + i] != text[start + i] { return false }
    return true
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: slots.count * 2)
    for (index, word) in words.enumerated() {
      var slot = place(word.key)
      while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = Int32(index)
    }
  }
}
