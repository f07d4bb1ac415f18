// What a memory plan promises, checked by playing it through: who lies where at each moment, and
// whether what is read is still there.
import Testing

@testable import MicroGPT

@Suite struct MemoryPlanTests {
  /// Every kind of graph of a small configuration.
  static func graphs(_ name: String) -> [(String, Graph)] {
    let c = SmallModels.configuration(name)
    let table = ParameterTable(c)
    func loss(_ isTraining: Bool, recomputes: Bool = false) -> Graph {
      LossGraph(
        c, table, batchSize: 2, sequenceLength: 5, isTraining: isTraining, recomputes: recomputes
      ).graph
    }
    func logits(_ time: Int, cached: Bool) -> Graph {
      LogitsGraph(c, table, batchSize: 1, sequenceLength: time, cached: cached).graph
    }
    return [
      ("training", loss(true)), ("recomputing", loss(true, recomputes: true)),
      ("evaluation", loss(false)),
      ("logits", logits(4, cached: false)), ("prefill", logits(4, cached: true)),
      ("decode", logits(1, cached: true)),
    ]
  }

  @Test(arguments: SmallModels.names) func invariants(_ name: String) {
    for (kind, graph) in Self.graphs(name) {
      let plan = MemoryPlan(graph)
      #expect(overlaps(plan) == [], "\(name) \(kind)")
      #expect(lostValues(plan, graph) == [], "\(name) \(kind)")
      #expect(lostGradients(plan, graph) == [], "\(name) \(kind)")
      let again = MemoryPlan(graph)
      #expect(plan.valueBlock == again.valueBlock && plan.gradientBlock == again.gradientBlock)
      #expect(plan.blocks.map(\.offset) == again.blocks.map(\.offset))
      #expect(plan.accumulateBits == again.accumulateBits)
    }
  }

  @Test(arguments: SharedGradientTests.cases + OperationGradientTests.all)
  func invariantsOfGraphsMadeByHand(_ subject: GraphCase) throws {
    let run = try GraphRun(subject, seed: 1)
    #expect(overlaps(run.executor.plan) == [])
    #expect(lostValues(run.executor.plan, run.executor.graph) == [])
    #expect(lostGradients(run.executor.plan, run.executor.graph) == [])
  }

  /// What recomputing is for: values of one block at a time, and one tensor for each of the others.
  @Test func recomputingKeepsOneTensorPerBlock() {
    var c = SmallModels.configuration("modern")
    func size(_ layers: Int, recomputes: Bool) -> Int {
      c.layerCount = layers
      let loss = LossGraph(
        c, ParameterTable(c), batchSize: 2, sequenceLength: 5, isTraining: true,
        recomputes: recomputes)
      return MemoryPlan(loss.graph).byteCount
    }
    let tensor = Arena.rounded(2 * 5 * c.modelWidth * 4)
    #expect(size(9, recomputes: true) - size(5, recomputes: true) == 4 * tensor)
    #expect(size(9, recomputes: false) - size(5, recomputes: false) > 20 * tensor)
  }

  /// Sharing pays: a deep inference graph needs no more than a shallow one.
  @Test func inferenceDoesNotGrowWithDepth() {
    var c = SmallModels.configuration("modern")
    func size() -> Int {
      MemoryPlan(
        LossGraph(
          c, ParameterTable(c), batchSize: 2, sequenceLength: 5, isTraining: false
        ).graph
      ).byteCount
    }
    let shallow = size()
    c.layerCount = 9
    #expect(size() == shallow)
  }

  /// The checkers see a block that ends too early, and two in the same place.
  @Test func plantedFaults() throws {
    let (_, graph) = Self.graphs("gpt2")[0]
    let plan = MemoryPlan(graph)
    let busy = plan.blocks.indices.filter { plan.blocks[$0].byteCount > 0 }
    var blocks = plan.blocks
    for i in busy { blocks[i].offset = 0 }
    #expect(!overlaps(blocks, arena: plan.byteCount).isEmpty)
    blocks = plan.blocks
    blocks[try #require(busy.last)].offset = plan.byteCount
    #expect(!overlaps(blocks, arena: plan.byteCount).isEmpty)
    let embedding = try #require(plan.valueBlock[graph.operations[0].outputs[0].id])
    blocks = plan.blocks
    blocks[embedding].last = 0
    #expect(!lostValues(plan, graph, blocks: blocks).isEmpty)
    var values = plan.valueBlock
    values[graph.operations[1].outputs[0].id] = embedding
    #expect(!lostValues(plan, graph, values: values).isEmpty)
  }

  // MARK: Checkers

  private func overlaps(_ plan: MemoryPlan) -> [String] {
    overlaps(plan.blocks, arena: plan.byteCount)
  }

  /// Pairs of blocks that share bytes while both live, and blocks outside the arena.
  private func overlaps(_ blocks: [MemoryPlan.Block], arena: Int) -> [String] {
    var faults: [String] = []
    for (i, a) in blocks.enumerated() {
      if a.offset % Arena.alignment != 0 || a.offset < 0 || a.offset + a.byteCount > arena {
        faults.append("block \(i) at \(a.offset)")
      }
      for (j, b) in blocks[..<i].enumerated()
      where a.first <= b.last && b.first <= a.last && a.offset < b.offset + b.byteCount
        && b.offset < a.offset + a.byteCount
      {
        faults.append("blocks \(j) and \(i)")
      }
    }
    return faults
  }

  /// Plays forward and backward: each block holds the tensor written last; reads of others are
  /// faults, and so are uses of a block outside its life.
  private func lostValues(
    _ plan: MemoryPlan, _ graph: Graph, blocks: [MemoryPlan.Block]? = nil, values: [Int?]? = nil
  ) -> [String] {
    let blocks = blocks ?? plan.blocks
    let early = values ?? plan.valueBlock
    let late = values ?? plan.lateValueBlock
    var holds: [Int: Int] = [:]
    var faults: [String] = []
    func use(_ tensor: Tensor, at moment: Int, writes: Bool, _ what: String) {
      switch graph.roles[tensor.id] {
      case .parameter: return
      case .input, .constant, .activation: break
      }
      let isLate = moment >= graph.operations.count
      guard let block = (isLate ? late : early)[tensor.id] else {
        return faults.append("\(what) has no place")
      }
      if writes { holds[block] = tensor.id }
      let isAlive = (blocks[block].first...blocks[block].last).contains(moment)
      if !isAlive || holds[block] != tensor.id || blocks[block].byteCount < tensor.byteCount {
        faults.append("\(what) at \(moment): tensor \(tensor.id) in block \(block)")
      }
    }
    for (tensor, role) in zip(graph.tensors, graph.roles) {
      switch role {
      case .input, .constant: use(tensor, at: 0, writes: true, "input")
      case .parameter, .activation: break
      }
    }
    for (moment, entry) in plan.schedule.moments.enumerated() {
      let operation = graph.operations[entry.operation]
      if entry.direction == .backward {
        for tensor in operation.saved { use(tensor, at: moment, writes: false, "backward") }
      } else {
        for tensor in operation.inputs { use(tensor, at: moment, writes: false, operation.name) }
        for tensor in operation.outputs { use(tensor, at: moment, writes: true, operation.name) }
        // Outputs of one operation lie apart.
        for tensor in operation.outputs { use(tensor, at: moment, writes: false, operation.name) }
      }
      if (entry.direction == .backward) == graph.isTraining {
        for tensor in operation.workspace { use(tensor, at: moment, writes: true, "workspace") }
      }
    }
    for id in graph.kept {
      use(graph.tensors[id], at: plan.schedule.moments.count, writes: false, "kept")
    }
    return faults
  }

  /// Plays backward with sets of contributions for numbers: the gradient that a producer reads must
  /// consist of one contribution by each reader of the tensor, and of nothing else.
  private func lostGradients(_ plan: MemoryPlan, _ graph: Graph) -> [String] {
    guard graph.isTraining else { return [] }
    var contents: [Int: [String]] = [:]
    var expected: [Int: [String]] = [:]
    var faults: [String] = []
    for (t, operation) in graph.operations.enumerated().reversed() {
      let moment = plan.schedule.backwardMoment[t]
      func block(_ tensor: Tensor) -> Int? {
        let block = plan.gradientBlock[tensor.id]
        if let block, !(plan.blocks[block].first...plan.blocks[block].last).contains(moment) {
          faults.append("gradient of \(tensor.id) at \(moment) outside block \(block)")
        }
        return block
      }
      // What the operation makes of the gradient of its outputs; a pass-through adds to it first.
      for output in operation.outputs where expected[output.id] != nil {
        let found = block(output).flatMap { contents[$0] } ?? []
        if found.sorted() != expected[output.id]?.sorted() {
          faults.append("\(operation.name) \(t): \(found), expected \(expected[output.id] ?? [])")
        }
      }
      var passed: [String] = []
      if let pass = operation.passThrough, let target = block(pass.output) {
        let isSet = plan.accumulateBits[t] & Step.passThroughBit != 0
        let isChanged = operation.outputs.count > 1 || operation.saved.contains(pass.output)
        passed = (isSet ? contents[target] ?? [] : []) + (isChanged ? ["\(t) in place"] : [])
        contents[target] = passed
      }
      for (i, input) in operation.differentiable.enumerated() {
        guard let target = block(input) else { continue }
        let isPassed = operation.passThrough?.inputs.contains(input) ?? false
        let addition = isPassed ? passed : ["\(t).\(i)"]
        expected[input.id, default: []] += addition
        let isSame =
          isPassed && operation.passThrough.flatMap { plan.gradientBlock[$0.output.id] } == target
        if isSame { continue }
        let accumulates = plan.accumulateBits[t] >> UInt32(i) & 1 != 0
        contents[target] = (accumulates ? contents[target] ?? [] : []) + addition
      }
    }
    return faults
  }
}
