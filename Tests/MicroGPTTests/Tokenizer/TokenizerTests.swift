// Tokenizers in checkpoints: they come back the same, and damage is refused in clear words.
import Testing

@testable import MicroGPT

@Suite struct TokenizerTests {
  @Test func kindsHaveTheNamesOfTheCommandLine() {
    #expect(TokenizerKind.allCases.map(\.rawValue) == ["char", "byte", "bpe"])
  }

  @Test func characterTokenizerComesBack() throws {
    let tokenizer = try CharacterTokenizer(trainingText: Array("tea é 中 😀".utf8))
    let restored = try makeTokenizer(from: tokenizer.json)
    #expect(restored as? CharacterTokenizer == tokenizer)
  }

  @Test func byteTokenizerComesBack() throws {
    #expect(try makeTokenizer(from: ByteTokenizer().json) is ByteTokenizer)
  }

  @Test func canonicallyEquivalentVocabulariesDiffer() throws {
    // The Kelvin sign and K are equal as Swift strings.
    let kelvin = try CharacterTokenizer(trainingText: Array("\u{212A}".utf8))
    let letter = try CharacterTokenizer(trainingText: Array("K".utf8))
    #expect(kelvin.json != letter.json)
  }

  @Test(
    arguments: [
      (.null, "kind", "nothing", "a name"),
      (object(("kind", .integer(3))), "kind", "3", "a name"),
      (object(("kind", .string("byte"))), "vocabulary_size", "nothing", "258"),
      (
        object(("kind", .string("byte")), ("vocabulary_size", .integer(256))),
        "vocabulary_size", "256", "258"
      ),
      (object(("kind", .string("char"))), "characters", "nothing", "an array of code points"),
      (
        object(("kind", .string("char")), ("characters", .string("abc"))),
        "characters", "a string", "an array of code points"
      ),
      (
        characters([.integer(97), .integer(0xD800)]),
        "characters[1]", "55296", "a Unicode code point"
      ),
      (characters([.integer(-1)]), "characters[0]", "-1", "a Unicode code point"),
      (characters([.integer(0x110000)]), "characters[0]", "1114112", "a Unicode code point"),
      (characters([.number(97.5)]), "characters[0]", "97.5", "a Unicode code point"),
      (
        characters([.integer(97), .integer(97)]),
        "characters[1]", "97", "more than 97, the one before"
      ),
      (
        characters([.integer(98), .integer(97)]),
        "characters[1]", "97", "more than 98, the one before"
      ),
      (characters([.integer(97)], size: 5), "vocabulary_size", "5", "4"),
    ] as [(JSON, String, String, String)])
  func refusesDamage(_ json: JSON, _ field: String, _ found: String, _ expected: String) {
    #expect(throws: TokenizerError.damaged(field: field, found: found, expected: expected)) {
      try makeTokenizer(from: json)
    }
  }

  @Test func refusesUnknownKinds() {
    #expect(throws: TokenizerError.unknownKind("bpf")) {
      try makeTokenizer(from: object(("kind", .string("bpf"))))
    }
  }

  @Test(
    arguments: [
      (
        .invalidUTF8(byte: 0x0F, offset: 7),
        "The text is not valid UTF-8: byte 0x0F at offset 7. Convert it to UTF-8, or use a model "
          + "trained with --tokenizer byte."
      ),
      (
        .unknownKind("b\u{1B}[31m\npe"),
        "The checkpoint needs an unknown tokenizer. Found \"b?[31m?pe\", expected \"char\" or "
          + "\"byte\" or \"bpe\". Use the version of mgpt that wrote it."
      ),
      (
        .unknownKind(forty + "yyyyy"),
        "The checkpoint needs an unknown tokenizer. Found \"" + forty + "…\", "
          + "expected \"char\" or \"byte\" or \"bpe\". Use the version of mgpt that wrote it."
      ),
      (
        .damaged(field: "vocabulary_size", found: "256", expected: "258"),
        "The checkpoint's tokenizer is damaged at \"vocabulary_size\". Found 256, expected 258. Use "
          + "another checkpoint, or train again."
      ),
    ] as [(TokenizerError, String)])
  func messages(_ error: TokenizerError, _ message: String) {
    #expect(error.description == message)
    #expect(error.exitCode == .data)
  }
}

// Not interpolated into the messages: Swift 6.0.3 crashes on interpolations in test arguments.
private let forty = String(repeating: "x", count: 40)

private func object(_ members: (String, JSON)...) -> JSON {
  .object(members.map { JSON.Member($0.0, $0.1) })
}

private func characters(_ values: [JSON], size: Int = 4) -> JSON {
  object(
    ("kind", .string("char")), ("vocabulary_size", .integer(size)), ("characters", .array(values)))
}
