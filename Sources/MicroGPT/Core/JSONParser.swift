// Text to JSON values, strictly by RFC 8259: no comments, no trailing commas, no NaN, no byte
// order mark, nothing after the value, valid UTF-8 only, unique keys. Any bytes give a value or
// an error, never a crash. Not a streaming parser: the text is in memory (usually mapped).

extension JSON {
  /// Nesting that `parse` accepts; a limit, because every level takes a stack frame.
  public static let maximumDepth = 128

  /// The value that the whole of `bytes` stands for.
  ///
  /// Cost: O(bytes). Integers that do not fit `Int`, and -0, become `.number`; numbers beyond the
  /// range of doubles are errors.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer, maximumDepth: Int = JSON.maximumDepth
  ) throws(JSONError) -> JSON {
    var parser = JSONParser(bytes: bytes, maximumDepth: maximumDepth)
    return try parser.parseDocument()
  }

  /// The value that the whole of `bytes` stands for.
  public static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSON {
    // withUnsafeBytes rethrows any error; a Result carries the type through it.
    try bytes.withUnsafeBytes { buffer in
      Result { () throws(JSONError) in try parse(buffer) }
    }.get()
  }

  /// The value that `text` stands for.
  public static func parse(_ text: String) throws(JSONError) -> JSON {
    try parse(Array(text.utf8))
  }
}

/// Recursive descent over a byte buffer; `position` is the next byte to read.
private struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  let maximumDepth: Int
  var position = 0

  init(bytes: UnsafeRawBufferPointer, maximumDepth: Int) {
    self.bytes = bytes
    self.maximumDepth = maximumDepth
  }

  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func parseDocument() throws(JSONError) -> JSON {
    let value = try parseValue(depth: 0)
    skipSpace()
    if next != nil { throw unexpected("the end of the text") }
    return value
  }

  mutating func parseValue(depth: Int) throws(JSONError) -> JSON {
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return try parseObject(depth: depth + 1)
    case UInt8(ascii: "["): return try parseArray(depth: depth + 1)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "-"), (UInt8(ascii: "0")...UInt8(ascii: "9"))?: return try parseNumber()
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    default: throw unexpected("a value")
    }
  }

  mutating func parseObject(depth: Int) throws(JSONError) -> JSON {
    if depth > maximumDepth { throw error(.tooDeep(limit: maximumDepth), at: position) }
    position += 1
    var members: [JSON.Member] = []
    var keys: Set<ExactKey> = []
    skipSpace()
    if skip(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      let start = position
      guard next == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
      let key = try parseString()
      guard keys.insert(ExactKey(text: key)).inserted else {
        throw error(.duplicateKey(key), at: start)
      }
      skipSpace()
      guard skip(UInt8(ascii: ":")) else { throw unexpected("':'") }
      members.append(JSON.Member(key, try parseValue(depth: depth)))
      skipSpace()
      if skip(UInt8(ascii: "}")) { return .object(members) }
      guard skip(UInt8(ascii: ",")) else { throw unexpected("',' or '}'") }
    }
  }

  mutating func parseArray(depth: Int) throws(JSONError) -> JSON {
    if depth > maximumDepth { throw error(.tooDeep(limit: maximumDepth), at: position) }
    position += 1
    var elements: [JSON] = []
    skipSpace()
    if skip(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      elements.append(try parseValue(depth: depth))
      skipSpace()
      if skip(UInt8(ascii: "]")) { return .array(elements) }
      guard skip(UInt8(ascii: ",")) else { throw unexpected("',' or ']'") }
    }
  }

  mutating func parseWord(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    for index in 0..<word.utf8CodeUnitCount {
      guard skip(word.utf8Start[index]) else { throw unexpected("'\(word)'") }
    }
    return value
  }

  /// One number, by the grammar of RFC 8259 §6.
  ///
  /// number = [ "-" ] ( "0" / 1-9 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "+" / "-" ] 1*DIGIT ]
  mutating func parseNumber() throws(JSONError) -> JSON {
    let start = position
    var isInteger = true
    let isNegative = skip(UInt8(ascii: "-"))
    if !skip(UInt8(ascii: "0")) { try skipDigits() }
    if skip(UInt8(ascii: ".")) {
      isInteger = false
      try skipDigits()
    }
    if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
      isInteger = false
      if !skip(UInt8(ascii: "+")) { _ = skip(UInt8(ascii: "-")) }
      try skipDigits()
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let value = Int(text), !(isNegative && value == 0) { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      throw error(.numberOutOfRange(text), at: start)
    }
    return .number(value)
  }

  mutating func skipDigits() throws(JSONError) {
    let start = position
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    if position == start { throw unexpected("a digit") }
  }

  /// Skips the white space of RFC 8259 §2.
  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  /// Steps over `byte` if it comes next, and says whether it did.
  mutating func skip(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  func unexpected(_ expected: String) -> JSONError {
    guard let byte = next else { return error(.unexpectedEnd(expected: expected), at: position) }
    return error(.unexpectedByte(byte, expected: expected), at: position)
  }

  func error(_ problem: JSONError.Problem, at offset: Int) -> JSONError {
    let before = bytes[..<offset]
    let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    return JSONError(
      problem: problem, offset: offset, line: 1 + before.count { $0 == 0x0A },
      column: offset - lineStart + 1)
  }
}

// MARK: - Strings

extension JSONParser {
  mutating func parseString() throws(JSONError) -> String {
    position += 1
    let start = position
    // Almost every string has no escape: find its end, then copy it at once.
    while true {
      switch next {
      case UInt8(ascii: "\""):
        defer { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
      case UInt8(ascii: "\\"): return try parseEscapedString(from: start)
      default: try skipCharacter()
      }
    }
  }

  /// The rest of a string whose first escape is at `position`; plain text from `start` to there.
  mutating func parseEscapedString(from start: Int) throws(JSONError) -> String {
    var text = Array(bytes[start..<position])
    while true {
      switch next {
      case UInt8(ascii: "\""):
        position += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        position += 1
        text += UTF8.encode(try parseEscape()) ?? UTF8.encodedReplacementCharacter
      default:
        let from = position
        try skipCharacter()
        text += bytes[from..<position]
      }
    }
  }

  /// Steps over one character of a string that is neither a quote nor a backslash.
  ///
  /// *Source*: The Unicode Standard 15.0, table 3-7, well-formed UTF-8 byte sequences.
  mutating func skipCharacter() throws(JSONError) {
    guard let first = next else { throw unexpected("a closing quote") }
    let second: ClosedRange<UInt8>
    let length: Int
    switch first {
    case 0x00..<0x20: throw unexpected("an escape such as \\n")
    case 0x20..<0x80: (length, second) = (1, 0x80...0xBF)
    case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)  // no surrogates
    case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: throw error(.invalidUTF8(first), at: position)
    }
    guard position + length <= bytes.count else { throw error(.invalidUTF8(first), at: position) }
    for index in 1..<max(1, length) {
      let allowed = index == 1 ? second : 0x80...0xBF
      if !allowed.contains(bytes[position + index]) {
        throw error(.invalidUTF8(first), at: position)
      }
    }
    position += length
  }

  /// The character of an escape whose backslash was read.
  mutating func parseEscape() throws(JSONError) -> Unicode.Scalar {
    let start = position - 1
    guard let byte = next else { throw unexpected("an escape character") }
    let scalar: Unicode.Scalar
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scalar = Unicode.Scalar(byte)
    case UInt8(ascii: "b"): scalar = "\u{8}"
    case UInt8(ascii: "f"): scalar = "\u{C}"
    case UInt8(ascii: "n"): scalar = "\n"
    case UInt8(ascii: "r"): scalar = "\r"
    case UInt8(ascii: "t"): scalar = "\t"
    case UInt8(ascii: "u"):
      position += 1
      return try parseUnicodeEscape(at: start)
    default: throw unexpected("one of \" \\ / b f n r t u")
    }
    position += 1
    return scalar
  }

  /// One \uXXXX, or two that form a surrogate pair.
  mutating func parseUnicodeEscape(at start: Int) throws(JSONError) -> Unicode.Scalar {
    let high = try parseFourDigits()
    if let scalar = Unicode.Scalar(high) { return scalar }
    guard high < 0xDC00, skip(UInt8(ascii: "\\")), skip(UInt8(ascii: "u")) else {
      throw error(.loneSurrogate(high), at: start)
    }
    let low = try parseFourDigits()
    let code = 0x10000 + (UInt32(high & 0x3FF) << 10) + UInt32(low & 0x3FF)
    guard low >= 0xDC00, low < 0xE000, let scalar = Unicode.Scalar(code) else {
      throw error(.loneSurrogate(high), at: start)
    }
    return scalar
  }

  mutating func parseFourDigits() throws(JSONError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected("four hexadecimal digits")
      }
      value = value << 4 | UInt16(digit)
      position += 1
    }
    return value
  }
}

/// A key compared and hashed by its bytes; `String` would call canonically equivalent keys equal.
private struct ExactKey: Hashable {
  let text: String

  static func == (a: ExactKey, b: ExactKey) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

  func hash(into hasher: inout Hasher) {
    let done: Void? = text.utf8.withContiguousStorageIfAvailable {
      hasher.combine(bytes: UnsafeRawBufferPointer($0))
    }
    if done == nil { for byte in text.utf8 { hasher.combine(byte) } }
  }
}
