// The estimate of a run's memory is what the run reserves, and says so too where that is absurd.
import CKernels
import Testing

@testable import MicroGPT

@Suite struct MemoryEstimateTests {
  @Test(arguments: ["gpt2", "modern", "picogpt", "rlm"], OptimizerChoice.all)
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
    #expect(part("cache") > cache.byteCount)
    #expect(estimate.byteCount == estimate.parts.reduce(0) { $0 + $1.byteCount })
  }

  /// What is planned is what the executor has, in either precision and with blocks computed again.
  @Test(arguments: GraphChoice.all) func equalsWhatGraphsReserve(_ graph: GraphChoice) throws {
    let run = try SmallRun("modern", threads: 2, graph: graph)
    let estimate = MemoryEstimate(
      run.trainer.model.configuration, run.trainer.configuration, samples: false,
      compute: run.compute)
    let planned = estimate.parts.first { $0.name == "activations of a step" }?.byteCount
    #expect(planned == run.trainer.executor.plan.byteCount)
    let scratch = estimate.parts.first { $0.name.hasPrefix("scratch") }?.byteCount
    #expect(scratch == run.compute.scratchByteCount)
  }

  /// Below the plan for every choice, and not far below it where blocks and weights prevail.
  @Test(arguments: OptimizerChoice.all, GraphChoice.all)
  func leastIsALowerBound(_ optimizer: OptimizerChoice, _ graph: GraphChoice) throws {
    let compute = try Compute(threadCount: 1)
    var recipe = TrainingConfiguration(
      steps: 1, batchSize: 2, adamW: AdamWConfiguration(),
      schedule: LearningRateSchedule(
        kind: .constant, maximum: 1, minimum: 0, warmupSteps: 0, totalSteps: 1, patience: 1))
    (recipe.optimizer, recipe.optimizerState) = (optimizer.kind, optimizer.format)
    (recipe.precision, recipe.recomputes) = (graph.precision, graph.recomputes)
    func check(_ c: ModelConfiguration, atLeast share: Double) {
      let planned = Double(
        MemoryEstimate(c, recipe, evaluation: false, samples: false, compute: compute).byteCount)
      let least = MemoryEstimate.leastByteCount(c, recipe)
      #expect(least <= planned && least >= share * planned, "\(least) of \(planned)")
    }
    for name in SmallModels.names { check(SmallModels.configuration(name), atLeast: 0) }
    for family in ModelFamily.allCases {
      let large = family.configuration(
        vocabularySize: 1000, contextLength: 512, layerCount: 8, headCount: 8, modelWidth: 1024)
      check(large, atLeast: 0.25)
    }
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
        + "--context or --embed-dim; to train also --recompute, --optimizer-state int8 or "
        + "--precision bf16.")
  }
}
