// Stop strings: found however the text is cut, nothing lost, no more held back than needed.
import Testing

@testable import MicroGPT

@Suite struct StopStringsTests {
  @Test(
    arguments: [
      (["STOP"], "say STOP now", "say ", true),
      (["STOP"], "say STO", "say STO", false),
      (["STOP"], "SSTOSTOP", "SSTO", true),
      (["aab"], "aaab", "a", true),
      (["abcd", "bc"], "xabcd", "xa", true),  // bc is complete first
      (["c", "bc"], "abc", "a", true),  // both with the same byte: the longest
      (["abab", "bax"], "ababab", "", true),
      (["abax", "bay"], "abay", "a", true),
      (["é"], "caféè", "caf", true),
      (["\n\n"], "a\nb\n\nc", "a\nb", true),
      ([""], "abc", "abc", false),
      ([], "abc", "abc", false),
    ] as [([String], String, String, Bool)])
  func endsTheText(_ stops: [String], _ text: String, _ expected: String, _ stopped: Bool) {
    for size in 1...text.utf8.count {
      var filter = StopStrings(stops)
      var output: [UInt8] = []
      let bytes = Array(text.utf8)
      var result = false
      for start in stride(from: 0, to: bytes.count, by: size) {
        result = filter.append(Array(bytes[start..<min(start + size, bytes.count)]), to: &output)
      }
      filter.flush(to: &output)
      #expect(String(decoding: output, as: UTF8.self) == expected, "pieces of \(size)")
      #expect(result == stopped && filter.isStopped == stopped, "pieces of \(size)")
    }
  }

  @Test func holdsBackOnlyWhatMayBeAStop() {
    var filter = StopStrings(["###", "#!"])
    var output: [UInt8] = []
    _ = filter.append(Array("a#".utf8), to: &output)
    #expect(output == Array("a".utf8) && filter.heldByteCount == 1)
    _ = filter.append(Array("#".utf8), to: &output)
    #expect(output == Array("a".utf8) && filter.heldByteCount == 2)
    _ = filter.append(Array("b".utf8), to: &output)
    #expect(output == Array("a##b".utf8) && filter.heldByteCount == 0)
  }

  /// Against a search by hand over a two-letter alphabet, where overlaps are everywhere.
  @Test(arguments: UInt64(0)..<200)
  func equalsANaiveSearch(_ seed: UInt64) {
    var generator = RandomGenerator(seed: seed)
    func random(_ count: Int) -> [UInt8] {
      (0..<count).map { _ in 97 + UInt8(generator.next(below: 2)) }
    }
    let stops = (0..<1 + generator.next(below: 3)).map { _ in random(1 + generator.next(below: 7)) }
    let text = random(30)
    var expected = text
    search: for end in 1...text.count {
      for stop in stops.sorted(by: { $0.count > $1.count })
      where text[..<end].suffix(stop.count) == stop[...] {
        expected = Array(text[..<(end - stop.count)])
        break search
      }
    }
    var filter = StopStrings(stops)
    var output: [UInt8] = []
    for byte in text { _ = filter.append([byte], to: &output) }
    filter.flush(to: &output)
    #expect(output == expected, "seed \(seed), stops \(stops), text \(text)")
  }
}
