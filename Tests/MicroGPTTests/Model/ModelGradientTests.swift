// Loss, logits and gradients of whole models against the double-precision reference.
import Testing

@testable import MicroGPT

@Suite struct ModelGradientTests {
  static let (batch, time) = (2, 5)

  /// A model's run and the reference at the same weights, dropout masks included.
  private func subject(
    _ name: String, threads: Int = 2
  ) throws -> (LossRunner, ReferenceModel, [Int32], [Int32], Double) {
    let model = try SmallModels.model(name, seed: 5)
    let compute = try Compute(threadCount: threads)
    let runner = try LossRunner(
      model, batchSize: Self.batch, sequenceLength: Self.time, compute: compute)
    let (tokens, targets) = randomBatch(
      Self.batch * Self.time, vocabulary: SmallModels.vocabularySize, seed: 6)
    runner.executor.state.pointee.dropoutKey = 0x1234_5678_9ABC_DEF0
    var reference = ReferenceModel(model)
    reference.masks = runner.dropoutMasks(compute)
    return (runner, reference, tokens, targets, runner.run(tokens, targets))
  }

  @Test(arguments: SmallModels.names) func lossAndGradients(_ name: String) throws {
    let (runner, reference, tokens, targets, loss) = try subject(name)
    let expected = reference.loss(tokens, targets, time: Self.time)
    #expect(abs(loss - expected) < 1e-5 * expected, "\(name)")
    let table = runner.model.table.parameters
    let check = GradientCheck(
      names: table.map(\.name), values: table.map { reference.parameters[$0.name] ?? [] },
      gradients: table.map(runner.gradient)
    ) { values in
      var moved = reference
      for (parameter, values) in zip(table, values) { moved.parameters[parameter.name] = values }
      return moved.loss(tokens, targets, time: Self.time)
    }
    #expect(check.directions(8, seed: 7) == [], "\(name)")
    #expect(check.entries(sample: 3, seed: 8) == [], "\(name)")
  }

  /// The evaluation graph computes its loss in forward, on another plan.
  @Test(arguments: SmallModels.names) func evaluationLoss(_ name: String) throws {
    let model = try SmallModels.model(name, seed: 5)
    let runner = try LossRunner(
      model, batchSize: Self.batch, sequenceLength: Self.time, compute: Compute(threadCount: 1),
      isTraining: false)
    let (tokens, targets) = randomBatch(
      Self.batch * Self.time, vocabulary: SmallModels.vocabularySize, seed: 6)
    let expected = ReferenceModel(model).loss(tokens, targets, time: Self.time)
    #expect(abs(runner.run(tokens, targets) - expected) < 1e-5 * expected)
  }

  /// All at once, and one token at a time on the cache.
  @Test(arguments: SmallModels.names) func logits(_ name: String) throws {
    let model = try SmallModels.model(name, seed: 9)
    let c = model.configuration
    let compute = try Compute(threadCount: 2)
    let (tokens, _) = randomBatch(c.contextLength, vocabulary: c.vocabularySize, seed: 10)
    let expected = ReferenceModel(model).logits(tokens, time: tokens.count).values.map {
      Float(Reference.softCap($0, c.logitSoftCap))
    }
    let graph = LogitsGraph(
      c, model.table, batchSize: 1, sequenceLength: tokens.count, cached: false)
    let executor = try Executor(graph.graph, compute: compute, parameters: model.weights)
    _ = executor.integers(graph.tokens).update(fromContentsOf: tokens)
    executor.forward()
    #expect(largestDifference(executor.floats(graph.logits), expected) < 1e-5)
    let decoder = try Decoder(model: model, compute: compute)
    for (t, token) in tokens.enumerated() {
      let found = UnsafeBufferPointer(start: decoder.decode(token), count: c.vocabularySize)
      let row = expected[(t * c.vocabularySize)..<((t + 1) * c.vocabularySize)]
      #expect(largestDifference(found, row) < 1e-5, "token \(t)")
    }
  }

  /// The checker sees a gradient that is wrong by 1 % in one entry, and one that is missing.
  @Test func plantedFaults() throws {
    let (runner, reference, tokens, targets, _) = try subject("modern")
    let parameter = try #require(runner.model.table["norm.weight"])
    func check(_ gradient: [Double]) -> GradientCheck {
      GradientCheck(
        names: ["norm.weight"], values: [reference.parameters["norm.weight"] ?? []],
        gradients: [gradient]
      ) { values in
        var moved = reference
        moved.parameters["norm.weight"] = values[0]
        return moved.loss(tokens, targets, time: Self.time)
      }
    }
    var gradient = runner.gradient(parameter)
    #expect(check(gradient).entries(sample: 100, seed: 1) == [])
    let largest = try #require(gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) })
    gradient[largest] *= 1.01
    #expect(check(gradient).entries(sample: 100, seed: 1).count == 1)
    #expect(!check(gradient).directions(8, seed: 1).isEmpty)
    gradient[largest] = 0
    #expect(check(gradient).entries(sample: 100, seed: 1).count == 1)
  }
}
