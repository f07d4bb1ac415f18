// A line of input while it is typed: text, cursor, history, and what each key does to them. Knows
// no terminal; a "line" may hold line breaks, from a paste or Alt-Enter.

/// What a key asks for beyond a change of the text.
enum EditAction: Equatable, Sendable {
  case none
  /// The line is complete.
  case submit
  /// Ctrl-C; the text is still there.
  case interrupt
  /// Ctrl-D on an empty line.
  case end
  case suspend, clearScreen
}

/// The text being edited, in user-perceived characters, and the lines before it.
struct EditedLine {
  private(set) var characters: [Character] = []
  /// Place in `characters`, 0 … count.
  private(set) var cursor = 0
  /// Lines entered before, the oldest first.
  private(set) var history: [String] = []
  /// Place in `history`; its count for the new line, which waits in `draft` meanwhile.
  private var place = 0
  private var draft = ""

  /// Lines that are remembered.
  static let historyLimit = 1000

  var text: String { String(characters) }

  /// Begins a new line.
  mutating func clear() {
    set("")
    place = history.count
    draft = ""
  }

  /// Remembers a line, unless it is blank or the same as the last one.
  mutating func remember(_ line: String) {
    if !line.contains(where: { !$0.isWhitespace }) || history.last == line { return }
    history.append(line)
    if history.count > EditedLine.historyLimit { history.removeFirst() }
  }

  mutating func handle(_ key: Key) -> EditAction {
    switch key {
    case .text(let text), .paste(let text): insert(text)
    case .newline: insert("\n")
    case .enter: return .submit
    case .interrupt: return .interrupt
    case .suspend: return .suspend
    case .clearScreen: return .clearScreen
    case .endOfInput:
      if characters.isEmpty { return .end }
      remove(cursor, min(cursor + 1, characters.count))
    case .backspace: remove(max(cursor - 1, 0), cursor)
    case .delete: remove(cursor, min(cursor + 1, characters.count))
    case .left: cursor = max(cursor - 1, 0)
    case .right: cursor = min(cursor + 1, characters.count)
    case .wordLeft: cursor = wordStart
    case .wordRight: cursor = wordEnd
    case .home: cursor = lineStart
    case .end: cursor = lineEnd
    case .killToEnd:
      // At the end of one of several lines the break goes, so that the key can be repeated.
      remove(cursor, lineEnd == cursor ? min(cursor + 1, characters.count) : lineEnd)
    case .killToStart: remove(lineStart == cursor ? max(cursor - 1, 0) : lineStart, cursor)
    case .killWord: remove(wordStart, cursor)
    case .killNextWord: remove(cursor, wordEnd)
    case .up: if !moveLine(up: true) { recall(place - 1) }
    case .down: if !moveLine(up: false) { recall(place + 1) }
    }
    return .none
  }

  // MARK: Changes

  private mutating func set(_ text: String) {
    characters = Array(text)
    cursor = characters.count
  }

  /// An accent that is typed after its letter becomes one character with it.
  private mutating func insert(_ text: String) {
    let before = Array(String(characters[..<cursor]) + text)
    characters = before + characters[cursor...]
    cursor = before.count
  }

  private mutating func remove(_ start: Int, _ end: Int) {
    characters.removeSubrange(start..<end)
    cursor = start
  }

  /// Shows an entry of the history; the one below the last is what was being typed.
  private mutating func recall(_ wanted: Int) {
    guard (0...history.count).contains(wanted), wanted != place else { return }
    if place == history.count { draft = text }
    place = wanted
    set(place == history.count ? draft : history[place])
  }

  // MARK: Places

  private var lineStart: Int {
    characters[..<cursor].lastIndex(of: "\n").map { $0 + 1 } ?? 0
  }

  private var lineEnd: Int {
    characters[cursor...].firstIndex(of: "\n") ?? characters.count
  }

  /// The beginning of the word before the cursor, blanks in between skipped.
  private var wordStart: Int {
    var i = cursor
    while i > 0 && characters[i - 1].isWhitespace { i -= 1 }
    while i > 0 && !characters[i - 1].isWhitespace { i -= 1 }
    return i
  }

  private var wordEnd: Int {
    var i = cursor
    while i < characters.count && characters[i].isWhitespace { i += 1 }
    while i < characters.count && !characters[i].isWhitespace { i += 1 }
    return i
  }

  /// Moves to the same place of the line above or below within the text; false if there is none.
  private mutating func moveLine(up: Bool) -> Bool {
    let column = cursor - lineStart
    if up {
      guard lineStart > 0 else { return false }
      cursor = lineStart - 1
    } else {
      guard lineEnd < characters.count else { return false }
      cursor = lineEnd + 1
    }
    cursor = min(lineStart + column, lineEnd)
    return true
  }
}
