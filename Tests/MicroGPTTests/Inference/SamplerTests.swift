// Which tokens may be drawn, against naive sets; how often they are; and that nothing in the logits
// can break a draw.
import Foundation
import Testing

@testable import MicroGPT

@Suite struct SamplerTests {
  private static let vocabulary = 20

  /// A sampler's draws from the same logits, one after the other; -1 where there is none.
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
        buffer.baseAddress.flatMap { sampler.draw($0) } ?? -1
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

  /// Frequencies against the distribution: chi-squared with 19 degrees of freedom, 99.99 %: 50.8.
  @Test(arguments: [(1.0, 0, 1.0), (0.7, 0, 1), (1.5, 12, 1), (1, 0, 0.9)])
  func frequencies(_ temperature: Double, _ topK: Int, _ topP: Double) {
    let logits = randomLogits(42).map { $0 / 2 }
    let o = options { ($0.temperature, $0.topK, $0.topP) = (temperature, topK, topP) }
    let expected = Reference.samplingDistribution(logits, o)
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

  /// NaN and infinities in any place; banned tokens never come, nor anything where nothing is left.
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
        $0.typicalP = [1, 0.5, 0][random.next(below: 3)]
        $0.repetitionPenalty = [1, 0.01, 100][random.next(below: 3)]
        $0.presencePenalty = [0, 100, -100][random.next(below: 3)]
        $0.frequencyPenalty = [0, 100, -100][random.next(below: 3)]
        $0.logitBias =
          [
            [], [LogitBias(token: 1, value: 1000)], [LogitBias(token: 2, value: 1000)],
            [LogitBias(token: 0, value: -.infinity), LogitBias(token: 99, value: 5)],
          ][random.next(below: 4)]
      }
      let found = draws(4, logits, o, seed: UInt64(round), banned: [0, 2], seen: [1, 4])
      for token in found {
        let numbers = [1, 3, 4, 5].filter { !logits[$0].isNaN }
        let possible = numbers.isEmpty ? [-1] : numbers
        #expect(possible.contains(Int(token)), "\(logits) gave \(token)")
      }
    }
    for temperature in [0.0, 1] {
      let o = options { $0.temperature = temperature }
      #expect(draws(3, [.nan, .nan, .nan], o) == [-1, -1, -1])
      #expect(draws(2, [1, .nan, .nan], o, banned: [0]) == [-1, -1])
      #expect(draws(2, [1], o, banned: [0]) == [-1, -1])
    }
    #expect(draws(2, [.infinity, 0, .infinity], options(), banned: [0]) == [2, 2])
    #expect(Set(draws(50, [-.infinity, -.infinity, 5], options(), banned: [2])) == [0, 1])
  }

  @Test func theSeedDecides() {
    let logits = randomLogits(5)
    #expect(draws(50, logits, options(), seed: 3) == draws(50, logits, options(), seed: 3))
    #expect(draws(50, logits, options(), seed: 3) != draws(50, logits, options(), seed: 4))
  }

  struct Range: Sendable {
    let option: String
    let found: String
    let expected: String
    let change: @Sendable (inout SamplingOptions) -> Void
  }

  static let ranges = [
    Range(option: "--temperature", found: "-0.1", expected: "0 to 1000") { $0.temperature = -0.1 },
    Range(option: "--temperature", found: "nan", expected: "0 to 1000") { $0.temperature = .nan },
    Range(option: "--top-k", found: "-1", expected: "0 (all) up") { $0.topK = -1 },
    Range(option: "--typical-p", found: "1.1", expected: "0 to 1") { $0.typicalP = 1.1 },
    Range(option: "--top-p", found: "1.5", expected: "0 to 1") { $0.topP = 1.5 },
    Range(option: "--min-p", found: "-1.0", expected: "0 to 1") { $0.minP = -1 },
    Range(option: "--repetition-penalty", found: "0.0", expected: "0.01 to 100") {
      $0.repetitionPenalty = 0
    },
    Range(option: "--presence-penalty", found: "inf", expected: "-100 to 100") {
      $0.presencePenalty = .infinity
    },
    Range(option: "--frequency-penalty", found: "-101.0", expected: "-100 to 100") {
      $0.frequencyPenalty = -101
    },
    Range(option: "--logit-bias", found: "nan", expected: "-inf (never) to 1000") {
      $0.logitBias = [LogitBias(token: 0, value: .nan)]
    },
    Range(option: "--logit-bias", found: "inf", expected: "-inf (never) to 1000") {
      $0.logitBias = [LogitBias(token: 0, value: .infinity)]
    },
  ]

  @Test(arguments: ranges.indices) func messages(_ index: Int) {
    let range = Self.ranges[index]
    var o = SamplingOptions()
    range.change(&o)
    do {
      try o.validate()
      Issue.record("no error")
    } catch {
      #expect(
        error.description
          == "\(range.option) is out of range. Found \(range.found), expected \(range.expected).")
      #expect(error.exitCode == .config)
    }
  }
}
