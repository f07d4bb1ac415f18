// Buffers of (B, T) for the tests of samplers, and a corpus whose tokens are easy to follow.
@testable import MicroGPT

/// One batch as rows, and the number of targets that count.
struct SampledBatch: Equatable {
  var inputs: [[Int32]]
  var targets: [[Int32]]
  var targetCount: Int
}

/// Calls `fill` with two buffers of (B, T) that hold -7 everywhere.
func sampledBatch(
  _ batchSize: Int, _ sequenceLength: Int,
  fill: (UnsafeMutableBufferPointer<Int32>, UnsafeMutableBufferPointer<Int32>) -> Int?
) -> SampledBatch? {
  var inputs = [Int32](repeating: -7, count: batchSize * sequenceLength)
  var targets = inputs
  let count = inputs.withUnsafeMutableBufferPointer { inputs in
    targets.withUnsafeMutableBufferPointer { targets in fill(inputs, targets) }
  }
  func rows(_ values: [Int32]) -> [[Int32]] {
    (0..<batchSize).map { Array(values[$0 * sequenceLength..<($0 + 1) * sequenceLength]) }
  }
  return count.map {
    SampledBatch(inputs: rows(inputs), targets: rows(targets), targetCount: $0)
  }
}

extension BatchSampler {
  /// The next batch as rows.
  mutating func batch(_ batchSize: Int, _ sequenceLength: Int) -> SampledBatch {
    let batch = sampledBatch(batchSize, sequenceLength) {
      fill(inputs: $0, targets: $1, batchSize: batchSize, sequenceLength: sequenceLength)
    }
    return batch ?? SampledBatch(inputs: [], targets: [], targetCount: -1)
  }
}

extension EvaluationWindows {
  /// The next batch as rows.
  mutating func batch(_ batchSize: Int, _ sequenceLength: Int) -> SampledBatch? {
    sampledBatch(batchSize, sequenceLength) {
      next(inputs: $0, targets: $1, batchSize: batchSize, sequenceLength: sequenceLength)
    }
  }
}

/// A stream whose token at place i is i, of which the split is a part.
func countingStream(_ range: Range<Int>, of total: Int) -> TokenSplit {
  TokenSplit(
    layout: .stream, pieces: [range], tokens: (0..<Int32(total)).map { $0 }, paddingToken: -1000,
    targetByteCount: range.count - 1)
}

/// Documents of the given token counts; document d counts up from 1000·d.
func countingDocuments(_ tokenCounts: [Int]) -> TokenSplit {
  var tokens: [Int32] = []
  var pieces: [Range<Int>] = []
  for (d, count) in tokenCounts.enumerated() {
    pieces.append(tokens.count..<tokens.count + count)
    tokens += (0..<count).map { Int32(1000 * d + $0) }
  }
  return TokenSplit(
    layout: .documents, pieces: pieces, tokens: tokens, paddingToken: -1000,
    targetByteCount: tokens.count - pieces.count)
}
