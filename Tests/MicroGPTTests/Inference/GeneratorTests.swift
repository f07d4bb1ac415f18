// Generated text: when it ends, how it is cut into pieces, and that it depends on seed and sample
// only.
import Testing

@testable import MicroGPT

@Suite struct GeneratorTests {
  private func text(_ pieces: [[UInt8]]) -> String {
    String(decoding: pieces.joined(), as: UTF8.self)
  }

  @Test func sameSeedSameTextForAnyNumberOfThreads() throws {
    func text(_ threads: Int, seed: UInt64, sample: Int = 0) throws -> [[UInt8]] {
      let small = try SmallGenerator("modern", .byte, context: 24, threads: threads)
      return try small.generate("ab", layout: .stream, generation(60, seed: seed), sample: sample)
        .pieces
    }
    let one = try text(1, seed: 5)
    for threads in [2, 4] {
      let other = try text(threads, seed: 5)
      #expect(other == one)
    }
    let (otherSeed, otherSample) = (try text(1, seed: 6), try text(1, seed: 5, sample: 1))
    #expect(otherSeed != one && otherSample != one && otherSeed != otherSample)
  }

  /// A second text from the same generator is that of a fresh one.
  @Test func textsAreIndependent() throws {
    let small = try SmallGenerator("gpt2", .byte)
    let first = try small.generate("xyz", layout: .stream, generation(30)).pieces
    _ = try small.generate("something else", layout: .stream, generation(11, seed: 9))
    let again = try small.generate("xyz", layout: .stream, generation(30)).pieces
    #expect(again == first)
  }

  /// Random bytes come out as whole characters: every piece is valid UTF-8 by itself.
  @Test func charactersAreNeverSplit() throws {
    let small = try SmallGenerator("modern", .byte)
    var options = generation(400)
    options.sampling.temperature = 3
    let (pieces, result) = try small.generate("é", layout: .stream, options)
    #expect(result.tokenCount == 400 && result.end == .maxTokens && result.promptTokenCount == 2)
    for piece in pieces {
      #expect(Array(String(decoding: piece, as: UTF8.self).utf8) == piece && !piece.isEmpty)
    }
    #expect(pieces.joined().contains { $0 >= 0x80 })
  }

  /// Text ends before the stop string, whose tokens were generated; a longer text from the same
  /// seed shows where.
  @Test func stopStrings() throws {
    let small = try SmallGenerator("llama", .byte, context: 32)
    let full = try small.generate("a", layout: .stream, generation(80)).pieces.flatMap { $0 }
    let ascii = full.indices.dropFirst(10).first { full[$0] < 0x80 && full[$0 + 1] < 0x80 }
    let at = try #require(ascii)
    let stop = String(decoding: full[at...(at + 1)], as: UTF8.self)
    let first = try #require(full.indices.first { full[$0...].starts(with: Array(stop.utf8)) })
    let (pieces, result) = try small.generate(
      "a", layout: .stream, generation(80, stop: ["not this", stop]))
    #expect(result.end == .stopString && result.tokenCount < 80)
    #expect(Array(pieces.joined()) == Array(full[..<first]))
    // One that never comes holds nothing back at the end.
    let whole = try small.generate("a", layout: .stream, generation(80, stop: [stop + "\0\0"]))
    #expect(Array(whole.pieces.joined()) == full)
  }

  @Test func endsAtTheEndTokenOfDocuments() throws {
    let small = try SmallGenerator("modern")
    // Without the gain of the final norm all logits are equal: the end token comes sooner or later,
    // and others before it.
    let gain = try #require(small.model.table["norm.weight"])
    small.model.values(of: gain).update(repeating: 0)
    let result = try small.generate("", generation(200)).result
    #expect(result.end == .endToken && result.tokenCount > 1)
    // A stream has no ends.
    let stream = try small.generate("a", layout: .stream, generation(200)).result
    #expect(stream.end == .maxTokens)
  }

  /// Begin and unknown never come; a stream has no end token either.
  @Test func specialTokensHaveNoText() throws {
    let small = try SmallGenerator("gpt2")
    var options = generation(300)
    options.sampling.temperature = 50
    let (pieces, result) = try small.generate("ada", layout: .stream, options)
    #expect(result.tokenCount == 300 && pieces.joined().count == 300)
    #expect(!text(pieces).unicodeScalars.contains("\u{FFFD}"))
  }

  @Test func emptyAndUnknownPrompts() throws {
    let small = try SmallGenerator("modern")
    let (_, empty) = try small.generate("", layout: .documents, generation(3))
    #expect(empty.promptTokenCount == 1)
    let (_, stream) = try small.generate("", layout: .stream, generation(3))
    #expect(stream.promptTokenCount == 1)
    let (_, unknown) = try small.generate("Ωß", layout: .documents, generation(3))
    #expect(unknown.promptTokenCount == 3)
    let (_, long) = try small.generate(
      String(repeating: "ada", count: 40), layout: .documents, generation(20))
    #expect(long.promptTokenCount == 121 && long.tokenCount > 0)
    let (pieces, none) = try small.generate("ada", layout: .stream, generation(0))
    #expect(pieces.isEmpty && none.tokenCount == 0 && none.end == .maxTokens)
  }

  @Test func theReceiverMayCancel() throws {
    let small = try SmallGenerator("modern")
    let (pieces, result) = try small.generate("", layout: .stream, generation(50), limit: 3)
    #expect(pieces.count == 3 && result.end == .cancelled && result.tokenCount == 3)
  }

  @Test func aPromptMayBeStopped() throws {
    let small = try SmallGenerator("modern")
    let result = try small.generator.generate(
      prompt: Array("ada".utf8), layout: .stream, options: generation(50), clock: { 0 },
      shouldStop: { true },
      emit: { _ in
        Issue.record("text"); return true
      })
    #expect(result.end == .cancelled && result.tokenCount == 0 && result.promptTokenCount == 3)
  }

  /// Weights that are no numbers end the text at once, however tokens are chosen.
  @Test(arguments: [0.0, 0.8]) func predictionsThatAreNoNumbers(_ temperature: Double) throws {
    for name in ["modern", "gpt2"] {
      let small = try SmallGenerator(name)
      let options = generation(5, temperature: temperature)
      #expect(try small.generate("ada", options).result.tokenCount > 0)
      let weight = try #require(small.model.table["blocks.0.attention.qkv.weight"])
      small.model.values(of: weight)[3] = .nan
      var pieces = 0
      #expect(throws: GenerationError.noNumber(promptTokens: 4, tokens: 0)) {
        _ = try small.generator.generate(
          prompt: Array("ada".utf8), layout: .documents, options: options, clock: { 0 },
          emit: { _ in
            pieces += 1
            return true
          })
      }
      #expect(pieces == 0)
    }
    let error = GenerationError.noNumber(promptTokens: 4, tokens: 2)
    #expect(error.exitCode == .data)
    #expect(
      error.description
        == "the model's predictions are no numbers. Found nan for every token that may come, after 4 "
        + "of the prompt and 2 generated, expected logits. Use a checkpoint from before the loss "
        + "became NaN.")
  }

  /// A number for a token that may not come is none.
  @Test func onlyTokensThatMayComeCount() throws {
    let small = try SmallGenerator("gpt2", .byte)
    var options = generation(5)
    options.sampling.logitBias = (0..<small.tokenizer.vocabularySize).map {
      LogitBias(token: Int32($0), value: -.infinity)
    }
    let error = GenerationError.allBanned(count: 258)
    #expect(throws: error) { try small.generate("a", layout: .stream, options) }
    #expect(
      error.description == "no token may come. Found a bias of -inf, or no text, for each of 258 "
        + "tokens, expected one that may. Leave out a --logit-bias.")
    #expect(error.exitCode == .config)
    // One that may come, and always does.
    options.sampling.logitBias[65].value = 0
    let pieces = try small.generate("a", layout: .stream, options).pieces
    #expect(text(pieces) == "AAAAA")
  }

  @Test func anotherVocabulary() throws {
    let small = try SmallGenerator("modern")
    do {
      _ = try TextGenerator(
        model: small.model, tokenizer: ByteTokenizer(), compute: small.compute)
      Issue.record("no error")
    } catch let error as GenerationError {
      #expect(
        error.description == "tokenizer and model don't belong together. Found 258 token ids in "
          + "the tokenizer, expected \(small.tokenizer.vocabularySize). Use the checkpoint's own "
          + "tokenizer.")
      #expect(error.exitCode == .data)
    }
  }
}
