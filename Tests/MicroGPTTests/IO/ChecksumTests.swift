// CRC-32C: known values; the CPU's instruction and slicing-by-8 against one bit at a time.
import CKernels
import Testing

@testable import MicroGPT

@Suite struct ChecksumTests {
  // "123456789" is the check value of the CRC catalogue; the others are RFC 3720, appendix B.4.
  static let known: [(bytes: [UInt8], expected: UInt32)] = [
    (Array("123456789".utf8), 0xE306_9283),
    ([], 0),
    ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
    ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
    ((0..<32).map { UInt8($0) }, 0x46DD_794E),
    ((0..<32).map { UInt8(31 - $0) }, 0x113F_DB5C),
  ]

  @Test(arguments: known) func knownValues(bytes: [UInt8], expected: UInt32) {
    #expect(bytes.withUnsafeBytes { crc32c($0) } == expected)
  }

  @Test func anyLengthAlignmentAndSplit() {
    var generator = RandomGenerator(seed: 21)
    let bytes = (0..<80).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    bytes.withUnsafeBytes { buffer in
      for start in 0..<9 {
        for end in start..<bytes.count {
          let middle = start + (end - start) / 3
          let part = UnsafeRawBufferPointer(rebasing: buffer[start..<end])
          let first = UnsafeRawBufferPointer(rebasing: buffer[start..<middle])
          let second = UnsafeRawBufferPointer(rebasing: buffer[middle..<end])
          let expected = Self.reference(bytes[start..<end])
          #expect(crc32c(part) == expected, "seed 21, bytes \(start)..<\(end)")
          let portable = mg_crc32c_portable(0, part.baseAddress, part.count)
          #expect(portable == expected, "seed 21, bytes \(start)..<\(end)")
          #expect(crc32c(second, continuing: crc32c(first)) == expected, "\(start)..<\(end)")
        }
      }
    }
    #expect(crc32c("123456789") == 0xE306_9283)
  }

  static func reference(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var remainder = ~UInt32(0)
    for byte in bytes {
      remainder ^= UInt32(byte)
      for _ in 0..<8 {
        remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82F6_3B78 : 0)
      }
    }
    return ~remainder
  }
}
