// A random order of very many things without a table of them.

/// A permutation of `0 ..< count`, a function of `count` and `key`, in a few words of memory.
///
/// A Feistel network permutes the numbers of 2h bits, of which there are fewer than 4 · `count`;
/// results that are none of the `count` go through it again until one is ("cycle walking"). Not for
/// cryptography. *Source*: J. Black and P. Rogaway (2002), "Ciphers with arbitrary finite domains",
/// doi 10.1007/3-540-45760-7_9.
struct IndexPermutation: Sendable {
  /// How many things are in order.
  let count: Int
  private let key: UInt64
  private let halfBits: UInt64

  /// *Requires*: `0 < count < 2^62`.
  init(count: Int, key: UInt64) {
    precondition(count > 0 && count < 1 << 62, "no order of \(count) things")
    self.count = count
    self.key = key
    let bits = Int.bitWidth - (count - 1).leadingZeroBitCount
    halfBits = UInt64(max(1, (bits + 1) / 2))
  }

  /// What comes at `place`.
  ///
  /// *Requires*: `0 <= place < count`. *Cost*: less than four walks through the network on average.
  subscript(place: Int) -> Int {
    precondition(place >= 0 && place < count, "place \(place) of \(count)")
    var index = UInt64(place)
    repeat { index = permuted(index) } while index >= UInt64(count)
    return Int(index)
  }

  private func permuted(_ index: UInt64) -> UInt64 {
    let mask = (1 << halfBits) - 1 as UInt64
    var (left, right) = (index >> halfBits, index & mask)
    var round: UInt64 = 0
    while round < 6 {  // a range of these allocates in debug builds
      let mixed = splitMix64(key ^ splitMix64(right << 8 | round))
      (left, right) = (right, left ^ (mixed & mask))
      round += 1
    }
    return left << halfBits | right
  }
}
