// The cache's sizes, and attention over it against attention without one.
import Testing

@testable import MicroGPT

@Suite struct KeyValueCacheTests {
  @Test(arguments: [32, 64, 128]) func bytes(_ headWidth: Int) throws {
    let heads = HeadLayout(headCount: 4, keyValueHeadCount: 2, headWidth: headWidth)
    func count(_ format: KeyValueFormat, _ capacity: Int) throws -> Int {
      let cache = try KeyValueCache(
        layerCount: 3, heads: heads, capacity: capacity, format: format)
      let promised = KeyValueCache.byteCount(
        layerCount: 3, heads: heads, capacity: capacity, format: format)
      #expect(cache.byteCount == promised)
      return promised
    }
    let full = try count(.float32, 256)
    #expect(full == 3 * 2 * 2 * 256 * headWidth * 4)
    let (half, small) = (try count(.float16, 256), try count(.int8, 256))
    #expect(half * 2 == full)
    #expect(Double(small) <= 0.27 * Double(full))
    let blocks = try count(.float32, 193)
    #expect(blocks == full, "whole blocks of 64 tokens")
  }

  /// The same bits, at once and in two runs.
  @Test(arguments: [1, 2, 5, 70, 130]) func cachedAttentionIsAttention(_ time: Int) throws {
    let heads = HeadLayout(headCount: 4, keyValueHeadCount: 2, headWidth: 12)
    let compute = try Compute(threadCount: 2)
    var graph = Graph(isTraining: false)
    let qkv = graph.parameter(offset: 0, shape: Shape(1, time, heads.rowWidth))
    let plain = graph.attention(qkv, heads: heads)
    let cached = graph.cachedAttention(qkv, heads: heads, slot: 1, capacity: 130)
    graph.keep(plain)
    graph.keep(cached)
    let values = try Arena(byteCount: time * heads.rowWidth * 4)
    var random = RandomGenerator(seed: 5)
    for i in values.floats.indices { values.floats[i] = Float(random.nextNormal()) }
    let executor = try Executor(graph, compute: compute, parameters: values)
    let cache = try KeyValueCache(
      layerCount: 2, heads: heads, capacity: 130, format: .float32)
    let table = SequenceTable(sequenceCount: 1)
    executor.state.pointee.sequences = table.sequences
    table.set(0, cache: cache, position: 0, count: time)
    executor.forward()
    let found = Array(executor.floats(cached))
    #expect(found == Array(executor.floats(plain)))
    #expect(found.contains { $0 != 0 })
    // One token fewer: its row is zero, the others stay.
    table.set(0, cache: cache, position: 0, count: time - 1)
    executor.forward()
    let width = heads.headCount * heads.headWidth
    let fewer = Array(executor.floats(cached))
    #expect(fewer[..<((time - 1) * width)] == found[..<((time - 1) * width)])
    #expect(fewer[((time - 1) * width)...].allSatisfy { $0 == 0 })
  }
}
