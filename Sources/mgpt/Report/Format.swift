// Numbers for people: three figures and a unit. Numbers for programs are in MetricsRecord.swift.
// No Foundation, no locale: a log reads the same on every machine.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Formatting of quantities for the terminal.
enum Format {
  /// A count: 0, 999, 1.5 K, 796 K, 12.3 M, 1.2 B.
  static func count(_ value: Int) -> String {
    scaled(Double(value), units: ["", " K", " M", " B", " T"])
  }

  /// A number of bytes in decimal units: 512 B, 1.5 KB, 212 MB, 1.2 GB.
  static func bytes(_ value: Int) -> String {
    scaled(Double(value), units: [" B", " KB", " MB", " GB", " TB", " PB"])
  }

  /// A rate: 0.4, 18.2 K, 1.2 M; the caller adds the unit.
  static func rate(_ value: Double) -> String {
    value.magnitude < 10
      ? fixed(value, decimals: 1) : scaled(value, units: ["", " K", " M", " B", " T"])
  }

  /// A duration: 0.4 s, 45 s, 2m 05s, 1h 02m, 3d 04h; "?" if it is not a finite number.
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "?" }
    if seconds < 9.95 && seconds.rounded() != seconds {
      return fixed(seconds, decimals: 1) + " s"
    }
    let total = Int(seconds.rounded())
    if total < 60 { return "\(total) s" }
    if total < 3600 { return "\(total / 60)m \(twoDigits(total % 60))s" }
    // From here on seconds don't matter: round to the minute, then to the hour.
    let minutes = Int((seconds / 60).rounded())
    if minutes < 24 * 60 { return "\(minutes / 60)h \(twoDigits(minutes % 60))m" }
    let hours = Int((seconds / 3600).rounded())
    return "\(hours / 24)d \(twoDigits(hours % 24))h"
  }

  /// A share in whole percent: 71%.
  static func percent(_ share: Double) -> String { fixed(share * 100, decimals: 0) + "%" }

  /// A loss with four figures: 4.174, 0.0312, 12.34.
  static func loss(_ value: Double) -> String {
    switch value.magnitude {
    case ..<0.1: fixed(value, decimals: 4)
    case ..<9.9995: fixed(value, decimals: 3)
    case ..<99.995: fixed(value, decimals: 2)
    case ..<9999.5: fixed(value, decimals: 1)
    default: scientific(value, decimals: 2)
    }
  }

  /// A number in scientific notation: 9.62e-4; zero is "0".
  static func scientific(_ value: Double, decimals: Int = 2) -> String {
    if value == 0 { return "0" }
    guard value.isFinite else { return fixed(value, decimals: 0) }
    var exponent = Int(log10(value.magnitude).rounded(.down))
    // Dividing keeps 1e-5 and the like exact where multiplying by 1e5 would not.
    func mantissa() -> Double {
      exponent < 0 ? value * power10(-exponent) : value / power10(exponent)
    }
    if fixed(mantissa().magnitude, decimals: decimals).hasPrefix("10") { exponent += 1 }
    if mantissa().magnitude < 1 - 0.5 / power10(decimals) { exponent -= 1 }
    return fixed(mantissa(), decimals: decimals) + "e\(exponent)"
  }

  /// Exactly `decimals` digits after the point: 1.50, -0.3, nan, inf.
  static func fixed(_ value: Double, decimals: Int) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let scale = power10(decimals)
    let scaled = (value.magnitude * scale).rounded()
    guard scaled < 9e15 else { return "\(value)" }
    let digits = String(Int(scaled))
    let sign = value < 0 && scaled > 0 ? "-" : ""
    if decimals == 0 { return sign + digits }
    let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    return sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
  }

  /// `text` with blanks in front until it is `width` characters long.
  static func padded(_ text: String, to width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  /// `text` with blanks behind until it is `width` characters long.
  static func aligned(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// Three figures and the largest of `units`, steps of 1000, that keeps the number at 1 or more.
  private static func scaled(_ value: Double, units: [String]) -> String {
    guard value.isFinite else { return fixed(value, decimals: 0) }
    var (scaled, unit) = (value, 0)
    // 999.5 would be shown as 1000, so it already belongs to the next unit.
    while scaled.magnitude >= 999.5 && unit < units.count - 1 {
      scaled /= 1000
      unit += 1
    }
    let decimals = unit > 0 && scaled.magnitude < 99.95 ? 1 : 0
    return fixed(scaled, decimals: decimals) + units[unit]
  }

  private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

  private static func power10(_ exponent: Int) -> Double { pow(10, Double(exponent)) }
}
