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

  /// Learned positions: past the window the older half is forgotten; what remains is as if it stood
  /// there alone.
  @Test(arguments: ["gpt2", "microgpt", "learned-qk"], [1, 2, 7, 10])
  func slidingEqualsAFreshPrefill(_ name: String, _ context: Int) throws {
    let small = try SmallGenerator(name, context: context)
    let decoder = try Decoder(model: small.model, compute: small.compute)
    let tokens = randomTokens(small, 3 * context + 2, seed: 8)
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

  /// Rotary positions: each token sees the last `contextLength`, however far the text has gone, and
  /// however it is divided.
  @Test(arguments: ["modern", "llama-gqa-tied", "post-rope-qk"], [1, 2, 7, 10])
  func ringEqualsWindowedAttention(_ name: String, _ context: Int) throws {
    let small = try SmallGenerator(name, context: context)
    let tokens = randomTokens(small, 4 * context + 9, seed: 12)
    let expected = ReferenceModel(small.model).logits(tokens, time: tokens.count, window: context)
    let decoder = try Decoder(model: small.model, compute: small.compute)
    let pieces = try Decoder(model: small.model, compute: small.compute)
    var piece: [Int32] = []
    for (t, token) in tokens.enumerated() {
      let wanted = (0..<expected.columns).map {
        Float(Reference.softCap(expected[t, $0], small.model.configuration.logitSoftCap))
      }
      let found = copy(small, decoder.decode(token))
      #expect(largestDifference(found, wanted) < 1e-4, "token \(t)")
      piece.append(token)
      if t % 6 != 5 { continue }
      let together = copy(small, try pieces.append(piece))
      #expect(largestDifference(together, wanted) < 1e-4, "to \(t)")
      piece = []
    }
    #expect(decoder.count == context)
  }

  @Test func promptsLongerThanTheContext() throws {
    for name in ["gpt2", "modern"] {
      let small = try SmallGenerator(name, context: 10)
      let tokens = randomTokens(small, 25, seed: 9)
      let long = try fresh(small, tokens)
      let end = try fresh(small, Array(tokens.suffix(10)))
      #expect(long == end)
      // More tokens slide the window as single ones do.
      let decoder = try Decoder(model: small.model, compute: small.compute)
      _ = try decoder.prefill(Array(tokens[..<6]))
      let found = copy(small, try decoder.append(Array(tokens[6..<14])))
      let singles = try Decoder(model: small.model, compute: small.compute)
      var expected: [Float] = []
      for token in tokens[..<14] { expected = copy(small, singles.decode(token)) }
      #expect(largestDifference(found, expected) < 1e-4)
      #expect(decoder.count == singles.count)
    }
  }

  /// A longer conversation computes what is new; the logits are those of the whole.
  @Test(arguments: ["modern", "gpt2"], KeyValueFormat.allCases)
  func prefixesAreReused(_ name: String, _ format: KeyValueFormat) throws {
    let small = try SmallGenerator(name, context: 40)
    let tokens = randomTokens(small, 60, seed: 11)
    let decoder = try Decoder(model: small.model, compute: small.compute, format: format)
    func check(_ text: [Int32], computes: Int) throws {
      let before = decoder.computedCount
      let found = copy(small, try decoder.prefill(text))
      #expect(decoder.computedCount - before == computes)
      #expect(decoder.count == min(text.count, 40))
      let other = try Decoder(model: small.model, compute: small.compute, format: format)
      let expected = copy(small, try other.prefill(text))
      // A rounding in float32 may turn one step of a rounding to int8.
      #expect(largestDifference(found, expected) < (format == .int8 ? 0.05 : 2e-3))
      #expect(argmax(found) == argmax(expected))
    }
    try check(Array(tokens[..<20]), computes: 20)
    try check(Array(tokens[..<33]), computes: 13)
    try check(Array(tokens[..<33]), computes: 1)
    try check(Array(tokens[..<15]) + [tokens[15] ^ 1] + Array(tokens[16..<20]), computes: 5)
    #expect(decoder.truncate(to: 7) == 7)
    try check(Array(tokens[..<12]), computes: 5)
    // Longer than the context: its end has another beginning.
    try check(tokens, computes: 40)
    _ = decoder.decode(1)
    let left = decoder.truncate(to: 5)
    #expect(left == (name == "gpt2" ? 5 : 0), "nothing is left of a window that has slid")
    decoder.reset()
    try check(Array(tokens[..<3]), computes: 3)
  }

  @Test(arguments: ["modern", "gpt2", "llama-gqa-tied"])
  func compactFormatsAreClose(_ name: String) throws {
    let small = try SmallGenerator(name, context: 40)
    let tokens = randomTokens(small, 40, seed: 13)
    let expected = try fresh(small, tokens)
    let size = expected.map(abs).max() ?? 0
    let limits: [(KeyValueFormat, Float)] = [(.float16, 3e-3), (.int8, 5e-2)]
    for (format, limit) in limits {
      let decoder = try Decoder(model: small.model, compute: small.compute, format: format)
      let prefilled = copy(small, try decoder.prefill(tokens))
      decoder.reset()
      var single: [Float] = []
      for token in tokens { single = copy(small, decoder.decode(token)) }
      let error = largestDifference(prefilled, expected)
      #expect(error > 0 && error < limit * size, "\(format)")
      #expect(largestDifference(single, prefilled) < limit * size, "\(format)")
    }
  }

  private func randomTokens(_ small: SmallGenerator, _ count: Int, seed: UInt64) -> [Int32] {
    // Even, so that another token is one bit away.
    let vocabulary = small.model.configuration.vocabularySize / 2 * 2
    return randomBatch(count, vocabulary: vocabulary, seed: seed).tokens
  }

  private func argmax(_ logits: [Float]) -> Int? {
    logits.indices.max { logits[$0] < logits[$1] }
  }

  /// Prefill works in chunks of 512 tokens.
  @Test func chunksOfPrefill() throws {
    let small = try SmallGenerator("modern", context: 600)
    let tokens = randomTokens(small, 520, seed: 10)
    let decoder = try Decoder(model: small.model, compute: small.compute)
    let chunked = copy(small, try decoder.prefill(tokens))
    decoder.reset()
    var single: [Float] = []
    for token in tokens { single = copy(small, decoder.decode(token)) }
    #expect(largestDifference(chunked, single) < 1e-4)
  }

  /// A prompt that is stopped before any of its operations leaves its whole chunks, and nothing
  /// that a later one would meet.
  @Test(arguments: ["gpt2", "rlm"])
  func promptsStop(_ name: String) throws {
    let small = try SmallGenerator(name, context: 600)
    let tokens = randomTokens(small, 520, seed: 10)
    var depth = Depth()
    if name == "rlm" { depth.exit = ExitRule(threshold: 0.2) }
    let decoder = try Decoder(model: small.model, compute: small.compute, depth: depth)
    let expected = copy(small, try decoder.prefill(tokens))
    var (counts, allowed, isDone) = (Set<Int>(), 0, false)
    while !isDone {
      _ = try decoder.prefill([tokens[0] ^ 1])
      var questions = 0
      do {
        _ = try decoder.prefill(tokens) {
          questions += 1
          return questions > allowed
        }
        isDone = true
      } catch is PromptStopped {
        counts.insert(decoder.count)
        #expect(questions == allowed + 1)
      }
      if allowed % 5 == 0 {
        let found = copy(small, try decoder.prefill(tokens))
        #expect(largestDifference(found, expected) < 1e-4, "after \(allowed)")
      }
      allowed += 1
    }
    #expect(counts == [0, 512] && allowed > 20)
  }
}
