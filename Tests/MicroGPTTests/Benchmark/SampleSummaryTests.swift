// Quantiles on samples whose quantiles are known.

import Testing

@testable import MicroGPT

@Suite struct SampleSummaryTests {
  @Test func fiveSamplesAreTheirOwnQuartiles() {
    let summary = SampleSummary([5, 1, 4, 2, 3])
    #expect(summary.minimum == 1)
    #expect(summary.lowerQuartile == 2)
    #expect(summary.median == 3)
    #expect(summary.upperQuartile == 4)
    #expect(summary.maximum == 5)
    #expect(summary.count == 5)
  }

  /// numpy.quantile([1, 2, 3, 10], [0.25, 0.5, 0.75]) = [1.75, 2.5, 4.75].
  @Test func betweenSamples() {
    let summary = SampleSummary([10, 2, 1, 3])
    #expect(summary.lowerQuartile == 1.75)
    #expect(summary.median == 2.5)
    #expect(summary.upperQuartile == 4.75)
  }

  @Test func oneSample() {
    let summary = SampleSummary([7])
    #expect(summary.minimum == 7 && summary.median == 7 && summary.maximum == 7)
    #expect(summary.lowerQuartile == 7 && summary.upperQuartile == 7)
  }
}
