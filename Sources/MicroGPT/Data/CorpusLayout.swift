// The ways of reading a text, how to tell which one suits, and the vocabulary that follows.

/// How a text is cut into token sequences.
public enum CorpusLayout: String, CaseIterable, Sendable {
  /// One long sequence, such as a book; no begin or end tokens.
  case stream
  /// One document per line, such as names: `begin` characters `end`; no line breaks.
  case documents
  /// Documents between blank lines.
  case blankLine = "blank-line"
  /// Documents between `<|endoftext|>`; also JSON lines, and the files of a folder.
  case endOfText = "endoftext"

  /// Whether begin and end tokens stand around documents.
  public var hasDocuments: Bool { self != .stream }

  /// Suggests a layout from the shape of the lines.
  ///
  /// `endOfText` if the text has such a mark. Lines if at least half of the non-blank lines have at
  /// most 40 bytes (the median does) *and* blank lines between non-blank ones are at most one in a
  /// hundred: text in paragraphs, verse, plays and source code have more. A file with fewer than
  /// two non-blank lines is a stream. Blank means nothing but spaces, tabs and carriage returns.
  ///
  /// *Cost*: O(bytes).
  public static func suggested(for text: [UInt8]) -> CorpusLayout {
    if holdsMarker(text) { return .endOfText }
    var (lineCount, shortCount, blankCount, blanksSinceLine) = (0, 0, 0, 0)
    forEachLine(of: text) { line in
      if isBlank(text, line) {
        blanksSinceLine += 1
        return
      }
      if lineCount > 0 { blankCount += blanksSinceLine }
      blanksSinceLine = 0
      lineCount += 1
      if line.count <= 40 { shortCount += 1 }
    }
    let isList = lineCount >= 2 && shortCount * 2 >= lineCount && blankCount * 100 <= lineCount
    return isList ? .documents : .stream
  }
}

extension BytePairTrainer {
  /// Counts the pieces of the lines of `text` that are documents.
  public mutating func addLines(of text: [UInt8]) {
    for line in documentRanges(in: text) { add(text, in: line) }
  }
}

/// The lines of `text` that are documents: without line breaks, blank lines left out.
func documentRanges(in text: [UInt8]) -> [Range<Int>] {
  var ranges: [Range<Int>] = []
  forEachLine(of: text) { line in
    if !isBlank(text, line) { ranges.append(line) }
  }
  return ranges
}

/// Makes the tokenizer for a training text; with `.documents`, line breaks get no token.
///
/// The vocabulary comes from the whole text, validation split included, as is usual for character
/// models: losses then compare with those published.
///
/// - Parameter vocabularySize: what `.bpe` learns; nil for one that suits the text.
///
/// *Throws* `invalidUTF8` for `.character`, `untrainable` for `.bpe`; `path` is for their messages.
public func makeTokenizer(
  _ kind: TokenizerKind, for text: [UInt8], layout: CorpusLayout, path: String,
  vocabularySize: Int? = nil
) throws(DataError) -> any TextTokenizer {
  switch kind {
  case .byte: return ByteTokenizer()
  case .bpe:
    return try trainBytePairs(
      on: text, layout, vocabularySize ?? suggestedVocabularySize(byteCount: text.count), path)
  case .character:
    var reader = CharacterReader(path: path)
    _ = try DocumentCutter.readAll(text, layout, to: &reader)
    return reader.tokenizer
  }
}

/// Tokens to learn from a text, where nobody says how many: a power of two near one per half
/// KiB of text, 512 to 4096.
///
/// Small models spend most of their parameters on a larger vocabulary, and rare tokens are seen too
/// seldom to be learned. On 2.4 MB, and at equal weights and time, 4096 are far better than 1024
/// (tools/bench/README.md, section 11).
func suggestedVocabularySize(byteCount: Int) -> Int {
  var size = 512
  while size < 4096 && size * 724 < byteCount { size *= 2 }  // 512 * sqrt 2: nearest power
  return size
}

private func trainBytePairs(
  on text: [UInt8], _ layout: CorpusLayout, _ vocabularySize: Int, _ path: String
) throws(DataError) -> any TextTokenizer {
  var reader = WordReader(trainer: BytePairTrainer(pattern: .gpt2))
  _ = try DocumentCutter.readAll(text, layout, to: &reader)
  do throws(BytePairTrainingError) {
    return BytePairTokenizer(try reader.trainer.train(vocabularySize: vocabularySize))
  } catch {
    throw .untrainable(path: path, error)
  }
}

extension DataError {
  /// The same error, with the name of the file.
  ///
  /// Encoding has only one way to fail.
  init(_ error: TokenizerError, path: String) {
    switch error {
    case .invalidUTF8(let byte, let offset):
      self = .invalidUTF8(path: path, byte: byte, offset: offset)
    case .unknownKind, .damaged:
      preconditionFailure("not an error of encoding: \(error)")
    }
  }
}

/// Calls `body` with each line, without its line feed and one carriage return before that.
private func forEachLine(of text: [UInt8], _ body: (Range<Int>) -> Void) {
  var start = 0
  while start < text.count {
    var end = start
    while end < text.count && text[end] != 0x0A { end += 1 }
    body(start..<(end > start && text[end - 1] == 0x0D ? end - 1 : end))
    start = end + 1
  }
}

/// Whether `<|endoftext|>` stands in a text.
private func holdsMarker(_ text: [UInt8]) -> Bool {
  let marker = DocumentCutter.marker
  var place = 0
  while place + marker.count <= text.count {
    if text[place] == marker[0], text[place...].starts(with: marker) { return true }
    place += 1
  }
  return false
}

private func isBlank(_ text: [UInt8], _ line: Range<Int>) -> Bool {
  text[line].allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
}
