// Draws the sweep of exit thresholds: the loss of a recursive model over the passes that its tokens
// take, one line per measure; a dashed line where all tokens go through all passes.

import MicroGPT

/// A threshold and what it does.
struct ExitPoint: Equatable {
  var measure: ExitMeasure
  var threshold: Double
  /// Passes per token.
  var passes: Double
  /// Nats per token.
  var loss: Double
}

/// A picture of `mgpt eval --exit-sweep`.
struct ExitChart {
  /// In the order of thresholds, measure by measure.
  var points: [ExitPoint]
  /// The most passes.
  var passCount: Int
  /// The loss with all of them.
  var fullLoss: Double
  /// The file of the model, for the title.
  var model: String

  private static let (left, right, top, bottom) = (76.0, 928.0, 108.0, 484.0)

  /// The picture as an SVG document.
  ///
  /// Losses far above those of half the points leave the plot at its top: the first pass of a model
  /// that was not trained to leave there would flatten all others.
  func svg() -> String {
    let losses = points.map(\.loss).sorted()
    let middle = losses.isEmpty ? fullLoss : losses[losses.count / 2]
    let low = min(fullLoss, losses.first ?? fullLoss)
    let high = min(losses.last ?? fullLoss, max(low + 4 * (middle - low), low + 0.02))
    let y = Axis(low: low - (high - low) * 0.05, high: high, count: 6, isRounded: true)
    let x = Axis(low: 1, high: Double(max(passCount, 2)), count: 8)
    var parts = [header]
    for tick in y.ticks {
      let height = Self.bottom - y.position(of: tick) * (Self.bottom - Self.top)
      parts.append(
        "<path d=\"M\(svgNumber(Self.left)) \(svgNumber(height))H\(svgNumber(Self.right))\" "
          + "stroke=\"\(SVGColor.grid)\"/>\n"
          + svgText(
            y.label(tick), x: Self.left - 10, y: height + 4, size: 12, fill: SVGColor.quiet, "end")
      )
    }
    for tick in x.ticks {
      let across = Self.left + x.position(of: tick) * (Self.right - Self.left)
      parts.append(
        "<path d=\"M\(svgNumber(across)) \(svgNumber(Self.bottom))v5\" stroke=\"#8c959f\"/>\n"
          + svgText(
            x.label(tick), x: across, y: Self.bottom + 20, size: 12, fill: SVGColor.quiet,
            "middle"))
    }
    let place = { (passes: Double, loss: Double) in
      (
        Self.left + x.position(of: passes) * (Self.right - Self.left),
        max(Self.bottom - y.position(of: loss) * (Self.bottom - Self.top), Self.top - 200)
      )
    }
    let full = place(1, fullLoss).1
    parts.append(
      "<path d=\"M\(svgNumber(Self.left)) \(svgNumber(full))H\(svgNumber(Self.right))\" "
        + "stroke=\"\(SVGColor.dark)\" stroke-dasharray=\"5 4\"/>\n")
    parts.append("<g clip-path=\"url(#plot)\">\n")
    for (number, measure) in ExitMeasure.allCases.enumerated() {
      let places = points.filter { $0.measure == measure }.map { place($0.passes, $0.loss) }
      parts.append(line(places, Self.colors[number]))
    }
    parts.append("</g>\n" + legend)
    parts.append(
      svgText(
        "passes per token", x: (Self.left + Self.right) / 2, y: 525, size: 12,
        fill: SVGColor.quiet, "middle")
        + svgText("loss (nats/token)", x: 32, y: 92, size: 12, fill: SVGColor.quiet))
    return parts.joined() + "</svg>\n"
  }

  private func line(_ places: [(Double, Double)], _ color: String) -> String {
    if places.isEmpty { return "" }
    let path = places.map { "\(svgNumber($0.0)) \(svgNumber($0.1))" }.joined(separator: "L")
    let dots = places.map {
      "<circle cx=\"\(svgNumber($0.0))\" cy=\"\(svgNumber($0.1))\" r=\"3\" fill=\"\(color)\"/>\n"
    }
    return "<path d=\"M\(path)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"2.2\"/>\n"
      + dots.joined()
  }

  private var legend: String {
    let entries = zip(ExitMeasure.allCases, Self.colors).filter { measure, _ in
      points.contains { $0.measure == measure }
    }
    return svgLegend(entries.map { SVGLegendEntry($0.rawValue, $1) }, right: Self.right)
  }

  private var header: String {
    let name = svgEscaped(model, limit: 80)
    let words = "dashed: all \(passCount) passes, \(Format.fixed(fullLoss, decimals: 4))"
    return """
      \(svgSheet)\
      <title>Exits: \(name)</title>
      <defs><clipPath id="plot"><rect x="\(Self.left)" y="\(Self.top - 2)" \
      width="\(Self.right - Self.left)" height="\(Self.bottom - Self.top + 4)"/></clipPath></defs>
      <rect x="0.5" y="0.5" width="959" height="539" rx="8" fill="#ffffff" stroke="#d8dee4"/>
      \(svgText(name, x: 32, y: 40, size: 18, fill: SVGColor.dark, weight: 600))\
      \(svgText(words, x: 32, y: 63, size: 13, fill: SVGColor.quiet))
      """
  }

  private static let colors = [SVGColor.blue, SVGColor.orange, SVGColor.green]
}
