// Decides when progress is written and keeps the live line in its place. The words are in
// ProgressLine.swift; the clock, the width and the writing are passed in, so that tests need none.

import MicroGPT

/// Shows a training run: one live line on a terminal, lasting lines elsewhere.
///
/// The cursor rests at the beginning of the live line. A terminal that becomes narrower breaks
/// the old line in two but keeps the cursor at its first character, so that erasing from there to
/// the end of the screen removes all of it; and anything else that writes starts in column 0.
struct ProgressDisplay {
  private let style: ProgressStyle
  private let logInterval: Int
  private let width: () -> Int
  private let write: (String) -> Void

  private var meanLoss = RunningMean()
  private var pace = Pace()
  private var progress: Progress?
  private var totalSteps = 0
  private var lastDrawn = -Double.infinity
  private var drawnStep: Int?
  private var isCooling = false

  /// Seconds between two redraws: ten a second look continuous and cost nothing.
  private static let redrawInterval = 0.1

  /// - Parameters:
  ///   - logInterval: steps from one lasting line to the next where there is no live line.
  ///   - width: columns of the terminal at the moment of the call.
  ///   - write: takes whole pieces of output; one call is one change of the screen.
  init(
    style: ProgressStyle, logInterval: Int, width: @escaping () -> Int,
    write: @escaping (String) -> Void
  ) {
    self.style = style
    self.logInterval = max(1, logInterval)
    self.width = width
    self.write = write
  }

  /// Takes note of a step, and shows it if it is time to.
  ///
  /// *Requires*: `now` never goes back.
  mutating func update(_ report: StepReport, at now: Double) {
    let isFirst = progress == nil
    meanLoss.add(report.loss)
    pace.add(step: report.step, at: now, stepSeconds: report.stepMilliseconds / 1000)
    totalSteps = report.totalSteps
    let progress = Progress(
      report: report, smoothedLoss: meanLoss.value,
      secondsLeft: pace.secondsLeft(until: report.totalSteps))
    self.progress = progress
    let isLast = report.step >= report.totalSteps
    if style.isLive {
      if isLast || now - lastDrawn >= Self.redrawInterval { draw(progress, at: now) }
    } else if isFirst || isLast || report.step % logInterval == 0 {
      write(ProgressLine.plain(progress) + "\n")
      drawnStep = report.step
    }
  }

  /// Shows a pause: in the live line while it lasts, or as a line at its beginning and its end.
  mutating func show(_ cooling: CoolingReport, at now: Double) {
    if style.isLive {
      if cooling.isOver || now - lastDrawn < Self.redrawInterval { return }
      write("\r" + ProgressLine.cooling(cooling, width: width() - 1, style: style) + "\u{1B}[J\r")
      lastDrawn = now
    } else if cooling.isOver || !isCooling {
      write(ProgressLine.plain(cooling) + "\n")
    }
    isCooling = !cooling.isOver
  }

  /// Prints an evaluation as a lasting line above the live line.
  mutating func show(_ evaluation: EvaluationReport) {
    let columns = style.isLive ? width() - 1 : Int.max
    let line = ProgressLine.evaluation(
      evaluation, of: max(totalSteps, evaluation.step), width: columns, style: style)
    show(lasting: line)
  }

  /// Prints `text`, such as a sample, above the live line; a missing line break is added.
  mutating func show(lasting text: String) {
    let text = text.hasSuffix("\n") ? text : text + "\n"
    guard style.isLive, let progress, drawnStep != nil else { return write(text) }
    write(Self.erase + text + liveLine(progress))
  }

  /// Ends the live line so that it stays, showing the last step; call it once, at the end.
  mutating func finish() {
    if isCooling && style.isLive { write(Self.erase) }
    isCooling = false
    guard let progress else { return }
    if style.isLive {
      write(liveLine(progress) + "\n")
    } else if drawnStep != progress.report.step {
      write(ProgressLine.plain(progress) + "\n")
    }
    (self.progress, drawnStep) = (nil, nil)
  }

  private mutating func draw(_ progress: Progress, at now: Double) {
    write(liveLine(progress))
    (lastDrawn, drawnStep) = (now, progress.report.step)
  }

  /// Overwrites from column 0, erases the rest, returns to column 0.
  ///
  /// The last column stays free: some terminals break the line as soon as it is written.
  private func liveLine(_ progress: Progress) -> String {
    let line = ProgressLine.live(progress, width: width() - 1, style: style)
    return "\r" + line + "\u{1B}[J\r"
  }

  /// Back to column 0, erase to the end of the screen.
  private static let erase = "\r\u{1B}[J"
}

/// An exponentially weighted mean that starts without bias towards zero.
///
/// Values that are not finite are left out: one bad step must not blank the rest of the run.
/// *Source*: the bias correction is Adam's, Kingma and Ba (2015), arXiv 1412.6980, section 3.
struct RunningMean {
  private let decay: Double
  private var (sum, weight) = (0.0, 0.0)

  /// The default averages over about the last 20 values.
  init(decay: Double = 0.95) { self.decay = decay }

  mutating func add(_ value: Double) {
    guard value.isFinite else { return }
    sum = decay * sum + (1 - decay) * value
    weight = decay * weight + (1 - decay)
  }

  /// The mean; not a number before the first finite value.
  var value: Double { weight > 0 ? sum / weight : .nan }
}

/// The pace of a run in seconds per step, evaluations and saving included.
struct Pace {
  private var first: (step: Int, seconds: Double)?
  private var latest = (step: 0, seconds: 0.0)
  private var stepSeconds = 0.0

  mutating func add(step: Int, at seconds: Double, stepSeconds: Double) {
    if first == nil { first = (step, seconds) }
    latest = (step, seconds)
    self.stepSeconds = stepSeconds
  }

  /// The mean since the first step seen; that step's own time as long as there is only one.
  func secondsLeft(until totalSteps: Int) -> Double? {
    guard let first else { return nil }
    let steps = latest.step - first.step
    let perStep = steps > 0 ? (latest.seconds - first.seconds) / Double(steps) : stepSeconds
    return perStep.isFinite ? perStep * Double(max(0, totalSteps - latest.step)) : nil
  }
}
