// Prepared tokens are those of the text: the same corpus as from memory, whatever the layout.
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct DataPreparationTests {
  private static let story = (0..<300).map {
    "The cat number \($0) sat — on the mät.\nIt looked.\n" + ($0 % 7 == 0 ? "\n" : "")
      + ($0 % 11 == 0 ? "<|endoftext|>\n" : "")
  }.joined()

  static let cases: [(CorpusLayout, TokenizerKind)] = CorpusLayout.allCases.flatMap { layout in
    TokenizerKind.allCases.map { (layout, $0) }
  }

  @Test(arguments: cases)
  func sameAsFromMemory(_ layout: CorpusLayout, _ kind: TokenizerKind) throws {
    let here = try TemporaryFolder()
    let text = Array(Self.story.utf8)
    try here.put("t.txt", text)
    let size = kind == .bpe ? 300 : nil
    let report = try DataPreparation(
      of: TextSource(here.file("t.txt")), layout: layout, vocabulary: .kind(kind, size: size),
      to: here.path
    ).run()
    let folder = try TokenFolder(here.path)
    let tokenizer = try makeTokenizer(
      kind, for: text, layout: layout, path: "t", vocabularySize: size)
    #expect(folder.tokenizer.json == tokenizer.json)
    let corpus = try Corpus(
      text: text, layout: layout, tokenizer: tokenizer, contextLength: 8, path: "t")
    #expect(report.byteCount == text.count && report.width == 2)
    for (one, other) in [
      (corpus.training, folder.corpus.training), (corpus.validation, folder.corpus.validation),
    ] {
      #expect(one.layout == other.layout && one.paddingToken == other.paddingToken)
      #expect(one.pieces.map { one.tokens[$0] } == other.pieces.map { other.tokens[$0] })
      #expect(one.targetByteCount == other.targetByteCount)
      // And so the same batches.
      var (first, second) = (BatchSampler(one, seed: 7), BatchSampler(other, seed: 7))
      for _ in 0..<20 { #expect(first.batch(3, 8) == second.batch(3, 8)) }
    }
    #expect(here.names == ["meta.json", "t.txt", "train.bin", "val.bin"])
  }

  @Test func wideTokensBeyond16Bits() throws {
    let here = try TemporaryFolder()
    try here.put("t.txt", Array("abcabcabcabcabc".utf8))
    // 65,537 ids: three-byte tokens that the text has none of.
    var tokens: [[UInt8]] = (0..<256).map { [UInt8($0)] }
    for i in 0..<65_281 { tokens.append([1, UInt8(i >> 8), UInt8(i & 255)]) }
    let tokenizer = BytePairTokenizer(
      try BytePairVocabulary(tokens: tokens, merges: [], specials: [], pattern: .gpt2))
    let report = try DataPreparation(
      of: TextSource(here.file("t.txt")), layout: .stream,
      vocabulary: .given(tokenizer, file: "t.json"),
      validationFraction: 0.4, to: here.path
    ).run()
    #expect(report.width == 4)
    #expect(try here.content("val.bin") == numbers([97, 98, 99, 97, 98, 99], width: 4))
    let folder = try TokenFolder(here.path, tokenizer: tokenizer)
    #expect(folder.corpus.training.tokens[0..<3] == [97, 98, 99])
    #expect(TokenFolderMeta.width(vocabularySize: 65_536) == 2)
  }

  @Test func otherTokenizersAndFilesAreRefused() throws {
    let here = try TemporaryFolder()
    try here.put("t.txt", Array(Self.story.utf8))
    func prepare() throws {
      _ = try DataPreparation(
        of: TextSource(here.file("t.txt")), layout: .stream, vocabulary: .kind(.byte, size: nil),
        to: here.path
      ).run()
    }
    try prepare()
    let other = try FrozenBytePairs.tokenizer()
    #expect(
      here.failure { _ = try TokenFolder(here.path, tokenizer: other) }
        == "65 the tokens in DIR are of another tokenizer. Found \(ByteTokenizer().identity), expected "
        + "\(other.identity). Prepare the text with that tokenizer, or leave --tokenizer out.")
    // One byte of the file differs, then its length.
    var bytes = try here.content("train.bin")
    bytes[10] ^= 1
    try here.put("train.bin", bytes)
    let changed = here.failure { _ = try TokenFolder(here.path) }
    #expect(changed.hasPrefix("65 DIR/train.bin is not the file that meta.json describes. Found "))
    #expect(changed.contains(" as checksum, expected "))
    try here.put("train.bin", Array(bytes.dropLast(2)))
    let short = here.failure { _ = try TokenFolder(here.path) }
    #expect(short.contains(" tokens, expected \(bytes.count / 2). Make it again."))
    try prepare()
    #expect(try TokenFolder(here.path).tokenizer.kind == .byte)
  }

  /// A text of 20 MB without a place to cut it is neither read whole nor encoded as one piece.
  @Test func textWithoutACut() throws {
    let here = try TemporaryFolder()
    let path = here.file("t.txt")
    try here.put("t.txt", [UInt8](repeating: 0x61, count: 20 << 20))
    var largest = 0
    try TextSource(path).forEachChunk(safeCut: { _ in nil }) { largest = max(largest, $0.count) }
    #expect(largest < 17 << 20)
    var parts: [Int] = []
    struct Sizes: DocumentReader {
      var sizes: [Int] = []
      mutating func read(_ text: [UInt8], in range: Range<Int>) { sizes.append(range.count) }
      mutating func endDocument() {}
    }
    var reader = Sizes()
    _ = try TextSource(path).read(.endOfText, to: &reader, cut: { _, _ in nil }) { reader, _ in
      parts += reader.sizes
      reader.sizes = []
    }
    #expect(parts.reduce(0, +) == 20 << 20 && (parts.max() ?? 0) < 6 << 20)
  }

  @Test func specialNamesWithBlanksAreNotCut() throws {
    let base = try FrozenBytePairs.tokenizer().vocabulary
    let id = Int32(base.tokens.count)
    let tokenizer = BytePairTokenizer(
      try BytePairVocabulary(
        tokens: base.tokens + [[]], merges: base.merges,
        specials: base.specials + [SpecialToken(id: id, text: "<a b>")], pattern: base.pattern))
    let text = Array(String(repeating: "word <a b>", count: 50).utf8)
    var whole: [Int32] = []
    try tokenizer.encodeWithSpecials(text, to: &whole)
    for length in 20..<60 {
      let start = Array(text.prefix(length))
      guard let cut = tokenizer.safeCut(of: start, readsSpecials: true) else { continue }
      var parts: [Int32] = []
      try tokenizer.encodeWithSpecials(Array(text[..<cut]), to: &parts)
      try tokenizer.encodeWithSpecials(Array(text[cut...]), to: &parts)
      #expect(parts == whole, "cut at \(cut)")
    }
    #expect(tokenizer.safeCut(of: text, readsSpecials: true) != nil)
  }
}
