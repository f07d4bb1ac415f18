// Documents of a text: by every rule, and the same ones however the text comes in parts.
import Testing

@testable import MicroGPT

/// The documents as texts.
struct CollectingReader: DocumentReader {
  var documents: [String] = []
  private var open: [UInt8] = []
  mutating func read(_ text: [UInt8], in range: Range<Int>) { open += text[range] }
  mutating func endDocument() {
    documents.append(String(decoding: open, as: UTF8.self))
    open = []
  }
}

/// The documents of a text that comes in parts of some sizes.
func documents(
  _ text: String, _ layout: CorpusLayout, parts: () -> Int = { Int.max },
  longestPart: Int = DocumentCutter.longestPart
) throws -> (found: [String], blank: Int) {
  var reader = CollectingReader()
  var cutter = DocumentCutter(layout, longestPart: longestPart)
  var (rest, waiting) = (Array(text.utf8)[...], [UInt8]())
  while !rest.isEmpty {
    let part = rest.prefix(parts())
    rest = rest.dropFirst(part.count)
    waiting += part
    let done = try cutter.feed(waiting, isEnd: false, cut: { _ in nil }, to: &reader)
    waiting.removeFirst(done)
  }
  let done = try cutter.feed(waiting, isEnd: true, cut: { _ in nil }, to: &reader)
  #expect(done == waiting.count && cutter.documentCount == reader.documents.count)
  return (reader.documents, cutter.blankCount)
}

@Suite struct DocumentCutterTests {
  static let cases: [(CorpusLayout, String, [String], Int)] = [
    (.documents, "ada\nben\r\n\n \t\neva", ["ada", "ben", "eva"], 2),
    (.documents, "ada\r", ["ada"], 0),
    (.blankLine, "a\nb\n\nc\n \t\r\n\n\nd\r\n\r\ne\n", ["a\nb", "c", "d", "e\n"], 0),
    (.blankLine, "\n\n a\n\n", [" a"], 1),
    (.blankLine, "a", ["a"], 0),
    (
      .endOfText, "a\n<|endoftext|>\nb\r\n<|endoftext|>\r\nc<|endoftext|>d", ["a", "b", "c", "d"], 0
    ),
    (.endOfText, "<|endoftext|>a\n\n<|endoftext|>\n<|endoftext|>", ["a\n"], 2),
    (.endOfText, "<|endoftext<|endoftext|>|>", ["<|endoftext", "|>"], 0),
    (.endOfText, "\n \n<|endoftext|>\n", [], 1), (.endOfText, "no mark\n", ["no mark\n"], 0),
    (.stream, "a\n\n<|endoftext|>", ["a\n\n<|endoftext|>"], 0),
  ]

  @Test(arguments: cases)
  func cuts(_ layout: CorpusLayout, _ text: String, _ expected: [String], _ blank: Int) throws {
    let (found, left) = try documents(text, layout)
    #expect(found == expected && left == blank)
  }

  /// 300 random texts of what separates documents, in parts of 1 to 9 bytes.
  @Test(arguments: CorpusLayout.allCases)
  func partsMakeNoDifference(_ layout: CorpusLayout) throws {
    let pieces = ["a", "é", "\n", "\r\n", "\r", " ", "\t", "<|endoftext|>", "<|endo", "|>", "中 b"]
    var generator = RandomGenerator(seed: 5)
    for round in 0..<300 {
      var text = ""
      for _ in 0..<generator.next(below: 30) { text += pieces[generator.next(below: pieces.count)] }
      let whole = try documents(text, layout)
      let parts = try documents(text, layout, parts: { 1 + generator.next(below: 9) })
      #expect(whole.found == parts.found && whole.blank == parts.blank, "seed 5, round \(round)")
      // What is passed on early is still the same document.
      let short = try documents(
        text, layout, parts: { 1 + generator.next(below: 9) }, longestPart: 4)
      if layout == .stream || layout == .endOfText {
        // But for white space at its beginning, of which there must be more than such a part.
        #expect(whole.found.map(withoutSpace) == short.found.map(withoutSpace), "round \(round)")
      }
    }
  }

  private func withoutSpace(_ text: String) -> String {
    String(text.unicodeScalars.drop { $0.value <= 0x20 })
  }

  @Test func layoutsOfTexts() {
    func suggested(_ text: String) -> CorpusLayout { .suggested(for: Array(text.utf8)) }
    #expect(suggested("One story.\n<|endoftext|>\nAnother.\n") == .endOfText)
    #expect(suggested("ada\nben\neva\n") == .documents)
    #expect(suggested("ada\n\nben\n\neva\n") == .stream)
  }

  @Test(arguments: [CorpusLayout.blankLine, .endOfText])
  func corpusOfDocuments(_ layout: CorpusLayout) throws {
    let mark = layout == .blankLine ? "\n\n" : "<|endoftext|>"
    let text = Array((0..<20).map { "story \($0)" }.joined(separator: mark).utf8)
    let corpus = try Corpus(
      text: text, layout: layout, tokenizer: ByteTokenizer(), contextLength: 4, path: "f")
    let split = corpus.training
    for piece in split.pieces {
      let tokens = split.tokens[piece]
      #expect(tokens.dropFirst().dropLast().allSatisfy { $0 < 256 })
      #expect(tokens[0] == 256)
    }
    #expect(corpus.validation.tokens[corpus.validation.pieces[1]].last == 257)
    // The first token of each document is not predicted; each end is one byte.
    let whole = try TokenSplit(
      text: text, layout: layout, tokenizer: ByteTokenizer(), path: "f")
    #expect(whole.pieces.count == 20 && whole.targetCount == whole.targetByteCount)
    #expect(whole.targetByteCount == text.count - 19 * mark.utf8.count + 20)
  }

  @Test func oneMarkBetweenDocuments() throws {
    let tokenizer = try FrozenBytePairs.tokenizer()
    let text = Array("ab\n\ncd\n\nef".utf8)
    let split = try TokenSplit(text: text, layout: .blankLine, tokenizer: tokenizer, path: "f")
    let end = try #require(tokenizer.endToken)
    #expect(split.pieces.count == 3)
    for piece in split.pieces {
      #expect(split.tokens[piece].first == end && split.tokens[piece].last == end)
    }
    #expect(split.pieces[0].upperBound == split.pieces[1].lowerBound + 1)
    #expect(split.targetByteCount == 9)
  }

  /// 400 windows over documents of 3 to 40 tokens: none crosses an end, each token may come.
  @Test func windowsStayInTheirDocument() throws {
    var tokens: [Int32] = []
    var pieces: [Range<Int>] = []
    for (d, count) in [3, 40, 9, 2, 17].enumerated() {
      pieces.append(tokens.count..<tokens.count + count)
      tokens += (0..<count).map { Int32(1000 * d + $0) }
    }
    let split = TokenSplit(
      layout: .endOfText, pieces: pieces, tokens: tokens, paddingToken: -1000, targetByteCount: 1)
    var sampler = BatchSampler(split, seed: 3)
    var seen = Set<Int32>()
    for _ in 0..<100 {
      let batch = sampler.batch(4, 8)
      for (inputs, targets) in zip(batch.inputs, batch.targets) {
        let real = inputs.filter { $0 >= 0 }
        #expect(Set(real.map { $0 / 1000 }).count == 1)
        #expect(targets.filter { $0 >= 0 } == real.map { $0 + 1 })
        let length = pieces[Int(inputs[0] / 1000)].count
        #expect(real.count == min(8, length - 1))
        seen.formUnion(real)
      }
    }
    #expect(seen.count == tokens.count - 5)
    var resumed = try BatchSampler(split, resuming: sampler.state)
    #expect(resumed.batch(3, 8) == sampler.batch(3, 8))
    let crossing = split.crossingDocuments()
    #expect(crossing.layout == .stream && crossing.pieces == [0..<71])
  }
}
