// From the bytes that a terminal sends to keys: text, control keys, escape sequences of the common
// terminals, bracketed paste. Not here: what a key does (EditedLine.swift).

import MicroGPT

/// What a person did at the keyboard.
enum Key: Equatable, Sendable {
  /// Typed text, whole characters.
  case text(String)
  /// Pasted text, with "\n" between its lines.
  case paste(String)
  case enter, newline, backspace, delete
  case left, right, up, down, wordLeft, wordRight, home, end
  case killToEnd, killToStart, killWord, killNextWord
  case clearScreen, interrupt, endOfInput, suspend
}

/// Takes bytes as they come, cut anywhere, and gives the keys that are complete.
///
/// Unknown sequences are swallowed whole: an arrow with a modifier must not leave "1;2A" behind.
struct KeyParser {
  private enum State: Equatable {
    case ground, escape, singleShift, controlSequence, paste
  }

  private var state = State.ground
  private var decoder = IncrementalUTF8Decoder()
  private var parameters: [UInt8] = []
  private var pasted: [UInt8] = []

  private static let pasteEnd = Array("\u{1B}[201~".utf8)
  private static let escape: UInt8 = 0x1B

  /// Whether an escape sequence has begun and not ended.
  ///
  /// A lone Escape looks like that too, hence `giveUp`.
  var isWithinSequence: Bool { state != .ground && state != .paste }

  /// Forgets a sequence that does not go on.
  mutating func giveUp() { if isWithinSequence { state = .ground } }

  /// The keys that `bytes` complete, neighbouring text as one.
  mutating func feed(_ bytes: some Sequence<UInt8>) -> [Key] {
    var keys: [Key] = []
    for byte in bytes {
      guard let key = feed(byte) else { continue }
      if case .text(let more) = key, case .text(let text)? = keys.last {
        keys[keys.count - 1] = .text(text + more)
      } else {
        keys.append(key)
      }
    }
    return keys
  }

  private mutating func feed(_ byte: UInt8) -> Key? {
    switch state {
    case .ground: return ground(byte)
    case .escape: return afterEscape(byte)
    case .singleShift:
      state = .ground
      return KeyParser.cursorKey(byte, isWord: false)
    case .controlSequence: return withinSequence(byte)
    case .paste: return withinPaste(byte)
    }
  }

  private mutating func ground(_ byte: UInt8) -> Key? {
    if byte == KeyParser.escape {
      state = .escape
      return nil
    }
    if byte < 0x20 || byte == 0x7F { return KeyParser.controlKey(byte) }
    var text: [UInt8] = []
    decoder.append(byte, to: &text)
    return text.isEmpty ? nil : .text(String(decoding: text, as: UTF8.self))
  }

  private mutating func afterEscape(_ byte: UInt8) -> Key? {
    state = .ground
    switch byte {
    case UInt8(ascii: "["):
      state = .controlSequence
      parameters = []
      return nil
    case UInt8(ascii: "O"):
      state = .singleShift
      return nil
    case KeyParser.escape:
      state = .escape
      return nil
    case 0x0D, 0x0A: return .newline
    case UInt8(ascii: "b"): return .wordLeft
    case UInt8(ascii: "f"): return .wordRight
    case UInt8(ascii: "d"): return .killNextWord
    case 0x7F, 0x08: return .killWord
    default: return nil
    }
  }

  /// ECMA-48: parameters 0x30 … 0x3F, intermediates 0x20 … 0x2F, one final byte 0x40 … 0x7E.
  private mutating func withinSequence(_ byte: UInt8) -> Key? {
    if (0x20...0x3F).contains(byte) {
      parameters.append(byte)
      return nil
    }
    state = .ground
    let text = String(decoding: parameters, as: UTF8.self)
    if byte == UInt8(ascii: "~") {
      switch text.split(separator: ";").first {
      case "1", "7": return .home
      case "4", "8": return .end
      case "3": return .delete
      case "200":
        state = .paste
        pasted = []
        return nil
      default: return nil
      }
    }
    // With Alt (3), Control (5) or both, arrows go by words.
    let isWord = [";3", ";5", ";7"].contains { text.hasSuffix($0) }
    return KeyParser.cursorKey(byte, isWord: isWord)
  }

  private mutating func withinPaste(_ byte: UInt8) -> Key? {
    pasted.append(byte)
    guard pasted.suffix(KeyParser.pasteEnd.count) == KeyParser.pasteEnd[...] else { return nil }
    state = .ground
    return .paste(KeyParser.cleaned(pasted.dropLast(KeyParser.pasteEnd.count)))
  }

  /// One kind of line break, and no control characters but these and tabs.
  private static func cleaned(_ bytes: some Sequence<UInt8>) -> String {
    var result: [UInt8] = []
    var last: UInt8 = 0
    for byte in bytes {
      defer { last = byte }
      if byte == 0x0A && last == 0x0D { continue }
      if byte == 0x0D { result.append(0x0A) }
      if byte >= 0x20 && byte != 0x7F || byte == 0x0A || byte == 0x09 { result.append(byte) }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func controlKey(_ byte: UInt8) -> Key? {
    let letters: [Character: Key] = [
      "A": .home, "B": .left, "C": .interrupt, "D": .endOfInput, "E": .end, "F": .right,
      "H": .backspace, "J": .newline, "K": .killToEnd, "L": .clearScreen, "M": .enter, "N": .down,
      "P": .up, "U": .killToStart, "W": .killWord, "Z": .suspend,
    ]
    if byte == 0x7F { return .backspace }
    return letters[Character(Unicode.Scalar(byte + 0x40))]
  }

  private static func cursorKey(_ final: UInt8, isWord: Bool) -> Key? {
    switch final {
    case UInt8(ascii: "A"): .up
    case UInt8(ascii: "B"): .down
    case UInt8(ascii: "C"): isWord ? .wordRight : .right
    case UInt8(ascii: "D"): isWord ? .wordLeft : .left
    case UInt8(ascii: "H"): .home
    case UInt8(ascii: "F"): .end
    default: nil
    }
  }
}
