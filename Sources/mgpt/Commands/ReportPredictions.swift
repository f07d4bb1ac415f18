// What `mgpt bench --report` puts beside its figures: predictions, for the boards that have some.

/// Figures predicted by `make arm-report`.
///
/// The page that it writes, tools/bench/cortex-a76.md, has them with everything that they assume. A
/// test holds both together.
enum ReportPredictions {
  /// In the units of the figures; empty for a machine that nobody predicted, never guessed.
  static func values(board: String, threads: Int) -> [ReportFigure: Double] {
    board.hasPrefix("Raspberry Pi 5") && threads == 4 ? raspberryPi5 : [:]
  }

  /// Four threads at 2.4 GHz.
  private static let raspberryPi5: [ReportFigure: Double] = [
    .fmaPeak: 150, .int8Peak: 610, .reading: 12,
    .microStep: 51, .microTokens: 15000, .smallStep: 1400, .smallTokens: 3000,
    .prefillF32: 58000, .decodeF32: 2300, .prefillInt8: 140_000, .decodeInt8: 9600,
    .prefillInt4: 110_000, .decodeInt4: 11000,
  ]
}
