// Learning merges: the same as counting all pairs anew for each, ties, texts that give too little.
import Testing

@testable import MicroGPT

@Suite struct BytePairTrainerTests {
  private func train(_ text: [UInt8], _ size: Int) throws -> BytePairVocabulary {
    var trainer = BytePairTrainer(pattern: .gpt2)
    trainer.add(text, in: 0..<text.count)
    return try trainer.train(vocabularySize: size)
  }

  private func text(_ letters: String, _ count: Int, seed: UInt64) -> [UInt8] {
    let letters = Array(letters.utf8)
    var generator = RandomGenerator(seed: seed, stream: 0)
    return (0..<count).map { _ in letters[generator.next(below: letters.count)] }
  }

  /// Merges by counting all pairs of all pieces for each.
  private func naive(_ text: [UInt8], merges count: Int) -> [[UInt8]] {
    var (start, pieces) = (0, [[[UInt8]]]())
    while start < text.count {
      let end = PreTokenizer(.gpt2).pieceEnd(in: text, at: start, end: text.count)
      pieces.append(text[start..<end].map { [$0] })
      start = end
    }
    var ids = [[UInt8]: Int]()
    for (id, byte) in ByteAlphabet.order.enumerated() { ids[[byte]] = id }
    var results: [[UInt8]] = []
    while results.count < count {
      var counts: [[[UInt8]]: Int] = [:]
      for piece in pieces {
        for i in 1..<max(piece.count, 1) { counts[[piece[i - 1], piece[i]], default: 0] += 1 }
      }
      let best = counts.min { a, b in
        (-a.value, ids[a.key[0]] ?? 0, ids[a.key[1]] ?? 0)
          < (-b.value, ids[b.key[0]] ?? 0, ids[b.key[1]] ?? 0)
      }
      guard let best, best.value > 1 else { break }
      let whole = best.key[0] + best.key[1]
      if ids[whole] == nil { ids[whole] = ids.count }
      results.append(whole)
      for p in pieces.indices {
        var i = 0
        while i + 1 < pieces[p].count {
          if pieces[p][i] == best.key[0] && pieces[p][i + 1] == best.key[1] {
            pieces[p][i] = whole
            pieces[p].remove(at: i + 1)
          }
          i += 1
        }
      }
    }
    return results
  }

  @Test(arguments: ["ab", "aab ", "abcdef ", "aaaaab  '\n"])
  func mergesAreThoseOfCountingAnew(_ letters: String) throws {
    for seed in UInt64(1)...4 {
      let text = text(letters, 1500, seed: seed)
      let vocabulary = try train(text, 257 + 20)
      let merged = vocabulary.merges.map { vocabulary.tokens[Int($0.result)] }
      #expect(merged == naive(text, merges: merged.count), "seed \(seed)")
      #expect(vocabulary.tokens.count == 277 && vocabulary.endToken == 276)
    }
  }

  @Test func partsOfATextGiveTheSame() throws {
    let text = randomBytes(30_000, seed: 5)
    var trainer = BytePairTrainer(pattern: .gpt2)
    let cut = try #require(trainer.safeCut(of: Array(text[..<20_000])))
    trainer.add(text, in: 0..<cut)
    trainer.add(Array(text[cut...]), in: 0..<text.count - cut)
    #expect(try trainer.train(vocabularySize: 400) == train(text, 400))
  }

  @Test func tiesGoToTheLesserIDs() throws {
    // "ba", "ab", "cd" twice each; "a" has the least id of the left parts.
    let vocabulary = try train(Array("ba ba ab ab cd cd".utf8), 259)
    #expect(vocabulary.tokens[256] == Array("ab".utf8))
    #expect(vocabulary.tokens[257] == Array("ba".utf8))
  }

  @Test func documentsHaveNoLineBreaks() throws {
    var trainer = BytePairTrainer(pattern: .gpt2)
    trainer.addLines(of: Array("anna\r\nanna\n\nanna\n".utf8))
    let vocabulary = try trainer.train(vocabularySize: 260)
    #expect(vocabulary.tokens[258] == Array("anna".utf8))
    #expect(!vocabulary.tokens[256...].contains { $0.contains(0x0A) })
  }

  @Test func textsThatSupportTooLittle() throws {
    #expect(
      throws: BytePairTrainingError.textTooPoor(found: 300, supported: 258, pieces: 2)
    ) { try train(Array("abab cd".utf8), 300) }
    #expect(try train(Array("abab cd".utf8), 258).tokens.count == 258)
    #expect(throws: BytePairTrainingError.vocabularyTooSmall(found: 256, smallest: 257)) {
      try train([97], 256)
    }
    #expect(try train([], 257).merges.isEmpty)
    #expect(throws: BytePairTrainingError.vocabularyTooLarge(found: .max, largest: 4_194_304)) {
      try train([97], .max)
    }
  }

  @Test func messages() {
    #expect(
      BytePairTrainingError.textTooPoor(found: 300, supported: 258, pieces: 2).description
        == "the text does not support so many tokens. Found 300, expected at most 258: in its 2 "
        + "different words no further pair of tokens occurs twice. Use a smaller vocabulary or more "
        + "text.")
    #expect(
      BytePairTrainingError.vocabularyTooSmall(found: 200, smallest: 257).description
        == "the vocabulary is too small. Found 200 tokens, expected at least 257: 256 bytes and "
        + "<|endoftext|>. Use a larger one.")
  }
}
