// The pairs of neighbours in all distinct words while a vocabulary is learned: how often each
// occurs, in which words, and which is the most frequent one.

/// Words as ids, and the counts of their pairs, which `merge` keeps up to date.
struct PairCounts {
  /// Two neighbours.
  struct Pair {
    let left: Int32
    let right: Int32
  }

  private var ids: [Int32] = []  // of all words; word w's are starts[w] ..< starts[w] + lengths[w]
  private var starts: [Int] = []
  private var lengths: [Int] = []
  private let wordCounts: [Int]

  private var places: [UInt64: Int32] = [:]  // left << 32 | right: index into the next three
  private var keys: [UInt64] = []
  private var counts: [Int] = []
  private var words: [[Int32]] = []  // where the pair is, or was

  /// A candidate: the count that its pair had when it came here, which may have fallen since.
  private struct Candidate {
    let count: Int
    let key: UInt64
    let index: Int32

    /// Whether it is taken before `other`.
    func precedes(_ other: Candidate) -> Bool {
      count != other.count ? count > other.count : key < other.key
    }
  }
  private var heap: [Candidate] = []
  private var grown: [Int32] = []  // pairs that a merge made more frequent

  init(_ source: WordCounts, byteIDs: [Int32]) {
    wordCounts = source.words.map(\.count)
    ids.reserveCapacity(source.bytes.count)
    for (index, word) in source.words.enumerated() {
      starts.append(ids.count)
      lengths.append(word.length)
      for i in word.start..<word.start + word.length { ids.append(byteIDs[Int(source.bytes[i])]) }
      for i in starts[index]..<max(starts[index], ids.count - 1) {
        change(ids[i], ids[i + 1], by: word.count, in: Int32(index))
      }
    }
    pushGrown()
  }

  /// The most frequent pair, the least one of equals; nil if none occurs `least` times.
  mutating func mostFrequent(atLeast least: Int) -> Pair? {
    while let top = heap.first {
      let count = counts[Int(top.index)]
      if count == top.count {
        if count < least { return nil }
        return Pair(
          left: Int32(truncatingIfNeeded: top.key >> 32), right: Int32(truncatingIfNeeded: top.key))
      }
      removeTop()
      if count >= least { push(Candidate(count: count, key: top.key, index: top.index)) }
    }
    return nil
  }

  /// Replaces a pair by one id wherever it occurs, from the left of each word to its right.
  mutating func merge(_ left: Int32, _ right: Int32, into result: Int32) {
    guard let index = places[Self.key(left, right)] else { return }
    let candidates = words[Int(index)]
    words[Int(index)] = []
    for word in candidates { merge(left, right, into: result, inWord: word) }
    pushGrown()
  }

  private mutating func merge(
    _ left: Int32, _ right: Int32, into result: Int32, inWord word: Int32
  ) {
    let (start, length) = (starts[Int(word)], lengths[Int(word)])
    let times = wordCounts[Int(word)]
    var (from, to) = (start, start)
    let end = start + length
    while from < end {
      guard from + 1 < end, ids[from] == left, ids[from + 1] == right else {
        ids[to] = ids[from]
        (from, to) = (from + 1, to + 1)
        continue
      }
      change(left, right, by: -times, in: word)
      if to > start {
        change(ids[to - 1], left, by: -times, in: word)
        change(ids[to - 1], result, by: times, in: word)
      }
      if from + 2 < end {
        change(right, ids[from + 2], by: -times, in: word)
        change(result, ids[from + 2], by: times, in: word)
      }
      ids[to] = result
      (from, to) = (from + 2, to + 1)
    }
    lengths[Int(word)] = to - start
  }

  /// Adds to the count of a pair, and remembers the word if it has the pair now.
  private mutating func change(_ left: Int32, _ right: Int32, by difference: Int, in word: Int32) {
    let key = Self.key(left, right)
    let index: Int
    if let place = places[key] {
      index = Int(place)
    } else {
      index = counts.count
      places[key] = Int32(index)
      keys.append(key)
      counts.append(0)
      words.append([])
    }
    counts[index] += difference
    if difference > 0 {
      if words[index].last != word { words[index].append(word) }
      grown.append(Int32(index))
    }
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  // MARK: The heap

  /// Makes candidates of the pairs that have become more frequent.
  private mutating func pushGrown() {
    grown.sort()
    var last: Int32 = -1
    for index in grown where index != last {
      last = index
      if counts[Int(index)] > 0 {
        push(Candidate(count: counts[Int(index)], key: keys[Int(index)], index: index))
      }
    }
    grown.removeAll(keepingCapacity: true)
  }

  private mutating func push(_ candidate: Candidate) {
    heap.append(candidate)
    var child = heap.count - 1
    while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func removeTop() {
    let last = heap.removeLast()
    if heap.isEmpty { return }
    var parent = 0
    while true {
      var child = 2 * parent + 1
      if child >= heap.count { break }
      if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
      if !heap[child].precedes(last) { break }
      heap[parent] = heap[child]
      parent = child
    }
    heap[parent] = last
  }
}
