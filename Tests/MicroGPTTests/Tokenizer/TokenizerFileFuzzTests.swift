// Files of tokenizers, cut short and changed at random: a tokenizer that keeps its promises comes
// out, or an error of one line. A crash would end the test run.
import Testing

@testable import MicroGPT

@Suite struct TokenizerFileFuzzTests {
  private enum Format: CaseIterable {
    case huggingFace, gpt2, merges, tiktoken, pairs, checkpoint, characters, characterCheckpoint
  }

  private func bytes(_ format: Format, of vocabulary: BytePairVocabulary) throws -> [UInt8] {
    switch format {
    case .huggingFace: vocabulary.huggingFaceJSON.utf8Bytes
    case .gpt2: vocabulary.vocabularyFile
    case .merges: vocabulary.mergesText
    case .tiktoken: try vocabulary.tiktokenFile()
    case .pairs: try vocabulary.pairsJSON().utf8Bytes
    case .checkpoint: BytePairTokenizer(vocabulary).json.utf8Bytes
    case .characters: characters.utf8Bytes
    case .characterCheckpoint:
      BytePairTokenizer(try BytePairVocabulary(pairs: characters, path: "t")).json.utf8Bytes
    }
  }

  /// Reads one damaged file; what comes out must encode and decode.
  private func read(
    _ format: Format, _ bytes: [UInt8], beside vocabulary: BytePairVocabulary
  ) throws -> any TextTokenizer {
    let result: BytePairVocabulary
    switch format {
    case .huggingFace: result = try BytePairVocabulary(huggingFace: bytes, path: "t")
    case .gpt2:
      result = try BytePairVocabulary(
        vocabulary: bytes, path: "v", merges: vocabulary.mergesText, mergesPath: "m")
    case .merges:
      result = try BytePairVocabulary(
        vocabulary: vocabulary.vocabularyFile, path: "v", merges: bytes, mergesPath: "m")
    case .tiktoken:
      result = try BytePairVocabulary(tiktoken: bytes, path: "t", pattern: .gpt2)
    case .pairs, .characters:
      result = try BytePairVocabulary(pairs: JSON.parse(bytes), path: "t")
    case .checkpoint, .characterCheckpoint: return try makeTokenizer(from: JSON.parse(bytes))
    }
    return BytePairTokenizer(result)
  }

  @Test func damagedFilesGiveErrorsOrTokenizers() throws {
    let vocabulary = try small()
    let text = Array("the old théâtre 中文 12".utf8)
    var (errors, readable) = (0, 0)
    for format in Format.allCases {
      let whole = try bytes(format, of: vocabulary)
      var generator = RandomGenerator(seed: 7, stream: 0)
      for round in 0..<250 {
        var damaged = whole
        if round % 2 == 0 {
          damaged.removeLast(1 + generator.next(below: whole.count))
        }
        for _ in 0..<(round % 3) where !damaged.isEmpty {
          let place = generator.next(below: damaged.count)
          let printable = Array("0189\",:[]{} aA-=\n".utf8)
          damaged[place] =
            generator.next(below: 2) == 0
            ? printable[generator.next(below: printable.count)] : UInt8(generator.next(below: 256))
        }
        do {
          let tokenizer = try read(format, damaged, beside: vocabulary)
          readable += 1
          let decoded = tokenizer.decode(try tokenizer.encode(text))
          let leftOut = tokenizer.leftOutByteCount(text, in: 0..<text.count)
          #expect(decoded.count + leftOut == text.count, "\(format) \(round)")
          if leftOut == 0 { #expect(decoded == text, "\(format) \(round)") }
        } catch let error as any UserFacingError {
          errors += 1
          #expect(!error.description.contains("\n"), "\(format) \(round)")
        }
      }
    }
    #expect(errors > 900 && readable > 80)
  }

  private let characters: JSON = [
    "vocab": ["<|bos|>", "<|eos|>", "\n", " ", "e", "h", "t", "é", "中", "th", "the", "the "],
    "merges": [["t", "h"], ["th", "e"], ["the", " "]],
  ]

  private func small() throws -> BytePairVocabulary {
    var trainer = BytePairTrainer(pattern: .gpt2)
    let text = Array("the theatre of the other then and thereof the and of".utf8)
    trainer.add(text, in: 0..<text.count)
    return try trainer.train(vocabularySize: 266)
  }
}
