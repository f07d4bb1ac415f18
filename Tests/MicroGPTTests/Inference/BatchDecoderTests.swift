// Several sequences at once against each of them alone.
import Testing

@testable import MicroGPT

@Suite struct BatchDecoderTests {
  static let formats = KeyValueFormat.allCases

  /// Eight sequences of different lengths, of which some rest now and then and some slide: each
  /// gives the bits that it gives alone.
  @Test(arguments: ["modern", "gpt2", "llama-gqa-tied"], formats)
  func equalsSingleSequences(_ name: String, _ format: KeyValueFormat) throws {
    let small = try SmallGenerator(name, context: 20, threads: 2)
    let vocabulary = small.model.configuration.vocabularySize
    let batch = try BatchDecoder(
      model: small.model, compute: small.compute, sequenceCount: 8, format: format)
    let (tokens, _) = randomBatch(8 * 40, vocabulary: vocabulary, seed: 3)
    var singles: [Decoder] = []
    var next = [Int](repeating: 0, count: 8)
    for s in 0..<8 {
      let single = try Decoder(model: small.model, compute: small.compute, format: format)
      let prompt = Array(tokens[(s * 40)..<(s * 40 + 1 + 2 * s)])
      let expected = copy(try single.prefill(prompt), vocabulary)
      let found = copy(try batch.prefill(prompt, sequence: s), vocabulary)
      #expect(found == expected)
      singles.append(single)
      next[s] = prompt.count
    }
    var line = [Int32](repeating: 0, count: 8)
    for round in 0..<22 {
      for s in 0..<8 {
        let rests = (round + s) % 5 == 0
        line[s] = rests ? -1 : tokens[s * 40 + next[s]]
        next[s] += rests ? 0 : 1
      }
      let logits = batch.decode(line)
      for s in 0..<8 where line[s] >= 0 {
        let expected = copy(singles[s].decode(line[s]), vocabulary)
        let found = copy(logits + s * vocabulary, vocabulary)
        #expect(found == expected, "round \(round), sequence \(s)")
        #expect(batch.count(s) == singles[s].count)
      }
    }
  }

  /// Whatever the others do, a sequence gives the same bits.
  @Test func sequencesDontMeet() throws {
    let small = try SmallGenerator("modern", context: 20, threads: 2)
    let vocabulary = small.model.configuration.vocabularySize
    func run(_ others: [Int32]) throws -> [Float] {
      let batch = try BatchDecoder(
        model: small.model, compute: small.compute, sequenceCount: 4, format: .int8)
      _ = try batch.prefill([1, 2, 3], sequence: 2)
      for (s, token) in others.enumerated() where s != 2 && token >= 0 {
        _ = try batch.prefill([token, 4], sequence: s)
      }
      var line = others
      line[2] = 5
      return copy(batch.decode(line) + 2 * vocabulary, vocabulary)
    }
    let alone = try run([-1, -1, 0, -1])
    let full = try run([1, 2, 0, 3])
    let half = try run([6, -1, 0, 1])
    #expect(full == alone)
    #expect(half == alone)
  }

  private func copy(_ logits: UnsafeMutablePointer<Float>, _ count: Int) -> [Float] {
    Array(UnsafeBufferPointer(start: logits, count: count))
  }
}
