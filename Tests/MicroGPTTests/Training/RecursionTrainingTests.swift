// Training of recursive models: memory, loops that grow, and that neither recomputation nor a
// resume changes a bit.
import Testing

@testable import MicroGPT

@Suite struct RecursionTrainingTests {
  /// The models of the budget that recursion is measured with: two layers, three passes.
  private func plan(passes: Int, recomputes: Bool) -> Int {
    var c = ModelFamily.modern.configuration(
      vocabularySize: 65, contextLength: 64, layerCount: 2, headCount: 4, modelWidth: 128)
    if passes > 1 { c.recursion = Recursion(steps: passes) }
    var recipe = TrainingConfiguration(
      steps: 1, batchSize: 12, adamW: AdamWConfiguration(),
      schedule: LearningRateSchedule(
        kind: .constant, maximum: 1, minimum: 1, warmupSteps: 0, totalSteps: 1, patience: 1))
    recipe.recomputes = recomputes
    let table = ParameterTable(c)
    return MemoryPlan(
      LossGraph(c, table, recipe, TrainingStage(passes: passes, loss: recipe.recursionLoss)).graph
    ).byteCount
  }

  /// With gates after each pass, and everything but one pass computed again.
  @Test func threePassesInTheMemoryOfOne() {
    let one = plan(passes: 1, recomputes: false)
    let three = plan(passes: 3, recomputes: true)
    #expect(Double(three) <= 1.25 * Double(one), "\(three) of \(one) bytes")
    #expect(plan(passes: 3, recomputes: false) > 2 * one)
  }

  @Test(arguments: RecursionLoss.allCases, SmallModels.recursive)
  func recomputingChangesNoBit(_ loss: RecursionLoss, _ name: String) throws {
    func trained(_ graph: GraphChoice) throws -> TrainerState {
      let run = try SmallRun(name, graph: graph, loss: loss)
      for _ in 0..<5 { _ = try run.trainer.runStep() }
      return run.state
    }
    let plain = try trained(.plain)
    let recomputed = try trained(GraphChoice(recomputes: true))
    #expect(recomputed == plain)
  }

  /// One pass for 35 % of the run, two up to its half, then all; resumed anywhere, bit by bit.
  @Test(arguments: [1, 3, 4, 5, 7]) func loopsGrow(_ stop: Int) throws {
    let stages = try stages(of: SmallRun("rlm", grows: true), stop)
    #expect(stages.map(\.passes) == [1, 1, 1, 1, 2, 3, 3, 3, 3, 3])
    #expect(stages.allSatisfy { $0.loss == .gate })
  }

  /// The last pass alone for a quarter of the run, then the gates; resumed anywhere, bit by bit.
  @Test(arguments: [1, 2, 3, 4]) func gatesBeginLater(_ stop: Int) throws {
    let stages = try stages(of: SmallRun("rlm", gateStart: 0.25), stop)
    #expect(
      stages.map(\.loss) == Array(repeating: .final, count: 3) + Array(repeating: .gate, count: 7))
    #expect(stages.allSatisfy { $0.passes == 3 })
    let plain = try self.stages(of: SmallRun("modern", gateStart: 0.25), stop)
    #expect(plain.allSatisfy { $0 == plain[0] })
  }

  /// The time of a run counts the passes of its later stages, not those of its first.
  @Test func timeCountsAllStages() throws {
    let growing = try SmallRun("rlm", grows: true).trainer
    let stages = growing.configuration.stages(from: 2, of: 3)
    #expect(stages.map(\.stage.passes) == [1, 2, 3] && stages.map(\.stepCount) == [2, 1, 5])
    #expect(growing.configuration.stages(from: 10, of: 3).isEmpty)
    // Seconds that make the update's small.
    let whole = try SmallRun("rlm").trainer.secondsLeft(passSeconds: 3e9, peak: .infinity)
    let parts = growing.secondsLeft(passSeconds: 1e9, peak: .infinity)
    // Ten steps of 1 against 4 of 1, 1 of 2 and 5 of 3 passes; embedding and head come on top.
    #expect(whole > 2.9e10 && parts > 1.8e10 && parts < 2.4e10, "\(parts) of \(whole)")
  }

  /// The stages of the ten steps of `run`, which ends with the same bits where it is resumed.
  private func stages(of run: SmallRun, _ stop: Int) throws -> [TrainingStage] {
    let folder = try TemporaryFolder()
    var stages: [TrainingStage] = []
    var path = ""
    for step in 0..<10 {
      if step == stop { path = try run.save(folder.file("a.safetensors")) }
      try run.trainer.prepareStep()
      stages.append(run.trainer.stage)
      _ = try run.trainer.runStep()
    }
    let (trainer, _, compute) = try SmallRun.resumed(path, layout: .stream, threads: 2)
    for _ in stop..<10 {
      try trainer.prepareStep()
      _ = try trainer.runStep()
    }
    #expect(TrainerState(trainer) == run.state && compute.threadCount == 2)
    return stages
  }
}
