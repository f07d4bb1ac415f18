// Which tokens may be drawn, against naive sets; how often they are; and that nothing in the logits
// can break a draw.
import Foundation
import Testing

@testable import MicroGPT

@Suite struct SamplerTests {
  private static let vocabulary = 20

  /// A sampler's draws from the same logits, one after the other.
  private func draws(
    _ count: Int, _ logits: [Float], _ options: SamplingOptions, seed: UInt64 = 1,
    banned: [Int32] = [], seen: [Int32] = []
  ) -> [Int32] {
    var sampler = Sampler(
      options, vocabularySize: logits.count, generator: RandomGenerator(seed: seed))
    for token in banned { sampler.ban(token) }
    for token in seen { sampler.observe(token) }
    return (0..<count).map { _ in
      var copy = logits
      return copy.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.map { sampler.draw($0) } ?? -1
      }
    }
  }

  /// Temperature 1 and everything else off, then changed by `change`.
  private func options(_ change: (inout SamplingOptions) -> Void = { _ in }) -> SamplingOptions {
    var options = SamplingOptions()
    options.temperature = 1
    change(&options)
    return options
  }

  private func randomLogits(_ seed: UInt64, _ count: Int = vocabulary) -> [Float] {
    var random = RandomGenerator(seed: seed)
    return (0..<count).map { _ in Float(2 * random.nextNormal()) }
  }

  /// The distribution after the documented steps, in double and with nothing but sorting.
  private func distribution(
    _ logits: [Float], _ o: SamplingOptions, banned: Set<Int> = [], seen: Set<Int> = []
  ) -> [Double] {
    let z = logits.indices.map { i -> Double in
      let logit = Double(logits[i])
      if banned.contains(i) { return -.infinity }
      if !seen.contains(i) { return logit }
      return logit > 0 ? logit / o.repetitionPenalty : logit * o.repetitionPenalty
    }
    var p = Reference.softmax(z.map { $0 / o.temperature })
    let order = p.indices.sorted { p[$0] == p[$1] ? $0 < $1 : p[$0] > p[$1] }
    var kept = o.topK > 0 ? Array(order.prefix(o.topK)) : order
    if o.topP < 1 {
      let total = kept.reduce(0) { $0 + p[$1] }
      var sum = 0.0
      kept = kept.enumerated().filter { index, token in
        defer { sum += p[token] }
        return index == 0 || sum < o.topP * total
      }.map(\.element)
    }
    kept = kept.filter { p[$0] >= o.minP * p[order[0]] }
    for i in p.indices where !kept.contains(i) { p[i] = 0 }
    let total = p.reduce(0, +)
    return p.map { $0 / total }
  }

  @Test func greedy() {
    for seed in 0..<20 {
      let logits = randomLogits(UInt64(seed))
      let best = logits.indices.max { logits[$0] < logits[$1] }
      let found = draws(3, logits, options { $0.temperature = 0 }, seed: UInt64(seed))
      #expect(found.allSatisfy { Int($0) == best })
      // The limit: a temperature close to zero draws the same, without overflow.
      for temperature in [1e-3, 1e-30, .leastNonzeroMagnitude] {
        #expect(draws(3, logits, options { $0.temperature = temperature }) == found)
      }
    }
    #expect(draws(2, [1, 3, 3, 2], options { $0.temperature = 0 }) == [1, 1])
  }

  static let sets: [(Int, Double, Double, Double)] = [
    (1, 1, 0, 1), (5, 1, 0, 1), (100, 1, 0, 1), (0, 0.5, 0, 1), (0, 0, 0, 1), (0, 0.95, 0, 1),
    (0, 1, 0.2, 1), (0, 1, 1, 1), (7, 0.8, 0.1, 1), (0, 0.9, 0.05, 1.7), (0, 1, 0, 0.5),
  ]

  /// Everything that may come does, and nothing else.
  @Test(arguments: sets)
  func drawsFromTheSet(_ topK: Int, _ topP: Double, _ minP: Double, _ penalty: Double) {
    for seed in 0..<5 {
      let logits = randomLogits(UInt64(seed))
      let o = options {
        ($0.topK, $0.topP, $0.minP, $0.repetitionPenalty) = (topK, topP, minP, penalty)
      }
      let expected = distribution(logits, o, banned: [3, 19], seen: [0, 1, 2, 5])
      let found = draws(400, logits, o, banned: [3, 19], seen: [0, 1, 2, 5])
      for token in expected.indices {
        let count = found.count { Int($0) == token }
        if expected[token] == 0 { #expect(count == 0, "seed \(seed), token \(token)") }
        if expected[token] > 0.05 { #expect(count > 0, "seed \(seed), token \(token)") }
      }
    }
  }

  /// Frequencies against the distribution: chi-squared with 19 degrees of freedom, 99.99 %: 50.8.
  @Test(arguments: [(1.0, 0, 1.0), (0.7, 0, 1), (1.5, 12, 1), (1, 0, 0.9)])
  func frequencies(_ temperature: Double, _ topK: Int, _ topP: Double) {
    let logits = randomLogits(42).map { $0 / 2 }
    let o = options { ($0.temperature, $0.topK, $0.topP) = (temperature, topK, topP) }
    let expected = distribution(logits, o)
    func chiSquared(_ expected: [Double]) -> Double {
      let n = 4000
      let found = draws(n, logits, o, seed: 9)
      return expected.indices.filter { expected[$0] > 0 }.reduce(0.0) { sum, token in
        let wanted = expected[token] * Double(n)
        let count = Double(found.count { Int($0) == token })
        return sum + (count - wanted) * (count - wanted) / wanted
      }
    }
    #expect(chiSquared(expected) < 50.8)
    // A wrong distribution is noticed: that of the neighbouring token.
    #expect(chiSquared(expected.indices.map { max(expected[($0 + 1) % 20], 1e-3) }) > 50.8)
  }

  /// NaN and infinities in any place; banned tokens never come, even when nothing else is left.
  @Test func impossibleLogits() {
    var random = RandomGenerator(seed: 77)
    let odd: [Float] = [
      .nan, .infinity, -.infinity, 0, -0.0, 3e38, -3e38, .leastNonzeroMagnitude, 1,
    ]
    for round in 0..<400 {
      let logits = (0..<6).map { _ in
        odd[random.next(below: round % 4 == 0 ? 3 : odd.count)]
      }
      let o = options {
        $0.temperature = [0, 1e-5, 1, 100][random.next(below: 4)]
        $0.topK = random.next(below: 4)
        $0.topP = [1, 0.5, 0][random.next(below: 3)]
        $0.minP = [0, 0.5, 1][random.next(below: 3)]
        $0.repetitionPenalty = [1, 0.01, 100][random.next(below: 3)]
      }
      let found = draws(4, logits, o, seed: UInt64(round), banned: [0, 2], seen: [1, 4])
      for token in found {
        #expect([1, 3, 4, 5].contains(token), "\(logits) gave \(token)")
        let hasNumber = [1, 3, 4, 5].contains { !logits[$0].isNaN }
        if hasNumber { #expect(!logits[Int(token)].isNaN, "\(logits) gave \(token)") }
      }
    }
    #expect(draws(3, [.nan, .nan, .nan], options()) == [0, 0, 0])
    #expect(draws(2, [.nan, .nan, .nan], options(), banned: [0, 1]) == [2, 2])
    #expect(draws(2, [.infinity, 0, .infinity], options(), banned: [0]) == [2, 2])
    #expect(Set(draws(50, [-.infinity, -.infinity, 5], options(), banned: [2])) == [0, 1])
    #expect(draws(2, [1], options(), banned: [0]) == [0, 0])
  }

  @Test func theSeedDecides() {
    let logits = randomLogits(5)
    #expect(draws(50, logits, options(), seed: 3) == draws(50, logits, options(), seed: 3))
    #expect(draws(50, logits, options(), seed: 3) != draws(50, logits, options(), seed: 4))
  }

  @Test(arguments: [
    ("--temperature is out of range. Found -0.1, expected 0 to 1000.", -0.1, 0, 1.0, 0.0, 1.0),
    ("--temperature is out of range. Found nan, expected 0 to 1000.", .nan, 0, 1, 0, 1),
    ("--top-k is out of range. Found -1, expected 0 (all) up.", 1, -1, 1, 0, 1),
    ("--top-p is out of range. Found 1.5, expected 0 to 1.", 1, 0, 1.5, 0, 1),
    ("--min-p is out of range. Found -1.0, expected 0 to 1.", 1, 0, 1, -1, 1),
    ("--repetition-penalty is out of range. Found 0.0, expected 0.01 to 100.", 1, 0, 1, 0, 0),
  ])
  func messages(
    _ words: String, _ temperature: Double, _ topK: Int, _ topP: Double, _ minP: Double,
    _ penalty: Double
  ) {
    var o = SamplingOptions()
    (o.temperature, o.topK, o.topP, o.minP, o.repetitionPenalty) = (
      temperature, topK, topP, minP, penalty
    )
    do {
      try o.validate()
      Issue.record("no error")
    } catch {
      #expect(error.description == words && error.exitCode == .config)
    }
  }
}
