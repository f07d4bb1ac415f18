// The choice of a layout, lines as documents, and vocabularies for both layouts.
import Testing

@testable import MicroGPT

@Suite struct CorpusLayoutTests {
  @Test(
    arguments: [
      ("", .stream),
      ("one line only\n", .stream),
      ("ada\nben\n", .documents),
      ("ada\r\nben\r\n\r\n\r\n", .documents),  // blank lines at the end do not count
      ("\n\nada\nben", .documents),  // nor at the start
      ("ada\n\nben\n", .stream),
      (String(repeating: "ada\n", count: 99) + "\nben\n", .documents),  // 1 blank line in 100
      (String(repeating: "ada\n", count: 98) + "\nben\n", .stream),
      ("ada\n \t\nben\n", .stream),
      (String(repeating: "x", count: 40) + "\n" + String(repeating: "x", count: 41), .documents),
      ("x\n" + String(repeating: String(repeating: "x", count: 41) + "\n", count: 2), .stream),
    ] as [(String, CorpusLayout)])
  func suggestion(_ text: String, _ layout: CorpusLayout) {
    #expect(CorpusLayout.suggested(for: Array(text.utf8)) == layout)
  }

  @Test(
    .enabled(if: sharedData("names.txt") != nil, "skipped: ../shared/data is not here"),
    arguments: [
      ("names.txt", .documents), ("tinyshakespeare.txt", .stream), ("wikitext2-test.txt", .stream),
    ] as [(String, CorpusLayout)])
  func suggestionForRealTexts(_ name: String, _ layout: CorpusLayout) throws {
    let text = try #require(sharedData(name))
    #expect(CorpusLayout.suggested(for: text) == layout)
  }

  @Test func documentsAreTheNonBlankLines() {
    let text = Array("\nada\r\n \t\r\nb en \n\r\nx\ry\nlast".utf8)
    let lines = documentRanges(in: text).map { String(decoding: text[$0], as: UTF8.self) }
    #expect(lines == ["ada", "b en ", "x\ry", "last"])
  }

  @Test func lineBreaksHaveTokensInStreamsOnly() throws {
    let text = Array("ab\r\nc\n".utf8)
    let stream = try makeTokenizer(.character, for: text, layout: .stream, path: "f")
    #expect(stream.vocabularySize == 5 + 3)
    let documents = try makeTokenizer(.character, for: text, layout: .documents, path: "f")
    #expect(documents.vocabularySize == 3 + 3)
    let bytes = try makeTokenizer(.byte, for: [0xFF], layout: .stream, path: "f")
    #expect(bytes.vocabularySize == 258)
  }

  @Test(arguments: CorpusLayout.allCases)
  func invalidTextIsRefusedWithItsName(_ layout: CorpusLayout) {
    #expect(throws: DataError.invalidUTF8(path: "f", byte: 0xC3, offset: 4)) {
      try makeTokenizer(
        .character, for: Array("ada\n".utf8) + [0xC3, 0x0A], layout: layout, path: "f")
    }
  }
}

/// A file of the folder `shared/data` beside the package; nil if it is not there.
private func sharedData(_ name: String) -> [UInt8]? {
  let package = #filePath.split(separator: "/").dropLast(4)
  let path =
    "/" + (package.dropLast() + ["shared", "data", Substring(name)]).joined(separator: "/")
  return try? readFile(path)
}
