// What the tests of byte-pair tokenizers share: the frozen tokenizer, its cases, random text.
import Testing

@testable import MicroGPT

/// The small tokenizer that the fixture's ids were made with, and those ids.
enum FrozenBytePairs {
  /// Strings with the ids that `tokenizers` and `tiktoken` agreed on, by pattern.
  struct Case: Sendable {
    let pattern: PreTokenizerPattern
    let text: [UInt8]
    let ids: [Int32]
  }

  static func file() throws -> [UInt8] { try readFile(fixturePath("bpe-512.json")) }

  static func vocabulary(
    _ pattern: PreTokenizerPattern = .gpt2, ignoresMerges: Bool = false
  ) throws -> BytePairVocabulary {
    let read = try BytePairVocabulary(huggingFace: file(), path: "t")
    return try BytePairVocabulary(
      tokens: read.tokens, merges: read.merges, specials: read.specials, pattern: pattern,
      ignoresMerges: ignoresMerges)
  }

  static func tokenizer(_ pattern: PreTokenizerPattern = .gpt2) throws -> BytePairTokenizer {
    BytePairTokenizer(try vocabulary(pattern))
  }

  static func cases() throws -> [Case] {
    let root = try JSON.parse(readFile(fixturePath("bpe-cases.json")))
    let list = try #require(root["cases"]?.arrayValue)
    return try list.map { entry in
      let name = try #require(entry[0]?.stringValue)
      return Case(
        pattern: try #require(PreTokenizerPattern(rawValue: name)),
        text: Array(try #require(entry[1]?.stringValue).utf8),
        ids: try #require(entry[2]?.arrayValue).map { Int32($0.intValue ?? -1) })
    }
  }
}

/// Bytes of which many are letters and blanks, some are UTF-8 of other scripts, some are nothing.
func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
  let parts = ["the", " ", "  ", "a", "'s", "\n", "é", "中文", "😀", "12", "!?", "\u{3000}", " don't"]
  var generator = RandomGenerator(seed: seed, stream: 0)
  var bytes: [UInt8] = []
  while bytes.count < count {
    let chosen = generator.next(below: parts.count + 2)
    if chosen < parts.count {
      bytes += parts[chosen].utf8
    } else {
      bytes.append(UInt8(generator.next(below: 256)))
    }
  }
  return Array(bytes[..<count])
}
