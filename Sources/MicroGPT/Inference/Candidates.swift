// The tokens that may still be drawn, with their probabilities, and the sets that top-k, typical-p,
// top-p and min-p keep of them. Nothing is sorted: each set is found by its threshold, because a
// full sort of 50 000 tokens takes longer than a small model needs for the token.

/// Candidates of one draw, in the order of their ids.
///
/// Work space for a whole vocabulary; nothing here allocates.
struct Candidates: ~Copyable {
  private(set) var count = 0
  private let ids: UnsafeMutablePointer<Int32>
  /// (top - logit) / temperature: minus the logarithm of the probability relative to the best.
  private let gaps: UnsafeMutablePointer<Float>
  /// exp(-gap): the probability relative to the best token's.
  private let weights: UnsafeMutablePointer<Float>
  /// Each token's probability, if `mass` was asked; each candidate's place in typical-p's order.
  private let scratch: UnsafeMutablePointer<Float>
  private var threshold = MassThreshold()

  init(capacity: Int) {
    ids = .allocate(capacity: capacity)
    gaps = .allocate(capacity: capacity)
    weights = .allocate(capacity: capacity)
    scratch = .allocate(capacity: capacity)
    scratch.initialize(repeating: 0, count: capacity)
  }

  deinit {
    ids.deallocate()
    gaps.deallocate()
    weights.deallocate()
    scratch.deallocate()
  }

  func id(at place: Int) -> Int32 { ids[place] }

  mutating func removeAll() { count = 0 }

  /// The sum of the probabilities of the tokens `start ..< end`; `gather` then finds them computed.
  mutating func mass(
    _ logits: UnsafePointer<Float>, _ start: Int, _ end: Int, _ scale: LogitScale
  ) -> Double {
    var i = start
    while i < end {
      scratch[i] = scale.weight(logits[i])
      i &+= 1
    }
    return Candidates.sum(scratch, from: start, to: end)
  }

  /// Adds those of the tokens `start ..< end` whose gap is at most `limit`.
  ///
  /// Without branches, which would be mispredicted for every second token of flat logits.
  mutating func gather(
    _ logits: UnsafePointer<Float>, _ start: Int, _ end: Int, _ scale: LogitScale, limit: Float
  ) {
    var (i, n) = (start, count)
    while i < end {
      let gap = scale.gap(logits[i])
      ids[n] = Int32(truncatingIfNeeded: i)
      gaps[n] = gap
      weights[n] = scratch[i]
      n &+= gap <= limit ? 1 : 0
      i &+= 1
    }
    count = n
  }

  /// Keeps the `k` most probable; of equals those with the smaller ids.
  ///
  /// Needs gaps only.
  mutating func keepMostProbable(_ k: Int) {
    if count <= k { return }
    weights.update(repeating: 1, count: count)
    keepLeading(mass: Double(k), by: gaps)
  }

  /// Computes the probabilities from the gaps, where `mass` did not.
  mutating func weigh() {
    var i = 0
    while i < count {
      weights[i] = exponentialOfNegated(gaps[i])
      i &+= 1
    }
  }

  /// The sum of the probabilities.
  func total() -> Double {
    var (sum, start) = (0.0, 0)
    while start < count {
      let end = min(start + Candidates.chunk, count)
      sum += Candidates.sum(weights, from: start, to: end)
      start = end
    }
    return sum
  }

  /// Keeps the fewest of the tokens whose surprise is closest to the mean surprise that together
  /// have the share `p` of the probability.
  mutating func keepTypical(_ p: Double) {
    // -log p = gap + log Z and the entropy is its mean, so log Z falls out of the difference.
    let total = total()
    var mean = 0.0
    for i in 0..<count { mean += Double(weights[i]) * Double(gaps[i]) }
    mean /= total
    for i in 0..<count { scratch[i] = (gaps[i] - Float(mean)).magnitude }
    keepLeading(mass: p * total, by: scratch)
  }

  /// Keeps the fewest of the most probable tokens that together have `mass`.
  mutating func keepTop(mass: Double) { keepLeading(mass: mass, by: gaps) }

  /// Keeps the tokens at least `fraction` as probable as the best one left.
  mutating func keepAtLeast(_ fraction: Double) {
    var best: Float = 0
    for i in 0..<count where weights[i] > best { best = weights[i] }
    let floor = Float(fraction) * best
    var (i, n) = (0, 0)
    while i < count {
      let isKept = weights[i] >= floor
      move(i, to: n)
      n &+= isKept ? 1 : 0
      i &+= 1
    }
    count = n
  }

  /// The token at which the running sum of probabilities passes the share `u`, 0 ..< 1, of their
  /// total.
  ///
  /// *Requires*: at least one candidate.
  func pick(_ u: Double) -> Int32 {
    var left = u * total()
    var start = 0
    while start < count {
      let end = min(start + Candidates.chunk, count)
      let mass = Candidates.sum(weights, from: start, to: end)
      if left < mass {
        for i in start..<end {
          left -= Double(weights[i])
          if left < 0 { return ids[i] }
        }
      } else {
        left -= mass
      }
      start = end
    }
    return ids[count - 1]
  }

  // MARK: Helpers

  /// Keeps the fewest candidates in ascending order of `order`, equals in the order of their ids,
  /// that together have `mass`.
  private mutating func keepLeading(mass: Double, by order: UnsafeMutablePointer<Float>) {
    if count <= 1 { return }
    let (limit, before) = threshold.find(order, weights, count, mass: mass)
    var sum = before
    var (i, n) = (0, 0)
    while i < count {
      let key = order[i].bitPattern
      var isKept = key < limit
      if key == limit {
        isKept = sum < mass || n == 0
        sum += Double(weights[i])
      }
      move(i, to: n)
      n &+= isKept ? 1 : 0
      i &+= 1
    }
    count = max(n, 1)
  }

  @inline(__always)
  private func move(_ i: Int, to n: Int) {
    ids[n] = ids[i]
    gaps[n] = gaps[i]
    weights[n] = weights[i]
  }

  /// Candidates summed as one in `pick`.
  private static let chunk = 256

  /// Four sums side by side: one would wait for itself at each step.
  private static func sum(
    _ values: UnsafePointer<Float>, from start: Int, to end: Int
  ) -> Double {
    var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
    var i = start
    while i &+ 4 <= end {
      a += Double(values[i])
      b += Double(values[i &+ 1])
      c += Double(values[i &+ 2])
      d += Double(values[i &+ 3])
      i &+= 4
    }
    while i < end {
      a += Double(values[i])
      i &+= 1
    }
    return (a + b) + (c + d)
  }
}

/// Turns logits into gaps: distances from the largest one, divided by the temperature.
struct LogitScale {
  let top: Float
  /// 1 / temperature; infinite for the smallest temperatures.
  let inverse: Float

  /// 0 for the largest logit and more for others; infinite or NaN for what can't be drawn.
  @inline(__always)
  func gap(_ logit: Float) -> Float { logit == top ? 0 : (top - logit) * inverse }

  /// exp(-gap), the probability relative to the best token's; 0 beyond `limit`.
  @inline(__always)
  func weight(_ logit: Float) -> Float {
    let gap = gap(logit)
    let weight = exponentialOfNegated(gap)
    return gap <= LogitScale.limit ? weight : 0
  }

  /// The largest gap that still has a probability as a normal number.
  static let limit: Float = 87
}

/// Finds how far a weighted list must be followed, in ascending order of its keys, until its
/// weights reach a sum.
///
/// A histogram of the weights over the range of the keys says in which bucket that is; that
/// bucket's range is divided again, until it is one key. Floats from 0 up are in the order of
/// their bit patterns, so the ranges are of bits: 2^11 buckets need at most three passes, and flat
/// or steep lists as few as others.
struct MassThreshold: ~Copyable {
  private static let bits = 11
  private let histogram = UnsafeMutablePointer<Double>.allocate(capacity: 1 << bits)

  deinit { histogram.deallocate() }

  /// The bit pattern of the key at which the sum of weights reaches `mass`, or of the last key,
  /// and the sum of the weights before it.
  ///
  /// *Requires*: `count > 0`, keys >= 0 and no NaN, weights > 0.
  mutating func find(
    _ keys: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ count: Int, mass: Double
  ) -> (key: UInt32, before: Double) {
    // Above 0, so that no empty bucket can have reached it.
    let mass = max(mass, .leastNonzeroMagnitude)
    var (low, high) = (UInt32.max, UInt32(0))
    var i = 0
    while i < count {
      let key = keys[i].bitPattern
      low = key < low ? key : low
      high = key > high ? key : high
      i &+= 1
    }
    var before = 0.0
    while low < high {
      let width = 32 - (high - low).leadingZeroBitCount
      let shift = UInt32(max(0, width - MassThreshold.bits))
      let last = Int((high - low) >> shift)
      fill(keys, weights, count, low, high, shift)
      var bucket = 0
      while bucket < last && before + histogram[bucket] < mass {
        before += histogram[bucket]
        bucket += 1
      }
      low += UInt32(bucket) << shift
      if bucket < last { high = low + ((1 << shift) - 1) }
    }
    return (low, before)
  }

  private func fill(
    _ keys: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ count: Int, _ low: UInt32,
    _ high: UInt32, _ shift: UInt32
  ) {
    histogram.update(repeating: 0, count: Int((high - low) >> shift) + 1)
    let range = high - low
    var i = 0
    while i < count {
      let offset = keys[i].bitPattern &- low
      if offset <= range { histogram[Int(offset &>> shift)] += Double(weights[i]) }
      i &+= 1
    }
  }
}
