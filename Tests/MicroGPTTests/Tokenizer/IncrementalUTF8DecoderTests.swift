// Streaming UTF-8: the same text however it is cut, never a part of a character.
import Testing

@testable import MicroGPT

@Suite struct IncrementalUTF8DecoderTests {
  @Test func releasesOnlyWholeCharacters() {
    var decoder = IncrementalUTF8Decoder()
    var pieces: [[UInt8]] = []
    for byte in Array("aé中😀".utf8) {
      var output: [UInt8] = []
      decoder.append([byte], to: &output)
      if !output.isEmpty { pieces.append(output) }
    }
    #expect(pieces == ["a", "é", "中", "😀"].map { Array($0.utf8) })
  }

  @Test func flushReplacesAnUnfinishedCharacterOnce() {
    var decoder = IncrementalUTF8Decoder()
    var output: [UInt8] = []
    decoder.append([0x61, 0xF0, 0x9F, 0x98], to: &output)
    #expect(output == [0x61])
    decoder.flush(to: &output)
    #expect(output == Array("a\u{FFFD}".utf8))
    decoder.flush(to: &output)
    decoder.append([0x62], to: &output)
    #expect(output == Array("a\u{FFFD}b".utf8))
  }

  /// Bytes from a small set, so that good, bad and cut sequences are all frequent.
  @Test(arguments: UInt64(0)..<40)
  func equalsTheStandardLibraryOnRandomBytes(_ seed: UInt64) {
    var generator = RandomGenerator(seed: seed)
    let alphabet: [UInt8] = [
      0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF,
      0xF0, 0xF1, 0xF4, 0xF5, 0xFF,
    ]
    let bytes = (0..<500).map { _ in alphabet[generator.next(below: alphabet.count)] }
    var decoder = IncrementalUTF8Decoder()
    var output: [UInt8] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + 1 + generator.next(below: 5))
      decoder.append(Array(bytes[start..<end]), to: &output)
      start = end
    }
    decoder.flush(to: &output)
    #expect(output == Array(String(decoding: bytes, as: UTF8.self).utf8), "seed \(seed)")
  }
}
