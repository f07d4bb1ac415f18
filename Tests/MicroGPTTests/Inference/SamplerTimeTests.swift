// The time of a draw from a large vocabulary; only when asked for, and only compiled with
// optimisation does it mean anything:
//   MGPT_TIMING=1 swift test -c release --scratch-path .build/timing --filter SamplerTime
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite(.enabled(if: getenv("MGPT_TIMING") != nil, "MGPT_TIMING is not set"), .serialized)
struct SamplerTimeTests {
  /// Standard deviation of the logits, most microseconds of the median draw.
  static let bars: [(String, Double, Double, @Sendable (inout SamplingOptions) -> Void)] = [
    ("greedy", 1, 20, { $0.temperature = 0 }),
    ("nothing cut off", 1, 200, { _ in }),
    ("top-k 40, equal", 0, 100, { $0.topK = 40 }),
    ("top-k 40, flat", 0.1, 100, { $0.topK = 40 }),
    ("top-k 40, steep", 4, 100, { $0.topK = 40 }),
    ("top-k 40 and penalties", 1, 100, { ($0.topK, $0.repetitionPenalty) = (40, 1.1) }),
    ("top-p 0.95, equal", 0, 300, { $0.topP = 0.95 }),
    ("top-p 0.95, flat", 1, 300, { $0.topP = 0.95 }),
    ("top-p 0.95, steep", 4, 200, { $0.topP = 0.95 }),
    ("typical-p 0.95, flat", 1, 350, { $0.typicalP = 0.95 }),
  ]

  @Test(arguments: bars.indices) func aDraw(_ index: Int) {
    let (name, deviation, bar, change) = Self.bars[index]
    var random = RandomGenerator(seed: 3)
    let logits = (0..<50_257).map { _ in Float(deviation * random.nextNormal()) }
    var o = SamplingOptions()
    o.temperature = 1
    change(&o)
    var sampler = Sampler(o, vocabularySize: logits.count, generator: RandomGenerator(seed: 1))
    for token in 0..<400 { sampler.observePrompt(Int32(7 * token)) }
    var copy = logits
    var times: [Double] = []
    for _ in 0..<201 {
      copy.withUnsafeMutableBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return }
        start.update(from: logits, count: logits.count)
        let before = SystemInfo.seconds
        _ = sampler.draw(start)
        times.append(1e6 * (SystemInfo.seconds - before))
      }
    }
    let median = times.sorted()[100]
    print("\(name): \(Int(median.rounded())) us")
    #expect(median <= bar, "\(name)")
  }
}
