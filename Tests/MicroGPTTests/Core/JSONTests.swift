// The JSON reader and writer: RFC 8259 to the letter, exact errors, round trips, random bytes.
import Testing

@testable import MicroGPT

@Suite struct JSONTests {
  // MARK: Reading

  static let values: [(text: String, value: JSON)] = [
    ("null", .null), (" true ", true), ("false", false), ("\t\r\n0\n", 0), ("-1", -1),
    ("-0", .number(-0.0)), ("9223372036854775807", .integer(.max)),
    ("-9223372036854775808", .integer(.min)),
    ("9223372036854775808", .number(9_223_372_036_854_775_808)),
    ("1.0", .number(1)), ("1e3", .number(1000)), ("1E+3", .number(1000)),
    ("-2.5e-1", .number(-0.25)), ("1e-400", .number(0)), ("0.1", 0.1),
    (#""""#, ""), (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{C}\n\r\t"),
    (#""\u00e9\u20AC""#, "é€"), (#""\ud83d\ude00x""#, "😀x"), (#""\u0000""#, "\0"),
    ("\"é€😀\u{7F}\"", "é€😀\u{7F}"),
    ("[]", []), ("[ ]", []), ("[1,[2],{}]", [1, [2], [:]]), ("{}", [:]), ("{ }", [:]),
    (#"{"b":1,"a":{"c":null}}"#, ["b": 1, "a": ["c": nil]]),
  ]

  @Test(arguments: values) func parses(text: String, value: JSON) throws {
    #expect(try JSON.parse(text) == value)
  }

  static let faults: [(text: String, message: String)] = [
    ("", "line 1, column 1 (byte 0). Found the end of the text, expected a value."),
    (" \n x", "line 2, column 2 (byte 3). Found 'x', expected a value."),
    ("1 2", "line 1, column 3 (byte 2). Found '2', expected the end of the text."),
    ("01", "line 1, column 2 (byte 1). Found '1', expected the end of the text."),
    ("-", "line 1, column 2 (byte 1). Found the end of the text, expected a digit."),
    ("+1", "line 1, column 1 (byte 0). Found '+', expected a value."),
    (".5", "line 1, column 1 (byte 0). Found '.', expected a value."),
    ("1.", "line 1, column 3 (byte 2). Found the end of the text, expected a digit."),
    ("1.e1", "line 1, column 3 (byte 2). Found 'e', expected a digit."),
    ("1e+", "line 1, column 4 (byte 3). Found the end of the text, expected a digit."),
    (
      "-1e999",
      "line 1, column 1 (byte 0). Found the number -1e999, expected at most 1.8e308."
    ),
    ("NaN", "line 1, column 1 (byte 0). Found 'N', expected a value."),
    ("trues", "line 1, column 5 (byte 4). Found 's', expected the end of the text."),
    ("trux", "line 1, column 4 (byte 3). Found 'x', expected 'true'."),
    ("[1,]", "line 1, column 4 (byte 3). Found ']', expected a value."),
    ("[1 2]", "line 1, column 4 (byte 3). Found '2', expected ',' or ']'."),
    ("[1", "line 1, column 3 (byte 2). Found the end of the text, expected ',' or ']'."),
    ("{1:2}", "line 1, column 2 (byte 1). Found '1', expected a key in quotes."),
    (#"{"a" 1}"#, "line 1, column 6 (byte 5). Found '1', expected ':'."),
    (#"{"a":1,}"#, "line 1, column 8 (byte 7). Found '}', expected a key in quotes."),
    (#"{"a":1 "b":2}"#, "line 1, column 8 (byte 7). Found '\"', expected ',' or '}'."),
    (
      #"{"a":1,"\u0061":2}"#,
      "line 1, column 8 (byte 7). Found the key \"a\" twice, expected unique keys."
    ),
    (#""a"#, "line 1, column 3 (byte 2). Found the end of the text, expected a closing quote."),
    (#""\"#, "line 1, column 3 (byte 2). Found the end of the text, expected an escape character."),
    (#""\x""#, "line 1, column 3 (byte 2). Found 'x', expected one of \" \\ / b f n r t u."),
    (
      #""\u12g4""#,
      "line 1, column 6 (byte 5). Found 'g', expected four hexadecimal digits."
    ),
    ("\"\n\"", "line 1, column 2 (byte 1). Found byte 0x0a, expected an escape such as \\n."),
    (
      #""\ud83d""#,
      "line 1, column 2 (byte 1). Found \\ud83d alone, expected a pair of surrogates."
    ),
    (
      #""\ud83d\u0041""#,
      "line 1, column 2 (byte 1). Found \\ud83d alone, expected a pair of surrogates."
    ),
    (
      #""\ude00\ud83d""#,
      "line 1, column 2 (byte 1). Found \\ude00 alone, expected a pair of surrogates."
    ),
    ("\u{FEFF}1", "line 1, column 1 (byte 0). Found byte 0xef, expected a value."),
    ("[1] // no", "line 1, column 5 (byte 4). Found '/', expected the end of the text."),
  ]

  @Test(arguments: faults) func refuses(text: String, message: String) {
    #expect(Self.message(Array(text.utf8)) == "invalid JSON at " + message)
  }

  /// Overlong forms, surrogates, code points beyond U+10FFFF, stray and missing continuations.
  @Test(
    arguments: [
      [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x9F, 0xBF],
      [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
      [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],
    ] as [[UInt8]])
  func refusesInvalidUTF8(bytes: [UInt8]) {
    let first = hexadecimal(bytes[0], digits: 2)
    let expected =
      "invalid JSON at line 1, column 3 (byte 2). Found byte 0x\(first), expected valid UTF-8."
    #expect(Self.message([0x22, 0x61] + bytes + [0x22]) == expected)
    #expect(Self.message([0x22, 0x61] + bytes) == expected)
  }

  @Test func limitsDepth() throws {
    let limit = JSON.maximumDepth
    func nested(_ depth: Int) -> String {
      String(repeating: #"[{"a":"#, count: depth / 2) + "0"
        + String(repeating: "}]", count: depth / 2)
    }
    _ = try JSON.parse(nested(limit))
    #expect(Self.message(Array(nested(limit + 2).utf8)).hasSuffix("expected at most 128."))
    // Would overflow the stack if depth were not limited.
    #expect(Self.message([UInt8](repeating: 0x5B, count: 1_000_000)).hasSuffix("at most 128."))
  }

  @Test func canonicallyEquivalentKeysAreDifferent() throws {
    let json = try JSON.parse("{\"\u{E9}\":1,\"e\u{301}\":2}")
    #expect(json["\u{E9}"] == 1)
    #expect(json["e\u{301}"] == 2)
  }

  // MARK: Accessors

  @Test func accessors() throws {
    let json: JSON = ["i": 3, "d": 2.5, "s": "x", "b": true, "a": [1, 2], "o": ["k": nil]]
    #expect(json["i"]?.intValue == 3 && json["i"]?.doubleValue == 3)
    #expect(json["d"]?.doubleValue == 2.5 && json["d"]?.intValue == nil)
    #expect(JSON.number(1e3).intValue == 1000 && JSON.number(1e300).intValue == nil)
    #expect(json["s"]?.stringValue == "x" && json["s"]?.intValue == nil)
    #expect(json["b"]?.boolValue == true && json["b"]?.doubleValue == nil)
    #expect(json["a"]?.arrayValue == [1, 2] && json["a"]?[1] == 2 && json["a"]?[2] == nil)
    #expect(json["o"]?.objectValue == [.init("k", nil)] && json["o"]?["k"] == .null)
    #expect(json["none"] == nil && JSON.null["x"] == nil && JSON.null[0] == nil)
  }

  // MARK: Writing

  @Test(
    arguments: [
      (nil, "null"), ([true, false, -7], "[true,false,-7]"),
      (["b": 1, "a": []], #"{"b":1,"a":[]}"#),
      (.number(0.1), "0.1"), (.number(1), "1.0"), (.number(1e-7), "1e-07"),
      (.number(1e22), "1e+22"),
      (.number(.nan), "null"), (.number(-.infinity), "null"),
      ("\"\\/\n\r\t\u{8}\u{1F}\u{7F}é😀", "\"\\\"\\\\/\\n\\r\\t\\u0008\\u001f\u{7F}é😀\""),
    ] as [(JSON, String)])
  func writes(value: JSON, text: String) {
    #expect(value.description == text)
  }

  @Test func roundTrips() throws {
    var generator = RandomGenerator(seed: 11)
    for index in 0..<500 {
      let value = Self.random(&generator, depth: 4)
      #expect(try JSON.parse(value.utf8Bytes) == value, "seed 11, case \(index)")
    }
    for double in [
      .leastNonzeroMagnitude, .leastNormalMagnitude, .greatestFiniteMagnitude, 1 / 3, 1e15, 1e16,
    ] {
      #expect(try JSON.parse(JSON.number(double).utf8Bytes) == .number(double))
    }
  }

  // MARK: Random bytes

  /// Damaged texts and noise give a value or an error; a value survives a second round trip.
  @Test func neverCrashes() throws {
    var generator = RandomGenerator(seed: 12)
    let alphabet = Array(#"{}[]":,\ue0123456789-+.truefalsn "#.utf8) + [0, 0x80, 0xC3, 0xED, 0xF4]
    var accepted = 0
    for index in 0..<4000 {
      var bytes = Self.random(&generator, depth: 4).utf8Bytes
      if index % 4 == 0 {
        bytes = (0..<generator.next(below: 12)).map { _ in
          alphabet[generator.next(below: alphabet.count)]
        }
      } else {
        for _ in 0...generator.next(below: 3) where !bytes.isEmpty {
          let place = generator.next(below: bytes.count)
          switch generator.next(below: 3) {
          case 0: bytes[place] ^= 1 << UInt8(generator.next(below: 8))
          case 1: bytes[place] = alphabet[generator.next(below: alphabet.count)]
          default: bytes.removeSubrange(place...)
          }
        }
      }
      do throws(JSONError) {
        let value = try JSON.parse(bytes)
        #expect(try JSON.parse(value.utf8Bytes) == value, "seed 12, case \(index)")
        accepted += 1
      } catch {
        #expect((0...bytes.count).contains(error.offset), "seed 12, case \(index)")
      }
    }
    #expect(accepted > 50 && accepted < 3500, "the damage must be neither total nor absent")
  }

  // MARK: Helpers

  static func message(_ bytes: [UInt8]) -> String {
    do throws(JSONError) {
      return "no error, but \(try JSON.parse(bytes))"
    } catch {
      return error.description
    }
  }

  static func random(_ generator: inout RandomGenerator, depth: Int) -> JSON {
    switch generator.next(below: depth > 0 ? 8 : 6) {
    case 0: return .null
    case 1: return .bool(generator.next(below: 2) == 0)
    case 2: return .integer(Int(truncatingIfNeeded: generator.next()) >> generator.next(below: 64))
    case 3: return .number(generator.nextNormal() * 0x1p40)
    case 4, 5: return .string(string(&generator))
    case 6:
      return .array(
        (0..<generator.next(below: 4)).map { _ in random(&generator, depth: depth - 1) })
    default:
      return .object(
        (0..<generator.next(below: 4)).map {
          .init("\($0)" + string(&generator), random(&generator, depth: depth - 1))
        })
    }
  }

  static func string(_ generator: inout RandomGenerator) -> String {
    let scalars: [Unicode.Scalar] = ["a", "\"", "\\", "\n", "\0", "é", "€", "😀", "\u{301}", "/"]
    var text = ""
    for _ in 0..<generator.next(below: 6) {
      text.unicodeScalars.append(scalars[generator.next(below: scalars.count)])
    }
    return text
  }
}
