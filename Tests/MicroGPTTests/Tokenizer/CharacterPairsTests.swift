// Byte pairs on characters: the ids are those of the reference in tools/character_pairs.py; files
// and checkpoints hold such a tokenizer; what it has no token for is left out and counted.
import Testing

@testable import MicroGPT

/// The frozen vocab.json on characters, and texts with the reference's ids.
enum FrozenCharacterPairs {
  static func file() throws -> JSON {
    try #require(JSON.parse(readFile(fixturePath("pairs-characters.json")))["file"])
  }

  static func tokenizer() throws -> BytePairTokenizer {
    BytePairTokenizer(try BytePairVocabulary(pairs: file(), path: "t"))
  }

  static func cases() throws -> [(text: [UInt8], ids: [Int32])] {
    let root = try JSON.parse(readFile(fixturePath("pairs-characters.json")))
    return try #require(root["cases"]?.arrayValue).map { entry in
      (
        Array(try #require(entry[0]?.stringValue).utf8),
        try #require(entry[1]?.arrayValue).map { Int32($0.intValue ?? -1) }
      )
    }
  }
}

@Suite struct CharacterPairsTests {
  @Test func idsOfTheReference() throws {
    let tokenizer = try FrozenCharacterPairs.tokenizer()
    #expect(tokenizer.vocabulary.alphabet == .characters && tokenizer.vocabularySize == 404)
    #expect(tokenizer.beginToken == 0 && tokenizer.endToken == 1)
    var leftOut = 0
    for (text, ids) in try FrozenCharacterPairs.cases() {
      #expect(try tokenizer.encode(text) == ids, "\(text)")
      let missing = tokenizer.leftOutByteCount(text, in: 0..<text.count)
      #expect(tokenizer.decode(ids).count + missing == text.count)
      if missing == 0 { #expect(tokenizer.decode(ids) == text) }
      leftOut += missing
    }
    #expect(leftOut > 100)
    #expect(tokenizer.decode([0, 1]).isEmpty)
  }

  /// Long texts take other ways: a cache of lines, and a heap for long ones.
  @Test func longTextsAreTheirLines() throws {
    let tokenizer = try FrozenCharacterPairs.tokenizer()
    let cases = try FrozenCharacterPairs.cases()
    let feed = try tokenizer.encode([0x0A])
    let text = Array(cases.map(\.text).joined(separator: [0x0A]))
    #expect(text.count > 8192 && feed.count == 1)
    #expect(try tokenizer.encode(text) == Array(cases.map(\.ids).joined(separator: feed)))
    let cut = try #require(tokenizer.safeCut(of: text, in: 0..<text.count))
    #expect(text[cut] == 0x0A)
    let parts = try tokenizer.encode(Array(text[..<cut])) + tokenizer.encode(Array(text[cut...]))
    #expect(try parts == tokenizer.encode(text))
    #expect(tokenizer.safeCut(of: Array("no feed".utf8), in: 0..<7) == nil)
  }

  @Test func comesBackFromFilesAndCheckpoints() throws {
    let tokenizer = try FrozenCharacterPairs.tokenizer()
    let written = try tokenizer.vocabulary.pairsJSON()
    #expect(try BytePairVocabulary(pairs: written, path: "t") == tokenizer.vocabulary)
    #expect(try written["vocab"] == FrozenCharacterPairs.file()["vocab"])
    let saved = try JSON.parse(tokenizer.json.utf8Bytes)
    #expect(try makeTokenizer(from: saved) as? BytePairTokenizer == tokenizer)
    let ended = try tokenizer.vocabulary.withEndToken()
    #expect(ended == tokenizer.vocabulary)
    let members = try #require(saved.objectValue)
    let other = JSON.object(
      members.map { JSON.Member($0.key, $0.key == "alphabet" ? "words" : $0.value) })
    #expect(
      throws: TokenizerError.damaged(
        field: "alphabet", found: "a string", expected: "bytes or characters")
    ) { try makeTokenizer(from: other) }
  }

  @Test func otherFormatsAreForBytes() throws {
    let folder = try TemporaryFolder()
    let tokenizer = try FrozenCharacterPairs.tokenizer()
    for format in TokenizerFormat.allCases where format != .pairs {
      #expect(throws: TokenizerFileError.charactersNotWritable(format: format.rawValue)) {
        try write(tokenizer, as: format, to: folder.file("t.json"))
      }
    }
    try write(tokenizer, as: .pairs, to: folder.file("vocab.json"))
    #expect(try readTokenizer(folder.file("vocab.json")) == tokenizer)
  }

  @Test func specialsAndBadTexts() throws {
    let tokenizer = try FrozenCharacterPairs.tokenizer()
    var tokens: [Int32] = []
    try tokenizer.encodeWithSpecials(Array("<|bos|>a<|eos|>".utf8), to: &tokens)
    #expect(try tokens == [0] + tokenizer.encode(Array("a".utf8)) + [1])
    #expect(throws: TokenizerError.invalidUTF8(byte: 0xFF, offset: 1)) {
      try tokenizer.encode([0x61, 0xFF])
    }
    #expect(throws: TokenizerError.invalidUTF8(byte: 0xC3, offset: 1)) {
      try tokenizer.encodeWithSpecials([0x61, 0xC3], to: &tokens)
    }
  }

  static let faults: [(file: JSON, message: String)] = [
    (
      ["vocab": ["ab", "a", "b"], "merges": [["a", "b"]]],
      "t can't be used. Found token 0 merged from a later one, expected each behind its parts. Use "
        + "another tokenizer."
    ),
    (
      ["vocab": ["a", "b", "a"], "merges": []],
      "t is damaged at vocab[2]. Found a token twice, expected each token once. Use another copy."
    ),
    (
      ["vocab": ["ab", "cd"], "merges": []],
      "t can't be used. Found no token of one character, expected at least one. Use another "
        + "tokenizer."
    ),
    (
      ["vocab": ["a", "b"], "merges": [["a", "b"]]],
      "t is damaged at merges[0]. Found a result that is no token, expected two tokens of vocab. Use "
        + "another copy."
    ),
    (
      ["vocab": ["a", 7], "merges": []],
      "t is damaged at vocab[1]. Found 7, expected a token. Use another copy."
    ),
    (
      ["vocab": ["Ġ", "a"], "merges": []],
      "t can't be used. Found no token for byte 0x00, expected one for each of the 256 bytes. Use "
        + "another tokenizer."
    ),
  ]

  @Test(arguments: faults) func faultyFiles(_ file: JSON, _ message: String) {
    do {
      _ = try BytePairVocabulary(pairs: file, path: "t")
      Issue.record("read: \(file)")
    } catch {
      #expect(error.description == message)
    }
  }

  /// Bits per byte are those of the bytes that tokens stand for.
  @Test(arguments: CorpusLayout.allCases)
  func leftOutBytesDoNotCount(_ layout: CorpusLayout) throws {
    let tokenizer = try FrozenCharacterPairs.tokenizer()
    func bytes(_ line: String) throws -> Int {
      let separator = layout == .endOfText ? "<|endoftext|>" : layout == .blankLine ? "\n\n" : "\n"
      let text = Array([String](repeating: line, count: 60).joined(separator: separator).utf8)
      let split = try TokenSplit(text: text, layout: layout, tokenizer: tokenizer, path: "t")
      return split.targetByteCount
    }
    #expect(try bytes("the kingЖЖ of") == bytes("the king of"))
  }
}
