// JSON values: what checkpoints, metrics and `--json` output are made of. Objects keep their
// order. Here: the type, accessors and literals. The strict RFC 8259 reader is JSONParser.swift,
// the compact writer JSONWriter.swift. Not here: mapping to Swift types (callers use accessors).

/// One JSON value.
///
/// Objects keep the order of their members. Literals build values:
/// `let line: JSON = ["step": 1, "loss": .number(loss), "tags": ["a"]]`.
public enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  /// A number written without fraction and exponent that fits `Int`.
  case integer(Int)
  /// Any other number. The parser yields finite values only; the writer turns others into null.
  case number(Double)
  case string(String)
  case array([JSON])
  case object([Member])

  /// A key and its value.
  public struct Member: Equatable, Sendable {
    /// Unique among the members of an object that was parsed.
    public var key: String
    /// What the key stands for.
    public var value: JSON
    /// Makes a member.
    public init(_ key: String, _ value: JSON) {
      self.key = key
      self.value = value
    }
  }
}

extension JSON {
  /// An object with more members; other values are returned as they are.
  public func adding(_ members: [Member]) -> JSON {
    if case .object(let own) = self { .object(own + members) } else { self }
  }
}

// MARK: - Accessors

extension JSON {
  /// The value of the member `key`; nil if there is none or if this is not an object.
  ///
  /// Keys are compared byte by byte: a precomposed "é" and an "e" with a combining accent are
  /// two keys, as they are two tokens of a vocabulary. Cost: O(members).
  public subscript(key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  /// The element at `index`; nil if out of range or if this is not an array.
  public subscript(index: Int) -> JSON? {
    guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
    return elements[index]
  }

  /// The number as an integer, if it is one exactly (`3`, `3.0` and `3e0`, not `3.5`).
  public var intValue: Int? {
    switch self {
    case .integer(let value): value
    case .number(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The number as a double; integers beyond 2^53 are rounded.
  public var doubleValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The text, if this is a string.
  public var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The truth value, if this is `true` or `false`.
  public var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The elements, if this is an array.
  public var arrayValue: [JSON]? {
    if case .array(let value) = self { value } else { nil }
  }

  /// The members in their order, if this is an object.
  public var objectValue: [Member]? {
    if case .object(let value) = self { value } else { nil }
  }
}

// MARK: - Literals

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  /// Makes `null`.
  public init(nilLiteral: ()) { self = .null }
  /// Makes `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// Makes an integer.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// Makes a number.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// Makes a string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// Makes an array.
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }

  /// Makes an object that keeps the order of the literal.
  ///
  /// *Requires*: keys are unique.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self = .object(elements.map { Member($0.0, $0.1) })
  }
}
