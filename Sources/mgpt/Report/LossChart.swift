// Draws `loss.svg`: training loss as a smooth line over the faint raw one, validation losses with
// the best one marked. Self-contained: no script, no external font, its own background, below
// 200 KB for any run. The arithmetic is in ChartMath.swift.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A loss curve of one run.
struct LossChart {
  /// What was trained on what, such as "names.txt, 796 K parameters".
  var title: String
  /// A second, smaller line; may be empty.
  var subtitle: String = ""
  /// Training losses in ascending order of steps; values that aren't finite leave no mark.
  var training: [LossPoint]
  /// Validation losses in ascending order of steps.
  var validation: [LossPoint]

  /// The chart as an SVG document.
  func svg() -> String {
    let raw = training.filter { $0.loss.isFinite }
    let evaluations = validation.filter { $0.loss.isFinite }
    let smooth = smoothed(withoutSpikes(raw))
    let frame = Frame(raw: raw, smooth: smooth, evaluations: evaluations)
    let best = evaluations.min { $0.loss < $1.loss }
    var parts = [header, frame.axes()]
    if raw.isEmpty && evaluations.isEmpty {
      parts.append(
        svgText(
          "no losses recorded", x: frame.middle, y: 280, size: 15, fill: SVGColor.quiet, "middle")
      )
    }
    parts.append("<g clip-path=\"url(#plot)\" fill=\"none\" stroke-linejoin=\"round\">\n")
    // Where nothing was smoothed away, the raw line would only thicken the other one.
    let isNoisy = zip(smooth, raw).contains { ($0.loss - $1.loss).magnitude > 1e-6 * $1.loss }
    if isNoisy {
      parts.append(frame.line(raw, buckets: 900, stroke: SVGColor.blue, width: 1, opacity: 0.28))
    }
    parts.append(frame.line(smooth, buckets: 500, stroke: SVGColor.blue, width: 2.2))
    parts.append(frame.line(evaluations, buckets: 400, stroke: SVGColor.orange, width: 2.2))
    parts.append("</g>\n")
    if evaluations.count <= 60 {
      parts += evaluations.map { frame.dot($0, radius: 3, fill: SVGColor.orange) }
    }
    if raw.count == 1 { parts += raw.map { frame.dot($0, radius: 3, fill: SVGColor.blue) } }
    if let best { parts.append(frame.marker(best, smooth: smooth)) }
    parts.append(legend(frame, hasTraining: !raw.isEmpty, isNoisy: isNoisy, best: best))
    return parts.joined() + "</svg>\n"
  }

  private var header: String {
    let name = svgEscaped(title, limit: 80)
    return """
      \(svgSheet)\
      <title>Loss curve: \(name)</title>
      <defs><clipPath id="plot"><rect x="\(Frame.left)" y="\(Frame.top - 2)" \
      width="\(Frame.right - Frame.left)" height="\(Frame.bottom - Frame.top + 4)"/>\
      </clipPath></defs>
      <rect x="0.5" y="0.5" width="959" height="539" rx="8" fill="#ffffff" stroke="#d8dee4"/>
      \(svgText(name, x: 32, y: 40, size: 18, fill: SVGColor.dark, weight: 600))\
      \(svgText(svgEscaped(subtitle, limit: 120), x: 32, y: 63, size: 13, fill: SVGColor.quiet))
      """
  }

  /// A row of line samples above the plot's right end.
  private func legend(_ frame: Frame, hasTraining: Bool, isNoisy: Bool, best: LossPoint?)
    -> String
  {
    var entries: [SVGLegendEntry] = []
    if hasTraining {
      let name = isNoisy ? "training, smoothed" : "training"
      entries.append(SVGLegendEntry(name, SVGColor.blue))
    }
    if isNoisy { entries.append(SVGLegendEntry("training", SVGColor.blue, opacity: 0.35)) }
    if best != nil { entries.append(SVGLegendEntry("validation", SVGColor.orange)) }
    return svgLegend(entries, right: Double(Frame.right))
  }
}

/// The plot's place on the page, its axes, and marks inside it.
private struct Frame {
  static let (left, right, top, bottom) = (76, 928, 108, 484)

  let x: Axis
  let y: Axis

  var middle: Double { Double(Self.left + Self.right) / 2 }

  /// Shows all of the smooth line and the validation losses, and of the raw losses the first and
  /// the middle 98 %: a single spike must not flatten the rest; it leaves the plot at the top.
  init(raw: [LossPoint], smooth: [LossPoint], evaluations: [LossPoint]) {
    let steps = (raw + evaluations).map { Double($0.step) }
    let (first, last) = (steps.min() ?? 0, steps.max() ?? 1)
    // From 0, unless that would leave much of the width empty.
    x = Axis(low: first < last / 5 ? 0 : first, high: last, count: 8, isInteger: true)
    var losses = smooth.map(\.loss) + evaluations.map(\.loss) + raw.prefix(1).map(\.loss)
    if let middle = middleRange(raw) { losses += [middle.lowerBound, middle.upperBound] }
    let (low, high) = (losses.min() ?? 0, losses.max() ?? 1)
    let margin = (high - low) * 0.03
    y = Axis(
      low: low >= 0 ? max(0, low - margin) : low - margin, high: high + margin, count: 6,
      isRounded: true)
  }

  func place(_ point: LossPoint) -> (x: Double, y: Double) {
    let across = x.position(of: Double(point.step)) * Double(Self.right - Self.left)
    let up = y.position(of: point.loss) * Double(Self.bottom - Self.top)
    // A spike of 1e30 must not become a coordinate that viewers can't handle.
    return (Double(Self.left) + across, min(max(Double(Self.bottom) - up, -2000), 2000))
  }

  func axes() -> String {
    var result = ""
    for tick in y.ticks {
      let height = place(LossPoint(step: 0, loss: tick)).y
      result +=
        "<path d=\"M\(Self.left) \(svgNumber(height))H\(Self.right)\" stroke=\"\(SVGColor.grid)\"/>\n"
      result += svgText(
        y.label(tick), x: Double(Self.left) - 10, y: height + 4, size: 12, fill: SVGColor.quiet,
        "end")
    }
    result += "<path d=\"M\(Self.left) \(Self.bottom)H\(Self.right)\" stroke=\"#8c959f\"/>\n"
    for tick in x.ticks {
      let across = place(LossPoint(step: Int(tick), loss: y.low)).x
      result += "<path d=\"M\(svgNumber(across)) \(Self.bottom)v5\" stroke=\"#8c959f\"/>\n"
      result += svgText(
        x.label(tick, isCount: true), x: across, y: Double(Self.bottom) + 20, size: 12,
        fill: SVGColor.quiet, "middle")
    }
    result += svgText("step", x: middle, y: 525, size: 12, fill: SVGColor.quiet, "middle")
    return result
      + svgText("loss (nats/token)", x: 32, y: 92, size: 12, fill: SVGColor.quiet)
  }

  func line(
    _ points: [LossPoint], buckets: Int, stroke: String, width: Double, opacity: Double = 1
  ) -> String {
    guard points.count > 1 else { return "" }
    let path = downsampled(points, bucketCount: buckets).map { point in
      let (x, y) = place(point)
      return "\(svgNumber(x)) \(svgNumber(y))"
    }
    return "<path d=\"M\(path.joined(separator: "L"))\" stroke=\"\(stroke)\" "
      + "stroke-width=\"\(width)\" stroke-opacity=\"\(opacity)\"/>\n"
  }

  func dot(_ point: LossPoint, radius: Double, fill: String) -> String {
    let (x, y) = place(point)
    return
      "<circle cx=\"\(svgNumber(x))\" cy=\"\(svgNumber(y))\" r=\"\(radius)\" fill=\"\(fill)\"/>\n"
  }

  /// A ring around the best validation loss, and its numbers on the side away from the curve.
  func marker(_ best: LossPoint, smooth: [LossPoint]) -> String {
    let (x, y) = place(best)
    let near = smooth.last { $0.step <= best.step } ?? smooth.first
    let hasCurveBelow = near.map { $0.loss < best.loss } ?? false
    let isHigh = y < Double(Self.top) + 40
    let isLow = y > Double(Self.bottom) - 40
    let labelY = isLow || (hasCurveBelow && !isHigh) ? y - 16 : y + 26
    // Right of the middle the text runs to the left, so that it stays on the page.
    let anchor =
      x > Double(Self.right) - 90 ? "end" : x < Double(Self.left) + 90 ? "start" : "middle"
    let words = "best \(Format.fixed(best.loss, decimals: 4)) at step \(best.step)"
    let ring =
      "<circle cx=\"\(svgNumber(x))\" cy=\"\(svgNumber(y))\" r=\"5.5\" fill=\"#ffffff\" "
      + "stroke=\"\(SVGColor.orange)\" stroke-width=\"2.5\"/>\n"
    return ring
      + svgText(
        words, x: anchor == "end" ? x + 8 : anchor == "start" ? x - 8 : x, y: labelY, size: 13,
        fill: SVGColor.orange, anchor, weight: 600, hasHalo: true)
  }
}
