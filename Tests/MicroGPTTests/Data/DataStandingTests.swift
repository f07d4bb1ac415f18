// Prepared tokens know of what they were made: when they are made again, and when a run is told
// that they are older than their text.
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct DataStandingTests {
  private static let text = Array(String(repeating: "The cat sat on the mat.\n\n", count: 40).utf8)

  /// A folder with a text `t.txt`, and `out` for its tokens.
  private func prepared() throws -> TemporaryFolder {
    let here = try TemporaryFolder()
    try here.put("t.txt", Self.text)
    try setTime(here.file("t.txt"), 1000)
    mkdir(here.file("out"), 0o755)
    _ = try preparation(here).run()
    return here
  }

  private func preparation(
    _ here: TemporaryFolder, of name: String = "t.txt", layout: CorpusLayout = .stream,
    vocabulary: DataPreparation.Vocabulary = .kind(.bpe, size: 270), fraction: Double = 0.1
  ) throws -> DataPreparation {
    try DataPreparation(
      of: TextSource(here.file(name)), layout: layout, vocabulary: vocabulary,
      validationFraction: fraction, to: here.file("out"))
  }

  private func setTime(_ path: String, _ second: Int) throws {
    let time = timeval(tv_sec: second, tv_usec: 7)
    let done = utimes(path, [time, time])
    try #require(done == 0)
  }

  @Test func sameRequestIsUpToDate() throws {
    let here = try prepared()
    #expect(try preparation(here).standing() == .upToDate)
    #expect(try TokenFolder(here.file("out")).change == nil)
    // Written again with the same content: a copy of it, or a checkout.
    try here.put("t.txt", Self.text)
    try setTime(here.file("t.txt"), 2000)
    #expect(try preparation(here).standing() == .upToDate)
    #expect(try TokenFolder(here.file("out")).change == nil)
  }

  @Test func changedTextsAreSeen() throws {
    let here = try prepared()
    var text = Self.text
    text[5] ^= 1
    try here.put("t.txt", text)
    try setTime(here.file("t.txt"), 2000)
    let path = here.file("t.txt")
    #expect(try preparation(here).standing() == .outdated(reason: "\(path) has changed"))
    #expect(try TokenFolder(here.file("out")).change == path)
    try here.put("t.txt", Self.text + [0x0A])
    try setTime(path, 1000)
    #expect(try TokenFolder(here.file("out")).change == path)
    unlink(path)
    #expect(try TokenFolder(here.file("out")).change == nil)
  }

  @Test func otherRequestsAreSeen() throws {
    let here = try prepared()
    try here.put("u.txt", Self.text)
    let bytes = ByteTokenizer()
    func reason(_ preparation: DataPreparation) -> String {
      if case .outdated(let reason) = preparation.standing() { return reason }
      return "\(preparation.standing())"
    }
    let tokenizer = try TokenFolder(here.file("out")).tokenizer
    let was = "their tokenizer was \(tokenizer.identity)"
    #expect(try reason(preparation(here, vocabulary: .kind(.bpe, size: 271))) == was)
    #expect(try reason(preparation(here, vocabulary: .kind(.bpe, size: nil))) == was)
    #expect(try reason(preparation(here, vocabulary: .kind(.byte, size: nil))) == was)
    #expect(try reason(preparation(here, vocabulary: .given(bytes, file: "b"))) == was)
    #expect(
      try preparation(here, vocabulary: .given(tokenizer, file: "t")).standing() == .upToDate)
    #expect(try reason(preparation(here, layout: .blankLine)) == "their layout was stream")
    #expect(try reason(preparation(here, fraction: 0.2)) == "their --val-fraction was 0.1")
    #expect(
      try reason(preparation(here, of: "u.txt")) == "they were made of \(here.file("t.txt"))")
    var tokens = try here.content("out/val.bin")
    tokens[2] ^= 1
    try here.put("out/val.bin", tokens)
    #expect(try reason(preparation(here)) == "val.bin was damaged")
  }

  @Test func onlyOursAreMadeAnew() throws {
    let here = try prepared()
    let meta = String(decoding: try here.content("out/meta.json"), as: UTF8.self)
    // What an mgpt without such a record wrote.
    let start = try #require(meta.firstRange(of: #","files":["#))
    let end = try #require(meta[start.upperBound...].firstRange(of: "]"))
    try here.put(
      "out/meta.json", Array((meta[..<start.lowerBound] + meta[end.upperBound...]).utf8))
    #expect(
      try preparation(here).standing()
        == .outdated(reason: "they do not say of what they were made"))
    #expect(try TokenFolder(here.file("out")).change == nil)
    try here.put("out/meta.json", Array("{}".utf8))
    let foreign = DataPreparation.Standing.foreign(file: here.file("out/train.bin"))
    #expect(try preparation(here).standing() == foreign)
    unlink(here.file("out/meta.json"))
    #expect(try preparation(here).standing() == foreign)
    unlink(here.file("out/train.bin"))
    unlink(here.file("out/val.bin"))
    #expect(try preparation(here).standing() == .empty)
  }

  /// Files that come and go change a folder of texts; the tokens in it don't.
  @Test func foldersOfTexts() throws {
    let here = try TemporaryFolder()
    for name in ["a", "b"] {
      mkdir(here.file("books"), 0o755)
      try here.put("books/\(name).txt", Self.text)
    }
    mkdir(here.file("books/out"), 0o755)
    func preparation() throws -> DataPreparation {
      try DataPreparation(
        of: TextSource(here.file("books")), layout: .stream, vocabulary: .kind(.byte, size: nil),
        to: here.file("books/out"))
    }
    _ = try preparation().run()
    #expect(try preparation().standing() == .upToDate)
    try here.put("books/c.txt", Self.text)
    let new = "\(here.file("books/c.txt")) has changed"
    #expect(try preparation().standing() == .outdated(reason: new))
    unlink(here.file("books/c.txt"))
    unlink(here.file("books/b.txt"))
    #expect(try TokenFolder(here.file("books/out")).change == here.file("books/b.txt"))
  }
}
