// Numbers for people, word for word, at the edges where a unit or a figure changes.

import Testing

@testable import mgpt

@Suite("Format") struct ReportFormatTests {
  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1.0 K"), (1500, "1.5 K"), (12_345, "12.3 K"),
    (99_949, "99.9 K"), (99_950, "100 K"), (796_160, "796 K"), (999_499, "999 K"),
    (999_500, "1.0 M"), (1_500_000, "1.5 M"), (1_200_000_000, "1.2 B"), (-1500, "-1.5 K"),
    (Int.max, "9223372 T"),
  ])
  func counts(value: Int, expected: String) { #expect(Format.count(value) == expected) }

  @Test(arguments: [
    (0, "0 B"), (512, "512 B"), (1536, "1.5 KB"), (212_000_000, "212 MB"),
    (999_600_000, "1.0 GB"), (1_234_567_890, "1.2 GB"), (16_000_000_000, "16.0 GB"),
  ])
  func bytes(value: Int, expected: String) { #expect(Format.bytes(value) == expected) }

  @Test(
    arguments: [
      (0, "0.0"), (0.44, "0.4"), (9.94, "9.9"), (10, "10"), (18_240, "18.2 K"), (1.24e6, "1.2 M"),
      (.nan, "nan"), (.infinity, "inf"),
    ] as [(Double, String)])
  func rates(value: Double, expected: String) { #expect(Format.rate(value) == expected) }

  @Test(
    arguments: [
      (0, "0 s"), (0.04, "0.0 s"), (0.44, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (45, "45 s"),
      (59.4, "59 s"), (59.6, "1m 00s"), (125, "2m 05s"), (3599.4, "59m 59s"), (3599.6, "1h 00m"),
      (3720, "1h 02m"), (86_369, "23h 59m"), (86_371, "1d 00h"), (273_600, "3d 04h"), (-1, "?"),
      (.nan, "?"), (.infinity, "?"),
    ] as [(Double, String)])
  func durations(value: Double, expected: String) { #expect(Format.duration(value) == expected) }

  @Test(
    arguments: [
      (0, "0.0000"), (0.03124, "0.0312"), (0.0999, "0.0999"), (0.1, "0.100"), (4.1744, "4.174"),
      (9.9996, "10.00"), (12.344, "12.34"), (123.44, "123.4"), (12_345, "1.23e4"), (-1.5, "-1.500"),
      (.nan, "nan"), (.infinity, "inf"),
    ] as [(Double, String)])
  func losses(value: Double, expected: String) { #expect(Format.loss(value) == expected) }

  @Test(
    arguments: [
      (0, "0"), (1, "1.00e0"), (1e-3, "1.00e-3"), (9.6154e-4, "9.62e-4"), (9.996e-4, "1.00e-3"),
      (3e-4, "3.00e-4"), (1e-5, "1.00e-5"), (-2.5e-3, "-2.50e-3"), (123_456, "1.23e5"),
      (1e30, "1.00e30"), (.nan, "nan"), (-.infinity, "-inf"),
    ] as [(Double, String)])
  func scientific(value: Double, expected: String) {
    #expect(Format.scientific(value) == expected)
  }

  /// Every power of ten has the mantissa 1, whichever way the logarithm is rounded.
  @Test func scientificPowersOfTen() {
    var value = 1e-12
    for exponent in -12...12 {
      #expect(Format.scientific(value, decimals: 3) == "1.000e\(exponent)")
      value = [value * 10, Double("1e\(exponent + 1)") ?? 0][1]
    }
  }

  @Test(arguments: [
    (1.5, 2, "1.50"), (-0.3, 1, "-0.3"), (-0.04, 1, "0.0"), (0.05, 2, "0.05"), (7, 0, "7"),
    (2.5, 0, "3"), (1e20, 2, "1e+20"),
  ])
  func fixed(value: Double, decimals: Int, expected: String) {
    #expect(Format.fixed(value, decimals: decimals) == expected)
  }

  @Test func percent() {
    #expect(Format.percent(0.714) == "71%")
    #expect(Format.percent(1) == "100%")
  }
}
