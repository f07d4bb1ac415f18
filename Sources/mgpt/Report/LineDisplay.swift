// Draws a line that is being edited, over as many rows as it needs, and keeps the terminal's cursor
// where the text's is. Makes text to write; writes nothing and reads no keys.

/// Where a text lies on a terminal of some width.
struct LineLayout: Equatable {
  /// The rows as they are shown.
  private(set) var rows = [""]
  /// Columns of each row.
  private(set) var widths = [0]
  /// Row and column of the cursor.
  private(set) var cursor = (row: 0, column: 0)

  init(prompt: String, _ characters: [Character], cursor place: Int, width: Int) {
    let width = max(width, 2)
    for character in prompt { append(character, width) }
    let indent = widths[0]
    for (i, character) in characters.enumerated() {
      if i == place { self.cursor = position(width) }
      if character == "\n" {
        newRow()
        // Lines below one another, where there is room.
        if indent * 4 <= width { for _ in 0..<indent { append(" ", width) } }
      } else {
        append(character, width)
      }
    }
    if place >= characters.count { self.cursor = position(width) }
    // The cursor behind a full row stands in the next one.
    if cursor.row == rows.count { newRow() }
  }

  static func == (a: LineLayout, b: LineLayout) -> Bool {
    a.rows == b.rows && a.widths == b.widths && a.cursor == b.cursor
  }

  private func position(_ width: Int) -> (row: Int, column: Int) {
    let last = rows.count - 1
    return widths[last] >= width ? (last + 1, 0) : (last, widths[last])
  }

  private mutating func newRow() {
    rows.append("")
    widths.append(0)
  }

  private mutating func append(_ character: Character, _ width: Int) {
    let columns = character.columnCount
    if widths[rows.count - 1] + columns > width { newRow() }
    rows[rows.count - 1].append(LineLayout.shown(character))
    widths[rows.count - 1] += columns
  }

  /// Control characters must not reach the terminal.
  private static func shown(_ character: Character) -> Character {
    if character == "\t" { return " " }
    let isControl = character.unicodeScalars.contains {
      $0.value < 32 || (127..<160).contains($0.value)
    }
    return isControl ? "\u{FFFD}" : character
  }
}

/// Keeps a drawing of a line on the terminal up to date.
struct LineDisplay {
  let prompt: String
  /// What is on the terminal: columns of each row of so many, and where the cursor is.
  private var drawn: (widths: [Int], width: Int, cursor: (row: Int, column: Int))?

  init(prompt: String) { self.prompt = prompt }

  /// The line in its present state, over the one drawn before.
  ///
  /// Of a text with more rows than the terminal those around the cursor are shown.
  mutating func draw(_ line: EditedLine, width: Int, height: Int) -> String {
    let layout = LineLayout(
      prompt: prompt, line.characters, cursor: line.cursor, width: width)
    let count = min(layout.rows.count, max(height, 1))
    let first = min(max(layout.cursor.row - count + 1, 0), layout.rows.count - count)
    let cursorRow = layout.cursor.row - first
    var text = toFirstRow(width: width) + "\u{1B}[J"
    text += layout.rows[first..<(first + count)].joined(separator: "\r\n")
    text += up(count - 1 - cursorRow) + "\r"
    if layout.cursor.column > 0 { text += "\u{1B}[\(layout.cursor.column)C" }
    drawn = (
      Array(layout.widths[first..<(first + count)]), width, (cursorRow, layout.cursor.column)
    )
    // Hidden meanwhile, so that it doesn't flicker across the screen.
    return "\u{1B}[?25l" + text + "\u{1B}[?25h"
  }

  /// Leaves the line as it is, with `mark` behind it, and goes to the row below.
  mutating func finish(_ mark: String = "") -> String {
    guard let drawn else { return "\n" }
    self.drawn = nil
    let last = drawn.widths.count - 1
    let below = last - drawn.cursor.row
    let down = below > 0 ? "\u{1B}[\(below)B" : ""
    let columns = drawn.widths[last]
    if mark.isEmpty { return "\(down)\r\n" }
    // Behind a full row there is no place.
    if columns + mark.count > drawn.width { return "\(down)\r\n\(mark)\r\n" }
    return "\(down)\r" + (columns > 0 ? "\u{1B}[\(columns)C" : "") + "\(mark)\r\n"
  }

  /// Forgets the drawing: the next one begins where the cursor is then.
  mutating func forget() { drawn = nil }

  /// To where the drawing begins.
  ///
  /// A terminal that became narrower has broken its rows again.
  private func toFirstRow(width: Int) -> String {
    guard let drawn else { return "\r" }
    var rows = 0
    for row in drawn.widths[..<drawn.cursor.row] { rows += max(1, (row + width - 1) / width) }
    rows += drawn.cursor.column / max(width, 1)
    return up(rows) + "\r"
  }

  private func up(_ rows: Int) -> String { rows > 0 ? "\u{1B}[\(rows)A" : "" }
}
