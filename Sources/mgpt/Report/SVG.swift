// Pieces of SVG that all charts are made of: text, numbers, escapes.

/// A line of text; `content` is escaped already.
func svgText(
  _ content: String, x: Double, y: Double, size: Int, fill: String, _ anchor: String = "start",
  weight: Int = 400, hasHalo: Bool = false
) -> String {
  if content.isEmpty { return "" }
  var attributes =
    "x=\"\(svgNumber(x))\" y=\"\(svgNumber(y))\" font-size=\"\(size)\" fill=\"\(fill)\""
  if anchor != "start" { attributes += " text-anchor=\"\(anchor)\"" }
  if weight != 400 { attributes += " font-weight=\"\(weight)\"" }
  if hasHalo {
    attributes +=
      " stroke=\"#ffffff\" stroke-width=\"4\" stroke-linejoin=\"round\" paint-order=\"stroke\""
  }
  return "<text \(attributes)>\(content)</text>\n"
}

/// A coordinate: a tenth of a unit is finer than a pixel.
func svgNumber(_ value: Double) -> String {
  let text = Format.fixed(value, decimals: 1)
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

/// Text for XML, with control characters left out, and cut to `limit` characters.
func svgEscaped(_ text: String, limit: Int) -> String {
  let shown = text.count > limit ? text.prefix(limit - 1) + "…" : text[...]
  var result = ""
  for scalar in shown.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "\u{0}"..<"\u{20}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": break
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// Dark enough for text on white (contrast above 4.5), and apart for every kind of colour vision.
enum SVGColor {
  static let dark = "#1f2328"
  static let quiet = "#59636e"
  static let blue = "#0b62c4"
  static let orange = "#c2410c"
  static let green = "#1a7f37"
  static let grid = "#e6eaee"
}

/// The first tag of a chart of 960 by 540.
let svgSheet = """
  <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 540" width="960" height="540" \
  role="img" font-family="system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif">

  """

/// A line of a chart, as its legend has it.
struct SVGLegendEntry {
  let name: String
  let color: String
  let opacity: Double

  init(_ name: String, _ color: String, opacity: Double = 1) {
    (self.name, self.color, self.opacity) = (name, color, opacity)
  }
}

/// A row of line samples above the right end of a plot.
func svgLegend(_ entries: [SVGLegendEntry], right: Double) -> String {
  var result = ""
  var x = right
  for entry in entries.reversed() {
    // About 6.6 units a character at size 12, so that entries never touch.
    x -= Double(entry.name.count) * 6.6
    result += svgText(entry.name, x: x, y: 92, size: 12, fill: SVGColor.quiet)
    x -= 28
    let opacity = entry.opacity == 1 ? "" : " stroke-opacity=\"\(entry.opacity)\""
    result +=
      "<path d=\"M\(svgNumber(x)) 88h20\" stroke=\"\(entry.color)\" stroke-width=\"2.5\""
      + "\(opacity)/>\n"
    x -= 18
  }
  return result
}
