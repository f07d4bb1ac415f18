// The words of one line of training progress, as pure functions of what they show: report, width
// and style in, text out. When and where it is drawn is in ProgressDisplay.swift.

import MicroGPT

/// What the terminal can show.
struct ProgressStyle: Equatable, Sendable {
  /// One line redrawn in place; otherwise a line of its own at each log interval.
  var isLive: Bool
  /// Block characters for the bar; otherwise ASCII.
  var usesUnicode: Bool
  /// Dimmed labels; otherwise no colour or intensity at all.
  var usesColor: Bool

  static let plain = ProgressStyle(isLive: false, usesUnicode: false, usesColor: false)

  /// The style for a stream, from the environment variables TERM, NO_COLOR and the locale's.
  ///
  /// TERM=dumb can't erase a line, so it gets plain lines.
  static func detect(isTerminal: Bool, environment: (String) -> String?) -> ProgressStyle {
    func value(_ name: String) -> String? {
      guard let text = environment(name), !text.isEmpty else { return nil }
      return text
    }
    // POSIX: the first of these that is set and not empty decides.
    let locale = (value("LC_ALL") ?? value("LC_CTYPE") ?? value("LANG") ?? "").lowercased()
    let hasEscapes = isTerminal && (value("TERM") ?? "dumb") != "dumb"
    return ProgressStyle(
      isLive: hasEscapes,
      usesUnicode: hasEscapes && (locale.contains("utf-8") || locale.contains("utf8")),
      usesColor: hasEscapes && value("NO_COLOR") == nil)
  }
}

/// The state of a run at one moment, ready to be put into words.
struct Progress: Equatable, Sendable {
  var report: StepReport
  /// Running mean of the training loss.
  var smoothedLoss: Double
  /// Estimated seconds until the last step; nil before there is an estimate.
  var secondsLeft: Double?
}

/// The lines themselves.
enum ProgressLine {
  /// The live line, at most `width` columns wide: fields are dropped until it fits, the least
  /// important first (memory, share of peak, temperature and clock, the step's own loss, learning
  /// rate, bar, throughput, time left, what slows the machine down).
  static func live(_ progress: Progress, width: Int, style: ProgressStyle) -> String {
    let report = progress.report
    var fields = [
      stepField(report.step, of: report.totalSteps),
      Field(before: "loss ", Format.loss(progress.smoothedLoss), rank: 1),
      Field(before: "now ", Format.loss(report.loss), rank: 7),
      Field(before: "lr ", Format.padded(Format.scientific(report.learningRate), to: 7), rank: 6),
      Field(Format.padded(Format.rate(report.tokensPerSecond), to: 6), after: " tok/s", rank: 4),
    ]
    if let share = report.shareOfPeak {
      fields.append(Field(Format.padded(Format.percent(share), to: 3), after: " of peak", rank: 9))
    }
    if let seconds = progress.secondsLeft {
      fields.append(Field(Format.padded(Format.duration(seconds), to: 6), after: " left", rank: 3))
    }
    if let sensors = sensors(report.machine, degree: style.usesUnicode ? "°C" : "C") {
      fields.append(Field(sensors, rank: 8))
    }
    if let warning = report.machine.warning { fields.append(Field(warning, rank: 2)) }
    fields.append(Field(Format.bytes(report.peakResidentByteCount), rank: 10))
    let bar = Bar(share: Double(report.step) / Double(max(1, report.totalSteps)))
    return fit(fields, bar: bar, width: width, style: style)
  }

  /// The line for a log file, always whole.
  static func plain(_ progress: Progress) -> String {
    let report = progress.report
    var line =
      "step \(paddedStep(report.step, of: report.totalSteps))"
      + "  loss \(Format.loss(progress.smoothedLoss))  now \(Format.loss(report.loss))"
      + "  lr \(Format.scientific(report.learningRate))"
      + "  grad norm \(Format.loss(report.gradientNorm))"
      + "  \(Format.rate(report.tokensPerSecond)) tok/s"
    if let share = report.shareOfPeak { line += "  \(Format.percent(share)) of peak" }
    if let seconds = progress.secondsLeft { line += "  \(Format.duration(seconds)) left" }
    if let sensors = sensors(report.machine, degree: "°C") { line += "  \(sensors)" }
    if let warning = report.machine.warning { line += "  \(warning)" }
    return line + "  \(Format.bytes(report.peakResidentByteCount))"
  }

  /// "61 °C 2.4 GHz"; nil without either.
  private static func sensors(_ machine: MachineState, degree: String) -> String? {
    let facts = [
      machine.celsius.map { Format.fixed($0, decimals: 0) + " \(degree)" },
      machine.megahertz.map { Format.fixed($0 / 1000, decimals: 1) + " GHz" },
    ].compactMap { $0 }
    return facts.isEmpty ? nil : facts.joined(separator: " ")
  }

  /// The live line of a pause; fields are dropped from the end where it doesn't fit.
  static func cooling(_ report: CoolingReport, width: Int, style: ProgressStyle) -> String {
    let degree = style.usesUnicode ? " °C" : " C"
    return fit(
      [
        stepField(report.step, of: report.totalSteps),
        Field(before: "paused at ", Format.fixed(report.celsius, decimals: 0) + degree, rank: 1),
        Field(
          before: "goes on at ", Format.fixed(report.goal, decimals: 0) + degree, rank: 2),
        Field(Format.duration(report.seconds.rounded()), rank: 3),
      ], bar: nil, width: width, style: style)
  }

  /// The line of a pause for a log file, at its beginning and at its end.
  static func plain(_ report: CoolingReport) -> String {
    let (celsius, goal) = (report.celsius, report.goal)
    return "step \(paddedStep(report.step, of: report.totalSteps))  "
      + (report.isOver
        ? "goes on at \(Format.fixed(celsius, decimals: 0)) °C after "
          + Format.duration(report.seconds.rounded())
        : "paused at \(Format.fixed(celsius, decimals: 0)) °C to cool to "
          + "\(Format.fixed(goal, decimals: 0)) °C")
  }

  /// The lasting line of an evaluation; fields are dropped from the end where it doesn't fit.
  static func evaluation(
    _ evaluation: EvaluationReport, of totalSteps: Int, width: Int, style: ProgressStyle
  ) -> String {
    var fields = [
      stepField(evaluation.step, of: totalSteps),
      Field(before: "validation loss ", Format.fixed(evaluation.loss, decimals: 4), rank: 1),
      Field(before: "perplexity ", Format.loss(evaluation.perplexity), rank: 3),
      Field(Format.fixed(evaluation.bitsPerByte, decimals: 3), after: " bits/byte", rank: 4),
    ]
    if evaluation.isBest { fields.append(Field("best", rank: 2)) }
    return fit(fields, bar: nil, width: width, style: style)
  }

  private static func stepField(_ step: Int, of totalSteps: Int) -> Field {
    Field(before: "step ", paddedStep(step, of: totalSteps), rank: 0)
  }

  /// The step padded to the width of the last one, so that what follows doesn't jump.
  private static func paddedStep(_ step: Int, of totalSteps: Int) -> String {
    "\(Format.padded("\(step)", to: "\(totalSteps)".count))/\(totalSteps)"
  }

  /// Joins the fields that fit, in their order; the bar comes second and takes what is left.
  private static func fit(_ fields: [Field], bar: Bar?, width: Int, style: ProgressStyle)
    -> String
  {
    // Ranks are considered in order until the first that doesn't fit: a less important field
    // never stands where a more important one was dropped.
    var wanted = fields.map { ($0.rank, $0.width) }
    if bar != nil { wanted.append((Bar.rank, Bar.narrowest)) }
    wanted.sort { $0.0 < $1.0 }
    var (used, lastRank) = (-gap.count, -1)
    for (rank, fieldWidth) in wanted {
      if used + gap.count + fieldWidth > width { break }
      used += gap.count + fieldWidth
      lastRank = rank
    }
    // Not even the step fits: show as much of it as there is room for.
    if lastRank < 0, let first = fields.first { return String(first.text.prefix(max(0, width))) }
    var parts = fields.filter { $0.rank <= lastRank }.map { $0.styled(style) }
    if let bar, lastRank >= Bar.rank, !parts.isEmpty {
      let barWidth = min(Bar.widest, Bar.narrowest + width - used)
      parts.insert(bar.text(width: barWidth, style: style), at: 1)
    }
    return parts.joined(separator: gap)
  }

  private static let gap = "  "
}

/// A value with its label, and its rank: 0 is dropped last.
private struct Field {
  let (before, value, after): (String, String, String)
  let rank: Int

  init(before: String = "", _ value: String, after: String = "", rank: Int) {
    (self.before, self.value, self.after) = (before, value, after)
    self.rank = rank
  }

  var text: String { before + value + after }
  var width: Int { text.count }

  func styled(_ style: ProgressStyle) -> String {
    guard style.usesColor else { return text }
    return dim(before) + value + dim(after)
  }

  private func dim(_ text: String) -> String {
    text.isEmpty ? "" : "\u{1B}[2m\(text)\u{1B}[22m"
  }
}

/// The bar: ▕█████▌    ▏ or [#####     ].
private struct Bar {
  static let rank = 5
  static let narrowest = 10
  static let widest = 34

  /// 0 … 1; anything else is clamped.
  let share: Double

  /// *Requires*: `width` > 2.
  func text(width: Int, style: ProgressStyle) -> String {
    let cells = width - 2
    let share = share.isNaN ? 0 : min(max(self.share, 0), 1)
    // Rounded down: a full bar means done.
    let eighths = Int(share * Double(cells * 8))
    let full = eighths / 8
    if !style.usesUnicode {
      return "[" + String(repeating: "#", count: full)
        + String(repeating: " ", count: cells - full) + "]"
    }
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
    let filled = String(repeating: "█", count: full) + parts[eighths % 8]
    return "▕" + filled + String(repeating: " ", count: cells - filled.count) + "▏"
  }
}
