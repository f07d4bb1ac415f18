// The character tokenizer: vocabulary, unknown characters, invalid text.
import Testing

@testable import MicroGPT

@Suite struct CharacterTokenizerTests {
  @Test func vocabularyIsSortedByCodePoint() throws {
    let tokenizer = try CharacterTokenizer(trainingText: Array("b😀aé中\nab".utf8))
    #expect(tokenizer.characters.map(\.value) == [0x0A, 0x61, 0x62, 0xE9, 0x4E2D, 0x1F600])
    #expect(tokenizer.vocabularySize == 9)
    #expect(tokenizer.beginToken == 6 && tokenizer.endToken == 7 && tokenizer.unknownToken == 8)
    #expect(try tokenizer.encode(Array("aé中😀\nb".utf8)) == [1, 3, 4, 5, 0, 2])
  }

  @Test(arguments: ["", "plain", "Ünïcödé ß", "日本語テキスト", "e\u{301}", "👩‍👩‍👧 \u{0}\r\n\u{FEFF}"])
  func decodesWhatItEncodes(_ text: String) throws {
    let tokenizer = try CharacterTokenizer(trainingText: Array((text + "x").utf8))
    let tokens = try tokenizer.encode(Array(text.utf8))
    #expect(tokens.count == text.unicodeScalars.count)
    #expect(tokenizer.decode(tokens) == Array(text.utf8))
  }

  @Test func unseenCharactersAreUnknown() throws {
    let tokenizer = try CharacterTokenizer(trainingText: Array("ac中".utf8))
    // Below, between and above the known ones, in the table of low code points and beyond it.
    let tokens = try tokenizer.encode(Array("\u{1}abc\u{7FF}\u{800}中\u{4E2E}\u{10FFFF}".utf8))
    #expect(tokens == [5, 0, 5, 1, 5, 5, 2, 5, 5])
    #expect(tokenizer.decode([0, 5, 1]) == Array("a\u{FFFD}c".utf8))
  }

  @Test func specialTokensHaveNoText() throws {
    let tokenizer = try CharacterTokenizer(trainingText: Array("ab".utf8))
    #expect(tokenizer.decode([2, 0, 1, 3]) == Array("ab".utf8))
    #expect(tokenizer.decode([-1, 5, .max]) == Array("\u{FFFD}\u{FFFD}\u{FFFD}".utf8))
  }

  @Test func rangesLimitTheVocabulary() throws {
    let text = Array("ab\ncd\n".utf8)
    let tokenizer = try CharacterTokenizer(trainingText: text, in: [0..<2, 3..<5])
    #expect(tokenizer.characters.map(\.value) == [0x61, 0x62, 0x63, 0x64])
  }

  @Test(
    arguments: [
      ([0x61, 0x62, 0x63, 0xFF, 0x64], 0xFF, 3),
      ([0xC3], 0xC3, 0),
      ([0xC3, 0xA9, 0xE4, 0xB8], 0xE4, 2),
      ([0x61, 0xED, 0xA0, 0x80], 0xED, 1),
      ([0xFF, 0xFE, 0x61, 0x00], 0xFF, 0),  // UTF-16 with its mark
    ] as [([UInt8], UInt8, Int)])
  func refusesInvalidText(_ text: [UInt8], _ byte: UInt8, _ offset: Int) throws {
    let expected = TokenizerError.invalidUTF8(byte: byte, offset: offset)
    #expect(throws: expected) { try CharacterTokenizer(trainingText: text) }
    let tokenizer = try CharacterTokenizer(trainingText: [0x61])
    #expect(throws: expected) { try tokenizer.encode(text) }
  }

  @Test func agreesWithTheStandardLibraryOnRandomText() throws {
    var generator = RandomGenerator(seed: 3)
    let alphabet = Array("aé中😀\u{7FF}\u{800}\u{FFFF}z".unicodeScalars)
    var text = String.UnicodeScalarView()
    for _ in 0..<2_000 { text.append(alphabet[generator.next(below: alphabet.count)]) }
    let tokenizer = try CharacterTokenizer(trainingText: Array(String(text).utf8))
    let tokens = try tokenizer.encode(Array(String(text).utf8))
    #expect(tokens.map { tokenizer.characters[Int($0)] } == Array(text))
  }
}
