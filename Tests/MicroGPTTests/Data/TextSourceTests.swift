// Texts in files, folders, JSON lines and gzip: in order, joined as the layout wants, faults
// placed.
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct TextSourceTests {
  /// `gzip` of "hello\nzlib\n".
  static let packed: [UInt8] = [
    0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 0xFF, 0xCB, 0x48, 0xCD, 0xC9, 0xC9, 0xE7, 0xAA, 0xCA, 0xC9,
    0x4C,
    0xE2, 0x02, 0, 0xCA, 0x71, 0xA2, 0x65, 0x0B, 0, 0, 0,
  ]

  private func text(_ path: String, _ layout: CorpusLayout) throws -> String {
    String(decoding: try TextSource(path).read(layout).text, as: UTF8.self)
  }

  @Test func foldersInOrder() throws {
    let here = try TemporaryFolder()
    for name in ["b.txt", "a.txt", ".hidden", "empty.txt", "C.txt"] {
      try here.put(name, name == "empty.txt" ? [] : Array("\(name) line".utf8))
    }
    mkdir(here.file("Z"), 0o755)
    try here.put("Z/x.md", Array("inner\n".utf8))
    #expect(try text(here.path, .stream) == "C.txt line\ninner\na.txt line\nb.txt line")
    #expect(
      try text(here.path, .endOfText)
        == ["C.txt line", "inner\n", "a.txt line", "b.txt line"].joined(
          separator: "\n<|endoftext|>\n"))
    let found = try documents(text(here.path, .endOfText), .endOfText).found
    #expect(found == ["C.txt line", "inner\n", "a.txt line", "b.txt line"])
    #expect(
      try documents(text(here.path, .blankLine), .blankLine).found
        == ["C.txt line", "inner", "a.txt line", "b.txt line"])
    try here.put("d.bin", [1, 0, 2])
    #expect(
      here.failure { _ = try TextSource(here.path).read(nil) }
        == "65 DIR/d.bin is no text. Found a byte 0x00, expected text in every file of the folder. Move "
        + "it elsewhere.")
  }

  @Test func layoutsOfFoldersAndRecords() throws {
    let here = try TemporaryFolder()
    try here.put(
      "a.txt", Array("A long story about a cat that went to sea in a pea-green boat.\n".utf8))
    #expect(try TextSource(here.path).suggestedLayout() == .stream)
    try here.put("b.txt", Array("Another one, about an owl, which has some more words.\n".utf8))
    #expect(try TextSource(here.path).suggestedLayout() == .endOfText)
    try here.put("l.jsonl", Array("{\"text\": \"x\"}\n".utf8))
    #expect(try TextSource(here.file("l.jsonl")).suggestedLayout() == .endOfText)
    #expect(try TextSource(here.file("l.jsonl")).isRepeatable)
  }

  @Test func records() throws {
    let here = try TemporaryFolder()
    let path = here.file("r.jsonl")
    try here.put(
      "r.jsonl",
      Array(
        "{\"id\": 1, \"text\": \"caf\\u00e9\\nau lait\"}\r\n\n{\"text\": \"\"}\n{\"text\": \"b\"}"
          .utf8))
    #expect(try text(path, .endOfText) == "café\nau lait\n<|endoftext|>\nb")
    #expect(try text(path, .stream) == "café\nau lait\nb")
  }

  static let faults: [(String, String)] = [
    (
      "{\"text\": \"a\"}\n{\"text\": x}",
      ":2:10: invalid JSON. Found 'x', expected a value. Correct the line, or remove it."
    ),
    (
      "{\"text\": \"a\"}\n\n{\"txt\": \"a\"}\n",
      ":3:1: no record. Found \"text\": nothing, expected an object with a string \"text\". Correct the "
        + "line, or remove it."
    ),
    (
      "[1]",
      ":1:1: no record. Found an array of 1 values, expected an object with a string \"text\". Correct "
        + "the line, or remove it."
    ),
    (
      "{\"text\": 5}",
      ":1:1: no record. Found \"text\": 5, expected an object with a string \"text\". Correct the line, "
        + "or remove it."
    ),
  ]

  @Test(arguments: faults)
  func brokenRecords(_ content: String, _ message: String) throws {
    let here = try TemporaryFolder()
    try here.put("r.jsonl", Array(content.utf8))
    let found = here.failure { _ = try TextSource(here.file("r.jsonl")).read(nil) }
    #expect(found == "65 DIR/r.jsonl" + message)
  }

  @Test(.enabled(if: Zlib.system != nil, "this system has no zlib"))
  func gzip() throws {
    let here = try TemporaryFolder()
    try here.put("a.gz", Self.packed)
    #expect(try text(here.file("a.gz"), .stream) == "hello\nzlib\n")
    // Whatever its name.
    try here.put("a.txt", Self.packed)
    #expect(try text(here.file("a.txt"), .stream) == "hello\nzlib\n")
    try here.put("a.gz", Array(Self.packed.dropLast(6)))
    let cut = here.failure { _ = try TextSource(here.file("a.gz")).read(.stream) }
    #expect(cut.contains("DIR/a.gz is a damaged gzip archive: "), "\(cut)")
    var damaged = Self.packed
    damaged[24] ^= 1
    try here.put("a.gz", damaged)
    let wrong = here.failure { _ = try TextSource(here.file("a.gz")).read(.stream) }
    #expect(wrong.contains("is a damaged gzip archive: "), "\(wrong)")
  }

  @Test func withoutZlib() throws {
    let here = try TemporaryFolder()
    try here.put("a.gz", Self.packed)
    #expect(Zlib(names: ["libnone.so.0"]) == nil)
    #expect(
      here.failure { _ = try TextReader(here.file("a.gz"), zlib: nil) }
        == "69 DIR/a.gz is packed by gzip, and this system has no zlib. Expected libz.so.1. Install "
        + "zlib1g, or unpack it with gunzip.")
  }

  @Test func badCharactersAreFoundInTheirFile() throws {
    let here = try TemporaryFolder()
    try here.put("a.txt", Array("fine".utf8))
    try here.put("b.txt", Array("caf".utf8) + [0xE9])
    #expect(
      here.failure {
        _ = try DataPreparation(
          of: TextSource(here.path), layout: nil, vocabulary: .kind(.character, size: nil),
          to: here.path
        ).run()
      }
        == "65 DIR/b.txt is not valid UTF-8: byte 0xE9 at offset 3. Use --tokenizer byte, or convert "
        + "the file.")
    #expect(here.names == ["a.txt", "b.txt"])
  }

  @Test func emptyAndMissing() throws {
    let here = try TemporaryFolder()
    #expect(throws: DataError.noTexts(path: here.path)) { try TextSource(here.path) }
    try here.put("a.txt", [])
    #expect(throws: DataError.empty(path: here.path)) { try TextSource(here.path).read(nil) }
    #expect(throws: DataError.missing(path: "none")) { try TextSource("none") }
  }
}
