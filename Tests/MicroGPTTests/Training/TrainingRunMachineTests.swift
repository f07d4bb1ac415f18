// Runs on a machine of files, in a time of their own: pauses to cool, and checkpoints by time.
import Testing

@testable import MicroGPT

/// A time that passes while a run sleeps, and when the test says so.
private final class FakeTime {
  var now = 1000.0
  /// What happens at each look at the clock while the run sleeps.
  var onSleep: (Double) throws -> Void = { _ in }
  private(set) var failures: [any Error] = []

  var clock: RunClock {
    RunClock(
      now: { self.now },
      sleep: {
        self.now += $0
        do { try self.onSleep(self.now) } catch { self.failures.append(error) }
      })
  }
}

/// Notes what it is told; stops when `stop` is set.
private final class Witness: TrainingObserver {
  var steps: [StepReport] = []
  var pauses: [CoolingReport] = []
  var evaluations: [Int] = []
  var stop = false
  var onStep: (Int) throws -> Void = { _ in }

  var shouldStop: Bool { stop }
  func didStep(_ report: StepReport) throws {
    steps.append(report)
    try onStep(report.step)
  }
  func didEvaluate(_ report: EvaluationReport, sample: String?) throws {
    evaluations.append(report.step)
  }
  func didCool(_ report: CoolingReport) throws { pauses.append(report) }
}

@Suite struct CoolingTests {
  @Test func pausesAndGoesOnBelow() {
    var cooling = Cooling(maximum: 75)
    #expect(cooling.decide(75, at: 0) == .run)
    #expect(cooling.decide(75.5, at: 1) == .wait(seconds: 0))
    #expect(cooling.decide(74, at: 3) == .wait(seconds: 2))
    #expect(cooling.decide(70.1, at: 5) == .wait(seconds: 4))
    #expect(cooling.decide(70, at: 7) == .goOn(seconds: 6))
    #expect(cooling.pausedSeconds == 6)
    #expect(cooling.decide(74, at: 8) == .run)
    #expect(cooling.decide(76, at: 9) == .wait(seconds: 0))
    cooling.end(at: 12)
    #expect(cooling.pausedSeconds == 9 && cooling.decide(74, at: 13) == .run)
  }

  /// A sensor may be silent for a while; it keeps what was decided.
  @Test func aSilentSensor() {
    var cooling = Cooling(maximum: 75)
    #expect(cooling.decide(nil, at: 100) == .run)
    #expect(cooling.decide(nil, at: 130) == .run)
    #expect(cooling.decide(nil, at: 131) == .lost)
    #expect(cooling.decide(80, at: 132) == .wait(seconds: 0))
    #expect(cooling.decide(nil, at: 140) == .wait(seconds: 8))
    #expect(cooling.decide(60, at: 162) == .goOn(seconds: 30))
    // After a long step a silence is a first one.
    #expect(cooling.decide(nil, at: 193) == .run)
    #expect(cooling.decide(nil, at: 224) == .lost)
  }

  @Test func theMessage() {
    let error = SensorError.lost(step: 7, path: "run/last.safetensors")
    #expect(error.exitCode == .unavailable)
    #expect(
      error.description == "the temperature sensor is gone. Found no answer for 30 s, expected a "
        + "temperature to hold against --max-temp; step 7 is saved in run/last.safetensors. Use "
        + "--resume when it answers again, or without --max-temp.")
  }
}

@Suite struct TrainingRunMachineTests {
  private static let temperature = FakeMachine.zone + "0/temp"

  private func small(_ name: String = "gpt2-dropout") throws -> SmallRun {
    try SmallRun(
      name, layout: .documents, steps: 12, batchSize: 2, accumulation: 2, schedule: .plateau)
  }

  private func drive(
    _ run: SmallRun, _ folder: TemporaryFolder, _ witness: Witness, time: FakeTime,
    machine: FakeMachine? = nil, progress: RunProgress = RunProgress(),
    save: SaveInterval = .steps(0), maximum: Double? = nil
  ) throws -> TrainingRun.End {
    var options = run.options(folder)
    (options.evaluateEvery, options.saveEvery, options.maximumCelsius) = (5, save, maximum)
    let course = try TrainingRun(
      trainer: run.trainer, validation: run.corpus.validation, tokenizer: run.tokenizer,
      layout: run.corpus.layout, options: options, progress: progress, compute: run.compute,
      sensors: machine.map { MachineSensors($0.tree, searchPath: "") }, clock: time.clock)
    return try course.run(witness)
  }

  private func savedStep(_ folder: TemporaryFolder) throws -> Int? {
    guard folder.names.contains("last.safetensors") else { return nil }
    return try TrainingCheckpoint.step(of: SafeTensors(path: folder.file("last.safetensors")))
  }

  // MARK: Heat

  /// Hot after step 4, cool again some seconds later: the same run, and no second of the pause is
  /// one of a step.
  @Test func pausesWhileItIsHot() throws {
    let plain = try small()
    _ = try drive(plain, try TemporaryFolder(), Witness(), time: FakeTime())
    let (run, machine) = (try small(), try FakeMachine(FakeMachine.raspberryPi))
    let (time, witness) = (FakeTime(), Witness())
    witness.onStep = { step in
      time.now += 1
      if step == 4 { try machine.put(Self.temperature, "76000\n") }
    }
    time.onSleep = { now in
      if now > 1010 { try machine.put(Self.temperature, "71000\n") }
      if now > 1020 { try machine.put(Self.temperature, "70000\n") }
    }
    let end = try drive(
      run, try TemporaryFolder(), witness, time: time, machine: machine, maximum: 75)
    #expect(end == .finished && time.failures.isEmpty && run.state == plain.state)
    #expect(Set(witness.pauses.map(\.step)) == [4])
    #expect(witness.pauses.first?.celsius == 76 && witness.pauses.first?.goal == 70)
    #expect(witness.pauses.filter(\.isOver).map(\.celsius) == [70])
    let pause = try #require(witness.pauses.last)
    #expect(pause.isOver && pause.seconds > 15 && pause.seconds < 18)
    #expect(witness.steps.map(\.pausedSeconds).prefix(4).allSatisfy { $0 == 0 })
    #expect(witness.steps.last?.pausedSeconds == pause.seconds)
    #expect(witness.steps.allSatisfy { $0.stepMilliseconds < 1 })
    #expect(witness.steps.first?.machine == MachineState(celsius: 61.2, megahertz: 2400))
  }

  @Test func stopsWhileItPauses() throws {
    let whole = try small()
    _ = try drive(whole, try TemporaryFolder(), Witness(), time: FakeTime())
    let (run, folder) = (try small(), try TemporaryFolder())
    let machine = try FakeMachine(FakeMachine.raspberryPi)
    let (time, witness) = (FakeTime(), Witness())
    witness.onStep = { step in
      time.now += 1
      if step == 3 { try machine.put(Self.temperature, "90000\n") }
    }
    time.onSleep = { now in witness.stop = now > 1100 }
    let end = try drive(run, folder, witness, time: time, machine: machine, maximum: 75)
    #expect(end == .stopped && run.trainer.step == 3)
    #expect(try savedStep(folder) == 3)
    let (trainer, progress, _) = try SmallRun.resumed(
      folder.file("last.safetensors"), layout: .documents, threads: 1)
    let rest = try drive(
      SmallRun(run, trainer), folder, Witness(), time: FakeTime(), progress: progress)
    #expect(rest == .finished && TrainerState(trainer) == whole.state)
  }

  @Test func aSensorThatVanishes() throws {
    let (run, folder) = (try small(), try TemporaryFolder())
    let machine = try FakeMachine(FakeMachine.raspberryPi)
    let (time, witness) = (FakeTime(), Witness())
    witness.onStep = { step in
      time.now += 20
      if step == 2 { try machine.put(Self.temperature, "rubbish\n") }
    }
    #expect(throws: SensorError.lost(step: 4, path: folder.file("last.safetensors"))) {
      _ = try drive(run, folder, witness, time: time, machine: machine, maximum: 75)
    }
    #expect(try savedStep(folder) == 4)
  }

  @Test func withoutALimitItNeverPauses() throws {
    var hot = FakeMachine.raspberryPi
    hot[Self.temperature] = "99000\n"
    let witness = Witness()
    let end = try drive(
      small(), try TemporaryFolder(), witness, time: FakeTime(), machine: FakeMachine(hot))
    #expect(end == .finished && witness.pauses.isEmpty)
    #expect(witness.steps.allSatisfy { $0.pausedSeconds == nil && $0.machine.celsius == 99 })
  }

  // MARK: Checkpoints by time

  /// A step takes 100 s, a checkpoint is due after 250 s: whatever is evaluated in between.
  @Test func savesByTime() throws {
    let (run, folder) = (try small(), try TemporaryFolder())
    let (time, witness) = (FakeTime(), Witness())
    var saved: [Int?] = []
    witness.onStep = { _ in
      saved.append(try savedStep(folder))
      time.now += 100
    }
    #expect(try drive(run, folder, witness, time: time, save: .seconds(250)) == .finished)
    #expect(saved == [nil, nil, nil, 3, 3, 3, 6, 6, 6, 9, 9, 9])
    #expect(witness.evaluations == [5, 10, 12] && time.failures.isEmpty)
    #expect(try savedStep(folder) == 12)
    let file = try SafeTensors(path: folder.file("last.safetensors"))
    #expect(try TrainingCheckpoint.progress(of: file).saveEvery == .seconds(250))
  }

  /// A run that was evaluated can be resumed, however rarely it is saved.
  @Test func savesAtTheFirstEvaluation() throws {
    let (run, folder, time) = (try small(), try TemporaryFolder(), FakeTime())
    let witness = Witness()
    var saved: [Int?] = []
    witness.onStep = { _ in saved.append(try savedStep(folder)) }
    #expect(try drive(run, folder, witness, time: time, save: .seconds(250)) == .finished)
    #expect(saved == [nil, nil, nil, nil, nil, 5, 5, 5, 5, 5, 5, 5])
    #expect(try savedStep(folder) == 12)
  }

  /// Killed at any step: what was not saved, evaluations included, is done again to the same bits.
  @Test(arguments: [4, 5, 6, 8, 11]) func killedBetweenSaves(_ last: Int) throws {
    struct Kill: Error {}
    let (whole, parts) = (try TemporaryFolder(), try TemporaryFolder())
    let (run, time) = (try small(), FakeTime())
    let witness = Witness()
    witness.onStep = { _ in time.now += 100 }
    _ = try drive(run, whole, witness, time: time, save: .seconds(250))
    let (killed, other) = (Witness(), FakeTime())
    killed.onStep = { step in
      other.now += 100
      if step == last { throw Kill() }
    }
    #expect(throws: Kill.self) {
      _ = try drive(small(), parts, killed, time: other, save: .seconds(250))
    }
    let (trainer, progress, _) = try SmallRun.resumed(
      parts.file("last.safetensors"), layout: .documents, threads: 2)
    #expect(progress.saveEvery == .seconds(250))
    let end = try drive(
      SmallRun(run, trainer), parts, Witness(), time: FakeTime(), progress: progress,
      save: .seconds(250))
    #expect(end == .finished && TrainerState(trainer) == run.state)
    for file in ["last.safetensors", "best.safetensors"] {
      let (a, b) = (try whole.content(file), try parts.content(file))
      #expect(a == b, "\(file)")
    }
  }
}
