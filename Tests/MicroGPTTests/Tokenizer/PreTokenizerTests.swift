// The pieces of the three patterns. Ids of random strings, which depend on all of them, are
// compared with those of other programs in BytePairTokenizerTests.swift.
import Testing

@testable import MicroGPT

@Suite struct PreTokenizerTests {
  /// The pieces of a text, with `|` between them.
  private func pieces(_ text: [UInt8], _ pattern: PreTokenizerPattern) -> [[UInt8]] {
    let preTokenizer = PreTokenizer(pattern)
    var (start, pieces) = (0, [[UInt8]]())
    while start < text.count {
      let end = preTokenizer.pieceEnd(in: text, at: start, end: text.count)
      pieces.append(Array(text[start..<end]))
      start = end
    }
    return pieces
  }

  private func joined(_ text: String, _ pattern: PreTokenizerPattern) -> String {
    pieces(Array(text.utf8), pattern).map { String(decoding: $0, as: UTF8.self) }
      .joined(separator: "|")
  }

  static let gpt2Cases: [(String, String)] = [
    ("Hello world's end", "Hello| world|'s| end"), ("we'll I'VE", "we|'ll| I|'|VE"),
    ("a  b", "a| | b"), ("a   b\t\tc ", "a|  | b|\t|\t|c| "), ("x\n\n y", "x|\n\n| y"),
    ("12ab34", "12|ab|34"), (" 12 ?!a", " 12| ?!|a"), ("½ⅷ٣", "½ⅷ٣"), ("e\u{301}x", "e|\u{301}|x"),
    ("\u{3000}a", "\u{3000}|a"), ("a\u{A0}b", "a|\u{A0}|b"), ("'", "'"), ("'l", "'|l"),
    ("  ", "  "), ("''s", "''|s"), (" 's", " '|s"),
  ]

  @Test(arguments: gpt2Cases) func gpt2(_ text: String, _ expected: String) {
    #expect(joined(text, .gpt2) == expected)
  }

  static let gpt4Cases: [(String, String)] = [
    ("Hello World'S end", "Hello| World|'S| end"), ("1234567", "123|456|7"),
    ("(abc) ...\n\n x", "(abc|)| ...\n\n| x"), ("a \n \n b", "a| \n \n| b"), ("\tab", "\tab"),
    ("\r\nab", "\r\n|ab"), ("don'\u{17F}", "don|'\u{17F}"), ("'\u{17F}t", "'\u{17F}|t"),
    ("a  b", "a| | b"), (" 12", " |12"), ("'LLx'rE", "'LL|x|'rE"), ("'Ł", "'Ł"),
  ]

  @Test(arguments: gpt4Cases) func gpt4(_ text: String, _ expected: String) {
    #expect(joined(text, .gpt4) == expected)
    #expect(joined(text, .llama3) == expected)
  }

  @Test func lineBreaksBeforeBlanksAtTheEnd() {
    #expect(joined("a\n  ", .gpt4) == "a|\n  ")
    #expect(joined("a\n  ", .llama3) == "a|\n|  ")
  }

  @Test(arguments: PreTokenizerPattern.allCases)
  func badBytesAreAlone(_ pattern: PreTokenizerPattern) {
    // A lone continuation byte, a cut sequence, an overlong form and a surrogate.
    let text: [UInt8] = [0x61, 0x80, 0x62, 0xE4, 0xB8, 0x63, 0xC0, 0xAF, 0xED, 0xA0, 0x80]
    #expect(pieces(text, pattern) == text.map { [$0] })
    #expect(pieces([0x20, 0x20, 0xFF], pattern) == [[0x20], [0x20], [0xFF]])
  }

  @Test func classesOfUnicode16() {
    let classes = UnicodeClasses.shared
    var counts = [0, 0, 0, 0]
    for value in UInt32(0)..<0x11_0000 { counts[Int(classes.scalarClass(of: value))] += 1 }
    // Letters, numbers and white space of DerivedGeneralCategory.txt and PropList.txt, 16.0.
    #expect(counts[1...] == [141_028, 1_911, 25])
    #expect(classes.ascii.count == 128 && classes.scalarClass(of: 0x10FFFF) == 0)
  }

  @Test(arguments: PreTokenizerPattern.allCases)
  func cutsChangeNoPiece(_ pattern: PreTokenizerPattern) throws {
    for seed in UInt64(1)...40 {
      let text = randomBytes(300, seed: seed)
      guard let cut = PreTokenizer(pattern).lastSafeCut(in: text, 0, text.count) else { continue }
      let parts = pieces(Array(text[..<cut]), pattern) + pieces(Array(text[cut...]), pattern)
      #expect(pieces(text, pattern) == parts, "seed \(seed)")
    }
  }
}
