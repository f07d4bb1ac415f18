// Finds the documents of a text that comes in parts, for texts larger than memory. Says where they
// are; what is done with them (counted, learned from, encoded) is up to a `DocumentReader`.

/// Who is told of the documents of a text.
protocol DocumentReader {
  /// Takes a part of the current document, which is the whole of it but for long ones.
  mutating func read(_ text: [UInt8], in range: Range<Int>) throws(DataError)
  /// Takes note of the end of a document; never without a part of it before.
  mutating func endDocument() throws(DataError)
}

/// Cuts text into documents by the rule of a layout.
///
/// - `stream`: all of it is one, which has no end.
/// - `documents`: each line that is not blank, without its line break.
/// - `blankLine`: what stands between blank lines.
/// - `endOfText`: what stands between `<|endoftext|>`; one line break on either side of that
///   belongs to it.
///
/// Documents of nothing but white space are left out.
struct DocumentCutter {
  /// Parts of a document that are longer than this are passed on before its end is known.
  static let longestPart = 1 << 22
  /// What ends a document in the layout `endOfText`.
  static let marker = Array("<|endoftext|>".utf8)

  let layout: CorpusLayout
  /// Documents that were left out.
  private(set) var blankCount = 0
  /// Documents found.
  private(set) var documentCount = 0
  private var isOpen = false
  private let longestPart: Int

  init(_ layout: CorpusLayout, longestPart: Int = DocumentCutter.longestPart) {
    (self.layout, self.longestPart) = (layout, longestPart)
  }

  /// Passes on what is certain of `text`, and returns how many bytes of it are done; the rest must
  /// come again in front of the text that follows.
  ///
  /// - Parameters:
  ///   - isEnd: nothing follows.
  ///   - cut: where a range of `text` can be cut, if the parts are not to differ from the whole;
  ///     nil if nowhere. It is then cut all the same, between two characters.
  mutating func feed<Reader: DocumentReader>(
    _ text: [UInt8], isEnd: Bool, cut: (Range<Int>) -> Int?, to reader: inout Reader
  ) throws(DataError) -> Int {
    var position = 0
    var search = Search(layout: layout, text: text, isEnd: isEnd)
    while let separator = search.next(from: position) {
      try pass(text, position..<separator.lowerBound, to: &reader)
      try end(&reader)
      position = separator.upperBound
    }
    if isEnd {
      try pass(text, position..<text.count, to: &reader)
      if isOpen { try end(&reader) }
      return text.count
    }
    let certain = position..<max(position, search.certainEnd)
    if certain.count >= longestPart {
      let end = cut(certain) ?? characterStart(text, certain)
      try pass(text, position..<end, to: &reader)
      position = end
    }
    return position
  }

  private mutating func pass<Reader: DocumentReader>(
    _ text: [UInt8], _ range: Range<Int>, to reader: inout Reader
  ) throws(DataError) {
    if range.isEmpty || (!isOpen && layout != .stream && isWhiteSpace(text, range)) { return }
    isOpen = true
    try reader.read(text, in: range)
  }

  private mutating func end<Reader: DocumentReader>(_ reader: inout Reader) throws(DataError) {
    if isOpen {
      documentCount += 1
      try reader.endDocument()
    } else {
      blankCount += 1
    }
    isOpen = false
  }

  private func isWhiteSpace(_ text: [UInt8], _ range: Range<Int>) -> Bool {
    text[range].allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
  }
}

/// Looks for what separates documents, in one part of a text.
private struct Search {
  let layout: CorpusLayout
  let text: [UInt8]
  let isEnd: Bool
  /// No separator begins before this place, even if more text follows.
  private(set) var certainEnd: Int

  init(layout: CorpusLayout, text: [UInt8], isEnd: Bool) {
    (self.layout, self.text, self.isEnd) = (layout, text, isEnd)
    certainEnd = text.count
  }

  /// The first separator at or behind `start`.
  mutating func next(from start: Int) -> Range<Int>? {
    switch layout {
    case .stream: return nil
    case .documents: return lineEnd(from: start)
    case .blankLine: return blankLines(from: start)
    case .endOfText: return marker(from: start)
    }
  }

  private func lineFeed(from start: Int) -> Int? {
    var position = start
    while position < text.count {
      if text[position] == 0x0A { return position }
      position += 1
    }
    return nil
  }

  /// `position`, or the place of a carriage return right before it.
  private func withReturn(_ position: Int, from start: Int) -> Int {
    position > start && text[position - 1] == 0x0D ? position - 1 : position
  }

  private mutating func lineEnd(from start: Int) -> Range<Int>? {
    if let feed = lineFeed(from: start) { return withReturn(feed, from: start)..<feed + 1 }
    let end = withReturn(text.count, from: start)
    if isEnd, end < text.count { return end..<text.count }
    certainEnd = end
    return nil
  }

  private mutating func blankLines(from start: Int) -> Range<Int>? {
    var position = start
    while let feed = lineFeed(from: position) {
      let first = withReturn(feed, from: start)
      // The text begins with blank lines, or one follows.
      var end = isBlank(start..<first) ? feed + 1 : 0
      var line = feed + 1
      while true {
        var place = line
        while place < text.count, [0x20, 0x09, 0x0D].contains(text[place]) { place += 1 }
        if place == text.count {
          if isEnd, place > line || end > 0 { return first..<text.count }
          if !isEnd {
            certainEnd = first
            return nil
          }
          break
        }
        if text[place] != 0x0A { break }
        line = place + 1
        end = line
      }
      if end > 0 { return (isBlank(start..<first) ? start : first)..<end }
      position = feed + 1
    }
    certainEnd = withReturn(text.count, from: start)
    return nil
  }

  private func isBlank(_ range: Range<Int>) -> Bool {
    text[range].allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
  }

  private mutating func marker(from start: Int) -> Range<Int>? {
    let marker = DocumentCutter.marker
    var place = start
    while place + marker.count <= text.count {
      if text[place] == marker[0], isMarker(at: place) {
        var first = place
        if first > start, text[first - 1] == 0x0A { first = withReturn(first - 1, from: start) }
        var end = place + marker.count
        if !isEnd, end + 2 > text.count {
          certainEnd = first
          return nil
        }
        if end + 1 < text.count, text[end] == 0x0D, text[end + 1] == 0x0A { end += 1 }
        if end < text.count, text[end] == 0x0A { end += 1 }
        return first..<end
      }
      place += 1
    }
    // A marker may have begun, and a line break before it.
    certainEnd = max(start, text.count - marker.count - 2)
    return nil
  }

  private func isMarker(at place: Int) -> Bool {
    let marker = DocumentCutter.marker
    for i in 1..<marker.count where text[place + i] != marker[i] { return false }
    return true
  }
}
