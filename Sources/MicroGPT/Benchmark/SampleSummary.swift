// Robust statistics of repeated measurements. No means and no deviations: one interrupted run
// would spoil them.

/// The five numbers that describe a set of durations.
public struct SampleSummary: Equatable, Sendable {
  /// The smallest.
  public var minimum: Double
  /// A quarter of the samples is smaller.
  public var lowerQuartile: Double
  /// Half of the samples is smaller.
  public var median: Double
  /// A quarter of the samples is larger.
  public var upperQuartile: Double
  /// The largest.
  public var maximum: Double
  /// How many samples there were.
  public var count: Int

  /// Summarises `samples`, in any order.
  ///
  /// Quantile q of n sorted samples lies at place q · (n - 1), between two samples in proportion
  /// (the usual definition: R's type 7, NumPy's default). *Requires*: at least one sample.
  public init(_ samples: [Double]) {
    precondition(!samples.isEmpty, "no samples")
    let sorted = samples.sorted()
    func quantile(_ q: Double) -> Double {
      let place = q * Double(sorted.count - 1)
      let below = Int(place)
      let above = min(below + 1, sorted.count - 1)
      return sorted[below] + (place - Double(below)) * (sorted[above] - sorted[below])
    }
    minimum = sorted[0]
    lowerQuartile = quantile(0.25)
    median = quantile(0.5)
    upperQuartile = quantile(0.75)
    maximum = sorted[sorted.count - 1]
    count = sorted.count
  }
}
