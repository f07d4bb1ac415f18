// The observer of a run on the command line: live line or plain lines, JSON lines, metrics files,
// and at the end the curve.

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Shows and records a training run.
final class TrainingConsole: TrainingObserver {
  private let folder: String
  private let logEvery: Int
  private let json: Bool
  private let quiet: Bool
  private var display: ProgressDisplay
  private var metrics: MetricsWriter
  private var history: MetricsHistory
  private var lastStep: StepReport?
  private let output = OutputState()

  /// Opens the metrics files of `folder`, which must exist; a resumed run goes on in them.
  init(
    folder: String, resumingAfter step: Int?, logEvery: Int, json: Bool, quiet: Bool,
    terminal: Terminal
  ) throws {
    self.folder = folder
    self.logEvery = logEvery
    self.json = json
    self.quiet = quiet
    metrics = try MetricsWriter(folder: folder, resumingAfter: step)
    history =
      step == nil
      ? MetricsHistory() : try MetricsHistory(path: MetricsWriter.jsonPath(in: folder))
    let style = ProgressStyle.detect(
      isTerminal: terminal.isTerminal && !json,
      environment: { name in getenv(name).map { String(cString: $0) } })
    display = ProgressDisplay(
      style: style, logInterval: logEvery, width: { terminal.width },
      write: { [output] in output.note(terminal.attempt($0), of: terminal) })
  }

  /// The `errno` of the first failure of standard output; 0 if there was none.
  ///
  /// When it is gone the run ends in order, with its checkpoint saved.
  var outputFailure: Int32 { output.failure }

  var shouldStop: Bool { Signals.received != nil || output.failure != 0 }

  func didStep(_ report: StepReport) throws {
    if !quiet && !json { display.update(report, at: SystemInfo.seconds) }
    let isFirst = lastStep == nil
    lastStep = report
    if isFirst || report.step % logEvery == 0 || report.step == report.totalSteps {
      try record(MetricsRecord(report))
    }
  }

  func didCool(_ report: CoolingReport) {
    if !quiet && !json { display.show(report, at: SystemInfo.seconds) }
  }

  func didEvaluate(_ report: EvaluationReport, sample: String?) throws {
    try record(
      MetricsRecord(
        report, peakResidentByteCount: lastStep?.peakResidentByteCount,
        elapsedSeconds: lastStep?.elapsedSeconds, machine: lastStep?.machine ?? MachineState()))
    if quiet || json { return }
    display.show(report)
    if let sample { display.show(lasting: indented(sample)) }
  }

  private func record(_ record: MetricsRecord) throws {
    history.append(record)
    try metrics.append(record)
    if json {
      output.note(Terminal.output.attempt("\(record.json)\n"), of: .output)
    }
  }

  /// Leaves the live line; call it once, however the run ended.
  func finish() {
    if !quiet && !json { display.finish() }
  }

  /// Writes `loss.svg`.
  func writeChart(title: String, subtitle: String) throws {
    let chart = LossChart(
      title: title, subtitle: subtitle, training: history.training, validation: history.validation)
    try AtomicFile.replace(folder + "/loss.svg", with: Array(chart.svg().utf8))
  }

  /// The sample, set off from the log; control characters, which a byte model may well produce,
  /// must not reach the terminal.
  private func indented(_ text: String) -> String {
    printableText(text).split(separator: "\n", omittingEmptySubsequences: false)
      .map { "    " + $0 }.joined(separator: "\n")
  }
}

/// Whether standard output still takes what is written; shared with the display's closure.
private final class OutputState {
  private(set) var failure: Int32 = 0

  /// Failures of standard error don't count: nobody can be told.
  func note(_ result: Int32, of terminal: Terminal) {
    if failure == 0 && terminal.descriptor == Terminal.output.descriptor { failure = result }
  }
}

/// `text` with its control characters, line breaks and tabs excepted, as U+FFFD.
func printableText(_ text: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    let isControl = scalar.value < 32 || (127..<160).contains(scalar.value)
    result.append(isControl && scalar != "\n" && scalar != "\t" ? "\u{FFFD}" : scalar)
  }
  return String(result)
}
