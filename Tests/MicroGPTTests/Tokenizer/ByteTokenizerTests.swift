// The byte tokenizer: any bytes, both ways.
import Testing

@testable import MicroGPT

@Suite struct ByteTokenizerTests {
  let tokenizer = ByteTokenizer()

  @Test func decodesWhatItEncodes() throws {
    let bytes = (0..<512).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let tokens = try tokenizer.encode(bytes)
    #expect(tokens == bytes.map { Int32($0) })
    #expect(tokenizer.decode(tokens) == bytes)
  }

  @Test func encodesARange() throws {
    var tokens: [Int32] = [9]
    try tokenizer.encode([1, 2, 3, 4], in: 1..<3, to: &tokens)
    #expect(tokens == [9, 2, 3])
  }

  @Test func specialTokensHaveNoText() {
    #expect(tokenizer.vocabularySize == 258)
    #expect(tokenizer.beginToken == 256 && tokenizer.endToken == 257)
    #expect(tokenizer.unknownToken == nil)
    #expect(tokenizer.decode([256, 65, 257]) == [65])
  }

  @Test(arguments: [-1, 258, Int32.max])
  func idsOutOfRangeGiveTheReplacementCharacter(_ token: Int32) {
    #expect(tokenizer.decode([token]) == Array("\u{FFFD}".utf8))
  }
}
