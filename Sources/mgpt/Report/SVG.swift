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
