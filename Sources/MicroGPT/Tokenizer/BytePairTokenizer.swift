// BPE as GPT-2 defines it: text in pieces, pieces in bytes, neighbours merged in the order of their
// ranks; or on characters, with lines as pieces. Reading and writing files:
// HuggingFaceTokenizer.swift, MergesText.swift, TiktokenFile.swift, PairsTokenizer.swift; learning
// one: BytePairTrainer.swift.

/// A tokenizer whose tokens are sequences of bytes or of characters, found by merging.
///
/// Where every byte has a token, it encodes anything and decodes it exactly. A byte outside
/// well-formed UTF-8 is its own piece and so its own token; Hugging Face's `tokenizers` and
/// `tiktoken` take strings, in which such bytes are U+FFFD before they come to see them.
///
/// Where tokens are made of characters, as randyGPT's are, text must be UTF-8, no token reaches
/// across a line feed, and characters without a token are left out (`leftOutByteCount`).
///
/// *Source*: R. Sennrich, B. Haddow, A. Birch, Neural Machine Translation of Rare Words with
/// Subword Units, 2016 (arXiv:1508.07909), on bytes as in A. Radford et al., 2019.
public struct BytePairTokenizer: TextTokenizer, Equatable {
  /// Tokens, merges, special tokens.
  public let vocabulary: BytePairVocabulary
  private let preTokenizer: PreTokenizer
  private let merges: MergeTable
  /// Ids by their bytes, for the rule that a piece which is a token stays whole; else empty.
  private let wholePieces: [[UInt8]: Int32]
  // All tokens one behind the other; id i is bytes starts[i] ..< starts[i + 1].
  private let bytes: [UInt8]
  private let starts: [Int]
  private let isSpecial: [Bool]

  /// Makes the tables.
  ///
  /// *Cost*: a few milliseconds for 50,000 tokens.
  public init(_ vocabulary: BytePairVocabulary) {
    self.vocabulary = vocabulary
    preTokenizer = PreTokenizer(vocabulary.pattern)
    merges = MergeTable(vocabulary.merges, ranksByResult: vocabulary.alphabet == .characters)
    var wholePieces: [[UInt8]: Int32] = [:]
    var (bytes, starts): ([UInt8], [Int]) = ([], [0])
    starts.reserveCapacity(vocabulary.tokens.count + 1)
    for (id, token) in vocabulary.tokens.enumerated() {
      if vocabulary.ignoresMerges && !token.isEmpty { wholePieces[token] = Int32(id) }
      bytes += token
      starts.append(bytes.count)
    }
    (self.wholePieces, self.bytes, self.starts) = (wholePieces, bytes, starts)
    var isSpecial = [Bool](repeating: false, count: vocabulary.tokens.count)
    for special in vocabulary.specials { isSpecial[Int(special.id)] = true }
    self.isSpecial = isSpecial
  }

  /// The vocabulary decides everything else.
  public static func == (a: Self, b: Self) -> Bool { a.vocabulary == b.vocabulary }

  /// `.bpe`.
  public var kind: TokenizerKind { .bpe }
  /// Bytes or characters, merged tokens, special tokens.
  public var vocabularySize: Int { vocabulary.tokens.count }
  /// The special token that begins a document in other programs, if the vocabulary has one.
  public var beginToken: Int32? { vocabulary.beginToken }
  /// `<|endoftext|>` or what stands for it, if the vocabulary has one.
  public var endToken: Int32? { vocabulary.endToken }
  /// None: every byte has an id, or what has none is left out.
  public var unknownToken: Int32? { nil }

  /// Appends the bytes of a token; special tokens have none, ids that stand for nothing give
  /// U+FFFD.
  public func append(_ token: Int32, to bytes: inout [UInt8]) {
    let id = Int(token)
    guard isSpecial.indices.contains(id) else {
      bytes.append(contentsOf: replacementCharacter)
      return
    }
    if starts[id] < starts[id + 1] {
      bytes.append(contentsOf: self.bytes[starts[id]..<starts[id + 1]])
    } else if !isSpecial[id] {
      bytes.append(contentsOf: replacementCharacter)
    }
  }
}

// MARK: - Encoding

extension BytePairTokenizer {
  /// Appends the ids of `text[range]`; never gives a special token.
  ///
  /// *Cost*: O(bytes log longest piece); pieces seen before cost some 20 ns, new ones 10 ns per
  /// pair.
  ///
  /// *Throws* `invalidUTF8` where tokens are made of characters, else nothing.
  public func encode(
    _ text: [UInt8], in range: Range<Int>, to tokens: inout [Int32]
  ) throws(TokenizerError) {
    try check(text, range)
    encodePieces(text, range, &tokens)
  }

  /// Bytes of the characters in `text[range]` that have no token.
  public func leftOutByteCount(_ text: [UInt8], in range: Range<Int>) -> Int {
    vocabulary.characterIDs?.missingByteCount(text, range) ?? 0
  }

  private func check(_ text: [UInt8], _ range: Range<Int>) throws(TokenizerError) {
    guard vocabulary.alphabet == .characters, let fault = firstFault(inUTF8: text, range) else {
      return
    }
    throw .invalidUTF8(byte: text[fault], offset: fault)
  }

  @inline(__always)
  private func pieceEnd(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    vocabulary.alphabet == .bytes
      ? preTokenizer.pieceEnd(in: text, at: start, end: end)
      : LinePieces.end(in: text, at: start, end: end)
  }

  private func encodePieces(_ text: [UInt8], _ range: Range<Int>, _ tokens: inout [Int32]) {
    var space = MergeSpace()
    if range.count < WordCache.leastText {
      var start = range.lowerBound
      while start < range.upperBound {
        let end = pieceEnd(text, start, range.upperBound)
        encodePiece(text, start, end, &space, &tokens)
        start = end
      }
      return
    }
    var cache = WordCache(byteCount: range.count)
    var start = range.lowerBound
    while start < range.upperBound {
      let end = pieceEnd(text, start, range.upperBound)
      let key = WordCache.key(text, start, end)
      let index = cache.index(key, end - start)
      let slot = cache.slots[index]
      if cache.holds(slot, key, text, start, end) {
        for i in slot.start..<slot.start + Int(slot.count) { tokens.append(tokens[i]) }
      } else {
        let first = tokens.count
        encodePiece(text, start, end, &space, &tokens)
        if end - start <= Int(UInt32.max) {
          cache.store(
            WordCache.Slot(
              key: key, offset: start, start: first, length: UInt32(end - start),
              count: UInt32(tokens.count - first)), at: index)
        }
      }
      start = end
    }
  }

  @inline(never)
  private func encodePiece(
    _ text: [UInt8], _ start: Int, _ end: Int, _ space: inout MergeSpace, _ tokens: inout [Int32]
  ) {
    if vocabulary.ignoresMerges, let id = wholePieces[Array(text[start..<end])] {
      tokens.append(id)
      return
    }
    space.ids.removeAll(keepingCapacity: true)
    if let characters = vocabulary.characterIDs {
      characters.append(text, start, end, to: &space.ids)
    } else {
      for i in start..<end { space.ids.append(vocabulary.byteIDs[Int(text[i])]) }
    }
    space.merge(merges)
    tokens.append(contentsOf: space.ids)
  }

  /// Where a text that goes on behind `text` can be cut, so that the parts give the same tokens as
  /// the whole; nil if nowhere: more text is needed first.
  ///
  /// - Parameter readsSpecials: the parts are encoded by `encodeWithSpecials`.
  public func safeCut(of text: [UInt8], readsSpecials: Bool) -> Int? {
    let names = readsSpecials ? vocabulary.specials.map { Array($0.text.utf8) } : []
    guard names.contains(where: { $0.contains { $0 <= 0x20 } }) else {
      return safeCut(of: text, in: 0..<text.count)
    }
    // A name with white space in it must not be cut in two, nor one that may have begun at the end.
    var end = text.count - (names.map(\.count).max() ?? 0)
    while end > 0, let cut = safeCut(of: text, in: 0..<end) {
      let longest = names.map(\.count).max() ?? 1
      let start = (max(0, cut - longest + 1)..<cut).first { start in
        names.contains { start + $0.count > cut && text[start...].starts(with: $0) }
      }
      guard let start else { return cut }
      end = start
    }
    return nil
  }

  /// The same for a range of a text.
  func safeCut(of text: [UInt8], in range: Range<Int>) -> Int? {
    vocabulary.alphabet == .bytes
      ? preTokenizer.lastSafeCut(in: text, range.lowerBound, range.upperBound)
      : LinePieces.lastSafeCut(in: text, range.lowerBound, range.upperBound)
  }
}

// MARK: - Special tokens

extension BytePairTokenizer {
  /// Appends the ids of a text in which the names of special tokens stand for these; of several at
  /// one place the longest counts.
  ///
  /// Only for text that may contain them: whoever writes `<|endoftext|>` into it ends a document.
  ///
  /// *Throws* as `encode` does.
  public func encodeWithSpecials(
    _ text: [UInt8], to tokens: inout [Int32]
  ) throws(TokenizerError) {
    try check(text, 0..<text.count)
    let names = vocabulary.specials.map { (id: $0.id, bytes: Array($0.text.utf8)) }
      .sorted { $0.bytes.count > $1.bytes.count }
    var begins = [Bool](repeating: false, count: 256)
    for name in names { begins[Int(name.bytes[0])] = true }
    var (start, position) = (0, 0)
    while position < text.count {
      if begins[Int(text[position])],
        let name = names.first(where: { text[position...].starts(with: $0.bytes) })
      {
        encodePieces(text, start..<position, &tokens)
        tokens.append(name.id)
        position += name.bytes.count
        start = position
      } else {
        position += 1
      }
    }
    encodePieces(text, start..<text.count, &tokens)
  }

  /// Appends the bytes of a token, of a special one its name.
  public func appendWithSpecials(_ token: Int32, to bytes: inout [UInt8]) {
    if let special = vocabulary.specials.first(where: { $0.id == token }) {
      bytes.append(contentsOf: special.text.utf8)
    } else {
      append(token, to: &bytes)
    }
  }
}
