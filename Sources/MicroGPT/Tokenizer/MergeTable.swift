// Applies merges to one piece of text: the table of pairs, and two ways of finding the next merge,
// one for short pieces, one whose time stays bounded for long ones. Knows no bytes, only ids.

/// Which two ids merge, when, and into what.
///
/// A hash table with open addressing: a lookup takes one cache line, which is what encoding new
/// words costs.
struct MergeTable: Sendable {
  /// No merge; above every entry.
  static let none = UInt64.max

  private var keys: [UInt64]  // left << 32 | right; `none` where the slot is free
  private var values: [UInt64]  // rank << 32 | result
  private let mask: Int

  /// - Parameter ranksByResult: whether the id of the result is the rank, so that merges with the
  ///   same result have the same; else their order is.
  init(_ merges: [BytePairVocabulary.Merge], ranksByResult: Bool = false) {
    var capacity = 16
    while capacity < merges.count * 2 { capacity *= 2 }
    keys = [UInt64](repeating: Self.none, count: capacity)
    values = keys
    mask = capacity - 1
    for (rank, merge) in merges.enumerated() {
      let rank = ranksByResult ? Int(merge.result) : rank
      insert(Self.key(merge.left, merge.right), UInt64(rank) << 32 | UInt64(merge.result))
    }
  }

  /// Rank (upper half) and result (lower half) of a pair, so that the least value is the next
  /// merge; `none` if they don't merge.
  @inline(__always)
  func find(_ left: Int32, _ right: Int32) -> UInt64 {
    let key = Self.key(left, right)
    var slot = Self.slot(key, mask)
    while true {
      let found = keys[slot]
      if found == key { return values[slot] }
      if found == Self.none { return Self.none }
      slot = (slot + 1) & mask
    }
  }

  /// A pair that is there already keeps its lower rank.
  private mutating func insert(_ key: UInt64, _ value: UInt64) {
    var slot = Self.slot(key, mask)
    while keys[slot] != Self.none && keys[slot] != key { slot = (slot + 1) & mask }
    if keys[slot] == Self.none { (keys[slot], values[slot]) = (key, value) }
  }

  @inline(__always)
  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Where the search for a key begins.
  ///
  /// *Source* of the factor: D. Knuth, The Art of Computer Programming, volume 3, section 6.4
  /// (2^64 divided by the golden ratio).
  @inline(__always)
  private static func slot(_ key: UInt64, _ mask: Int) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 29) & mask
  }
}

/// The ids of one piece while they merge; used again for the next one, so that nothing is
/// allocated.
struct MergeSpace {
  /// The ids; after `merge` those of the result.
  var ids: [Int32] = []
  private var pairs: [UInt64] = []  // of each id with the next one left: `MergeTable.find`
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var heap: [UInt64] = []  // rank << 32 | place

  /// Pieces up to this length look through all pairs for each merge: n² steps of a nanosecond are
  /// less than the heap costs.
  private static let scanLimit = 64

  /// Applies all merges to `ids`, the one of least rank first, the leftmost first of equal ones.
  ///
  /// *Cost*: O(n²) up to 64 ids, O(n log n) above.
  mutating func merge(_ table: MergeTable) {
    if ids.count < 2 { return }
    if ids.count <= Self.scanLimit { mergeByScan(table) } else { mergeByHeap(table) }
  }

  private mutating func mergeByScan(_ table: MergeTable) {
    pairs.removeAll(keepingCapacity: true)
    for i in 1..<ids.count { pairs.append(table.find(ids[i - 1], ids[i])) }
    var count = ids.count
    while count > 1 {
      var (best, place) = (MergeTable.none, 0)
      for i in 0..<count - 1 where pairs[i] < best { (best, place) = (pairs[i], i) }
      if best == MergeTable.none { break }
      ids[place] = Int32(truncatingIfNeeded: best & 0xFFFF_FFFF)
      count -= 1
      for i in place + 1..<max(count, place + 1) {
        ids[i] = ids[i + 1]
        pairs[i - 1] = pairs[i]
      }
      if place > 0 { pairs[place - 1] = table.find(ids[place - 1], ids[place]) }
      if place < count - 1 { pairs[place] = table.find(ids[place], ids[place + 1]) }
    }
    ids.removeLast(ids.count - count)
  }

  private mutating func mergeByHeap(_ table: MergeTable) {
    let n = ids.count
    pairs = (0..<n).map { $0 + 1 < n ? table.find(ids[$0], ids[$0 + 1]) : MergeTable.none }
    next = (0..<Int32(n)).map { $0 + 1 }
    previous = (0..<Int32(n)).map { $0 - 1 }
    heap.removeAll(keepingCapacity: true)
    for place in 0..<n { push(place) }
    while let entry = pop() {
      let place = Int(entry & 0xFFFF_FFFF)
      let value = pairs[place]
      // Of an entry whose pair has changed or is gone nothing is left but the entry.
      if value == MergeTable.none || value >> 32 != entry >> 32 { continue }
      ids[place] = Int32(truncatingIfNeeded: value & 0xFFFF_FFFF)
      let gone = Int(next[place])
      let after = Int(next[gone])
      ids[gone] = -1
      pairs[gone] = MergeTable.none
      next[place] = Int32(after)
      pairs[place] = after < n ? table.find(ids[place], ids[after]) : MergeTable.none
      if after < n { previous[after] = Int32(place) }
      push(place)
      if place > 0 {
        let before = Int(previous[place])
        pairs[before] = table.find(ids[before], ids[place])
        push(before)
      }
    }
    ids.removeAll { $0 < 0 }
  }

  private mutating func push(_ place: Int) {
    let value = pairs[place]
    if value == MergeTable.none { return }
    heap.append((value & ~0xFFFF_FFFF) | UInt64(place))
    var child = heap.count - 1
    while child > 0, heap[child] < heap[(child - 1) / 2] {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func pop() -> UInt64? {
    guard let top = heap.first else { return nil }
    let last = heap.removeLast()
    if heap.isEmpty { return top }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      if child >= heap.count { break }
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      if heap[child] >= last { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = last
    return top
  }
}
