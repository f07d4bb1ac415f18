// Learning rates at the edges of each schedule, and the small state of plateau.
import Testing

@testable import MicroGPT

@Suite struct LearningRateScheduleTests {
  private func schedule(_ kind: ScheduleKind, warmup: Int = 10, total: Int = 110)
    -> LearningRateSchedule
  {
    LearningRateSchedule(
      kind: kind, maximum: 1, minimum: 0.1, warmupSteps: warmup, totalSteps: total, patience: 2)
  }

  private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-12 }

  @Test(arguments: ScheduleKind.allCases) func warmup(_ kind: ScheduleKind) {
    let s = schedule(kind)
    #expect(isClose(s.rate(at: 0), 0.1) && isClose(s.rate(at: 4), 0.5) && s.rate(at: 9) == 1)
    #expect(s.rate(at: 10) == 1)
    #expect(schedule(kind, warmup: 0).rate(at: 0) == 1)
    // A warm-up longer than the run, and steps past the end, are numbers still.
    let short = schedule(kind, warmup: 10, total: 5)
    for step in 0..<30 {
      let rate = short.rate(at: step)
      #expect(rate > 0 && rate <= 1, "\(step): \(rate)")
    }
  }

  @Test func constant() {
    for step in [10, 60, 109, 500] { #expect(schedule(.constant).rate(at: step) == 1) }
  }

  @Test func cosine() {
    let s = schedule(.cosine)
    #expect(isClose(s.rate(at: 60), 0.55))
    #expect(isClose(s.rate(at: 35), 0.1 + 0.9 * (1 + 0.5.squareRoot()) / 2))
    #expect(isClose(s.rate(at: 110), 0.1) && isClose(s.rate(at: 1000), 0.1))
    #expect(s.rate(at: 109) > 0.1)
  }

  /// Stable for 60 % after the warm-up, then a straight line.
  @Test func warmupStableDecay() {
    let s = schedule(.warmupStableDecay)
    #expect(s.rate(at: 30) == 1 && isClose(s.rate(at: 70), 1) && s.rate(at: 71) < 1)
    #expect(isClose(s.rate(at: 90), 0.55) && isClose(s.rate(at: 110), 0.1))
  }

  @Test func plateau() {
    var s = schedule(.plateau)
    #expect(s.rate(at: 50) == 1 && isClose(s.rate(at: 90), 0.55) && isClose(s.rate(at: 110), 0.1))
    s.observe(validationLoss: 3)
    s.observe(validationLoss: 3)  // not better: 1
    #expect(s.plateau.halvings == 0 && s.plateau.evaluationsSinceBest == 1)
    s.observe(validationLoss: 2)  // better
    #expect(s.plateau.evaluationsSinceBest == 0 && s.plateau.best == 2)
    s.observe(validationLoss: 2.5)
    s.observe(validationLoss: 2.1)  // patience of 2 is over
    #expect(s.plateau.halvings == 1 && s.plateau.evaluationsSinceBest == 0)
    #expect(s.rate(at: 50) == 0.5 && isClose(s.rate(at: 90), 0.3) && s.rate(at: 9) == 1)
    for _ in 0..<20 { s.observe(validationLoss: 5) }
    #expect(s.plateau.halvings == 3 && s.rate(at: 50) == 0.125)
    s.observe(validationLoss: 1)
    #expect(s.plateau.halvings == 3 && s.plateau.best == 1)
  }

  /// The halved maximum never falls below the minimum.
  @Test func plateauEndsAtTheMinimum() {
    var s = LearningRateSchedule(
      kind: .plateau, maximum: 1, minimum: 0.4, warmupSteps: 0, totalSteps: 10, patience: 1)
    for _ in 0..<10 { s.observe(validationLoss: 1) }
    #expect(s.plateau.halvings == 3 && isClose(s.rate(at: 3), 0.4) && isClose(s.rate(at: 9), 0.4))
  }

  @Test(arguments: [ScheduleKind.constant, .cosine, .warmupStableDecay])
  func othersIgnoreLosses(_ kind: ScheduleKind) {
    var s = schedule(kind)
    for _ in 0..<10 { s.observe(validationLoss: 1) }
    #expect(s == schedule(kind))
  }
}
