// The UTF-8 reader against the standard library, around every limit of the encoding.
import Testing

@testable import MicroGPT

@Suite struct UTF8Tests {
  /// Everything around the limits of the sequence lengths, and a prime stride of the rest.
  @Test func decodesScalars() {
    let limits: [UInt32] = [0, 0x80, 0x800, 0xD800, 0xE000, 0x1_0000, 0x11_0000]
    let near = limits.flatMap { limit in (0..<256).map { limit &- 128 &+ $0 } }
    for value in near + stride(from: 0, to: 0x11_0000, by: 61) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let bytes = Array(scalar.utf8)
      let decoded = decodeScalar(in: bytes, at: 0, end: bytes.count)
      // No #expect for each: it costs more than the rest of the test.
      if decoded?.value != value || decoded?.byteCount != bytes.count {
        Issue.record("U+\(String(value, radix: 16)) was read as \(String(describing: decoded))")
      }
    }
  }

  @Test(
    arguments: [
      [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x28], [0xE0, 0x9F, 0xBF],
      [0xED, 0xA0, 0x80], [0xE4, 0xB8], [0xE4, 0xB8, 0x41], [0xF0, 0x8F, 0xBF, 0xBF],
      [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],
    ] as [[UInt8]])
  func rejects(_ bytes: [UInt8]) {
    #expect(decodeScalar(in: bytes, at: 0, end: bytes.count) == nil)
  }

  @Test func doesNotReadBeyondTheEnd() {
    #expect(decodeScalar(in: [0xC3, 0xA9], at: 0, end: 1) == nil)
    #expect(decodeScalar(in: [0x61, 0xC3, 0xA9], at: 1, end: 3)?.value == 0xE9)
  }
}
