// Reported log-probabilities against a softmax in double precision, and that nothing that sampling
// does changes them.
import Testing

@testable import MicroGPT

@Suite struct LogProbabilitiesTests {
  private func report(_ logits: [Float], _ token: Int32, _ count: Int) -> GeneratedToken {
    var reader = LogProbabilities(vocabularySize: logits.count, alternativeCount: count)
    logits.withUnsafeBufferPointer { buffer in
      if let start = buffer.baseAddress { reader.read(start) }
    }
    return reader.report(token)
  }

  @Test(arguments: [0, 1, 5, 50, 500]) func againstSoftmax(_ count: Int) throws {
    var random = RandomGenerator(seed: 5)
    let logits = (0..<50).map { _ in Float(3 * random.nextNormal()) }
    let p = Reference.softmax(logits.map(Double.init))
    let found = report(logits, 7, count)
    #expect(found.token == 7)
    #expect(abs(try #require(found.logProbability) - logarithm(p[7])) < 1e-6)
    let order = p.indices.sorted { p[$0] > p[$1] }.prefix(count)
    #expect(found.alternatives.map { Int($0.token) } == Array(order))
    for best in found.alternatives {
      #expect(abs(best.value - logarithm(p[Int(best.token)])) < 1e-6)
    }
  }

  @Test func equalsInTheOrderOfTheirIds() {
    #expect(report([1, 3, 3, 2, 3], 0, 3).alternatives.map(\.token) == [1, 2, 4])
  }

  @Test func impossibleLogits() throws {
    let some = report([.nan, 1, -.infinity, 1], 1, 4)
    #expect(abs(try #require(some.logProbability) + logarithm(2)) < 1e-12)
    #expect(some.alternatives.map(\.token) == [1, 3, 2])
    #expect(some.alternatives[2].value == -.infinity)
    #expect(report([.infinity, 0, .infinity], 2, 1).logProbability == -logarithm(2))
    #expect(report([.infinity, 0, .infinity], 1, 1).logProbability == -.infinity)
    #expect(report([.nan, 2], 0, 1).logProbability?.isNaN == true)
    #expect(report([.nan, .nan], 0, 1).alternatives.isEmpty)
  }

  /// The same model and tokens, other sampling: the same probabilities.
  @Test func theyAreTheModelsOwn() throws {
    let small = try SmallGenerator("modern", .byte, context: 24)
    func values(_ change: (inout SamplingOptions) -> Void) throws -> [GeneratedToken] {
      var options = generation(12, temperature: 0)
      options.logProbabilities = 3
      change(&options.sampling)
      var tokens: [GeneratedToken] = []
      _ = try small.generator.generate(
        prompt: [65], layout: .stream, options: options, clock: { 0 },
        onToken: { tokens.append($0) }, emit: { _ in true })
      return tokens
    }
    let greedy = try values { _ in }
    #expect(greedy.count == 12)
    for token in greedy {
      #expect(token.alternatives.first?.token == token.token)
      #expect(token.alternatives.first?.value == token.logProbability)
    }
    let biased = try values {
      $0.presencePenalty = 0.001
      $0.logitBias = [LogitBias(token: greedy[0].alternatives[1].token, value: 100)]
    }
    #expect(biased[0].token == greedy[0].alternatives[1].token)
    #expect(biased[0].alternatives == greedy[0].alternatives)
    #expect(biased[0].logProbability == greedy[0].alternatives[1].value)
  }

  @Test func noneUnlessAskedFor() throws {
    let small = try SmallGenerator("modern", .byte)
    var tokens: [GeneratedToken] = []
    let result = try small.generator.generate(
      prompt: [65], layout: .stream, options: generation(5), clock: { 0 },
      onToken: { tokens.append($0) }, emit: { _ in true })
    #expect(result.tokenCount == 5 && tokens.count == 5)
    #expect(tokens.allSatisfy { $0.logProbability == nil && $0.alternatives.isEmpty })
  }
}
