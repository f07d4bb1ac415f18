// Splits: the same as nanoGPT's for streams, fair and reproducible for documents, bytes counted.
import Testing

@testable import MicroGPT

@Suite struct CorpusTests {
  @Test(arguments: [20, 21, 29, 100, 1_115_394])
  func streamIsSplitAtNineTenths(_ count: Int) throws {
    let text = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    let corpus = try Corpus(
      text: text, layout: .stream, tokenizer: ByteTokenizer(), contextLength: 1, path: "f")
    let middle = Int(Double(count) * 0.9)  // nanoGPT: data[:int(n*0.9)]
    #expect(corpus.training.pieces == [0..<middle])
    #expect(corpus.validation.pieces == [middle..<count])
    #expect(corpus.training.tokens[0..<count] == text.map { Int32($0) })
    #expect(corpus.validation.targetCount == count - middle - 1)
    #expect(corpus.validation.targetByteCount == count - middle - 1)
    #expect(corpus.layout == .stream)
  }

  @Test func streamCountsBytesOfCharacters() throws {
    // Ten characters: the first of the five for validation is not predicted.
    let text = Array("aé中😀bé中😀cé".utf8)
    let tokenizer = try CharacterTokenizer(trainingText: text)
    let corpus = try Corpus(
      text: text, layout: .stream, tokenizer: tokenizer, contextLength: 2,
      validationFraction: 0.5, path: "f")
    #expect(corpus.training.targetByteCount == 2 + 3 + 4 + 1)
    #expect(corpus.validation.targetByteCount == 3 + 4 + 1 + 2)
  }

  @Test func unknownCharactersCountTheirOwnBytes() throws {
    let tokenizer = try CharacterTokenizer(trainingText: Array("a".utf8))
    let text = Array("中a😀é".utf8)
    let split = try TokenSplit(text: text, layout: .stream, tokenizer: tokenizer, path: "f")
    #expect(split.targetCount == 3)
    #expect(split.targetByteCount == 1 + 4 + 2)
  }

  @Test func documentsBeginAndEnd() throws {
    let text = Array("ab\r\n\né\n".utf8)
    let tokenizer = try makeTokenizer(.character, for: text, layout: .documents, path: "f")
    let split = try TokenSplit(text: text, layout: .documents, tokenizer: tokenizer, path: "f")
    #expect(split.pieces.map { Array(split.tokens[$0]) } == [[3, 0, 1, 4], [3, 2, 4]])
    #expect(split.tokenCount == 7 && split.targetCount == 5)
    #expect(split.targetByteCount == 2 + 1 + 2 + 1)  // ab, line feed, é, line feed
    #expect(split.paddingToken == 4)
  }

  @Test func documentsAreSplitByAShuffle() throws {
    let text = Array((0..<200).map { "name \($0)\n" }.joined().utf8)
    func corpus(_ seed: UInt64) throws -> Corpus {
      try Corpus(
        text: text, layout: .documents, tokenizer: ByteTokenizer(), contextLength: 4,
        splitSeed: seed, path: "f")
    }
    let first = try corpus(0)
    #expect(first.training.pieces.count == 180 && first.validation.pieces.count == 20)
    let all = (first.training.pieces + first.validation.pieces).sorted {
      $0.lowerBound < $1.lowerBound
    }
    let whole = try TokenSplit(
      text: text, layout: .documents, tokenizer: ByteTokenizer(), path: "f")
    #expect(all == whole.pieces)
    #expect(
      first.training.targetByteCount + first.validation.targetByteCount == text.count)
    // In file order, but not from one end of the file.
    let starts = first.validation.pieces.map(\.lowerBound)
    #expect(starts == starts.sorted())
    #expect(starts[0] < whole.tokenCount / 2 && starts[19] > whole.tokenCount / 2)
    #expect(try corpus(0).validation.pieces == first.validation.pieces)
    #expect(try corpus(1).validation.pieces != first.validation.pieces)
  }

  @Test func bothSplitsHaveADocument() throws {
    let corpus = try Corpus(
      text: Array("a\nb\n".utf8), layout: .documents, tokenizer: ByteTokenizer(), contextLength: 9,
      path: "f")
    #expect(corpus.training.pieces.count == 1 && corpus.validation.pieces.count == 1)
  }

  @Test(
    arguments: [
      ("", .stream, .empty(path: "f")),
      ("", .documents, .empty(path: "f")),
      ("\n \n", .documents, .tooFewDocuments(path: "f", found: 0, expected: 2)),
      ("one", .documents, .tooFewDocuments(path: "f", found: 1, expected: 2)),
      // 89 tokens: 80 for training, 9 for validation.
      (
        String(repeating: "x", count: 89), .stream,
        .shorterThanContext(
          path: "f", split: .validation, tokenCount: 9, contextLength: 9, largestContext: 8)
      ),
      (
        String(repeating: "x", count: 10), .stream,
        .shorterThanContext(
          path: "f", split: .training, tokenCount: 9, contextLength: 9, largestContext: 0)
      ),
    ] as [(String, CorpusLayout, DataError)])
  func refuses(_ text: String, _ layout: CorpusLayout, _ error: DataError) {
    #expect(throws: error) {
      try Corpus(
        text: Array(text.utf8), layout: layout, tokenizer: ByteTokenizer(), contextLength: 9,
        path: "f")
    }
  }

  @Test func shortestTextThatFits() throws {
    let text = [UInt8](repeating: 120, count: 91)
    let corpus = try Corpus(
      text: text, layout: .stream, tokenizer: ByteTokenizer(), contextLength: 9, path: "f")
    #expect(corpus.validation.tokenCount == 10)
  }

  @Test(arguments: CorpusLayout.allCases)
  func invalidTextIsRefusedWithItsOffset(_ layout: CorpusLayout) throws {
    let tokenizer = try CharacterTokenizer(trainingText: Array("ab\n".utf8))
    #expect(throws: DataError.invalidUTF8(path: "f", byte: 0xFE, offset: 5)) {
      try TokenSplit(
        text: Array("aa\nbb".utf8) + [0xFE], layout: layout, tokenizer: tokenizer, path: "f")
    }
  }

  @Test func wholeTextsNeedSomethingToPredict() {
    #expect(throws: DataError.nothingToPredict(path: "f", tokenCount: 1)) {
      try TokenSplit(text: [65], layout: .stream, tokenizer: ByteTokenizer(), path: "f")
    }
    #expect(throws: DataError.tooFewDocuments(path: "f", found: 0, expected: 1)) {
      try TokenSplit(text: [10], layout: .documents, tokenizer: ByteTokenizer(), path: "f")
    }
  }
}
