// The well-formed byte sequences of UTF-8, for the tokenizers and the streaming decoder. No text
// handling of its own, no graphemes: a character in this folder is one Unicode scalar.

/// What the first byte of a UTF-8 sequence says about the rest of it.
///
/// *Source*: The Unicode Standard 15.0, table 3-7 (equal to RFC 3629, section 4). Overlong forms,
/// surrogates and values above U+10FFFF differ from good sequences in their second byte at the
/// latest, so checking its range rejects them all.
struct UTF8Lead {
  /// Bytes in the whole sequence, 1 … 4.
  let byteCount: Int
  /// Allowed values of the second byte; all later ones are in 0x80 … 0xBF.
  let second: ClosedRange<UInt8>

  /// Reads a first byte; nil for a byte that can't begin a sequence.
  @inline(__always)
  init?(_ byte: UInt8) {
    switch byte {
    case 0x00...0x7F: (byteCount, second) = (1, 0x80...0xBF)
    case 0xC2...0xDF: (byteCount, second) = (2, 0x80...0xBF)
    case 0xE0: (byteCount, second) = (3, 0xA0...0xBF)
    case 0xED: (byteCount, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: (byteCount, second) = (3, 0x80...0xBF)
    case 0xF0: (byteCount, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (byteCount, second) = (4, 0x80...0xBF)
    case 0xF4: (byteCount, second) = (4, 0x80...0x8F)
    default: return nil
    }
  }
}

/// Decodes the sequence that begins at `text[start]` and lies before `end`; nil if it is
/// ill-formed or cut off.
///
/// *Requires*: `start < end <= text.count`.
@inline(__always)
func decodeScalar(
  in text: [UInt8], at start: Int, end: Int
) -> (value: UInt32, byteCount: Int)? {
  let first = text[start]
  if first < 0x80 { return (UInt32(first), 1) }
  guard let lead = UTF8Lead(first), start + lead.byteCount <= end,
    lead.second.contains(text[start + 1])
  else { return nil }
  // The first byte of an n-byte sequence carries 7 - n payload bits, every other one six.
  var value = UInt32(first) & (0x7F >> UInt32(lead.byteCount))
  for i in start + 1..<start + lead.byteCount {
    guard text[i] & 0xC0 == 0x80 else { return nil }
    value = value << 6 | UInt32(text[i] & 0x3F)
  }
  return (value, lead.byteCount)
}

/// U+FFFD, the replacement character, in UTF-8.
let replacementCharacter: [UInt8] = [0xEF, 0xBF, 0xBD]
