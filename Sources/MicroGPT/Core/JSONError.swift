// Why a text is not JSON, and where. The file it came from is unknown here: whoever opened it
// wraps this error and names it.

/// The first fault of a JSON text.
public struct JSONError: UserFacingError, Equatable {
  /// What was found at the place of the fault.
  public enum Problem: Equatable, Sendable {
    case unexpectedEnd(expected: String)
    case unexpectedByte(UInt8, expected: String)
    case invalidUTF8(UInt8)
    case loneSurrogate(UInt16)
    case duplicateKey(String)
    case numberOutOfRange(String)
    case tooDeep(limit: Int)
  }

  /// What is wrong at `offset`.
  public let problem: Problem
  /// Offset of the fault in bytes, from 0.
  public let offset: Int
  /// Line of the fault, from 1.
  public let line: Int
  /// Column of the fault in bytes, from 1.
  public let column: Int

  /// The code the process exits with.
  public var exitCode: ExitCode { .data }

  /// The message, one line.
  public var description: String {
    "invalid JSON at line \(line), column \(column) (byte \(offset)). \(found)."
  }

  /// The same facts as a clause for another error's message: without a full stop.
  var fault: String { "\(found), at byte \(offset) of the JSON" }

  /// What was found and expected, without a full stop.
  var found: String {
    switch problem {
    case .unexpectedEnd(let expected): "Found the end of the text, expected \(expected)"
    case .unexpectedByte(let byte, let expected):
      "Found \(Self.name(byte)), expected \(expected)"
    case .invalidUTF8(let byte): "Found \(Self.name(byte)), expected valid UTF-8"
    case .loneSurrogate(let unit):
      "Found \\u\(hexadecimal(unit, digits: 4)) alone, expected a pair of surrogates"
    case .duplicateKey(let key):
      "Found the key \(JSON.string(String(key.prefix(80)))) twice, expected unique keys"
    case .numberOutOfRange(let text):
      "Found the number \(text.prefix(40)), expected at most 1.8e308"
    case .tooDeep(let limit): "Found more than \(limit) nested levels, expected at most \(limit)"
    }
  }

  /// `'x'` for printable ASCII, `byte 0x1f` for anything else.
  private static func name(_ byte: UInt8) -> String {
    (0x20..<0x7F).contains(byte)
      ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x\(hexadecimal(byte, digits: 2))"
  }
}

/// `value` in lower-case hexadecimal, padded with zeros on the left to `digits`.
func hexadecimal(_ value: some FixedWidthInteger, digits: Int) -> String {
  let text = String(value, radix: 16)
  return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}
