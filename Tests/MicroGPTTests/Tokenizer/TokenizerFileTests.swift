// Tokenizers in the formats of others: they come back the same, other kinds are named, and no
// damage is believed.
import Testing

@testable import MicroGPT

@Suite struct TokenizerFileTests {
  @Test(arguments: PreTokenizerPattern.allCases)
  func huggingFace(_ pattern: PreTokenizerPattern) throws {
    let vocabulary = try FrozenBytePairs.vocabulary(pattern)
    let written = vocabulary.huggingFaceJSON.utf8Bytes
    #expect(try BytePairVocabulary(huggingFace: written, path: "t") == vocabulary)
  }

  @Test func mergesAsStrings() throws {
    let vocabulary = try FrozenBytePairs.vocabulary()
    let merges = vocabulary.mergesJSON.arrayValue ?? []
    let joined = merges.map {
      JSON.string("\($0[0]?.stringValue ?? "") \($0[1]?.stringValue ?? "")")
    }
    let file = replacing(["model", "merges"], by: .array(joined), in: vocabulary.huggingFaceJSON)
    #expect(try BytePairVocabulary(huggingFace: file.utf8Bytes, path: "t") == vocabulary)
  }

  @Test func gpt2() throws {
    let vocabulary = try FrozenBytePairs.vocabulary()
    let read = try BytePairVocabulary(
      vocabulary: vocabulary.vocabularyFile, path: "v", merges: vocabulary.mergesText,
      mergesPath: "m")
    #expect(read == vocabulary)
  }

  @Test func pairs() throws {
    let vocabulary = try FrozenBytePairs.vocabulary()
    let file = try vocabulary.pairsJSON()
    #expect(try BytePairVocabulary(pairs: file, path: "t") == vocabulary)
    let ids = vocabulary.merges.map {
      JSON.array([.integer(Int($0.left)), .integer(Int($0.right))])
    }
    let byID = replacing(["merges"], by: .array(ids), in: file)
    #expect(try BytePairVocabulary(pairs: byID, path: "t") == vocabulary)
    var texts = try #require(file["vocab"]?.arrayValue)
    texts[511] = "<|eos|>"
    let other = replacing(["vocab"], by: .array(texts), in: file)
    #expect(try BytePairVocabulary(pairs: other, path: "t").endToken == 511)
    #expect(try BytePairVocabulary(pairs: other, path: "t").alphabet == .bytes)
    #expect(throws: TokenizerFileError.self) {
      try BytePairVocabulary(
        pairs: replacing(["merges"], by: [[0, 512]], in: file), path: "t")
    }
  }

  @Test func tiktoken() throws {
    let vocabulary = try FrozenBytePairs.vocabulary(ignoresMerges: true)
    let file = try vocabulary.tiktokenFile()
    #expect(file.starts(with: "IQ== 0\nIg== 1\n".utf8))
    let read = try BytePairVocabulary(tiktoken: file, path: "t", pattern: .gpt2)
    #expect(read == vocabulary)
  }

  @Test func tiktokenWantsIdsInTheOrderOfMerges() throws {
    let v = try FrozenBytePairs.vocabulary()
    var merges = v.merges
    merges.swapAt(0, 1)
    let swapped = try BytePairVocabulary(
      tokens: v.tokens, merges: merges, specials: v.specials, pattern: .gpt2)
    #expect(
      throws: TokenizerFileError.notWritable(
        format: "tiktoken", found: "the id 256 after 257",
        expected: "ids in the order of the merges")
    ) { try swapped.tiktokenFile() }
  }

  static let otherKinds: [(path: [String], value: JSON, found: String)] = [
    (["model", "type"], "Unigram", #"a model of type "Unigram""#),
    (["model", "type"], "WordPiece", #"a model of type "WordPiece""#),
    (["model", "byte_fallback"], true, "BPE with byte_fallback"),
    (["model", "dropout"], 0.1, "BPE with dropout 0.1"),
    (["model", "end_of_word_suffix"], "</w>", #"BPE with end_of_word_suffix "</w>""#),
    (["normalizer"], ["type": "NFC"], #"a normalizer of type "NFC""#),
    (["pre_tokenizer"], nil, "no pre-tokenizer"),
    (["pre_tokenizer"], ["type": "Metaspace"], #"a pre-tokenizer of type "Metaspace""#),
    (["pre_tokenizer", "add_prefix_space"], true, "ByteLevel with add_prefix_space"),
    (
      ["pre_tokenizer"],
      [
        "type": "Sequence",
        "pretokenizers": [
          ["type": "Split", "pattern": ["Regex": "x+"], "behavior": "Isolated"],
          ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
        ],
      ], #"the pattern "x+""#
    ),
    (
      ["added_tokens"], [["id": 511, "content": "<mask>", "lstrip": true]],
      #"the added token "<mask>" with lstrip"#
    ),
  ]

  @Test(arguments: otherKinds)
  func otherKindsAreNamed(_ path: [String], _ value: JSON, _ found: String) throws {
    let file = replacing(path, by: value, in: try FrozenBytePairs.vocabulary().huggingFaceJSON)
    #expect(throws: TokenizerFileError.otherKind(path: "t", found: found)) {
      try BytePairVocabulary(huggingFace: file.utf8Bytes, path: "t")
    }
  }

  static let damage: [(path: [String], value: JSON, message: String)] = [
    (
      ["model", "vocab", "a"], 7,
      "t is damaged at model.vocab[\"a\"]. Found id 7 again, expected each id once. Use another copy."
    ),
    (
      ["model", "vocab", "a"], .integer(Int.max),
      "t is damaged at model.vocab[\"a\"]. Found id 9223372036854775807, expected 0 to 5119. Use "
        + "another copy."
    ),
    (
      ["model", "merges"], ["a b c"],
      "t is damaged at model.merges[0]. Found a string, expected two tokens, as \"l r\" or [\"l\", "
        + "\"r\"]. Use another copy."
    ),
    (
      ["model", "merges"], [["q", "q"]],
      "t is damaged at model.merges[0]. Found a result that is no token, expected tokens of the "
        + "vocabulary. Use another copy."
    ),
    (["model"], 3, "t is damaged at model. Found 3, expected an object. Use another copy."),
    (
      ["model", "vocab"], ["a": 0],
      "t is damaged at model.merges[0]. Found a part that is no token, expected tokens of the "
        + "vocabulary. Use another copy."
    ),
  ]

  @Test(arguments: damage)
  func damageIsRefused(_ path: [String], _ value: JSON, _ message: String) throws {
    let file = replacing(path, by: value, in: try FrozenBytePairs.vocabulary().huggingFaceJSON)
    #expect(fault(of: file.utf8Bytes) == message)
  }

  @Test func bytesThatLack() throws {
    let file: JSON = [
      "model": ["type": "BPE", "vocab": ["a": 0], "merges": []],
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false],
    ]
    #expect(throws: TokenizerFileError.unusable(path: "t", .lacksByte(0))) {
      try BytePairVocabulary(huggingFace: file.utf8Bytes, path: "t")
    }
    #expect(throws: TokenizerFileError.unusable(path: "t", .lacksByte(0))) {
      try BytePairVocabulary(tiktoken: Array("IQ== 0\n".utf8), path: "t", pattern: .gpt2)
    }
  }

  static let badLines = [
    "IQ==", "IQ== x", "IQ== -1", "IQ= 0", "IR== 0", "I!== 0", " 0", "IQ== 0 0",
  ]

  @Test(arguments: badLines) func badLinesOfTiktoken(_ line: String) {
    #expect(
      throws: TokenizerFileError.badLine(
        path: "t", line: 2, found: quotedForMessage(line),
        expected: "a token in base64, a blank and its rank")
    ) {
      try BytePairVocabulary(
        tiktoken: Array("Ig== 1\n\(line)\n".utf8), path: "t", pattern: .gpt2)
    }
  }

  @Test func badLinesOfMerges() throws {
    let vocabulary = try FrozenBytePairs.vocabulary()
    for (line, found) in [
      ("a", "\"a\""), ("a b c", "\"a b c\""), ("q q", "a result that is no token"),
    ] {
      #expect(
        throws: TokenizerFileError.badLine(
          path: "m", line: 2, found: found, expected: "two tokens of v")
      ) {
        try BytePairVocabulary(
          vocabulary: vocabulary.vocabularyFile, path: "v",
          merges: Array("#version: 0.2\n\(line)\n".utf8), mergesPath: "m")
      }
    }
  }

  @Test func brokenJSONHasAPosition() throws {
    #expect(
      fault(of: Array("{\n  \"model\": {,".utf8))
        == "t: invalid JSON at line 2, column 13 (byte 14). Found ',', expected a key in quotes. Use "
        + "a whole tokenizer.json or vocab.json.")
  }
}

/// What is wrong with a tokenizer.json; nil if nothing is.
private func fault(of file: [UInt8]) -> String? {
  do {
    _ = try BytePairVocabulary(huggingFace: file, path: "t")
    return nil
  } catch {
    return error.description
  }
}

/// `json` with the member at `path` replaced or added.
private func replacing(_ path: [String], by value: JSON, in json: JSON) -> JSON {
  guard let first = path.first, var members = json.objectValue else { return value }
  let new = replacing(Array(path.dropFirst()), by: value, in: json[first] ?? .object([]))
  if let place = members.firstIndex(where: { $0.key == first }) {
    members[place].value = new
  } else {
    members.append(JSON.Member(first, new))
  }
  return .object(members)
}
