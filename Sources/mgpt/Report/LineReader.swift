// Reads lines from standard input: edited on a terminal, plain from everything else. What is in a
// line does not matter here.

import MicroGPT

/// One answer of a reader.
enum InputLine: Equatable, Sendable {
  case line(String)
  /// Ctrl-C; whether it threw typed text away.
  case interrupt(hadText: Bool)
  case end
}

/// Where lines come from.
protocol LineReader: AnyObject {
  /// The next line, without its line break.
  func next() -> InputLine
  /// Adds a line to what the arrow keys bring back, if there are any.
  func remember(_ line: String)
}

/// Lines from a pipe, a file, or a terminal without cursor control.
final class PlainLineReader: LineReader {
  private let prompt: String
  private let isTerminal: Bool
  private var waiting: [UInt8] = []
  private var buffer = [UInt8](repeating: 0, count: 65536)
  private var ended = false

  /// `prompt` is shown on standard error, and only if standard input is a terminal.
  init(prompt: String, isTerminal: Bool) {
    self.prompt = prompt
    self.isTerminal = isTerminal
  }

  func next() -> InputLine {
    if isTerminal { Terminal.error.write(prompt) }
    var searched = 0
    while true {
      if let end = waiting[searched...].firstIndex(of: 0x0A) {
        let line = waiting[..<end]
        waiting = Array(waiting[(end + 1)...])
        return .line(PlainLineReader.text(line))
      }
      searched = waiting.count
      if ended {
        if waiting.isEmpty { return .end }
        defer { waiting = [] }
        return .line(PlainLineReader.text(waiting[...]))
      }
      switch DialogueTerminal.read(into: &buffer, timeout: nil) {
      case .bytes(let count): waiting += buffer[..<count]
      case .end: ended = true
      case .timeout, .continued: break
      case .signal:
        if DialogueTerminal.isInterrupted {
          DialogueTerminal.forgetInterrupt()
          waiting = []
          if isTerminal { Terminal.error.write("\n") }
          // From a pipe nobody could try again.
          return isTerminal ? .interrupt(hadText: false) : .end
        }
      }
    }
  }

  func remember(_ line: String) {}

  private static func text(_ line: ArraySlice<UInt8>) -> String {
    String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
  }
}

/// Lines typed at a terminal, with cursor keys and history.
///
/// Between two lines the terminal is in answering mode: what is typed then is not shown, and is the
/// beginning of the next line.
final class EditingLineReader: LineReader {
  private var parser = KeyParser()
  private var line = EditedLine()
  private var display: LineDisplay
  private var keys: [Key] = []
  private var buffer = [UInt8](repeating: 0, count: 65536)
  private let output: Terminal

  /// Milliseconds after which an Escape is no beginning of a sequence any more.
  private static let sequenceTimeout = 50

  /// Nil if standard input and `output` are no terminals with cursor control.
  init?(prompt: String, output: Terminal, environment: (String) -> String?) {
    let kind = environment("TERM") ?? ""
    guard SystemInfo.isTerminal(0), output.isTerminal, !kind.isEmpty, kind != "dumb",
      DialogueTerminal.set(.answering)
    else { return nil }
    self.output = output
    display = LineDisplay(prompt: prompt)
  }

  func remember(_ text: String) { line.remember(text) }

  func next() -> InputLine {
    DialogueTerminal.set(.editing)
    defer { DialogueTerminal.set(.answering) }
    line.clear()
    while true {
      while !keys.isEmpty {
        if let result = handle(keys.removeFirst()) { return result }
      }
      draw()
      switch DialogueTerminal.read(
        into: &buffer, timeout: parser.isWithinSequence ? EditingLineReader.sequenceTimeout : nil)
      {
      case .bytes(let count): keys = parser.feed(buffer[..<count])
      case .timeout: parser.giveUp()
      case .continued: display.forget()
      case .signal:
        if DialogueTerminal.isInterrupted {
          DialogueTerminal.forgetInterrupt()
          keys = [.interrupt]
        }
      case .end:
        output.write(display.finish())
        return .end
      }
    }
  }

  private func handle(_ key: Key) -> InputLine? {
    switch line.handle(key) {
    case .none: return nil
    case .submit:
      draw()
      output.write(display.finish())
      return .line(line.text)
    case .interrupt:
      draw()
      output.write(display.finish("^C"))
      return .interrupt(hadText: !line.characters.isEmpty)
    case .end:
      draw()
      output.write(display.finish())
      return .end
    case .suspend:
      draw()
      output.write(display.finish())
      DialogueTerminal.suspend()
    case .clearScreen:
      output.write("\u{1B}[H\u{1B}[2J")
      display.forget()
    }
    return nil
  }

  private func draw() {
    let height = DialogueTerminal.rows(output.descriptor) ?? 24
    output.write(display.draw(line, width: output.width, height: height))
  }
}
