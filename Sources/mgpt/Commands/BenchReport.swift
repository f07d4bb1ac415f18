// `mgpt bench --report`: one block of text to paste into an issue: the machine, and a few figures
// beside what was predicted for it. Measuring is in the library.

import MicroGPT

/// A figure of the report.
///
/// The raw value is its name in JSON, and what a prediction of it is found by.
enum ReportFigure: String, CaseIterable, Sendable {
  case fmaPeak = "fma_peak_gflops"
  case int8Peak = "int8_peak_gops"
  case reading = "read_gb_per_second"
  case microStep = "train_micro_step_ms"
  case microTokens = "train_micro_tokens_per_second"
  case smallStep = "train_small_step_ms"
  case smallTokens = "train_small_tokens_per_second"
  case prefillF32 = "prefill_f32_tokens_per_second"
  case decodeF32 = "decode_f32_tokens_per_second"
  case prefillInt8 = "prefill_int8_tokens_per_second"
  case decodeInt8 = "decode_int8_tokens_per_second"
  case prefillInt4 = "prefill_int4_tokens_per_second"
  case decodeInt4 = "decode_int4_tokens_per_second"

  /// What it is, for a person, and its unit.
  var words: (name: String, unit: String) {
    switch self {
    case .fmaPeak: ("multiply-adds, float32", "GFLOP/s")
    case .int8Peak: ("multiply-adds, int8", "GOP/s")
    case .reading: ("reading memory", "GB/s")
    case .microStep: ("training step, micro", "ms")
    case .microTokens: ("training, micro", "tokens/s")
    case .smallStep: ("training step, small", "ms")
    case .smallTokens: ("training, small", "tokens/s")
    case .prefillF32: ("prefill, tiny, float32", "tokens/s")
    case .decodeF32: ("decode, tiny, float32", "tokens/s")
    case .prefillInt8: ("prefill, tiny, int8", "tokens/s")
    case .decodeInt8: ("decode, tiny, int8", "tokens/s")
    case .prefillInt4: ("prefill, tiny, int4", "tokens/s")
    case .decodeInt4: ("decode, tiny, int4", "tokens/s")
    }
  }
}

/// The text of the report, line by line, so that each shows as soon as it is measured.
enum ReportTable {
  static func facts(_ report: MachineReport) -> String {
    report.facts.map { Format.aligned($0.name, to: 13) + $0.value + "\n" }.joined()
  }

  static let heading = line(["", "unit", "measured", "predicted", "measured/predicted"])

  /// One figure beside its prediction, if there is one.
  static func row(_ figure: ReportFigure, _ measured: Double, predicted: Double?) -> String {
    line([
      figure.words.name, figure.words.unit, number(measured), predicted.map(number) ?? "-",
      predicted.map { Format.fixed(measured / $0, decimals: 2) } ?? "-",
    ])
  }

  /// Three figures at least.
  private static func number(_ value: Double) -> String {
    Format.fixed(value, decimals: value < 10 ? 2 : value < 1000 ? 1 : 0)
  }

  private static func line(_ cells: [String]) -> String {
    let widths = [-24, -9, 10, 10, 18]
    let text = zip(cells, widths).map { cell, width in
      width < 0 ? Format.aligned(cell, to: -width) : Format.padded(cell, to: width)
    }.joined(separator: "  ")
    return text + "\n"
  }
}

/// Measures the figures of the report in their order.
private struct ReportMeasurement {
  let compute: Compute
  /// Told of every figure.
  let note: (ReportFigure, Double) -> Void

  /// False if a signal came in between.
  func run() throws -> Bool {
    let roofline = Roofline.measure(compute, quick: true)
    let threads = compute.threadCount
    note(.fmaPeak, (roofline.peaks[threads] ?? 0) / 1e9)
    note(.int8Peak, (roofline.int8Peaks[threads] ?? 0) / 1e9)
    note(.reading, compute.measureReadBandwidth() / 1e9)
    for (preset, steps, warmUp, figures) in [
      ("micro", 20, 5, (ReportFigure.microStep, ReportFigure.microTokens)),
      ("small", 3, 1, (.smallStep, .smallTokens)),
    ] {
      if Signals.received != nil { return false }
      let seconds = try trainingStep(preset, steps: steps, warmUp: warmUp)
      note(figures.0, seconds.step * 1e3)
      note(figures.1, seconds.tokensPerSecond)
    }
    return try generate()
  }

  private func trainingStep(
    _ name: String, steps: Int, warmUp: Int
  ) throws -> (step: Double, tokensPerSecond: Double) {
    var asked = BenchOptions()
    (asked.preset, asked.steps) = (name, steps)
    var benchmark = try asked.trainingBenchmark()
    benchmark.warmUpSteps = warmUp
    benchmark.optimizer = Recipe(benchmark.configuration.family, optimizer: nil).optimizer
    let result = try benchmark.run(compute)
    return (result.seconds.median, result.tokensPerSecond)
  }

  private func generate() throws -> Bool {
    var asked = BenchOptions()
    asked.formats = [.f32, .int8, .int4]
    let files = try BenchmarkFiles(asked, compute)
    defer { files.remove() }
    for (format, prefill, decode) in [
      (BenchFormat.f32, ReportFigure.prefillF32, ReportFigure.decodeF32),
      (.int8, .prefillInt8, .decodeInt8), (.int4, .prefillInt4, .decodeInt4),
    ] {
      guard let path = try files.path(of: format) else { return false }
      var benchmark = InferenceBenchmark(path: path)
      benchmark.leastSeconds = 0.3
      guard let result = try benchmark.run(compute, shouldStop: { Signals.received != nil }) else {
        return false
      }
      note(prefill, result.prefillTokensPerSecond)
      note(decode, result.decodeTokensPerSecond)
    }
    return true
  }
}

/// Measures and prints the report; returns the code to exit with.
func benchReport(_ asked: BenchOptions) throws -> Int32 {
  Signals.install()
  let processors = Processors()
  let sensors = MachineSensors()
  let before = sensors.completeState()
  let compute = try makeCompute(threads: asked.threads, processors)
  var rows: [(figure: ReportFigure, measured: Double)] = []
  let measurement = ReportMeasurement(compute: compute) { figure, measured in
    rows.append((figure, measured))
    if !asked.json { Terminal.error.write("measured: \(figure.words.name)\n") }
  }
  guard try measurement.run() else { return 128 + (Signals.received ?? 0) }
  let machine = MachineReport(
    processors: processors, threads: compute.threadCount, backEnd: compute.backEnd,
    before: before, after: sensors.completeState())
  let board = machine.facts.first { $0.name == "board" }?.value ?? ""
  let predicted = ReportPredictions.values(board: board, threads: compute.threadCount)
  if asked.json {
    let figures = rows.map { row -> JSON in
      [
        "name": .string(row.figure.rawValue), "unit": .string(row.figure.words.unit),
        "measured": .number(row.measured),
        "predicted": predicted[row.figure].map(JSON.number) ?? .null,
      ]
    }
    let facts = machine.facts.map { JSON.Member($0.name, .string($0.value)) }
    let report: JSON = [
      "version": .string(version), "machine": .object(facts), "figures": .array(figures),
    ]
    Terminal.output.write("\(report)\n")
    return 0
  }
  // At once: nothing else may stand within what is to be copied.
  var text = "mgpt \(version)\n" + ReportTable.facts(machine) + "\n" + ReportTable.heading
  for (figure, measured) in rows {
    text += ReportTable.row(figure, measured, predicted: predicted[figure])
  }
  Terminal.output.write(text)
  return 0
}
