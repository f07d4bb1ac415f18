// The cache, its limits and sliding past them, against fresh passes over the same tokens.
import Testing

@testable import MicroGPT

@Suite struct DecoderTests {
  /// Logits of the last of `tokens`, by a fresh decoder.
  private func fresh(_ small: SmallGenerator, _ tokens: [Int32]) throws -> [Float] {
    let decoder = try Decoder(model: small.model, compute: small.compute)
    return copy(small, try decoder.prefill(tokens))
  }

  private func copy(_ small: SmallGenerator, _ logits: UnsafeMutablePointer<Float>) -> [Float] {
    Array(
      UnsafeBufferPointer(start: logits, count: small.model.configuration.vocabularySize))
  }

  /// Past the window the older half is forgotten; what remains is as if it stood there alone.
  @Test(arguments: SmallModels.families, [1, 2, 7, 10])
  func slidingEqualsAFreshPrefill(_ name: String, _ context: Int) throws {
    let small = try SmallGenerator(name, context: context)
    let decoder = try Decoder(model: small.model, compute: small.compute)
    let (tokens, _) = randomBatch(
      3 * context + 2, vocabulary: small.model.configuration.vocabularySize, seed: 8)
    var window: [Int32] = []
    for token in tokens {
      if window.count == context { window = Array(window.suffix(context / 2)) }
      window.append(token)
      let found = copy(small, decoder.decode(token))
      let expected = try fresh(small, window)
      #expect(largestDifference(found, expected) < 1e-4, "\(window.count) tokens")
      #expect(decoder.count == window.count)
    }
  }

  @Test func promptsLongerThanTheContext() throws {
    let small = try SmallGenerator("gpt2", context: 10)
    let (tokens, _) = randomBatch(
      25, vocabulary: small.model.configuration.vocabularySize, seed: 9)
    let long = try fresh(small, tokens)
    let end = try fresh(small, Array(tokens.suffix(10)))
    #expect(long == end)
    // A second part that no longer fits begins anew as well.
    let decoder = try Decoder(model: small.model, compute: small.compute)
    _ = try decoder.prefill(Array(tokens[..<6]))
    let second = copy(small, try decoder.prefill(Array(tokens[6..<12])))
    let expected = try fresh(small, Array(tokens[6..<12]))
    #expect(second == expected)
  }

  /// Prefill works in chunks of 256 tokens.
  @Test func chunksOfPrefill() throws {
    let small = try SmallGenerator("modern", context: 600)
    let (tokens, _) = randomBatch(
      520, vocabulary: small.model.configuration.vocabularySize, seed: 10)
    let decoder = try Decoder(model: small.model, compute: small.compute)
    let chunked = copy(small, try decoder.prefill(tokens))
    decoder.reset()
    var single: [Float] = []
    for token in tokens { single = copy(small, decoder.decode(token)) }
    #expect(largestDifference(chunked, single) < 1e-4)
  }
}
