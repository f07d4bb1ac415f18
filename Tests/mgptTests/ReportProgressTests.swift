// The live line word for word at several widths, and when and how it is drawn. The clock, the
// width and the screen are the tests' own.

import MicroGPT
import Testing

@testable import mgpt

private func report(
  step: Int = 1240, of total: Int = 5000, loss: Double = 1.79, share: Double? = 0.71
) -> StepReport {
  StepReport(
    step: step, totalSteps: total, loss: loss, learningRate: 9.6154e-4, gradientNorm: 0.834,
    stepMilliseconds: 42, tokensPerSecond: 18_240, shareOfPeak: share, elapsedSeconds: 52,
    peakResidentByteCount: 212_000_000)
}

private let unicode = ProgressStyle(isLive: true, usesUnicode: true, usesColor: false)
private let ascii = ProgressStyle(isLive: true, usesUnicode: false, usesColor: false)

@Suite("ProgressLine") struct ReportProgressLineTests {
  private let progress = Progress(report: report(), smoothedLoss: 1.832, secondsLeft: 158)

  @Test(arguments: [
    (
      160,
      "step 1240/5000  ▕███████▉                        ▏  loss 1.832  now 1.790  lr 9.62e-4"
        + "  18.2 K tok/s  71% of peak  2m 38s left  212 MB"
    ),
    (
      113,
      "step 1240/5000  ▕██▉         ▏  loss 1.832  now 1.790  lr 9.62e-4"
        + "  18.2 K tok/s  71% of peak  2m 38s left  212 MB"
    ),
    (
      104,
      "step 1240/5000  ▕██▋        ▏  loss 1.832  now 1.790  lr 9.62e-4"
        + "  18.2 K tok/s  71% of peak  2m 38s left"
    ),
    (
      90,
      "step 1240/5000  ▕██▍       ▏  loss 1.832  now 1.790  lr 9.62e-4  18.2 K tok/s  2m 38s left"
    ),
    (80, "step 1240/5000  ▕██▋        ▏  loss 1.832  lr 9.62e-4  18.2 K tok/s  2m 38s left"),
    (70, "step 1240/5000  ▕███▏         ▏  loss 1.832  18.2 K tok/s  2m 38s left"),
    (60, "step 1240/5000  loss 1.832  18.2 K tok/s  2m 38s left"),
    (40, "step 1240/5000  loss 1.832  2m 38s left"),
    (30, "step 1240/5000  loss 1.832"),
    (14, "step 1240/5000"),
    (13, "step 1240/500"),
    (3, "ste"),
    (0, ""),
  ])
  func live(width: Int, expected: String) {
    #expect(ProgressLine.live(progress, width: width, style: unicode) == expected)
  }

  /// No line is wider than asked for, and the step never goes before a less important field.
  @Test func everyWidth() {
    for width in 0...200 {
      let line = ProgressLine.live(progress, width: width, style: unicode)
      #expect(line.count <= width)
      #expect(width < 14 || line.hasPrefix("step 1240/5000"))
    }
  }

  @Test func asciiBar() {
    #expect(
      ProgressLine.live(progress, width: 70, style: ascii)
        == "step 1240/5000  [###          ]  loss 1.832  18.2 K tok/s  2m 38s left")
  }

  @Test func colorAddsNoColumns() {
    var style = unicode
    style.usesColor = true
    #expect(
      ProgressLine.live(progress, width: 30, style: style)
        == "\u{1B}[2mstep \u{1B}[22m1240/5000  \u{1B}[2mloss \u{1B}[22m1.832")
  }

  @Test(arguments: [
    (0, "▕        ▏"), (1, "▕▏       ▏"), (32, "▕████    ▏"), (63, "▕███████▉▏"),
    (64, "▕████████▏"), (99, "▕████████▏"),
  ])
  func bar(step: Int, expected: String) {
    let progress = Progress(
      report: report(step: step, of: 64, share: nil), smoothedLoss: .nan, secondsLeft: nil)
    let line = ProgressLine.live(progress, width: 46, style: unicode)
    #expect(line == "step \(step < 10 ? " " : "")\(step)/64  \(expected)  loss nan  18.2 K tok/s")
  }

  @Test func plain() {
    #expect(
      ProgressLine.plain(progress)
        == "step 1240/5000  loss 1.832  now 1.790  lr 9.62e-4  grad norm 0.834  18.2 K tok/s"
        + "  71% of peak  2m 38s left  212 MB")
  }

  @Test(arguments: [
    (100, "step  250/5000  validation loss 1.5432  perplexity 4.680  2.226 bits/byte  best"),
    (60, "step  250/5000  validation loss 1.5432  best"),
    (40, "step  250/5000  validation loss 1.5432"),
  ])
  func evaluation(width: Int, expected: String) {
    let evaluation = EvaluationReport(
      step: 250, loss: 1.5432, perplexity: 4.6795, bitsPerByte: 2.2264, tokenCount: 9,
      isBest: true)
    #expect(
      ProgressLine.evaluation(evaluation, of: 5000, width: width, style: unicode) == expected)
  }

  @Test(arguments: [
    (true, ["TERM": "xterm", "LANG": "en_GB.UTF-8"], "live unicode color"),
    (true, ["TERM": "xterm", "LANG": "en_GB.utf8", "NO_COLOR": "1"], "live unicode"),
    (true, ["TERM": "xterm", "LANG": "en_GB.UTF-8", "NO_COLOR": ""], "live unicode color"),
    (true, ["TERM": "xterm", "LANG": "en_GB.UTF-8", "LC_ALL": "C"], "live color"),
    (
      true, ["TERM": "xterm", "LANG": "C", "LC_ALL": "", "LC_CTYPE": "C.UTF-8"],
      "live unicode color"
    ),
    (true, ["TERM": "xterm"], "live color"),
    (true, ["TERM": "dumb", "LANG": "en_GB.UTF-8"], ""),
    (true, ["LANG": "en_GB.UTF-8"], ""),
    (false, ["TERM": "xterm", "LANG": "en_GB.UTF-8"], ""),
  ])
  func style(isTerminal: Bool, environment: [String: String], expected: String) {
    let style = ProgressStyle.detect(isTerminal: isTerminal) { environment[$0] }
    let words = [
      style.isLive ? "live" : nil, style.usesUnicode ? "unicode" : nil,
      style.usesColor ? "color" : nil,
    ]
    #expect(words.compactMap { $0 }.joined(separator: " ") == expected)
  }
}

/// What a display has written, piece by piece, and the width it sees.
private final class Screen {
  var pieces: [String] = []
  var width = 31
}

@Suite("ProgressDisplay") struct ReportProgressDisplayTests {
  private func display(_ screen: Screen, _ style: ProgressStyle, logInterval: Int = 10)
    -> ProgressDisplay
  {
    ProgressDisplay(
      style: style, logInterval: logInterval, width: { screen.width },
      write: { screen.pieces.append($0) })
  }

  private let evaluation = EvaluationReport(
    step: 2, loss: 1.5, perplexity: 4.48, bitsPerByte: 2.2, tokenCount: 9, isBest: true)

  @Test func redrawsAtMostTenTimesASecond() {
    let screen = Screen()
    var display = display(screen, unicode)
    for step in 1...100 {
      display.update(report(step: step, of: 1000), at: 5 + Double(step) / 64)
    }
    #expect(screen.pieces.count == 15)
    #expect(screen.pieces[0] == "\rstep    1/1000  loss 1.790\u{1B}[J\r")
  }

  @Test func theLastStepIsAlwaysDrawn() {
    let screen = Screen()
    var display = display(screen, unicode)
    for step in 1...4 { display.update(report(step: step, of: 4), at: 0) }
    display.finish()
    display.finish()
    #expect(
      screen.pieces
        == [
          "\rstep 1/4  loss 1.790\u{1B}[J\r",
          "\rstep 4/4  loss 1.790  0 s left\u{1B}[J\r",
          "\rstep 4/4  loss 1.790  0 s left\u{1B}[J\r\n",
        ].map { $0.replacing("  0 s left", with: "") })
  }

  @Test func lastingLinesStandAboveTheLiveLine() {
    let screen = Screen()
    var display = display(screen, unicode)
    display.show(lasting: "before")
    display.update(report(step: 1, of: 9), at: 0)
    display.show(lasting: "anna\n")
    screen.width = 60
    display.show(evaluation)
    #expect(
      screen.pieces.map { $0.replacing("\u{1B}[J", with: "<erase>") } == [
        "before\n",
        "\rstep 1/9  loss 1.790<erase>\r",
        "\r<erase>anna\n\rstep 1/9  loss 1.790<erase>\r",
        "\r<erase>step 2/9  validation loss 1.5000  perplexity 4.480  best\n"
          + "\rstep 1/9  ▕▉       ▏  loss 1.790  18.2 K tok/s   0.3 s left<erase>\r",
      ])
  }

  @Test func withoutATerminalOneLineAnInterval() {
    let screen = Screen()
    var display = display(screen, .plain)
    for step in 1...25 { display.update(report(step: step, of: 1000), at: Double(step)) }
    display.show(evaluation)
    display.finish()
    #expect(
      screen.pieces.map { String($0.prefix(14)) } == [
        "step    1/1000", "step   10/1000", "step   20/1000", "step    2/1000", "step   25/1000",
      ])
    #expect(screen.pieces.allSatisfy { $0.hasSuffix("\n") && !$0.contains("\u{1B}") })
    #expect(
      screen.pieces[2].contains("  980 s left") || screen.pieces[2].contains("  16m 20s left"))
  }

  @Test func nothingToFinish() {
    let screen = Screen()
    var display = display(screen, unicode)
    display.finish()
    #expect(screen.pieces.isEmpty)
  }

  @Test func runningMeanStartsUnbiasedAndSkipsNaN() {
    var mean = RunningMean(decay: 0.5)
    #expect(mean.value.isNaN)
    mean.add(4)
    #expect(mean.value == 4)
    mean.add(.nan)
    mean.add(1)
    #expect(mean.value == 2)
  }

  @Test func paceCountsFromTheFirstStepOfThisProcess() {
    var pace = Pace()
    #expect(pace.secondsLeft(until: 10) == nil)
    pace.add(step: 1001, at: 100, stepSeconds: 0.5)
    #expect(pace.secondsLeft(until: 1011) == 5)
    pace.add(step: 1003, at: 106, stepSeconds: 0.5)
    #expect(pace.secondsLeft(until: 1013) == 30)
    #expect(pace.secondsLeft(until: 1000) == 0)
  }
}
