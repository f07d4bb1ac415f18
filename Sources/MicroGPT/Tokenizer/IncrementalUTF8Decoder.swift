// Streaming output without split characters: bytes go in as tokens are generated, whole UTF-8
// characters come out. Produces bytes, not strings; knows no tokens.

/// A filter that holds back an unfinished UTF-8 sequence and replaces ill-formed ones by U+FFFD.
///
/// Each maximal ill-formed part becomes one U+FFFD, as Unicode recommends, so the output equals
/// `String(decoding:as: UTF8.self)` of all the input however that was cut into pieces.
///
/// At most three bytes are held, inside the value itself; only `output` ever grows.
///
/// *Source*: The Unicode Standard 15.0, section 3.9, "U+FFFD Substitution of Maximal Subparts".
public struct IncrementalUTF8Decoder: Sendable {
  private var held: (UInt8, UInt8, UInt8) = (0, 0, 0)
  private var heldCount = 0
  private var neededCount = 0
  private var allowed: ClosedRange<UInt8> = 0x80...0xBF

  /// Starts with nothing held back.
  public init() {}

  /// Takes `bytes` and appends every character that they complete to `output`.
  public mutating func append(_ bytes: [UInt8], to output: inout [UInt8]) {
    for i in 0..<bytes.count { append(bytes[i], to: &output) }
  }

  /// Takes one byte and appends the character that it completes, if any, to `output`.
  public mutating func append(_ byte: UInt8, to output: inout [UInt8]) {
    if heldCount > 0 {
      if allowed.contains(byte) {
        if heldCount + 1 < neededCount { hold(byte) } else { release(and: byte, to: &output) }
        return
      }
      flush(to: &output)
    }
    guard let lead = UTF8Lead(byte) else {
      output.append(contentsOf: replacementCharacter)
      return
    }
    if lead.byteCount == 1 {
      output.append(byte)
    } else {
      hold(byte)
      neededCount = lead.byteCount
      allowed = lead.second
    }
  }

  /// Ends the text: an unfinished sequence, if any, becomes U+FFFD.
  ///
  /// The decoder can be used again.
  public mutating func flush(to output: inout [UInt8]) {
    if heldCount > 0 { output.append(contentsOf: replacementCharacter) }
    heldCount = 0
  }

  private mutating func hold(_ byte: UInt8) {
    switch heldCount {
    case 0: held.0 = byte
    case 1: held.1 = byte
    default: held.2 = byte
    }
    heldCount += 1
    allowed = 0x80...0xBF
  }

  private mutating func release(and last: UInt8, to output: inout [UInt8]) {
    output.append(held.0)
    if heldCount > 1 { output.append(held.1) }
    if heldCount > 2 { output.append(held.2) }
    output.append(last)
    heldCount = 0
  }
}
