// Tokenizers on disk: the format is found out, and the other file of a pair.
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct TokenizerFilesTests {
  @Test func everyFormatComesBack() throws {
    let folder = try TemporaryFolder()
    let tokenizer = try FrozenBytePairs.tokenizer()
    for (format, name) in [
      (TokenizerFormat.huggingface, "a.json"), (.gpt2, "vocab.json"), (.tiktoken, "a.tiktoken"),
      (.pairs, "b.json"),
    ] {
      let path = folder.path + "/" + name
      try write(tokenizer, as: format, to: path)
      let read = try readTokenizer(path)
      #expect(read.vocabulary.tokens == tokenizer.vocabulary.tokens)
      #expect(read.vocabulary.merges == tokenizer.vocabulary.merges)
      #expect(read.endToken == tokenizer.endToken)
    }
    #expect(try readTokenizer(folder.path + "/merges.txt") == tokenizer)
    #expect(try readTokenizer(folder.path) == tokenizer)
  }

  @Test func theOtherFileIsMissing() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/vocab.json"
    try write(FrozenBytePairs.tokenizer(), as: .gpt2, to: path)
    unlink(folder.path + "/merges.txt")
    #expect(throws: DataError.missing(path: folder.path + "/merges.txt")) {
      try readTokenizer(path)
    }
    unlink(path)
    #expect(throws: DataError.missing(path: path)) { try readTokenizer(folder.path) }
  }

  @Test func partsOfAFileAreTheFile() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/text"
    let text = randomBytes(5_000_000, seed: 11)
    try AtomicFile.replace(path, with: text)
    let tokenizer = try FrozenBytePairs.tokenizer()
    var (parts, tokens) = ([UInt8](), [Int32]())
    var count = 0
    try TextSource(path).forEachChunk(
      byteCount: 1 << 20, safeCut: { tokenizer.safeCut(of: $0, readsSpecials: false) }
    ) { part in
      count += 1
      parts += part
      try tokenizer.encode(part, in: 0..<part.count, to: &tokens)
    }
    #expect(count > 3 && parts == text)
    #expect(try tokens == tokenizer.encode(text))
  }

  @Test func bytePairsFitEveryLayout() throws {
    let text = Array(String(repeating: "anna\nhanna\njohanna\n", count: 20).utf8)
    for layout in CorpusLayout.allCases {
      let tokenizer = try makeTokenizer(
        .bpe, for: text, layout: layout, path: "t", vocabularySize: 262)
      let corpus = try Corpus(
        text: text, layout: layout, tokenizer: tokenizer, contextLength: 4, path: "t")
      // Each document's end stands for its line feed: what is predicted is the text.
      let all = corpus.training.targetByteCount + corpus.validation.targetByteCount
      if layout == .documents { #expect(all == text.count) }
      #expect(all <= text.count && all > text.count - 20)
    }
    #expect(
      throws: DataError.untrainable(
        path: "t", .textTooPoor(found: 4000, supported: 263, pieces: 4))
    ) {
      _ = try makeTokenizer(.bpe, for: text, layout: .stream, path: "t", vocabularySize: 4000)
    }
  }

  @Test func suggestedSizes() {
    let sizes = [0, 500_000, 1_000_000, 1_500_000, 4_000_000, 1 << 40]
    #expect(sizes.map(suggestedVocabularySize) == [512, 1024, 2048, 4096, 4096, 4096])
  }
}
