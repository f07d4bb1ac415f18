// The characters that stand for bytes in the files of byte-level tokenizers: every byte as one
// printable character, so that a token is a string of JSON and of a line of text.

/// GPT-2's map between bytes and characters.
///
/// Printable bytes of Latin-1 stand for themselves; the other 68 (controls, the blank, 0x7F … 0xA0,
/// the soft hyphen) are U+0100, U+0101 … in their order: a blank is "Ġ", a line feed "Ċ".
///
/// *Source*: `bytes_to_unicode` of OpenAI's GPT-2, encoder.py.
enum ByteAlphabet {
  /// The character of each byte.
  static let characters: [Unicode.Scalar] = {
    var characters: [Unicode.Scalar] = []
    var next: UInt32 = 0x100
    for byte in UInt8.min...UInt8.max {
      if isPrintable(byte) {
        characters.append(Unicode.Scalar(byte))
      } else {
        characters.append(Unicode.Scalar(next) ?? "\u{FFFD}")
        next += 1
      }
    }
    return characters
  }()

  /// The bytes in the order of their characters: the ids 0 … 255 of GPT-2 and of our trainer.
  static let order: [UInt8] = (UInt8.min...UInt8.max).sorted {
    characters[Int($0)].value < characters[Int($1)].value
  }

  /// The byte of each character from U+0000 to U+0143; -1 for those that are none's.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x144)
    for (byte, character) in characters.enumerated() { bytes[Int(character.value)] = Int16(byte) }
    return bytes
  }()

  private static func isPrintable(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: true
    default: false
    }
  }

  /// The string that stands for some bytes.
  static func text(of bytes: [UInt8]) -> String {
    var text = String.UnicodeScalarView()
    for byte in bytes { text.append(characters[Int(byte)]) }
    return String(text)
  }

  /// The bytes that a string stands for; nil if one of its characters stands for none.
  static func bytes(of text: some StringProtocol) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      guard scalar.value < 0x144, bytes[Int(scalar.value)] >= 0 else { return nil }
      result.append(UInt8(bytes[Int(scalar.value)]))
    }
    return result
  }
}
