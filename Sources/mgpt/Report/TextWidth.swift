// How many columns of a terminal a character takes: 0, 1 or 2.

extension Character {
  /// Columns that the character takes; control characters count as one, the mark shown for them.
  ///
  /// *Source*: Unicode Standard Annex 11 (East Asian Width: wide and fullwidth) and Technical
  /// Standard 51 (emoji presentation), as whole blocks; unassigned code points between them don't
  /// matter.
  var columnCount: Int {
    guard let first = unicodeScalars.first else { return 0 }
    if first.value < 0x300 { return 1 }
    // U+FE0F asks for the emoji form of what may be text.
    if unicodeScalars.contains(where: { $0.properties.isEmojiPresentation || $0.value == 0xFE0F }) {
      return 2
    }
    if Character.wideBlocks.contains(where: { $0.contains(first.value) }) { return 2 }
    switch first.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: return 1
    }
  }

  private static let wideBlocks: [ClosedRange<UInt32>] = [
    0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF,
    0xA000...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
    0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD,
  ]
}
