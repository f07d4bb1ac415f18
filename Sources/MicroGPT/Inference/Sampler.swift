// From logits to a token: what may be drawn, and the draw, in place and without allocation. The
// order of the steps is documented at `SamplingOptions`.

/// How the next token is chosen.
///
/// Applied in this order: repetition penalty on logits, temperature, softmax, then the sets of
/// top-k, top-p and min-p, each on the probabilities that the one before left, then one draw.
/// Temperature 0 takes the most probable token and ignores the rest, the penalty excepted.
public struct SamplingOptions: Sendable, Equatable {
  /// Divides the logits; 0 is greedy.
  public var temperature = 0.8
  /// Keep the k most probable tokens; 0 for all.
  public var topK = 0
  /// Keep the smallest set whose probability reaches p.
  ///
  /// *Source*: Holtzman et al. 2019, arXiv 1904.09751.
  public var topP = 1.0
  /// Keep tokens at least this fraction as probable as the best.
  ///
  /// *Source*: Nguyen et al. 2024, arXiv 2407.01082.
  public var minP = 0.0
  /// Divides positive and multiplies negative logits of tokens already seen; 1 for none.
  ///
  /// *Source*: Keskar et al. 2019, arXiv 1909.05858.
  public var repetitionPenalty = 1.0

  /// The defaults: temperature 0.8, nothing cut off, no penalty.
  public init() {}

  /// Throws the first option that is out of range, in the words of the flags.
  public func validate() throws(ConfigurationError) {
    let reals: [(String, Double, ClosedRange<Double>, String)] = [
      ("--temperature", temperature, 0...1000, "0 to 1000"),
      ("--top-p", topP, 0...1, "0 to 1"),
      ("--min-p", minP, 0...1, "0 to 1"),
      ("--repetition-penalty", repetitionPenalty, 0.01...100, "0.01 to 100"),
    ]
    for (name, value, range, words) in reals where !range.contains(value) {
      throw .outOfRange(option: name, found: "\(value)", range: words)
    }
    if topK < 0 { throw .outOfRange(option: "--top-k", found: "\(topK)", range: "0 (all) up") }
  }
}

/// Draws tokens from logits.
///
/// Owns its work space: a draw allocates nothing.
struct Sampler: ~Copyable {
  let options: SamplingOptions
  var generator: RandomGenerator
  private let vocabularySize: Int
  private let probabilities: UnsafeMutablePointer<Float>
  /// Candidate token ids, most probable first once sorted.
  private let candidates: UnsafeMutablePointer<Int32>
  /// How often each token has been seen, for the penalty.
  private let seen: UnsafeMutablePointer<Bool>
  /// Tokens that must never come: at most the tokenizer's three special ones.
  private var banned: [Int32] = []

  init(_ options: SamplingOptions, vocabularySize: Int, generator: RandomGenerator) {
    self.options = options
    self.generator = generator
    self.vocabularySize = vocabularySize
    probabilities = .allocate(capacity: vocabularySize)
    candidates = .allocate(capacity: vocabularySize)
    seen = .allocate(capacity: vocabularySize)
    seen.initialize(repeating: false, count: vocabularySize)
  }

  deinit {
    probabilities.deallocate()
    candidates.deallocate()
    seen.deallocate()
  }

  /// Marks a token of the prompt or of the answer, for the repetition penalty.
  mutating func observe(_ token: Int32) { seen[Int(token)] = true }

  /// Excludes a token, if there is one, from every draw.
  mutating func ban(_ token: Int32?) {
    if let token { banned.append(token) }
  }

  /// The next token; changes the logits.
  ///
  /// Never one of probability zero or that is banned; if no logit of the others is a number, the
  /// first of them.
  mutating func draw(_ logits: UnsafeMutablePointer<Float>) -> Int32 {
    // Not -infinity: all others may be that, and would then be no better.
    for i in 0..<banned.count { logits[Int(banned[i])] = .nan }
    penalize(logits)
    guard let best = largest(logits) else { return firstAllowed }
    if options.temperature == 0 { return best }
    exponentiate(logits, top: logits[Int(best)])
    return pick(keptCount: narrow(best))
  }

  private func penalize(_ logits: UnsafeMutablePointer<Float>) {
    let penalty = Float(options.repetitionPenalty)
    if penalty == 1 { return }
    for i in 0..<vocabularySize where seen[i] {
      logits[i] = logits[i] > 0 ? logits[i] / penalty : logits[i] * penalty
    }
  }

  /// The token of the largest logit, the first of equals; nil if all are NaN.
  private func largest(_ logits: UnsafeMutablePointer<Float>) -> Int32? {
    var best = -1
    for i in 0..<vocabularySize where !logits[i].isNaN {
      if best < 0 || logits[i] > logits[best] { best = i }
    }
    return best < 0 ? nil : Int32(best)
  }

  private var firstAllowed: Int32 {
    var token: Int32 = 0
    while Int(token) < vocabularySize - 1 && banned.contains(token) { token += 1 }
    return token
  }

  /// Probabilities relative to the best token's: exp((z - top) / temperature), NaN as 0.
  private func exponentiate(_ logits: UnsafeMutablePointer<Float>, top: Float) {
    let scale = 1 / options.temperature
    for i in 0..<vocabularySize {
      let p = logits[i] == top ? 1 : exponential(Double(logits[i] - top) * scale)
      probabilities[i] = p.isFinite ? Float(p) : 0
    }
  }

  /// Moves the tokens that may be drawn to the front of `candidates`; returns how many.
  private func narrow(_ best: Int32) -> Int {
    let floor = Float(options.minP)
    var count = 0
    let sorted = (options.topK > 0 && options.topK < vocabularySize) || options.topP < 1
    for i in 0..<vocabularySize where probabilities[i] > 0 && (sorted || probabilities[i] >= floor)
    {
      candidates[count] = Int32(i)
      count += 1
    }
    guard sorted else { return count }
    sortCandidates(count)
    if options.topK > 0 { count = min(count, options.topK) }
    if options.topP < 1 {
      var total = 0.0
      for i in 0..<count { total += Double(probabilities[Int(candidates[i])]) }
      var sum = 0.0
      var kept = 0
      while kept < count && (kept == 0 || sum < options.topP * total) {
        sum += Double(probabilities[Int(candidates[kept])])
        kept += 1
      }
      count = kept
    }
    while count > 1 && probabilities[Int(candidates[count - 1])] < floor { count -= 1 }
    return count
  }

  /// Heap sort: descending probability, ascending id among equals; in place, no allocation.
  private func sortCandidates(_ count: Int) {
    func precedes(_ a: Int32, _ b: Int32) -> Bool {
      let (p, q) = (probabilities[Int(a)], probabilities[Int(b)])
      return p == q ? a < b : p > q
    }
    func sink(_ start: Int, _ end: Int) {
      var root = start
      while 2 * root + 1 < end {
        var child = 2 * root + 1
        if child + 1 < end && precedes(candidates[child], candidates[child + 1]) { child += 1 }
        if precedes(candidates[child], candidates[root]) { return }
        (candidates[root], candidates[child]) = (candidates[child], candidates[root])
        root = child
      }
    }
    if count < 2 { return }
    // Not over reversed ranges and arrays: their iterators allocate in debug builds.
    var start = count / 2
    while start > 0 {
      start -= 1
      sink(start, count)
    }
    var end = count
    while end > 1 {
      end -= 1
      (candidates[0], candidates[end]) = (candidates[end], candidates[0])
      sink(0, end)
    }
  }

  private mutating func pick(keptCount count: Int) -> Int32 {
    var total = 0.0
    for i in 0..<count { total += Double(probabilities[Int(candidates[i])]) }
    var left = generator.nextUniform() * total
    for i in 0..<count {
      left -= Double(probabilities[Int(candidates[i])])
      if left < 0 { return candidates[i] }
    }
    return candidates[max(count - 1, 0)]
  }
}
