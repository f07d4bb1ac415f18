// The arithmetic behind the loss curve: round ticks, smoothing, reduction to what a screen can
// show. Plain arrays in and out; drawing is in LossChart.swift.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A loss at a step.
struct LossPoint: Equatable, Sendable {
  var step: Int
  /// Nats per token.
  var loss: Double
}

/// A range of values with round ticks inside it.
struct Axis: Equatable {
  let (low, high): (Double, Double)
  let ticks: [Double]
  /// Distance of two ticks: 1, 2 or 5 times a power of ten.
  let spacing: Double

  /// Covers `low ... high` with about `count` ticks; a range of no width is widened.
  ///
  /// With `isRounded` the axis itself ends at ticks, so that the curve keeps away from its edges.
  init(low: Double, high: Double, count: Int, isInteger: Bool = false, isRounded: Bool = false) {
    var (low, high) = (min(low, high), max(low, high))
    // Too narrow to tell its ends apart after formatting: a constant series.
    let narrowest = isInteger ? 1 : max(low.magnitude, high.magnitude, 1e-3) * 1e-6
    if high - low < narrowest {
      let margin = isInteger ? 1 : max(low.magnitude * 0.1, 1e-3)
      (low, high) = isInteger ? (low, low + margin) : (low - margin, high + margin)
    }
    let rough = (high - low) / Double(max(1, count))
    let power = pow(10, log10(rough).rounded(.down))
    var spacing = power * 10
    for factor in [1.0, 2, 5] where factor * power >= rough * 0.999 {
      spacing = factor * power
      break
    }
    if isInteger { spacing = max(1, spacing) }
    // Indices of the outermost ticks; the tolerance keeps a tick that rounding pushed outside.
    let first = isRounded ? (low / spacing).rounded(.down) : (low / spacing - 1e-6).rounded(.up)
    let last = isRounded ? (high / spacing).rounded(.up) : (high / spacing + 1e-6).rounded(.down)
    self.low = isRounded ? first * spacing : low
    self.high = isRounded ? last * spacing : high
    self.spacing = spacing
    ticks = (0...max(0, Int(last - first))).map { (first + Double($0)) * spacing }
  }

  /// Where `value` lies, 0 at `low`, 1 at `high`.
  func position(of value: Double) -> Double { (value - low) / (high - low) }

  /// The tick's number with as many decimals as the spacing needs.
  func label(_ tick: Double, isCount: Bool = false) -> String {
    let largest = max(low.magnitude, high.magnitude)
    if isCount, largest >= 1e4 {
      if tick == 0 { return "0" }
      let (unit, name) = largest >= 1e6 ? (1e6, "M") : (1e3, "K")
      return Format.fixed(tick / unit, decimals: Self.decimals(spacing / unit)) + name
    }
    if largest >= 1e5 { return Format.scientific(tick, decimals: 1) }
    return Format.fixed(tick, decimals: Self.decimals(spacing))
  }

  private static func decimals(_ spacing: Double) -> Int {
    min(6, max(0, Int((-log10(spacing) - 1e-9).rounded(.up))))
  }
}

/// A centred moving mean, twice, which leaves the beginning sharp.
///
/// The half-width grows from 0 with half the distance from the first point up to `count / 80`:
/// the steep descent of the first steps isn't flattened, and later noise is averaged. At the end
/// only the trailing half remains. *Cost*: O(n). *Requires*: finite losses.
func smoothed(_ points: [LossPoint]) -> [LossPoint] {
  func pass(_ values: [Double]) -> [Double] {
    var sums = [0.0]
    sums.reserveCapacity(values.count + 1)
    for value in values { sums.append((sums.last ?? 0) + value) }
    let widest = values.count / 80
    return values.indices.map { i in
      let half = min(widest, i / 2)
      let (first, last) = (i - half, min(values.count - 1, i + half))
      return (sums[last + 1] - sums[first]) / Double(last + 1 - first)
    }
  }
  let means = pass(pass(points.map(\.loss)))
  return zip(points, means).map { LossPoint(step: $0.step, loss: $1) }
}

/// The range of the middle 98 % of the losses; nil without any.
///
/// *Requires*: finite losses.
func middleRange(_ points: [LossPoint]) -> ClosedRange<Double>? {
  if points.isEmpty { return nil }
  let sorted = points.map(\.loss).sorted()
  return sorted[sorted.count / 100]...sorted[sorted.count - 1 - sorted.count / 100]
}

/// The points with single wild values pulled in, so that one loss of 1e30 doesn't ruin a mean.
///
/// A loss may exceed the middle 98 % by twice their range, or reach the first loss, untouched.
func withoutSpikes(_ points: [LossPoint]) -> [LossPoint] {
  guard let first = points.first, let middle = middleRange(points) else { return points }
  let reach = 2 * (middle.upperBound - middle.lowerBound)
  let low = min(first.loss, middle.lowerBound - reach)
  let high = max(first.loss, middle.upperBound + reach)
  return points.map { LossPoint(step: $0.step, loss: min(max($0.loss, low), high)) }
}

/// At most `2 * bucketCount` points that draw the same picture.
///
/// Of each of `bucketCount` equal ranges of steps the lowest and the highest, in their order.
/// *Requires*: steps in ascending order. *Cost*: O(n).
func downsampled(_ points: [LossPoint], bucketCount: Int) -> [LossPoint] {
  guard points.count > 2 * bucketCount, let first = points.first, let last = points.last else {
    return points
  }
  let width = Double(last.step - first.step + 1) / Double(bucketCount)
  var result: [LossPoint] = []
  var start = 0
  while start < points.count {
    let bucket = Int(Double(points[start].step - first.step) / width)
    var (lowest, highest, next) = (start, start, start)
    while next < points.count, Int(Double(points[next].step - first.step) / width) <= bucket {
      if points[next].loss < points[lowest].loss { lowest = next }
      if points[next].loss > points[highest].loss { highest = next }
      next += 1
    }
    result.append(points[min(lowest, highest)])
    if lowest != highest { result.append(points[max(lowest, highest)]) }
    start = next
  }
  return result
}
