// A training step allocates nothing.
import Testing

@testable import MicroGPT

@Suite struct TrainerAllocationTests {
  @Test(
    arguments: CorpusLayout.allCases,
    ["modern-dropout", "gpt2-dropout", "picogpt", "llama-gqa-tied"])
  func steps(_ layout: CorpusLayout, _ name: String) throws {
    let run = try SmallRun(name, layout: layout, threads: 2, steps: 100, accumulation: 2)
    for _ in 0..<3 { _ = try run.trainer.runStep() }
    let count = try allocations(on: run.compute) {
      for _ in 0..<20 { _ = try run.trainer.runStep() }
    }
    #expect(count ?? 0 == 0)
  }

  @Test(arguments: OptimizerChoice.all) func optimizers(_ optimizer: OptimizerChoice) throws {
    let run = try SmallRun("modern", threads: 2, steps: 100, optimizer: optimizer)
    for _ in 0..<3 { _ = try run.trainer.runStep() }
    let count = try allocations(on: run.compute) {
      for _ in 0..<20 { _ = try run.trainer.runStep() }
    }
    #expect(count ?? 0 == 0)
  }

  @Test(arguments: GraphChoice.all, ["modern-dropout", "gpt2"])
  func graphs(_ graph: GraphChoice, _ name: String) throws {
    let run = try SmallRun(name, threads: 2, steps: 100, accumulation: 2, graph: graph)
    for _ in 0..<3 { _ = try run.trainer.runStep() }
    let count = try allocations(on: run.compute) {
      for _ in 0..<20 { _ = try run.trainer.runStep() }
    }
    #expect(count ?? 0 == 0)
  }

  @Test func plantedAllocations() throws {
    let compute = try Compute(threadCount: 2)
    var arena: Arena?
    guard let count = try allocations(on: compute, { arena = try Arena(byteCount: 64) }) else {
      return
    }
    // The object and its block.
    #expect(count == 2 && arena != nil)
    let appended = allocations(on: compute) {
      var numbers: [Int] = []
      for i in 0..<100 { numbers.append(i) }
    }
    #expect((appended ?? 0) > 0)
    #expect(allocations(on: compute) {} == 0)
  }
}
