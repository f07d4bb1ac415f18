// What is done with the documents of a text: characters and words are collected for a vocabulary,
// tokens are made, documents are counted.

/// The code points of a text.
struct CharacterReader: DocumentReader {
  private(set) var seen = [Bool](repeating: false, count: 0x11_0000)
  let path: String

  mutating func read(_ text: [UInt8], in range: Range<Int>) throws(DataError) {
    var i = range.lowerBound
    while i < range.upperBound {
      guard let (value, byteCount) = decodeScalar(in: text, at: i, end: range.upperBound) else {
        throw .invalidUTF8(path: path, byte: text[i], offset: i)
      }
      seen[Int(value)] = true
      i += byteCount
    }
  }

  mutating func endDocument() {}

  /// The vocabulary of what was read.
  var tokenizer: CharacterTokenizer { CharacterTokenizer(seen: seen) }
}

/// The words of a text, for a vocabulary of byte pairs.
struct WordReader: DocumentReader {
  var trainer: BytePairTrainer

  mutating func read(_ text: [UInt8], in range: Range<Int>) { trainer.add(text, in: range) }
  mutating func endDocument() {}
}

/// Nothing but the number of documents, which the cutter counts.
struct CountingReader: DocumentReader {
  mutating func read(_ text: [UInt8], in range: Range<Int>) {}
  mutating func endDocument() {}
}

/// The tokens of documents, with the marks of their beginnings and ends.
///
/// A mark that both ends and begins documents comes once between two of them.
struct TokenReader: DocumentReader {
  /// Tokens so far; whoever takes them away empties it.
  var tokens: [Int32] = []
  /// Where documents end in `tokens`: one behind their end tokens.
  var ends: [Int] = []
  /// Bytes of text in documents that tokens stand for, an end counted as one.
  private(set) var byteCount = 0
  /// Bytes of characters that have no token.
  private(set) var leftOutByteCount = 0

  private let tokenizer: any TextTokenizer
  private let path: String
  private let marks: (begin: Int32, end: Int32)?
  private var isOpen = false
  private var isFirst = true

  init(_ tokenizer: any TextTokenizer, layout: CorpusLayout, path: String) {
    (self.tokenizer, self.path) = (tokenizer, path)
    marks = layout == .stream ? nil : documentMarks(of: tokenizer)
  }

  mutating func read(_ text: [UInt8], in range: Range<Int>) throws(DataError) {
    if let marks, !isOpen, isFirst || marks.begin != marks.end { tokens.append(marks.begin) }
    (isOpen, isFirst) = (true, false)
    do {
      try tokenizer.encode(text, in: range, to: &tokens)
    } catch {
      throw DataError(error, path: path)
    }
    let leftOut = tokenizer.leftOutByteCount(text, in: range)
    byteCount += range.count - leftOut
    leftOutByteCount += leftOut
  }

  mutating func endDocument() {
    isOpen = false
    guard let marks else { return }
    tokens.append(marks.end)
    byteCount += 1
    ends.append(tokens.count)
  }
}

/// The tokens around a document.
///
/// A tokenizer with only an end token uses it on both sides.
func documentMarks(of tokenizer: any TextTokenizer) -> (begin: Int32, end: Int32) {
  guard let end = tokenizer.endToken, let begin = tokenizer.documentBegin else {
    preconditionFailure("documents need a tokenizer with an end token")
  }
  return (begin, end)
}

extension CorpusLayout {
  /// Documents of nothing but white space, which are left out; blank lines are no documents.
  ///
  /// *Cost*: O(bytes).
  public func blankDocumentCount(in text: [UInt8]) -> Int {
    if self == .documents || self == .stream { return 0 }
    var reader = CountingReader()
    return (try? DocumentCutter.readAll(text, self, to: &reader))?.blankCount ?? 0
  }
}

extension DocumentCutter {
  /// Passes on a whole text.
  static func readAll<Reader: DocumentReader>(
    _ text: [UInt8], _ layout: CorpusLayout, to reader: inout Reader
  ) throws(DataError) -> DocumentCutter {
    var cutter = DocumentCutter(layout)
    _ = try cutter.feed(text, isEnd: true, cut: { $0.upperBound }, to: &reader)
    return cutter
  }
}
