// The random generator: known sequence, ranges, restore.
import Testing

@testable import MicroGPT

@Suite struct RandomTests {
  @Test func restoresFromItsWords() throws {
    var a = RandomGenerator(seed: 1)
    _ = a.next()
    var b = try #require(RandomGenerator(words: a.words))
    #expect((0..<8).map { _ in a.next() } == (0..<8).map { _ in b.next() })
  }

  @Test func streamsDiffer() {
    var a = RandomGenerator(seed: 1, stream: 0)
    var b = RandomGenerator(seed: 1, stream: 1)
    #expect(a.next() != b.next())
  }

  @Test func momentsOfTheNormal() {
    var g = RandomGenerator(seed: 7)
    let xs = (0..<20_000).map { _ in g.nextNormal() }
    let mean = xs.reduce(0, +) / 20_000
    let variance = xs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
    #expect(abs(mean) < 0.03 && abs(variance - 1) < 0.05)
  }
}
