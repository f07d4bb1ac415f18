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
    return MemoryPlan(LossGraph(c, table, recipe, passes: passes).graph).byteCount
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
    let folder = try TemporaryFolder()
    let run = try SmallRun("rlm", grows: true)
    var passes: [Int] = []
    var path = ""
    for step in 0..<10 {
      if step == stop { path = try run.save(folder.file("a.safetensors")) }
      try run.trainer.prepareStep()
      passes.append(run.trainer.passCount)
      _ = try run.trainer.runStep()
    }
    #expect(passes == [1, 1, 1, 1, 2, 3, 3, 3, 3, 3])
    let (trainer, _, compute) = try SmallRun.resumed(path, layout: .stream, threads: 2)
    for _ in stop..<10 {
      try trainer.prepareStep()
      _ = try trainer.runStep()
    }
    #expect(TrainerState(trainer) == run.state && compute.threadCount == 2)
  }
}
