// A text in large parts, cut where whoever reads them can go on without the part before.

extension TextSource {
  /// Calls `body` with one part of the text after the other; files of a folder and records of JSON
  /// lines have a line feed between them.
  ///
  /// A part has some `byteCount` bytes. Where `safeCut` finds no place to end it, it ends between
  /// two characters: a text of one word of 16 MB, which is none, must not be read whole for it.
  ///
  /// *Throws* as reading the text does, and what `body` throws.
  public func forEachChunk(
    byteCount: Int = 1 << 24, safeCut: ([UInt8]) -> Int?, _ body: ([UInt8]) throws -> Void
  ) throws {
    var waiting: [UInt8] = []
    try forEachPart(.stream) { part in
      waiting += part
      if waiting.count < byteCount { return true }
      let cut = safeCut(waiting) ?? characterStart(waiting, 0..<waiting.count)
      let rest = Array(waiting[cut...])
      waiting.removeLast(waiting.count - cut)
      try body(waiting)
      waiting = rest
      return true
    }
    if !waiting.isEmpty { try body(waiting) }
  }
}

/// The last place in `range` where a character of UTF-8 begins; its end if there is none near it.
func characterStart(_ text: [UInt8], _ range: Range<Int>) -> Int {
  for back in 1...4 where range.count > back {
    if text[range.upperBound - back] & 0xC0 != 0x80 { return range.upperBound - back }
  }
  return range.upperBound
}
