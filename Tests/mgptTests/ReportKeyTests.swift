// Keys from bytes, and what they do to the line.

import Testing

@testable import mgpt

@Suite("Keys") struct ReportKeyTests {
  static let sequences: [(String, [Key])] = [
    ("abc", [.text("abc")]), ("é日😀", [.text("é日😀")]), ("\r", [.enter]), ("\n", [.newline]),
    ("a\rb", [.text("a"), .enter, .text("b")]), ("\u{1B}\r", [.newline]),
    ("\u{1B}[A\u{1B}[B\u{1B}[C\u{1B}[D", [.up, .down, .right, .left]),
    ("\u{1B}OA\u{1B}OD\u{1B}OH\u{1B}OF", [.up, .left, .home, .end]),
    (
      "\u{1B}[H\u{1B}[F\u{1B}[1~\u{1B}[4~\u{1B}[7~\u{1B}[8~",
      [.home, .end, .home, .end, .home, .end]
    ),
    ("\u{1B}[3~\u{7F}\u{8}", [.delete, .backspace, .backspace]),
    ("\u{1B}[1;5C\u{1B}[1;3D\u{1B}f\u{1B}b", [.wordRight, .wordLeft, .wordRight, .wordLeft]),
    ("\u{1}\u{2}\u{4}\u{5}\u{6}", [.home, .left, .endOfInput, .end, .right]),
    ("\u{B}\u{15}\u{17}\u{1B}d", [.killToEnd, .killToStart, .killWord, .killNextWord]),
    ("\u{3}\u{1A}\u{C}\u{10}\u{E}", [.interrupt, .suspend, .clearScreen, .up, .down]),
    // Unknown keys leave nothing behind.
    ("\u{1B}[15~\u{1B}[1;2P\u{1B}[?1u\u{1B}Q\t\u{0}x", [.text("x")]),
    ("\u{1B}\u{1B}[A", [.up]),
    (
      "\u{1B}[200~a\r\nb\rc\nd\t\u{1B}[A\u{3}é\u{1B}[201~x",
      [.paste("a\nb\nc\nd\t[Aé"), .text("x")]
    ),
    ("\u{1B}[200~\u{1B}[201~", [.paste("")]),
  ]

  /// Whole, and cut into single bytes, which a slow line does.
  @Test(arguments: sequences.indices) func keys(_ index: Int) {
    let (bytes, expected) = Self.sequences[index]
    var parser = KeyParser()
    #expect(parser.feed(Array(bytes.utf8)) == expected)
    #expect(!parser.isWithinSequence)
    var slow: [Key] = []
    for byte in bytes.utf8 { slow += parser.feed([byte]) }
    #expect(joined(slow) == expected)
  }

  private func joined(_ keys: [Key]) -> [Key] {
    var result: [Key] = []
    for key in keys {
      if case .text(let more) = key, case .text(let text)? = result.last {
        result[result.count - 1] = .text(text + more)
      } else {
        result.append(key)
      }
    }
    return result
  }

  @Test func aLoneEscapeIsForgotten() {
    var parser = KeyParser()
    #expect(parser.feed([0x1B]).isEmpty && parser.isWithinSequence)
    parser.giveUp()
    #expect(parser.feed([UInt8(ascii: "b")]) == [.text("b")])
  }

  @Test func badBytesBecomeOneMark() {
    var parser = KeyParser()
    #expect(parser.feed([0xE9, 0x61, 0xFF]) == [.text("\u{FFFD}a\u{FFFD}")])
  }

  // MARK: The line

  /// Keys, the text they leave, and the cursor's place.
  static let edits: [([Key], String, Int)] = [
    ([.text("abc"), .left, .left, .text("X")], "aXbc", 2),
    ([.text("abc"), .home, .delete, .end, .backspace], "b", 1),
    ([.backspace, .delete, .left, .right, .up, .down, .killWord, .killToEnd], "", 0),
    ([.text("one two  "), .killWord], "one ", 4),
    ([.text("one two"), .wordLeft, .wordLeft, .killNextWord], " two", 0),
    ([.text("one two"), .home, .wordRight, .killToEnd], "one", 3),
    ([.text("one two"), .wordLeft, .killToStart], "two", 0),
    ([.text("abc"), .left, .endOfInput], "ab", 2),
    ([.text("e"), .text("\u{301}"), .left, .text("x")], "xe\u{301}", 1),
    ([.text("👩‍👩‍👧"), .backspace], "", 0), ([.text("日本"), .left, .backspace], "本", 0),
    ([.paste("ab\ncd\ne"), .up, .text("X")], "ab\ncXd\ne", 5),
    ([.paste("ab\ncd"), .home, .text("X"), .up, .end, .text("Y")], "abY\nXcd", 3),
    ([.paste("ab\ncd"), .up, .killToEnd, .down, .killToStart, .killToStart], "cd", 0),
    ([.paste("ab\ncd"), .up, .down, .text("!")], "ab\ncd!", 6),
    ([.text("a"), .newline, .text("b"), .home, .backspace], "ab", 1),
  ]

  @Test(arguments: edits.indices) func editing(_ index: Int) {
    let (keys, text, cursor) = Self.edits[index]
    var line = EditedLine()
    for key in keys { #expect(line.handle(key) == .none) }
    #expect(line.text == text && line.cursor == cursor)
  }

  @Test func actions() {
    var line = EditedLine()
    #expect(line.handle(.endOfInput) == .end)
    _ = line.handle(.text("a"))
    #expect(line.handle(.endOfInput) == .none && line.text == "a")
    #expect(line.handle(.enter) == .submit && line.handle(.interrupt) == .interrupt)
    #expect(line.handle(.suspend) == .suspend && line.handle(.clearScreen) == .clearScreen)
    #expect(line.text == "a")
  }

  @Test func history() {
    var line = EditedLine()
    for entry in ["one", "one", "  ", "two\nlines"] { line.remember(entry) }
    #expect(line.history == ["one", "two\nlines"])
    line.clear()
    var shown: [String] = []
    // Within "two\nlines" the first Up goes to its first line.
    for key in [Key.text("draft"), .up, .up, .up, .up, .down, .down, .down, .down] {
      _ = line.handle(key)
      shown.append(line.text)
    }
    #expect(
      shown == [
        "draft", "two\nlines", "two\nlines", "one", "one", "two\nlines", "draft", "draft", "draft",
      ])
    for i in 0..<1200 { line.remember("\(i)") }
    #expect(line.history.count == 1000 && line.history.last == "1199")
  }

  @Test(arguments: [
    ("a", 1), ("é", 1), ("e\u{301}", 1), ("日", 2), ("😀", 2), ("👩‍👩‍👧", 2), ("한", 2), ("Ａ", 2),
    ("\u{200B}", 0), ("\u{301}", 0), ("❤", 1), ("❤\u{FE0F}", 2), ("я", 1), ("\t", 1),
    ("\u{FFFD}", 1),
  ])
  func columns(_ text: Character, _ count: Int) {
    #expect(text.columnCount == count)
  }
}
