// Evaluation: every token but the first of each sequence is predicted exactly once, in order.
import Testing

@testable import MicroGPT

@Suite struct EvaluationWindowsTests {
  @Test func windowsOfAStream() {
    var windows = EvaluationWindows(countingStream(10..<17, of: 30))
    #expect(
      windows.batch(3, 4)
        == SampledBatch(
          inputs: [[10, 11, 12, 13], [14, 15, -1000, -1000], [-1000, -1000, -1000, -1000]],
          targets: [[11, 12, 13, 14], [15, 16, -1, -1], [-1, -1, -1, -1]], targetCount: 6))
    #expect(windows.batch(3, 4) == nil)
    #expect(windows.batch(3, 4) == nil)
    windows.reset()
    #expect(windows.batch(1, 4)?.inputs == [[10, 11, 12, 13]])
  }

  @Test func documentsNeverShareARow() {
    var windows = EvaluationWindows(countingDocuments([3, 6, 2]))
    #expect(
      windows.batch(4, 4)
        == SampledBatch(
          inputs: [
            [0, 1, -1000, -1000], [1000, 1001, 1002, 1003], [1004, -1000, -1000, -1000],
            [2000, -1000, -1000, -1000],
          ],
          targets: [
            [1, 2, -1, -1], [1001, 1002, 1003, 1004], [1005, -1, -1, -1], [2001, -1, -1, -1],
          ],
          targetCount: 8))
    #expect(windows.batch(4, 4) == nil)
  }

  /// Lengths around the window, batches around the number of rows.
  @Test(arguments: [2, 3, 4, 5, 6, 8, 9, 10, 31, 32, 33], [1, 2, 3, 7])
  func everyTargetOnceInOrder(_ count: Int, _ batchSize: Int) {
    for sequenceLength in [1, 2, 4, 8, 40] {
      for split in [
        countingStream(5..<5 + count, of: 50), countingDocuments([count, 2, count + 1, 2]),
      ] {
        var windows = EvaluationWindows(split)
        var found: [Int32] = []
        var (total, batchCount) = (0, 0)
        while let batch = windows.batch(batchSize, sequenceLength) {
          total += batch.targetCount
          batchCount += 1
          for (inputs, targets) in zip(batch.inputs, batch.targets) {
            for (input, target) in zip(inputs, targets) where target != -1 {
              #expect(target == input + 1)
              found.append(target)
            }
          }
        }
        let expected = split.pieces.flatMap { split.tokens[$0].dropFirst() }
        #expect(found == expected, "T \(sequenceLength), B \(batchSize)")
        #expect(total == split.targetCount && total == expected.count)
        // No row is spent on nothing but padding before the end.
        let rowCount = split.pieces.reduce(0) {
          $0 + ($1.count - 1 + sequenceLength - 1) / sequenceLength
        }
        #expect(batchCount == (rowCount + batchSize - 1) / batchSize)
      }
    }
  }
}
