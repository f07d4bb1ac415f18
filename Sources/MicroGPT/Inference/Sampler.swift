// From logits to a token: penalties, biases, what may be drawn, and the draw, in place and without
// allocation. The order of the steps is documented at `SamplingOptions`.

/// Draws tokens from logits.
///
/// Owns its work space: a draw allocates nothing.
///
/// *Cost*: at a vocabulary of 50 257, on one core of an AMD EPYC (Zen 4): 6 us greedy, 18 us with
/// top-k 40, 105 us with nothing cut off, 255 us with top-p 0.95 of flat logits, the worst case.
/// SamplerTimeTests measures it.
struct Sampler: ~Copyable {
  let options: SamplingOptions
  var generator: RandomGenerator
  private let vocabularySize: Int
  /// After a draw, what it was among.
  private(set) var candidates: Candidates
  private var threshold = MassThreshold()
  /// How often each token is in the answer; -1 where it is in neither prompt nor answer.
  private let counts: UnsafeMutablePointer<Int32>
  /// The tokens of prompt and answer, each once, for the penalties.
  private let seen: UnsafeMutablePointer<Int32>
  private var seenCount = 0
  /// Tokens that must never come: the tokenizer's special ones, and those of bias -infinity.
  private var banned: [Int32] = []
  /// The largest logit of each block of tokens; later its gap.
  private let blocks: UnsafeMutablePointer<Float>
  private let blockCount: Int
  /// One for each block: what `threshold` counts with.
  private let ones: UnsafeMutablePointer<Float>

  /// Tokens whose largest logit decides whether any of them is looked at again.
  private static let blockSize = 64

  init(_ options: SamplingOptions, vocabularySize: Int, generator: RandomGenerator) {
    self.options = options
    self.generator = generator
    self.vocabularySize = vocabularySize
    // One more: a candidate is written before it is known to be one.
    candidates = Candidates(capacity: vocabularySize + 1)
    counts = .allocate(capacity: vocabularySize)
    counts.initialize(repeating: -1, count: vocabularySize)
    seen = .allocate(capacity: vocabularySize)
    blockCount = (vocabularySize + Sampler.blockSize - 1) / Sampler.blockSize
    blocks = .allocate(capacity: blockCount)
    ones = .allocate(capacity: blockCount)
    ones.initialize(repeating: 1, count: blockCount)
    // Not by `ban`: Swift 6.0 lets no initialiser of a non-copyable type call what mutates it.
    banned = options.logitBias
      .filter { $0.value == -.infinity && (0..<vocabularySize).contains(Int($0.token)) }
      .map { $0.token }
  }

  deinit {
    counts.deallocate()
    seen.deallocate()
    blocks.deallocate()
    ones.deallocate()
  }

  /// Takes note of a token of the prompt, for the repetition penalty.
  mutating func observePrompt(_ token: Int32) { note(token, adding: 0) }

  /// Takes note of a token of the answer, for all penalties.
  mutating func observe(_ token: Int32) { note(token, adding: 1) }

  private mutating func note(_ token: Int32, adding count: Int32) {
    // By themselves: of writes through `self` Swift 6.3.1 makes code for the thread sanitizer that
    // its own verifier rejects.
    let (counts, seen) = (counts, seen)
    if counts[Int(token)] < 0 {
      counts[Int(token)] = 0
      seen[seenCount] = token
      seenCount += 1
    }
    counts[Int(token)] += count
  }

  /// Excludes a token, if there is one, from every draw.
  mutating func ban(_ token: Int32?) {
    if let token, (0..<vocabularySize).contains(Int(token)) { banned.append(token) }
  }

  /// The next token; changes the logits.
  ///
  /// Never one of probability zero or that is banned; nil if no logit of the others is a number.
  mutating func draw(_ logits: UnsafeMutablePointer<Float>) -> Int32? {
    penalize(logits)
    for i in 0..<options.logitBias.count {
      let bias = options.logitBias[i]
      if (0..<vocabularySize).contains(Int(bias.token)) {
        logits[Int(bias.token)] += Float(bias.value)
      }
    }
    // Not -infinity: all others may be that, and would then be no better.
    for i in 0..<banned.count { logits[Int(banned[i])] = .nan }
    let top = scan(logits)
    if options.temperature == 0 { return first(logits, equalTo: top) }
    narrow(logits, LogitScale(top: top, inverse: Float(1 / options.temperature)))
    return candidates.count == 0 ? nil : candidates.pick(generator.nextUniform())
  }

  private func penalize(_ logits: UnsafeMutablePointer<Float>) {
    let repetition = Float(options.repetitionPenalty)
    let presence = Float(options.presencePenalty)
    let frequency = Float(options.frequencyPenalty)
    if repetition == 1 && presence == 0 && frequency == 0 { return }
    for i in 0..<seenCount {
      let token = Int(seen[i])
      let z = logits[token] > 0 ? logits[token] / repetition : logits[token] * repetition
      let count = counts[token]
      logits[token] = count > 0 ? z - presence - frequency * Float(count) : z
    }
  }

  /// Puts the largest logit of each block in `blocks`; returns the largest of all.
  ///
  /// -infinity stands for a block of NaN too. *Cost*: the only pass that greedy sampling makes; 5.7
  /// us by itself, 7.3 inlined into `draw`.
  @inline(never)
  private func scan(_ logits: UnsafePointer<Float>) -> Float {
    var top = -Float.infinity
    for block in 0..<blockCount {
      let start = block * Sampler.blockSize
      let largest = largestLogit(logits, start, min(start + Sampler.blockSize, vocabularySize))
      blocks[block] = largest
      if largest > top { top = largest }
    }
    return top
  }

  /// Four maxima side by side; comparisons with NaN are false, so that NaN never wins.
  private func largestLogit(_ z: UnsafePointer<Float>, _ start: Int, _ end: Int) -> Float {
    let none = -Float.infinity
    var (a, b, c, d) = (none, none, none, none)
    var i = start
    while i &+ 4 <= end {
      a = z[i] > a ? z[i] : a
      b = z[i &+ 1] > b ? z[i &+ 1] : b
      c = z[i &+ 2] > c ? z[i &+ 2] : c
      d = z[i &+ 3] > d ? z[i &+ 3] : d
      i &+= 4
    }
    while i < end {
      a = z[i] > a ? z[i] : a
      i &+= 1
    }
    a = b > a ? b : a
    c = d > c ? d : c
    return c > a ? c : a
  }

  /// The first token whose logit is `top`; nil if all are NaN.
  private func first(_ logits: UnsafePointer<Float>, equalTo top: Float) -> Int32? {
    for block in 0..<blockCount where blocks[block] == top {
      let start = block * Sampler.blockSize
      for i in start..<min(start + Sampler.blockSize, vocabularySize) where logits[i] == top {
        return Int32(i)
      }
    }
    return nil
  }

  /// Whether no token is left to be drawn, whatever the logits are.
  var bansAll: Bool { Set(banned).count == vocabularySize }

  /// Leaves in `candidates` the tokens that may be drawn, with their probabilities.
  private mutating func narrow(_ logits: UnsafePointer<Float>, _ scale: LogitScale) {
    for block in 0..<blockCount { blocks[block] = scale.gap(blocks[block]) }
    let o = options
    let needsTotal = o.topK == 0 && o.typicalP == 1 && o.topP < 1
    let total = needsTotal ? mass(logits, scale) : 0
    gather(logits, scale, limit: limit(total))
    if o.topK > 0 { candidates.keepMostProbable(o.topK) }
    if !needsTotal { candidates.weigh() }
    if o.typicalP < 1 { candidates.keepTypical(o.typicalP) }
    if o.topP < 1 {
      candidates.keepTop(mass: o.topP * (needsTotal ? total : candidates.total()))
    }
    if o.minP > 0 { candidates.keepAtLeast(o.minP) }
  }

  /// A gap beyond which no token can be chosen, cheap to find and often close.
  private mutating func limit(_ total: Double) -> Float {
    if options.topK > 0 && options.topK < blockCount {
      // Each of the k blocks with the largest maxima has a token as probable as the last of them.
      let found = threshold.find(blocks, ones, blockCount, mass: Double(options.topK))
      return min(Float(bitPattern: found.key), LogitScale.limit)
    }
    if total > 0 && options.topP < 1 {
      // All tokens below (1 - p) total / V together have less than (1 - p) total.
      let tail = (1 - options.topP) * total / Double(vocabularySize)
      // A little more, for the rounding of the sums.
      return min(Float(-logarithm(tail) * 1.0001 + 0.001), LogitScale.limit)
    }
    return LogitScale.limit
  }

  private mutating func gather(
    _ logits: UnsafePointer<Float>, _ scale: LogitScale, limit: Float
  ) {
    candidates.removeAll()
    // A block whose best token is at the limit has none but that one and its equals; of equals
    // top-k takes the first k at most.
    var room = options.topK > 0 ? options.topK : Int.max
    for block in 0..<blockCount where blocks[block] <= limit {
      if blocks[block] == limit && room <= 0 { continue }
      let start = block * Sampler.blockSize
      let before = candidates.count
      candidates.gather(
        logits, start, min(start + Sampler.blockSize, vocabularySize), scale, limit: limit)
      if blocks[block] == limit { room -= candidates.count - before }
    }
  }

  /// The sum of the probabilities of all tokens, relative to the best one's.
  private mutating func mass(_ logits: UnsafePointer<Float>, _ scale: LogitScale) -> Double {
    var total = 0.0
    for block in 0..<blockCount where blocks[block] <= LogitScale.limit {
      let start = block * Sampler.blockSize
      let end = min(start + Sampler.blockSize, vocabularySize)
      total += candidates.mass(logits, start, end, scale)
    }
    return total
  }
}
