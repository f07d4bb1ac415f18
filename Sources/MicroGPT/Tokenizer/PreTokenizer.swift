// The pieces of text within which byte pairs merge: the patterns of GPT-2 and GPT-4, written by
// hand as the states of a scanner instead of a regular expression. Knows no vocabulary.

/// Which pattern cuts text into pieces before byte pairs are merged.
public enum PreTokenizerPattern: String, CaseIterable, Sendable {
  /// GPT-2's (tiktoken: r50k, p50k).
  ///
  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// GPT-4's as tiktoken has it (cl100k).
  ///
  /// `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|`
  /// `\s++$|\s*[\r\n]|\s+(?!\S)|\s`
  case gpt4
  /// The same as Llama 3 and conversions of cl100k for Hugging Face have it.
  ///
  /// It differs where the text ends in line breaks and then blanks: the line breaks are a piece of
  /// their own, because `\s++$` is missing.
  case llama3
}

/// Cuts text into pieces, one call per piece.
///
/// Works on bytes. A byte outside well-formed UTF-8 is a piece of its own, and counts as a
/// character that is no white space for the piece before it.
///
/// *Source*: A. Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section
/// 2.2; the patterns are those of the files that OpenAI publishes with GPT-2 and in tiktoken.
struct PreTokenizer: Sendable {
  let pattern: PreTokenizerPattern
  private let classes = UnicodeClasses.shared

  init(_ pattern: PreTokenizerPattern) { self.pattern = pattern }

  /// Where the piece ends that begins at `start`.
  ///
  /// *Requires*: `start < end <= text.count`. *Cost*: O(bytes of the piece and of the white space
  /// in it), about 1 ns per byte for ASCII.
  @inline(__always)
  func pieceEnd(in text: [UInt8], at start: Int, end: Int) -> Int {
    pattern == .gpt2
      ? endByGPT2(text, start, end) : endByGPT4(text, start, end)
  }

  // MARK: GPT-2

  @inline(__always)
  private func endByGPT2(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    let byte = text[start]
    if byte == UInt8(ascii: "'") {
      let length = contraction(text, start, end, foldsCase: false)
      if length > 0 { return start + length }
    }
    var (kind, length) = classes.next(in: text, at: start, end: end)
    var position = start + length
    if byte == UInt8(ascii: " "), position < end {
      let following = classes.next(in: text, at: position, end: end)
      if following.class < ScalarClass.space {
        kind = following.class
        position += following.byteCount
      }
    }
    switch kind {
    case ScalarClass.bad: return position
    case ScalarClass.space: return spaceEnd(text, start, position, end)
    default: return runEnd(text, position, end, of: kind)
    }
  }

  /// The end of the run of one class that goes on at `position`.
  @inline(__always)
  private func runEnd(_ text: [UInt8], _ position: Int, _ end: Int, of kind: UInt8) -> Int {
    var position = position
    while position < end {
      let next = classes.next(in: text, at: position, end: end)
      if next.class != kind { break }
      position += next.byteCount
    }
    return position
  }

  /// `\s+(?!\S)|\s+`: all white space at the end of the text; elsewhere all but the last character
  /// of a run, which may begin the next piece; a single character alone.
  private func spaceEnd(_ text: [UInt8], _ start: Int, _ position: Int, _ end: Int) -> Int {
    var (position, last) = (position, start)
    while position < end {
      let next = classes.next(in: text, at: position, end: end)
      if next.class != ScalarClass.space { return last > start ? last : position }
      last = position
      position += next.byteCount
    }
    return position
  }

  // MARK: GPT-4

  private func endByGPT4(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    let byte = text[start]
    if byte == UInt8(ascii: "'") {
      let length = contraction(text, start, end, foldsCase: true)
      if length > 0 { return start + length }
    }
    let (kind, length) = classes.next(in: text, at: start, end: end)
    let position = start + length
    switch kind {
    case ScalarClass.bad: return position
    case ScalarClass.letter: return runEnd(text, position, end, of: kind)
    case ScalarClass.number: return numberEnd(text, position, end)
    default: break
    }
    // Any one character but a line break may stand before letters.
    if position < end, !isLineBreak(byte),
      classes.next(in: text, at: position, end: end).class == ScalarClass.letter
    {
      return runEnd(text, position, end, of: ScalarClass.letter)
    }
    if kind == ScalarClass.other { return otherEnd(text, position, end) }
    if byte == UInt8(ascii: " "), position < end,
      classes.next(in: text, at: position, end: end).class == ScalarClass.other
    {
      return otherEnd(text, position, end)
    }
    return spaceOrLinesEnd(text, start, end)
  }

  /// `\p{N}{1,3}` of which one is read.
  private func numberEnd(_ text: [UInt8], _ position: Int, _ end: Int) -> Int {
    var position = position
    for _ in 0..<2 where position < end {
      let next = classes.next(in: text, at: position, end: end)
      if next.class != ScalarClass.number { break }
      position += next.byteCount
    }
    return position
  }

  /// `[^\s\p{L}\p{N}]+[\r\n]*` from the second character on.
  private func otherEnd(_ text: [UInt8], _ position: Int, _ end: Int) -> Int {
    var position = runEnd(text, position, end, of: ScalarClass.other)
    while position < end, isLineBreak(text[position]) { position += 1 }
    return position
  }

  /// `\s++$|\s*[\r\n]+|\s+(?!\S)|\s+`, the first of them only as tiktoken has it.
  private func spaceOrLinesEnd(_ text: [UInt8], _ start: Int, _ end: Int) -> Int {
    var (position, last, lines) = (start, start, start)
    while position < end {
      let next = classes.next(in: text, at: position, end: end)
      if next.class != ScalarClass.space { break }
      last = position
      position += next.byteCount
      if isLineBreak(text[last]) { lines = position }
    }
    if position == end && pattern == .gpt4 { return end }
    if lines > start { return lines }
    return position < end && last > start ? last : position
  }

  // MARK: Both

  @inline(__always)
  private func isLineBreak(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

  /// Bytes of `'s`, `'t`, `'m`, `'d`, `'ll`, `'ve` or `'re` at an apostrophe, 0 if there is none.
  ///
  /// Without case, the long s (U+017F, 0xC5 0xBF) is an s too.
  private func contraction(_ text: [UInt8], _ start: Int, _ end: Int, foldsCase: Bool) -> Int {
    let fold: UInt8 = foldsCase ? 0x20 : 0
    guard start + 1 < end else { return 0 }
    let first = text[start + 1] | fold
    switch first {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
    case 0xE5 where foldsCase && text[start + 1] == 0xC5:
      return start + 2 < end && text[start + 2] == 0xBF ? 3 : 0
    case UInt8(ascii: "l"), UInt8(ascii: "v"), UInt8(ascii: "r"):
      guard start + 2 < end else { return 0 }
      let second = first == UInt8(ascii: "l") ? UInt8(ascii: "l") : UInt8(ascii: "e")
      return text[start + 2] | fold == second ? 3 : 0
    default: return 0
    }
  }
}

extension PreTokenizer {
  /// The last place within `text[start..<end]` where it can be cut without changing any piece: at a
  /// blank or a line break behind something else; nil if there is none.
  ///
  /// No piece looks behind itself, and none has a blank behind a character that is no white space.
  /// Line breaks may belong to the signs before them, but not with GPT-2's pattern.
  func lastSafeCut(in text: [UInt8], _ start: Int, _ end: Int) -> Int? {
    var position = end - 1
    while position > start {
      let byte = text[position]
      if byte == UInt8(ascii: " ") || isLineBreak(byte) {
        let before = classBefore(text, start, position)
        let isWord = before == ScalarClass.letter || before == ScalarClass.number
        if isWord || (before != ScalarClass.space && (pattern == .gpt2 || !isLineBreak(byte))) {
          return position
        }
      }
      position -= 1
    }
    return nil
  }

  /// The class of the character that ends at `position`.
  private func classBefore(_ text: [UInt8], _ start: Int, _ position: Int) -> UInt8 {
    for length in 1...min(4, position - start) where text[position - length] & 0xC0 != 0x80 {
      let found = classes.next(in: text, at: position - length, end: position)
      return found.byteCount == length ? found.class : ScalarClass.bad
    }
    return ScalarClass.bad
  }
}
