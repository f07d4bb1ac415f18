// Training graphs in bfloat16: near float32, the same bits for any thread count and with
// recomputation, and smaller.
import CKernels
import Testing

@testable import MicroGPT

@Suite struct PrecisionTests {
  private func runner(
    _ model: GPT, _ compute: Compute, _ precision: Precision, recomputes: Bool = false
  ) throws -> LossRunner {
    let runner = try LossRunner(
      model, batchSize: 2, sequenceLength: 5, compute: compute, recomputes: recomputes,
      precision: precision)
    runner.executor.state.pointee.dropoutKey = 99
    return runner
  }

  private func model(_ name: String) throws -> GPT {
    var c = SmallModels.configuration(name)
    (c.layerCount, c.modelWidth, c.hiddenWidth) = (3, c.modelWidth * 4, 100)
    let model = try GPT(c)
    SmallModels.randomize(model, seed: 8)
    return model
  }

  /// Rounding errs by 2^-9 of each operand: gradients of three layers agree to a few percent of
  /// their norm, and are not the same.
  @Test(arguments: SmallModels.names) func nearFloat32(_ name: String) throws {
    let model = try model(name)
    let compute = try Compute(threadCount: 2)
    let (tokens, targets) = randomBatch(10, vocabulary: SmallModels.vocabularySize, seed: 3)
    let exact = try runner(model, compute, .float32)
    let rounded = try runner(model, compute, .bfloat16)
    let loss = exact.run(tokens, targets)
    #expect(abs(rounded.run(tokens, targets) - loss) < 0.02 * abs(loss))
    var (difference, norm) = (0.0, 0.0)
    for (a, b) in zip(exact.gradients.floats, rounded.gradients.floats) {
      difference += Double((a - b) * (a - b))
      norm += Double(a * a)
    }
    let error = (difference / norm).squareRoot()
    #expect(error > 1e-4 && error < 0.06, "\(error)")
  }

  @Test(arguments: SmallModels.names) func sameBits(_ name: String) throws {
    let model = try model(name)
    let (tokens, targets) = randomBatch(10, vocabulary: SmallModels.vocabularySize, seed: 3)
    let first = try runner(model, Compute(threadCount: 1), .bfloat16)
    let loss = first.run(tokens, targets)
    for threads in [2, 4] {
      for recomputes in [false, true] {
        let other = try runner(
          model, Compute(threadCount: threads), .bfloat16, recomputes: recomputes)
        #expect(other.run(tokens, targets) == loss)
        let isSame = other.gradients.floats.elementsEqual(first.gradients.floats)
        #expect(isSame, "\(threads) threads, recomputes \(recomputes)")
      }
    }
  }

  /// What backward reads of the values takes half the memory.
  @Test func smaller() throws {
    let c = ModelFamily.gpt2.configuration(
      vocabularySize: 65, contextLength: 64, layerCount: 8, headCount: 4, modelWidth: 128)
    func size(_ precision: Precision) -> Int {
      MemoryPlan(
        LossGraph(
          c, ParameterTable(c), batchSize: 4, sequenceLength: 64, isTraining: true,
          precision: precision
        ).graph
      ).byteCount
    }
    #expect(Double(size(.bfloat16)) < 0.65 * Double(size(.float32)))
  }

  /// Evaluation and generation use the float32 weights as they are.
  @Test func onlyTraining() {
    let c = SmallModels.configuration("modern")
    let loss = LossGraph(
      c, ParameterTable(c), batchSize: 1, sequenceLength: 4, isTraining: false,
      precision: .bfloat16)
    let isWide = loss.graph.tensors.allSatisfy { $0.elementType != .bfloat16 }
    #expect(isWide && loss.graph.precision == .float32)
  }
}
