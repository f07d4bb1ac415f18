// The estimate of a run's memory is what the run reserves, and says so too where that is absurd.
import CKernels
import Testing

@testable import MicroGPT

@Suite struct MemoryEstimateTests {
  @Test(arguments: ["gpt2", "modern", "picogpt"], OptimizerChoice.all)
  func equalsWhatIsReserved(_ name: String, _ optimizer: OptimizerChoice) throws {
    let run = try SmallRun(
      name, threads: 2, batchSize: 3, accumulation: 2, optimizer: optimizer)
    let c = run.trainer.model.configuration
    let estimate = MemoryEstimate(
      c, run.trainer.configuration, tokenCount: run.corpus.tokenCount, samples: true,
      compute: run.compute)
    func part(_ name: String) -> Int {
      estimate.parts.first { $0.name.hasPrefix(name) }?.byteCount ?? -1
    }
    let trainer = run.trainer
    #expect(part("weights") == trainer.model.weights.byteCount)
    #expect(part("gradients") == trainer.gradients.byteCount)
    let moments = trainer.optimizer.moments.map(\.values)
    #expect(
      part("optimizer") == moments.reduce(0) { $0 + $1.values.byteCount + $1.scales.byteCount })
    #expect(part("work") == (trainer.optimizer as? Muon)?.workByteCount ?? -1)
    #expect(part("batches") == 2 * 2 * 3 * c.contextLength * 4)
    #expect(part("scratch") == run.compute.scratchByteCount)
    #expect(part("tokens") == 4 * run.corpus.training.tokens.count)
    let cache = try KeyValueCache(c)
    #expect(part("cache") > cache.slots.reduce(0) { $0 + $1.byteCount })
    #expect(estimate.byteCount == estimate.parts.reduce(0) { $0 + $1.byteCount })
  }

  /// The largest sizes that flags allow: a number, no overflow, and no memory.
  @Test func absurdSizes() throws {
    let compute = try Compute(threadCount: 1)
    let c = ModelFamily.gpt2.configuration(
      vocabularySize: 1 << 24, contextLength: 1 << 20, layerCount: 8, headCount: 1024,
      modelWidth: 65536, hiddenWidth: 1 << 20)
    try c.validate()
    let recipe = TrainingConfiguration(
      steps: 1, batchSize: 65536, gradientAccumulation: 65536, adamW: AdamWConfiguration(),
      schedule: LearningRateSchedule(
        kind: .constant, maximum: 1, minimum: 0, warmupSteps: 0, totalSteps: 1, patience: 1))
    let estimate = MemoryEstimate(c, recipe, samples: true, compute: compute)
    #expect(estimate.byteCount > MemoryPlan.impossibleByteCount)
    #expect(throws: MemoryError.self) { try GPT(c) }
    let small = SmallModels.configuration("gpt2")
    let model = try GPT(small)
    var absurd = small
    absurd.contextLength = 1 << 20
    let loss = LossGraph(
      absurd, ParameterTable(absurd), batchSize: 1 << 50 / 4, sequenceLength: 1,
      isTraining: false)
    #expect(throws: MemoryError.self) {
      try Executor(loss.graph, compute: compute, parameters: model.weights)
    }
    #expect(
      MemoryError.exhausted(byteCount: MemoryPlan.impossibleByteCount).description
        == "out of memory: 1099511627776 MiB could not be reserved. Use a smaller --batch-size, "
        + "--context or --embed-dim.")
  }
}
