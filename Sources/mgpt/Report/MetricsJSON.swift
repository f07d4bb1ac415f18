// JSON as lines of text: the writer of `metrics.jsonl` and `--json`, and the reader of what it
// wrote. The only place of the reports that knows JSON's syntax; the reader takes flat objects.

import MicroGPT

/// `value` as compact JSON on one line, without line break.
///
/// Numbers are the shortest that read back the same; NaN and infinities, which JSON lacks, are
/// null.
func jsonLine(_ value: JSON) -> String {
  switch value {
  case .null: "null"
  case .bool(let value): value ? "true" : "false"
  case .integer(let value): "\(value)"
  case .number(let value): value.isFinite ? "\(value)" : "null"
  case .string(let text): jsonString(text)
  case .array(let values): "[" + values.map(jsonLine).joined(separator: ",") + "]"
  case .object(let members):
    "{" + members.map { jsonString($0.key) + ":" + jsonLine($0.value) }.joined(separator: ",") + "}"
  }
}

private func jsonString(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\u{0}"..<"\u{20}":
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}

/// The numbers of a flat JSON object on one line; other values are left out.
///
/// Nil unless the line is one whole object without nested values and without escapes in its
/// strings: a torn or foreign line is nobody's metrics.
func jsonNumbers(inLine line: some Sequence<UInt8>) -> [String: Double]? {
  var scanner = FlatScanner(line)
  return scanner.object()
}

private struct FlatScanner {
  private let bytes: [UInt8]
  private var position = 0

  init(_ line: some Sequence<UInt8>) { bytes = Array(line) }

  mutating func object() -> [String: Double]? {
    var numbers: [String: Double] = [:]
    guard take("{") else { return nil }
    if !take("}") {
      repeat {
        guard let key = string(), take(":") else { return nil }
        if peek() == UInt8(ascii: "\"") {
          guard string() != nil else { return nil }
        } else {
          let word = word()
          if let number = Double(word), number.isFinite {
            numbers[key] = number
          } else if !["null", "true", "false"].contains(word) {
            return nil
          }
        }
      } while take(",")
      guard take("}") else { return nil }
    }
    return peek() == nil ? numbers : nil
  }

  /// The next byte that is no blank.
  private mutating func peek() -> UInt8? {
    while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
      position += 1
    }
    return position < bytes.count ? bytes[position] : nil
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func string() -> String? {
    guard take("\"") else { return nil }
    let start = position
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      if bytes[position] == UInt8(ascii: "\\") { return nil }
      position += 1
    }
    guard position < bytes.count else { return nil }
    defer { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  /// A number, null, true or false: everything up to the next comma, brace or blank.
  private mutating func word() -> String {
    guard peek() != nil else { return "" }
    let start = position
    let ends = Array(",}] \t\r\n".utf8)
    while position < bytes.count, !ends.contains(bytes[position]) { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }
}
