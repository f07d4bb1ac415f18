// Which characters are letters, numbers and white space, for the pre-tokenizer patterns. The table
// of all code points is generated (UnicodeClassTable.swift); here it becomes one lookup per
// character.

/// What a pre-tokenizer pattern distinguishes.
enum ScalarClass {
  /// Neither of the others: punctuation, marks, symbols, unassigned code points.
  static let other: UInt8 = 0
  /// General category L*, `\p{L}`.
  static let letter: UInt8 = 1
  /// General category N*, `\p{N}`.
  static let number: UInt8 = 2
  /// White_Space, `\s`.
  static let space: UInt8 = 3
  /// A byte that is no part of well-formed UTF-8; the pieces of text never join it to another.
  static let bad: UInt8 = 4
}

/// The classes of all code points, in pages of 256; equal pages are stored once.
///
/// *Cost*: 60 KB, made once in a process in about a millisecond.
struct UnicodeClasses: Sendable {
  /// Classes of the code points below 0x80.
  let ascii: [UInt8]  // (0x80)
  private let pageStarts: [UInt32]  // by code point / 256: where its page begins in `cells`
  private let cells: [UInt8]

  /// The only table there is.
  static let shared = UnicodeClasses()

  private init() {
    var classes = [UInt8](repeating: ScalarClass.other, count: 0x11_0000)
    var start = 0
    for (index, change) in Self.changes.enumerated() {
      start += Int(change >> 2)
      // Runs end where the next one begins, the last one behind the last code point.
      let isLast = index + 1 == Self.changes.count
      let next = isLast ? classes.count : start + Int(Self.changes[index + 1] >> 2)
      for value in start..<next { classes[value] = UInt8(change & 3) }
    }
    var starts: [UInt32] = []
    var cells: [UInt8] = []
    var known: [[UInt8]: UInt32] = [:]
    for page in stride(from: 0, to: classes.count, by: 256) {
      let content = Array(classes[page..<page + 256])
      if let start = known[content] {
        starts.append(start)
      } else {
        known[content] = UInt32(cells.count)
        starts.append(UInt32(cells.count))
        cells += content
      }
    }
    ascii = Array(classes[..<0x80])
    pageStarts = starts
    self.cells = cells
  }

  /// The class of a code point.
  ///
  /// *Requires*: `value <= 0x10FFFF`.
  @inline(__always)
  func scalarClass(of value: UInt32) -> UInt8 {
    cells[Int(pageStarts[Int(value >> 8)]) + Int(value & 0xFF)]
  }

  /// The class and length of the character that begins at `text[start]`; `bad` and 1 for a byte
  /// that belongs to none.
  ///
  /// *Requires*: `start < end <= text.count`.
  @inline(__always)
  func next(in text: [UInt8], at start: Int, end: Int) -> (class: UInt8, byteCount: Int) {
    let byte = text[start]
    if byte < 0x80 { return (ascii[Int(byte)], 1) }
    return nextBeyondASCII(in: text, at: start, end: end)
  }

  @inline(never)
  private func nextBeyondASCII(
    in text: [UInt8], at start: Int, end: Int
  ) -> (class: UInt8, byteCount: Int) {
    guard let (value, byteCount) = decodeScalar(in: text, at: start, end: end) else {
      return (ScalarClass.bad, 1)
    }
    return (scalarClass(of: value), byteCount)
  }
}
