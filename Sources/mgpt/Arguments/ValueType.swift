// What a value on the command line may be: how it is read, how it is described to a person, and
// what a shell can offer while it is typed. Not here: which option takes which value.

import MicroGPT

/// What a shell offers when it completes a value.
enum Completion: Equatable, Sendable {
  /// Nothing can be offered for a number.
  case number
  /// Nor for free text, which may look like anything, even like an option.
  case text
  /// One of these words.
  case words([String])
  /// Paths of files, or of folders only.
  case files, folders
}

/// The type of a value: reader, printer, and the words that describe it.
struct ValueType<Value> {
  /// Completes the sentence "expected …", such as "a whole number from 1 to 1024".
  let expectation: String
  /// What a shell offers.
  let completion: Completion
  /// A value as it would be typed; shows defaults in the help.
  let format: (Value) -> String
  /// The value of a text, or nil if the text does not meet `expectation`.
  let parse: (String) -> Value?
}

extension ValueType where Value: FixedWidthInteger {
  /// A whole number in `range`, written in digits or, like 2e4, with an exponent.
  static func integer(_ range: ClosedRange<Value>) -> ValueType {
    ValueType(
      expectation: "a whole number from \(range.lowerBound) to \(range.upperBound)",
      completion: .number,
      format: { "\($0)" },
      parse: { text in
        guard let value = wholeNumber(text, as: Value.self), range.contains(value) else {
          return nil
        }
        return value
      })
  }
}

extension ValueType where Value == SaveInterval {
  /// A number of steps, or a time in seconds, minutes or hours.
  static var saveInterval: ValueType {
    ValueType(
      expectation: "a whole number of steps from 0 to 1000000000, or a time such as 90s, 10m or 2h",
      completion: .number,
      format: { interval in
        switch interval {
        case .steps(let count): "\(count)"
        case .seconds(let count): "\(count)s"
        }
      },
      parse: { text in
        if let count = seconds(text) { return .seconds(count) }
        return ValueType<Int>.integer(0...1_000_000_000).parse(text).map { .steps($0) }
      })
  }
}

extension ValueType where Value == Int {
  /// A time in seconds, minutes or hours, with its unit.
  static var duration: ValueType {
    ValueType(
      expectation: "a time such as 90s, 30m or 2h", completion: .text, format: { "\($0)s" },
      parse: { seconds($0) })
  }
}

/// The seconds of 90s, 10m or 2h; nil without a unit, for nothing, or beyond a million units.
private func seconds(_ text: String) -> Int? {
  let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600]
  guard let unit = text.last.flatMap({ units[$0] }), let count = Int(text.dropLast()),
    (1...1_000_000).contains(count)
  else { return nil }
  return count * unit
}

/// One end of a range of real numbers.
enum Bound {
  case including(Double)
  case excluding(Double)
}

extension ValueType where Value == Double {
  /// A finite real number between two bounds.
  static func real(_ lower: Bound, _ upper: Bound) -> ValueType {
    ValueType(
      expectation: realExpectation(lower, upper),
      completion: .number,
      format: { shortText(of: $0) },
      parse: { text in
        guard let value = realNumber(text), isAbove(value, lower), isBelow(value, upper) else {
          return nil
        }
        return value
      })
  }
}

extension ValueType where Value == String {
  /// Any text, the empty one included.
  static var text: ValueType {
    ValueType(expectation: "a text", completion: .text, format: { $0 }, parse: { $0 })
  }

  /// A text of at least one character; `what` names it in messages.
  static func name(_ what: String) -> ValueType { nonEmpty(what, .text) }

  /// The path of a file, which the command checks.
  static var file: ValueType { nonEmpty("the path of a file", .files) }

  /// The path of a folder.
  static var folder: ValueType { nonEmpty("the path of a folder", .folders) }

  /// The path of a file or a folder.
  static var fileOrFolder: ValueType { nonEmpty("the path of a file or a folder", .files) }

  private static func nonEmpty(_ expectation: String, _ completion: Completion) -> ValueType {
    ValueType(
      expectation: expectation, completion: completion, format: { $0 },
      parse: { $0.isEmpty ? nil : $0 })
  }
}

extension ValueType where Value == Bool {
  /// The words on and off.
  static var onOff: ValueType {
    ValueType(
      expectation: "on or off", completion: .words(["on", "off"]),
      format: { $0 ? "on" : "off" },
      parse: { ["on": true, "off": false][$0] })
  }
}

extension ValueType where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  /// One of the cases of an enumeration, by raw value.
  static var choice: ValueType {
    let words = Value.allCases.map(\.rawValue)
    return ValueType(
      expectation: listing(words, "or"), completion: .words(words),
      format: { $0.rawValue }, parse: { Value(rawValue: $0) })
  }
}

extension ValueType where Value == TokenizerChoice {
  /// The name of a kind, or a path: whatever has a dot or a slash.
  static var tokenizer: ValueType {
    let words = TokenizerKind.allCases.map(\.rawValue)
    return ValueType(
      expectation: words.joined(separator: ", ") + " or the path of a tokenizer's file",
      completion: .files,
      format: { choice in
        switch choice {
        case .kind(let kind): kind.rawValue
        case .file(let path): path
        }
      },
      parse: { text in
        if let kind = TokenizerKind(rawValue: text) { return .kind(kind) }
        return text.contains(".") || text.contains("/") ? .file(text) : nil
      })
  }
}

/// The words as an English list: "a", "a or b", "a, b or c".
func listing(_ words: [String], _ conjunction: String) -> String {
  guard let last = words.last, words.count > 1 else { return words.first ?? "" }
  return words.dropLast().joined(separator: ", ") + " \(conjunction) \(last)"
}

/// Reads digits, or decimal notation with an exponent when the value is whole; nil on overflow.
///
/// The exponent form goes through Double, which is exact up to 2^53 and rejects anything between
/// whole numbers.
private func wholeNumber<T: FixedWidthInteger>(_ text: String, as type: T.Type) -> T? {
  if let value = T(text) { return value }
  guard text.utf8.contains(where: { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }),
    let value = realNumber(text), value.magnitude <= 0x1p53
  else { return nil }
  return T(exactly: value)
}

/// Reads a finite number in decimal notation: no hexadecimal, infinity or nan.
private func realNumber(_ text: String) -> Double? {
  let isDecimal = text.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "."), UInt8(ascii: "+"), UInt8(ascii: "-"): true
    case UInt8(ascii: "e"), UInt8(ascii: "E"): true
    default: false
    }
  }
  guard isDecimal, let value = Double(text), value.isFinite else { return nil }
  return value
}

private func isAbove(_ value: Double, _ bound: Bound) -> Bool {
  switch bound {
  case .including(let limit): value >= limit
  case .excluding(let limit): value > limit
  }
}

private func isBelow(_ value: Double, _ bound: Bound) -> Bool {
  switch bound {
  case .including(let limit): value <= limit
  case .excluding(let limit): value < limit
  }
}

private func realExpectation(_ lower: Bound, _ upper: Bound) -> String {
  switch (lower, upper) {
  case (.including(let low), .including(let high)):
    "a number from \(shortText(of: low)) to \(shortText(of: high))"
  case (.including(let low), .excluding(let high)):
    "a number of at least \(shortText(of: low)) and below \(shortText(of: high))"
  case (.excluding(let low), .including(let high)):
    "a number above \(shortText(of: low)) and at most \(shortText(of: high))"
  case (.excluding(let low), .excluding(let high)):
    "a number above \(shortText(of: low)) and below \(shortText(of: high))"
  }
}

/// A number without a needless fraction: 1, not 1.0.
private func shortText(of value: Double) -> String {
  Int(exactly: value).map { "\($0)" } ?? "\(value)"
}
