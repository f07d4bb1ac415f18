// Temperature, clock, throttling and pauses, word for word, in the live line and in log files.

import MicroGPT
import Testing

@testable import mgpt

private let unicode = ProgressStyle(isLive: true, usesUnicode: true, usesColor: false)
private let ascii = ProgressStyle(isLive: true, usesUnicode: false, usesColor: false)

@Suite("Machine in ProgressLine") struct ReportMachineLineTests {
  private func progress(_ machine: MachineState) -> Progress {
    Progress(
      report: StepReport(
        step: 1240, totalSteps: 5000, loss: 1.79, learningRate: 9.6154e-4, gradientNorm: 0.834,
        stepMilliseconds: 42, tokensPerSecond: 18_240, shareOfPeak: 0.71, elapsedSeconds: 52,
        peakResidentByteCount: 212_000_000, machine: machine), smoothedLoss: 1.832,
      secondsLeft: 158)
  }

  private var hot: Progress {
    progress(MachineState(celsius: 61.2, megahertz: 2400, throttling: [.throttled]))
  }

  @Test(arguments: [
    (
      150,
      "step 1240/5000  ▕█████▋                 ▏  loss 1.832  now 1.790  lr 9.62e-4  18.2 K tok/s"
        + "  71% of peak  2m 38s left  61 °C 2.4 GHz  throttled  212 MB"
    ),
    (
      115,
      "step 1240/5000  ▕██▏      ▏  loss 1.832  now 1.790  lr 9.62e-4  18.2 K tok/s"
        + "  2m 38s left  61 °C 2.4 GHz  throttled"
    ),
    (66, "step 1240/5000  loss 1.832  18.2 K tok/s  2m 38s left  throttled"),
    (37, "step 1240/5000  loss 1.832  throttled"),
    (36, "step 1240/5000  loss 1.832"),
  ])
  func machine(width: Int, expected: String) {
    #expect(ProgressLine.live(hot, width: width, style: unicode) == expected)
  }

  @Test func machineInALogFile() {
    #expect(
      ProgressLine.plain(hot)
        == "step 1240/5000  loss 1.832  now 1.790  lr 9.62e-4  grad norm 0.834  18.2 K tok/s"
        + "  71% of peak  2m 38s left  61 °C 2.4 GHz  throttled  212 MB")
    let clock = MachineState(megahertz: 600)
    #expect(ProgressLine.plain(progress(clock)).hasSuffix("left  0.6 GHz  212 MB"))
    #expect(ProgressLine.live(hot, width: 200, style: ascii).contains("  61 C 2.4 GHz  throttled"))
  }

  private let pause = CoolingReport(
    step: 40, totalSteps: 5000, celsius: 78.3, goal: 70, seconds: 34.4, isOver: false)

  @Test(arguments: [
    (60, "step   40/5000  paused at 78 °C  goes on at 70 °C  34 s"),
    (50, "step   40/5000  paused at 78 °C  goes on at 70 °C"), (20, "step   40/5000"),
  ])
  func cooling(width: Int, expected: String) {
    #expect(ProgressLine.cooling(pause, width: width, style: unicode) == expected)
  }

  @Test func coolingInALogFile() {
    var over = pause
    (over.isOver, over.celsius) = (true, 69.9)
    #expect(ProgressLine.plain(pause) == "step   40/5000  paused at 78 °C to cool to 70 °C")
    #expect(ProgressLine.plain(over) == "step   40/5000  goes on at 70 °C after 34 s")
  }
}

@Suite("Machine in ProgressDisplay") struct ReportMachineDisplayTests {
  private func display(
    _ style: ProgressStyle, _ write: @escaping (String) -> Void
  ) -> ProgressDisplay {
    ProgressDisplay(style: style, logInterval: 10, width: { 31 }, write: write)
  }

  private func pause(_ seconds: Double, isOver: Bool = false) -> CoolingReport {
    CoolingReport(
      step: 1, totalSteps: 9, celsius: 78, goal: 70, seconds: seconds, isOver: isOver)
  }

  @Test func aPauseIsOneLineAtEachEnd() {
    var pieces: [String] = []
    var display = display(.plain) { pieces.append($0) }
    for tenth in 0..<50 { display.show(pause(Double(tenth) / 10), at: Double(tenth) / 10) }
    display.show(pause(5, isOver: true), at: 5)
    display.show(pause(0), at: 6)
    #expect(
      pieces == [
        "step 1/9  paused at 78 °C to cool to 70 °C\n", "step 1/9  goes on at 78 °C after 5 s\n",
        "step 1/9  paused at 78 °C to cool to 70 °C\n",
      ])
  }

  @Test func aPauseTakesTheLiveLine() {
    var pieces: [String] = []
    var display = display(ascii) { pieces.append($0) }
    for tick in 0..<50 { display.show(pause(0), at: Double(tick) / 64) }
    #expect(pieces.count == 8)
    #expect(pieces[0] == "\rstep 1/9  paused at 78 C\u{1B}[J\r")
    display.finish()
    #expect(pieces.last == "\r\u{1B}[J")
  }
}

@Suite struct MachineWordsTests {
  private func processors(_ allowed: [Int], _ fast: [Int]) -> Processors {
    var processors = Processors(SystemTree(root: "/nowhere"))
    (processors.allowed, processors.fast) = (allowed, fast)
    return processors
  }

  @Test func threads() {
    let pi = processors([0, 1, 2, 3], [0, 1, 2, 3])
    #expect(MachineWords.threads(4, on: pi) == "4 threads on 4 cores")
    #expect(MachineWords.threads(1, on: processors([7], [7])) == "1 thread on 1 core")
    let both = processors(Array(0...7), [4, 5, 7])
    #expect(
      MachineWords.threads(3, on: both) == "3 threads on 3 of 8 cores, the fast ones (4-5,7)")
    #expect(MachineWords.threads(8, on: both) == "8 threads on 8 cores")
    var limited = pi
    limited.quota = 1.5
    #expect(
      MachineWords.threads(2, on: limited) == "2 threads on 4 cores, 1.5 by the control group")
  }

  @Test func hints() {
    var pi = processors([0], [0])
    #expect(MachineWords.hint(pi) == nil)
    pi.governor = "powersave"
    #expect(
      MachineWords.hint(pi) == "the governor powersave keeps the clock low; for full speed: echo "
        + "performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor")
  }
}
