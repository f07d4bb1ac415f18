// Byte-pair tokenizers: the ids of other programs, all bytes and back, checkpoints.
import Testing

@testable import MicroGPT

@Suite struct BytePairTokenizerTests {
  @Test func idsOfOtherPrograms() throws {
    let cases = try FrozenBytePairs.cases()
    #expect(cases.count >= 300)
    for pattern in PreTokenizerPattern.allCases {
      let tokenizer = try FrozenBytePairs.tokenizer(pattern)
      let mine = cases.filter { $0.pattern == pattern }
      #expect(mine.count >= 50)
      for one in mine { #expect(try tokenizer.encode(one.text) == one.ids, "\(one.text)") }
    }
  }

  @Test(arguments: PreTokenizerPattern.allCases)
  func allBytesComeBack(_ pattern: PreTokenizerPattern) throws {
    let tokenizer = try FrozenBytePairs.tokenizer(pattern)
    for seed in UInt64(1)...20 {
      let text = randomBytes(seed == 1 ? 40_000 : 500, seed: seed)
      #expect(tokenizer.decode(try tokenizer.encode(text)) == text, "seed \(seed)")
    }
    let bytes = Array(UInt8.min...UInt8.max)
    #expect(tokenizer.decode(try tokenizer.encode(bytes)) == bytes)
    for byte in bytes where byte >= 0x80 {
      #expect(try tokenizer.encode([0x61, byte, 0x61]).count == 3)
    }
  }

  @Test func cacheChangesNothing() throws {
    let tokenizer = try FrozenBytePairs.tokenizer()
    let text = randomBytes(4 * WordCache.leastText, seed: 3)
    var (start, expected) = (0, [Int32]())
    while start < text.count {  // piece by piece there is no cache
      let end = PreTokenizer(.gpt2).pieceEnd(in: text, at: start, end: text.count)
      try tokenizer.encode(text, in: start..<end, to: &expected)
      start = end
    }
    #expect(try tokenizer.encode(text) == expected)
    var tokens: [Int32] = [7]
    try tokenizer.encode([0] + text + [0], in: 1..<text.count + 1, to: &tokens)
    #expect(tokens == [7] + expected)
  }

  @Test func longPiecesMergeAsShortOnes() throws {
    let vocabulary = try FrozenBytePairs.vocabulary()
    let table = MergeTable(vocabulary.merges)
    var generator = RandomGenerator(seed: 1, stream: 0)
    for length in [2, 63, 64, 65, 66, 200, 1000] {
      let text = (0..<length).map { _ in Array("thesandoure".utf8)[generator.next(below: 11)] }
      var space = MergeSpace()
      space.ids = text.map { vocabulary.byteIDs[Int($0)] }
      space.merge(table)
      #expect(space.ids == naive(text, vocabulary), "length \(length)")
    }
  }

  /// Applies the first merge that applies anywhere, from the left, until none does.
  private func naive(_ text: [UInt8], _ vocabulary: BytePairVocabulary) -> [Int32] {
    var ids = text.map { vocabulary.byteIDs[Int($0)] }
    for merge in vocabulary.merges {
      var i = 0
      while i + 1 < ids.count {
        if ids[i] == merge.left && ids[i + 1] == merge.right {
          ids[i] = merge.result
          ids.remove(at: i + 1)
        }
        i += 1
      }
    }
    return ids
  }

  @Test func specialTokens() throws {
    let tokenizer = try FrozenBytePairs.tokenizer()
    let end = try #require(tokenizer.endToken)
    #expect(end == 511 && tokenizer.vocabularySize == 512 && tokenizer.unknownToken == nil)
    #expect(tokenizer.beginToken == nil && tokenizer.documentBegin == end)
    let text = Array("a<|endoftext|><|endoftext|>b<|end".utf8)
    #expect(try tokenizer.encode(text).contains(end) == false)
    var tokens: [Int32] = []
    try tokenizer.encodeWithSpecials(text, to: &tokens)
    #expect(tokens.filter { $0 == end }.count == 2 && tokens[1] == end)
    #expect(tokenizer.decode(tokens) == Array("ab<|end".utf8))
    var shown: [UInt8] = []
    for token in tokens { tokenizer.appendWithSpecials(token, to: &shown) }
    #expect(shown == text)
    #expect(tokenizer.decode([-1, 512]) == replacementCharacter + replacementCharacter)
  }

  @Test func wholePiecesComeFirstIfAsked() throws {
    // No merge makes "the": step by step it stays in three.
    let read = try FrozenBytePairs.vocabulary()
    let tokens = read.tokens + [Array("thx".utf8)]
    for isWhole in [false, true] {
      let tokenizer = BytePairTokenizer(
        try BytePairVocabulary(
          tokens: tokens, merges: read.merges, specials: read.specials, pattern: .gpt2,
          ignoresMerges: isWhole))
      let ids = try tokenizer.encode(Array("thx".utf8))
      #expect((ids == [512]) == isWhole)
      #expect(try makeTokenizer(from: tokenizer.json) as? BytePairTokenizer == tokenizer)
    }
  }

  @Test(arguments: PreTokenizerPattern.allCases)
  func comesBackFromACheckpoint(_ pattern: PreTokenizerPattern) throws {
    let tokenizer = try FrozenBytePairs.tokenizer(pattern)
    let text = tokenizer.json.description
    let restored = try makeTokenizer(from: JSON.parse(text))
    #expect(restored as? BytePairTokenizer == tokenizer)
  }

  static let damage: [(field: String, value: JSON, found: String, expected: String)] = [
    ("vocabulary_size", 3, "3", "256 to 4194304"),
    ("vocabulary_size", .integer(Int.max), "9223372036854775807", "256 to 4194304"),
    ("bytes", [1, 2], "an array of 2 values", "an array of 256 values"),
    ("merges", 5, "5", "an array"),
    ("pattern", "gpt5", "a string", "gpt2 or gpt4 or llama3"),
    ("specials", [[511]], "nothing", "a text"),
    ("others", [[511, "6"]], "a string", "new bytes in hex"),
  ]

  @Test(arguments: damage)
  func refusesDamage(_ field: String, _ value: JSON, _ found: String, _ expected: String) throws {
    let shown = ["specials", "others"].contains(field) ? field + "[0]" : field
    #expect(throws: TokenizerError.damaged(field: shown, found: found, expected: expected)) {
      try makeTokenizer(from: replacing(field, by: value))
    }
  }

  @Test func refusesMergesThatFitNothing() throws {
    let merges = try #require(FrozenBytePairs.tokenizer().json["merges"]?.arrayValue)
    var doubled = merges
    // Each doubles a token: 2^60 bytes, if they were believed.
    for i in 0..<60 {
      doubled[3 * i] = i == 0 ? 0 : doubled[3 * i - 1]
      doubled[3 * i + 1] = doubled[3 * i]
    }
    var outside = merges
    outside[4] = 512
    for bad in [doubled, outside, Array(merges.dropLast()), [0, 1, 511], [0, 1, 2]] {
      #expect(throws: TokenizerError.self) {
        try makeTokenizer(from: replacing("merges", by: .array(bad)))
      }
    }
  }

  private func replacing(_ field: String, by value: JSON) throws -> JSON {
    let members = try #require(FrozenBytePairs.tokenizer().json.objectValue)
    return .object(members.map { $0.key == field ? JSON.Member(field, value) : $0 })
  }
}
