// Finds the documents in a sequence of tokens by the tokens that end them, and counts the bytes of
// text that are predicted. One pass; for tokens in memory and in files alike.

/// The ranges of the documents in tokens that come in parts.
///
/// An end token is the last of its document. Where the same token also begins documents, as in
/// GPT-2, it is the first of the next one too; so ranges may share one token. What comes before the
/// first end token is a document, and so is what comes after the last one. Documents without a
/// token of text are left out.
///
/// ```
/// one mark    E t t E t E        0..<4, 3..<6
/// two marks   B t t E B t E      0..<4, 4..<7
/// ```
struct DocumentPieces {
  private(set) var pieces: [Range<Int>] = []
  /// Bytes of text of all tokens but the first of each document; an end token stands for one.
  private(set) var targetByteCount = 0
  /// Bytes of text of all tokens.
  private(set) var byteCount = 0
  /// Documents that were left out.
  private(set) var emptyCount = 0
  private(set) var endCount = 0

  private let begin: Int32
  private let end: Int32
  private let byteCounts: [Int32]
  private var index: Int
  private var start: Int
  private var startByteCount = 0
  private var isBegun = false

  /// - Parameters:
  ///   - tokenizer: for its begin and end token, and the bytes of each token.
  ///   - first: the place of the first token that comes.
  ///   - cuts: false for a single piece whatever the tokens are.
  init(_ tokenizer: any TextTokenizer, first: Int = 0, cuts: Bool) {
    begin = tokenizer.documentBegin ?? -1
    end = cuts ? tokenizer.endToken ?? -1 : -1
    byteCounts = tokenizer.byteCounts
    (index, start) = (first, first)
  }

  /// Takes the next tokens; returns the place in `tokens` of one that the tokenizer does not have.
  ///
  /// *Cost*: about 1 ns per token.
  mutating func add(_ tokens: UnsafeBufferPointer<Int32>) -> Int? {
    for (place, token) in tokens.enumerated() {
      guard token >= 0, Int(token) < byteCounts.count else { return place }
      byteCount += Int(byteCounts[Int(token)])
      if index == start { (startByteCount, isBegun) = (byteCount, token == begin) }
      if token == end { close() }
      index += 1
    }
    return nil
  }

  private mutating func close() {
    endCount += 1
    append(start..<index + 1, marks: (isBegun ? 1 : 0) + 1)
    let isShared = begin == end
    start = isShared ? index : index + 1
    if isShared { (startByteCount, isBegun) = (byteCount, true) }
  }

  private mutating func append(_ piece: Range<Int>, marks: Int) {
    guard piece.count >= 2, piece.count > marks else {
      if piece.count >= 2 { emptyCount += 1 }
      return
    }
    pieces.append(piece)
    targetByteCount += byteCount - startByteCount
  }

  /// Ends the last document.
  mutating func finish() {
    append(start..<index, marks: isBegun ? 1 : 0)
    start = index
  }
}

extension TextTokenizer {
  /// The bytes of text that each token stands for: 1 for the end token, which is a line feed in the
  /// text; 3 for the unknown token, which is U+FFFD.
  var byteCounts: [Int32] {
    var piece: [UInt8] = []
    var counts = (0..<Int32(vocabularySize)).map { token in
      piece.removeAll(keepingCapacity: true)
      append(token, to: &piece)
      return Int32(piece.count)
    }
    if let endToken { counts[Int(endToken)] = 1 }
    return counts
  }
}
