// Exactly which tokens a draw is among, against sorting in double precision, for vocabularies of
// one block and of many, and for logits that put much, little or the same on each token.
import Testing

@testable import MicroGPT

@Suite struct SamplerSetsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var topK = 0
    var typicalP = 1.0
    var topP = 1.0
    var minP = 0.0
    var repetition = 1.0
    var presence = 0.0
    var frequency = 0.0
    var bias: [LogitBias] = []
    var testDescription: String {
      "k \(topK) typical \(typicalP) p \(topP) min \(minP) penalties \(repetition) \(presence) "
        + "\(frequency) bias \(bias.count)"
    }
    var options: SamplingOptions {
      var o = SamplingOptions()
      (o.topK, o.typicalP, o.topP, o.minP) = (topK, typicalP, topP, minP)
      (o.repetitionPenalty, o.presencePenalty, o.frequencyPenalty) = (
        repetition, presence, frequency
      )
      o.logitBias = bias
      return o
    }
  }

  static let cases = [
    Case(), Case(topK: 1), Case(topK: 5), Case(topK: 40), Case(topK: 100_000), Case(topP: 0.5),
    Case(topP: 0), Case(topP: 0.95), Case(topP: 0.9999), Case(minP: 0.2), Case(minP: 1),
    Case(typicalP: 0.5), Case(typicalP: 0.95), Case(typicalP: 0), Case(topK: 7, topP: 0.8),
    Case(topK: 30, typicalP: 0.9, topP: 0.8, minP: 0.1), Case(typicalP: 0.3, topP: 0.5),
    Case(typicalP: 0.2, minP: 0.9), Case(topP: 0.9, minP: 0.05, repetition: 1.7),
    Case(topP: 0.9, repetition: 0.5), Case(topP: 0.8, presence: 2), Case(topK: 3, presence: -3),
    Case(topP: 0.8, frequency: 1.5), Case(topK: 6, repetition: 1.2, presence: 1, frequency: 0.5),
    Case(topK: 4, bias: [LogitBias(token: 6, value: 50), LogitBias(token: 7, value: -50)]),
    Case(topP: 0.5, repetition: 3, bias: [LogitBias(token: 1, value: 4)]),
  ]

  @Test(arguments: cases, [9, 64, 65, 1000])
  func theSetIsTheOneOfTheDefinition(_ example: Case, _ vocabulary: Int) {
    var random = RandomGenerator(seed: UInt64(vocabulary))
    for (round, deviation) in [0.3, 1.5, 6].enumerated() {
      let logits = (0..<vocabulary).map { _ in Float(deviation * random.nextNormal()) }
      var o = example.options
      o.temperature = [1, 0.7, 1.3][round]
      let situation = Reference.Situation(banned: [3, 8], prompt: [0, 2], answer: [1, 2, 5, 5])
      let expected = Reference.samplingDistribution(logits, o, situation)
      let found = candidates(logits, o, situation)
      let wanted = expected.indices.filter { expected[$0] > 1e-37 }
      #expect(found == wanted, "deviation \(deviation)")
    }
  }

  /// Equal logits have no order but that of their ids; then as many come as asked for.
  @Test func equalLogits() {
    let logits = [Float](repeating: -2.5, count: 300)
    #expect(candidates(logits, Case(topK: 40).options) == Array(0..<40))
    #expect(candidates(logits, Case(topP: 0.5).options) == Array(0..<150))
    #expect(candidates(logits, Case(typicalP: 0.1).options) == Array(0..<30))
    #expect(candidates(logits, Case(minP: 1).options) == Array(0..<300))
  }

  /// Where the last token that top-k takes has equals in many blocks, also in those of better ones,
  /// the smaller ids come.
  @Test(arguments: [1, 2, 8, 39, 40]) func equalsAtTheLimitOfTopK(_ k: Int) {
    var logits = [Float](repeating: 1, count: 64 * 50)
    // Better ones: each in a block of its own, from the last block on.
    let better = (0..<min(k - 1, 20)).map { 64 * (49 - $0) + $0 }
    for (rank, token) in better.enumerated() { logits[token] = Float(2 + rank) }
    let others = logits.indices.filter { logits[$0] == 1 }.prefix(k - better.count)
    #expect(candidates(logits, Case(topK: k).options) == (others + better).sorted())
    // So few that the blocks of equals are left out.
    for i in logits.indices where i % 3 == 0 && logits[i] == 1 { logits[i] = 0 }
    let rest = logits.indices.filter { logits[$0] == 1 }.prefix(k - better.count)
    #expect(candidates(logits, Case(topK: k).options) == (rest + better).sorted())
  }

  /// What is left may be a single token, but never none.
  @Test func neverNone() {
    let logits: [Float] = [1, .infinity, -.infinity, .nan, .infinity, 3]
    for example in Self.cases {
      let found = candidates(logits, example.options)
      #expect(!found.isEmpty && Set(found).isSubset(of: [1, 4]), "\(example) left \(found)")
    }
  }

  /// 8000 draws from a vocabulary of eight blocks: 50 groups of tokens, chi-squared, 99.99 %: 94.
  @Test func frequenciesOfALargeVocabulary() {
    var random = RandomGenerator(seed: 4)
    let logits = (0..<500).map { _ in Float(random.nextNormal()) }
    var o = SamplingOptions()
    (o.temperature, o.topP) = (1, 0.9)
    let expected = Reference.samplingDistribution(logits, o)
    var sampler = Sampler(o, vocabularySize: 500, generator: RandomGenerator(seed: 11))
    var copy = logits
    var counts = [Double](repeating: 0, count: 50)
    for _ in 0..<8000 {
      copy.withUnsafeMutableBufferPointer { buffer in
        guard let token = buffer.baseAddress.flatMap({ sampler.draw($0) }) else { return }
        counts[Int(token) % 50] += 1
      }
    }
    var statistic = 0.0
    for group in 0..<50 {
      let wanted = stride(from: group, to: 500, by: 50).reduce(0) { $0 + expected[$1] } * 8000
      statistic += (counts[group] - wanted) * (counts[group] - wanted) / wanted
    }
    #expect(statistic < 94)
  }

  private func candidates(
    _ logits: [Float], _ o: SamplingOptions, _ situation: Reference.Situation = .init()
  ) -> [Int] {
    var sampler = Sampler(
      o, vocabularySize: logits.count, generator: RandomGenerator(seed: 1))
    for token in situation.banned { sampler.ban(Int32(token)) }
    for token in situation.prompt { sampler.observePrompt(Int32(token)) }
    for token in situation.answer { sampler.observe(Int32(token)) }
    var copy = logits
    copy.withUnsafeMutableBufferPointer { buffer in
      if let start = buffer.baseAddress { _ = sampler.draw(start) }
    }
    return (0..<sampler.candidates.count).map { Int(sampler.candidates.id(at: $0)) }
  }
}
