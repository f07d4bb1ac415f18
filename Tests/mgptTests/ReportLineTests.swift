// What the line editor draws, on a small terminal made for this test.

import MicroGPT
import Testing

@testable import mgpt

/// The part of a VT100 that the editor uses.
private struct Screen {
  private(set) var rows: [[Character]]
  private(set) var row = 0
  private(set) var column = 0
  private let width: Int
  private(set) var unknown: [String] = []

  init(width: Int, height: Int) {
    self.width = width
    rows = Array(repeating: [], count: height)
  }

  /// The second half of a wide character is a mark of its own.
  private static let half: Character = "\u{1}"

  var text: [String] {
    var lines = rows.map { String($0.filter { $0 != Screen.half }) }
    for i in lines.indices { while lines[i].last == " " { lines[i].removeLast() } }
    while lines.last == "" { lines.removeLast() }
    return lines
  }

  mutating func write(_ text: String) {
    var scalars = Substring(text)
    while let next = scalars.popFirst() {
      switch next {
      case "\u{1B}": sequence(&scalars)
      case "\r": column = 0
      case "\n": lineFeed()
      case "\r\n":
        column = 0
        lineFeed()
      default: put(next)
      }
    }
  }

  private mutating func lineFeed() {
    if row == rows.count - 1 {
      rows.removeFirst()
      rows.append([])
    } else {
      row += 1
    }
  }

  private mutating func put(_ character: Character) {
    let columns = character.columnCount
    if column + columns > width {
      column = 0
      lineFeed()
    }
    while rows[row].count < column + columns { rows[row].append(" ") }
    rows[row][column] = character
    if columns == 2 { rows[row][column + 1] = Screen.half }
    column += columns
  }

  private mutating func sequence(_ rest: inout Substring) {
    rest.removeFirst()
    let parameter = rest.prefix { !$0.isLetter }
    rest.removeFirst(parameter.count)
    let final = rest.removeFirst()
    let n = Int(parameter) ?? 1
    switch final {
    case "A": row = max(0, row - n)
    case "B": row = min(rows.count - 1, row + n)
    case "C": column = min(width - 1, min(column, width - 1) + n)
    case "J":
      rows[row].removeLast(max(0, rows[row].count - column))
      for below in rows.indices where below > row { rows[below] = [] }
    case "h", "l": break
    default: unknown.append("\(parameter)\(final)")
    }
  }
}

@Suite("Edited line") struct ReportLineTests {
  private static let keys: [Key] = [
    .text("word "), .text("日本"), .text("é"), .text("x"), .text("a longer piece of text "),
    .paste("two\nlines"), .newline, .left, .left, .right, .up, .down, .home, .end, .backspace,
    .delete, .killWord, .killToEnd, .wordLeft, .wordRight,
  ]

  /// After each of many random keys the screen shows what the layout says, and the cursor is there.
  @Test(arguments: [3, 8, 20, 41]) func everyStateIsDrawnRight(_ width: Int) {
    for seed in 0..<12 {
      var random = RandomGenerator(seed: UInt64(seed))
      var (line, display) = (EditedLine(), LineDisplay(prompt: "> "))
      var screen = Screen(width: width, height: 2000)
      screen.write("up\r\n")
      for step in 0..<60 {
        _ = line.handle(Self.keys[random.next(below: Self.keys.count)])
        screen.write(display.draw(line, width: width, height: 1900))
        let layout = LineLayout(
          prompt: "> ", line.characters, cursor: line.cursor, width: width)
        var expected = layout.rows
        for i in expected.indices { while expected[i].last == " " { expected[i].removeLast() } }
        while expected.last == "" { expected.removeLast() }
        let isRight = Array(screen.text.dropFirst()) == expected
        #expect(isRight, "seed \(seed), step \(step): \(screen.text)")
        #expect(screen.row == layout.cursor.row + 1 && screen.column == layout.cursor.column)
        #expect(layout.widths.allSatisfy { $0 <= width })
        if !isRight { return }
      }
      #expect(screen.unknown.isEmpty)
    }
  }

  @Test func layout() {
    let two = LineLayout(prompt: "> ", Array("abc\nde"), cursor: 6, width: 10)
    #expect(two.rows == ["> abc", "  de"] && two.cursor == (1, 4))
    // The cursor behind a full row is in the next.
    let full = LineLayout(prompt: "> ", Array("abcd"), cursor: 4, width: 6)
    #expect(full.rows == ["> abcd", ""] && full.cursor == (1, 0))
    // A wide character is not cut in two.
    let wide = LineLayout(prompt: "> ", Array("a日本"), cursor: 3, width: 6)
    #expect(wide.rows == ["> a日", "本"] && wide.widths == [5, 2] && wide.cursor == (1, 2))
    let control = LineLayout(prompt: "", Array("a\u{7}\tb"), cursor: 0, width: 9)
    #expect(control.rows == ["a\u{FFFD} b"])
  }

  /// Of more rows than there are, those around the cursor.
  @Test func tallTexts() {
    var (line, display) = (EditedLine(), LineDisplay(prompt: "> "))
    var screen = Screen(width: 20, height: 4)
    _ = line.handle(.paste("1\n2\n3\n4\n5\n6"))
    screen.write(display.draw(line, width: 20, height: 4))
    #expect(screen.text == ["  3", "  4", "  5", "  6"])
    for _ in 0..<5 { _ = line.handle(.up) }
    screen.write(display.draw(line, width: 20, height: 4))
    #expect(screen.text == ["> 1", "  2", "  3", "  4"])
    #expect(screen.row == 0 && screen.column == 3)
  }

  @Test(arguments: [(10, ["> ab日^C", "next"]), (6, ["> ab日", "^C", "next"])])
  func theLineIsLeftBehind(_ width: Int, _ expected: [String]) {
    var (line, display) = (EditedLine(), LineDisplay(prompt: "> "))
    var screen = Screen(width: width, height: 6)
    _ = line.handle(.text("ab日"))
    _ = line.handle(.home)
    screen.write(display.draw(line, width: width, height: 6))
    screen.write(display.finish("^C"))
    screen.write("next")
    #expect(screen.text == expected)
  }

  /// A terminal that became narrower has broken the rows anew: the drawing begins further up.
  @Test func aNarrowerTerminal() {
    var (line, display) = (EditedLine(), LineDisplay(prompt: "> "))
    _ = line.handle(.text("0123456789012345678901234567"))
    _ = display.draw(line, width: 40, height: 9)
    let text = display.draw(line, width: 12, height: 9)
    #expect(text.hasPrefix("\u{1B}[?25l\u{1B}[2A\r\u{1B}[J> 0123456789\r\n"))
  }
}
