// Running planned graphs: nothing depends on what memory held before, or on other graphs of the
// same model.
import CKernels
import Testing

@testable import MicroGPT

@Suite struct ExecutorTests {
  /// Fills everything but inputs and constants with NaN: activations, gradients, scratch.
  private func poison(_ executor: Executor, _ compute: Compute) throws {
    let (graph, plan) = (executor.graph, executor.plan)
    let input = try #require(
      graph.tensors.indices.first { if case .input = graph.roles[$0] { true } else { false } })
    let block = try #require(plan.valueBlock[input])
    let address = executor.integers(graph.tensors[input]).baseAddress
    let arena = UnsafeMutableRawPointer(try #require(address)) - plan.blocks[block].offset
    var isKept = [Bool](repeating: false, count: plan.byteCount)
    for (id, role) in graph.roles.enumerated() {
      switch role {
      case .input, .constant:
        guard let block = plan.valueBlock[id].map({ plan.blocks[$0] }) else { continue }
        for i in 0..<block.byteCount { isKept[block.offset + i] = true }
      case .parameter, .activation: break
      }
    }
    for offset in stride(from: 0, to: plan.byteCount, by: 4) where !isKept[offset] {
      arena.storeBytes(of: Float.nan, toByteOffset: offset, as: Float.self)
    }
    let context = compute.context.pointee
    for i in 0..<(context.scratch_per_worker * compute.threadCount) { context.scratch[i] = .nan }
  }

  @Test(arguments: SmallModels.names) func poisonedMemory(_ name: String) throws {
    let model = try SmallModels.model(name)
    let compute = try Compute(threadCount: 2)
    let (tokens, targets) = randomBatch(10, vocabulary: SmallModels.vocabularySize, seed: 2)
    for isTraining in [true, false] {
      let runner = try LossRunner(
        model, batchSize: 2, sequenceLength: 5, compute: compute, isTraining: isTraining)
      let loss = runner.run(tokens, targets)
      let gradients = Array(runner.gradients.floats)
      for _ in 0..<2 {
        try poison(runner.executor, compute)
        #expect(runner.run(tokens, targets) == loss)
        #expect(Array(runner.gradients.floats) == gradients)
      }
      #expect(gradients.allSatisfy { $0.isFinite })
      #expect(gradients.contains { $0 != 0 } == isTraining)
    }
  }

  /// Dropping values and computing them again changes no bit, whatever memory held in between.
  @Test(arguments: SmallModels.names) func recomputing(_ name: String) throws {
    var c = SmallModels.configuration(name)
    c.layerCount = 4
    let model = try GPT(c)
    SmallModels.randomize(model, seed: 5)
    let compute = try Compute(threadCount: 2)
    let (tokens, targets) = randomBatch(10, vocabulary: SmallModels.vocabularySize, seed: 2)
    func runner(_ recomputes: Bool) throws -> LossRunner {
      let runner = try LossRunner(
        model, batchSize: 2, sequenceLength: 5, compute: compute, recomputes: recomputes)
      runner.executor.state.pointee.dropoutKey = 77
      return runner
    }
    let plain = try runner(false)
    let loss = plain.run(tokens, targets)
    let frugal = try runner(true)
    let again = frugal.executor.plan.schedule.moments.count { $0.direction == .recompute }
    #expect(again >= 3 * 5)
    #expect(frugal.executor.plan.byteCount < plain.executor.plan.byteCount)
    for _ in 0..<2 {
      try poison(frugal.executor, compute)
      #expect(frugal.run(tokens, targets) == loss)
      let isSame = frugal.gradients.floats.elementsEqual(plain.gradients.floats)
      #expect(isSame)
    }
  }

  /// The first backward of a step writes the gradients that nobody zeroed, and adds to the others.
  @Test(arguments: SmallModels.names, [false, true])
  func firstBackwardWrites(_ name: String, _ recomputes: Bool) throws {
    var c = SmallModels.configuration(name)
    (c.modelWidth, c.hiddenWidth) = (c.modelWidth * 8, 300)
    let model = try GPT(c)
    SmallModels.randomize(model, seed: 6)
    let compute = try Compute(threadCount: 2)
    let (tokens, targets) = randomBatch(10, vocabulary: SmallModels.vocabularySize, seed: 2)
    let runner = try LossRunner(
      model, batchSize: 2, sequenceLength: 5, compute: compute, recomputes: recomputes)
    let again = runner.executor.plan.schedule.moments.count { $0.direction == .recompute }
    #expect((again > 0) == (recomputes && c.layerCount > 1))
    let loss = runner.run(tokens, targets)
    let expected = Array(runner.gradients.floats)
    let block = runner.gradients.floats
    block.update(repeating: .nan)
    let ranges = runner.executor.rangesToZero(elementCount: model.table.elementCount)
    for range in ranges { for i in range { block[i] = 0 } }
    let unset = block.count { $0.isNaN }
    #expect(unset >= 4 * c.layerCount * c.modelWidth * c.modelWidth)
    runner.executor.forward()
    runner.executor.backward(isFirst: true)
    #expect(runner.executor.state.pointee.lossSum == loss)
    let isSame = block.elementsEqual(expected)
    #expect(isSame)
  }

  @Test(arguments: SmallModels.names) func poisonedDecoding(_ name: String) throws {
    let model = try SmallModels.model(name)
    let c = model.configuration
    let compute = try Compute(threadCount: 2)
    let cache = try KeyValueCache(c)
    cache.memory.floats.update(repeating: .nan)
    let graph = LogitsGraph(c, model.table, batchSize: 1, sequenceLength: 3, cached: true)
    let executor = try Executor(graph.graph, compute: compute, parameters: model.weights)
    let table = SequenceTable(sequenceCount: 1)
    table.set(0, cache: cache, position: 0, count: 3)
    executor.state.pointee.sequences = table.sequences
    _ = executor.integers(graph.tokens).update(fromContentsOf: [1, 5, 2])
    executor.forward()
    let logits = Array(executor.floats(graph.logits))
    #expect(logits.allSatisfy { $0.isFinite })
    try poison(executor, compute)
    executor.forward()
    #expect(Array(executor.floats(graph.logits)) == logits)
  }

  /// Graphs made by hand, where memory is shared in ways that no model has.
  @Test(arguments: SharedGradientTests.cases) func poisonedGraphs(_ subject: GraphCase) throws {
    let compute = try Compute(threadCount: 1)
    let run = try GraphRun(subject, seed: 3)
    let loss = run.run()
    let gradients = run.parameters.indices.map(run.gradient)
    try poison(run.executor, compute)
    #expect(run.run() == loss)
    #expect(run.parameters.indices.map(run.gradient) == gradients)
  }

  /// Scratch grows with the largest graph; smaller ones made before go on working.
  @Test func scratchIsSharedByExecutors() throws {
    let compute = try Compute(threadCount: 2)
    let model = try SmallModels.model("gpt2")
    let (tokens, targets) = randomBatch(10, vocabulary: SmallModels.vocabularySize, seed: 4)
    let small = try LossRunner(model, batchSize: 2, sequenceLength: 5, compute: compute)
    let loss = small.run(tokens, targets)
    var wide = SmallModels.configuration("modern")
    (wide.modelWidth, wide.contextLength) = (256, 64)
    _ = try LossRunner(GPT(wide, seed: 1), batchSize: 1, sequenceLength: 64, compute: compute)
    #expect(small.run(tokens, targets) == loss)
  }

  @Test func impossibleComputes() {
    #expect(throws: ComputeError.noThreads(count: 0)) { try Compute(threadCount: 0) }
    do {
      _ = try Compute(threadCount: 1, backEnd: "mmx")
      Issue.record("no error")
    } catch {
      #expect(
        "\(error)"
          == "the back end \"mmx\" can't run here. Leave MGPT_ISA unset to use the best one.")
    }
  }
}
