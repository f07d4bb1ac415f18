// From text to tokens in one of the layouts, with what is needed to say how many bytes of text
// some of the tokens stand for. Lives only while a corpus is made.

/// A text as tokens, not yet split; `pieces` runs parallel to `sources`, their ranges in the text.
struct EncodedText {
  let layout: CorpusLayout
  let tokens: [Int32]
  let pieces: [Range<Int>]
  let sources: [Range<Int>]
  /// Bytes in documents of whole texts that tokens stand for, an end counted as one.
  private let readByteCount: Int
  private let text: [UInt8]
  private let tokenizer: any TextTokenizer

  init(
    _ text: [UInt8], layout: CorpusLayout, tokenizer: any TextTokenizer, path: String
  ) throws(DataError) {
    if text.isEmpty { throw .empty(path: path) }
    self.text = text
    self.layout = layout
    self.tokenizer = tokenizer
    var tokens: [Int32] = []
    var pieces: [Range<Int>] = []
    if layout == .blankLine || layout == .endOfText {
      var reader = TokenReader(tokenizer, layout: layout, path: path)
      _ = try DocumentCutter.readAll(text, layout, to: &reader)
      (self.tokens, self.pieces, sources) = (reader.tokens, [], [])
      readByteCount = reader.byteCount
      return
    }
    readByteCount = 0
    do {
      switch layout {
      case .stream, .blankLine, .endOfText:
        sources = [0..<text.count]
        tokens.reserveCapacity(text.count)
        try tokenizer.encode(text, in: 0..<text.count, to: &tokens)
        pieces = [0..<tokens.count]
      case .documents:
        let (begin, end) = documentMarks(of: tokenizer)
        sources = documentRanges(in: text)
        tokens.reserveCapacity(text.count + 2 * sources.count)
        pieces.reserveCapacity(sources.count)
        for line in sources {
          let start = tokens.count
          tokens.append(begin)
          try tokenizer.encode(text, in: line, to: &tokens)
          tokens.append(end)
          pieces.append(start..<tokens.count)
        }
      }
    } catch {
      throw DataError(error, path: path)
    }
    self.tokens = tokens
    self.pieces = pieces
  }

  /// The split that consists of some tokens of a stream.
  func stream(_ range: Range<Int>) -> TokenSplit {
    let bytes = byteOffset(ofToken: range.lowerBound + 1)..<byteOffset(ofToken: range.upperBound)
    return TokenSplit(
      layout: layout, pieces: [range], tokens: tokens, paddingToken: tokenizer.endToken ?? 0,
      targetByteCount: bytes.count)
  }

  /// The split that consists of some documents, given by their places in the text.
  func documents(_ indices: [Int]) -> TokenSplit {
    TokenSplit(
      layout: layout, pieces: indices.map { pieces[$0] }, tokens: tokens,
      paddingToken: tokenizer.endToken ?? 0,
      targetByteCount: indices.reduce(0) {
        $0 + sources[$1].count + 1 - tokenizer.leftOutByteCount(text, in: sources[$1])
      })
  }

  /// The split that consists of some tokens of documents of whole texts.
  ///
  /// - Parameter isWhole: these are all tokens, so that the bytes of unknown ones are known.
  func texts(_ range: Range<Int>, isWhole: Bool = false) -> TokenSplit {
    var found = DocumentPieces(tokenizer, first: range.lowerBound, cuts: true)
    tokens.withUnsafeBufferPointer { tokens in
      let stranger = found.add(UnsafeBufferPointer(rebasing: tokens[range]))
      precondition(stranger == nil, "a token that the tokenizer does not have")
    }
    found.finish()
    return TokenSplit(
      layout: layout, pieces: found.pieces, tokens: tokens, paddingToken: tokenizer.endToken ?? 0,
      targetByteCount: isWhole ? readByteCount : found.targetByteCount)
  }

  /// Where in the text, as far as tokens stand for it, token `index` of a stream begins.
  ///
  /// Walks text and tokens side by side from the start, because an unknown token does not tell how
  /// long its character was.
  private func byteOffset(ofToken index: Int) -> Int {
    if index == tokens.count {
      return text.count - tokenizer.leftOutByteCount(text, in: 0..<text.count)
    }
    var piece: [UInt8] = []
    let byteCounts = (0..<Int32(tokenizer.vocabularySize)).map { token in
      piece.removeAll(keepingCapacity: true)
      tokenizer.append(token, to: &piece)
      return piece.count
    }
    var offset = 0
    for token in tokens[..<index] {
      offset +=
        token == tokenizer.unknownToken
        ? UTF8Lead(text[offset])?.byteCount ?? 1 : byteCounts[Int(token)]
    }
    return offset
  }
}
