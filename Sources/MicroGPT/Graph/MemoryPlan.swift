// Where activations and their gradients lie: lifetimes from the recorded order, then offsets,
// largest first at the lowest free place. Computed before anything is allocated.
//
// Time is counted in moments of the schedule. A tensor that is recomputed has two lives: from its
// forward to its last use there, and from its second computation to its last use in backward.

/// The placement of every activation and gradient of a graph in one arena.
struct MemoryPlan: Sendable {
  /// One block: a value or a gradient, or several that share memory.
  struct Block: Sendable {
    var byteCount: Int
    /// First and last moment at which the block holds something.
    var first: Int
    var last: Int
    var offset = 0
  }

  /// The order of the moments that blocks live through.
  let schedule: Schedule
  /// Size of the arena.
  private(set) var byteCount = 0
  /// The block of each tensor's value, by tensor id; nil for parameters.
  private(set) var valueBlock: [Int?]
  /// The same while recomputing and in backward; differs where a tensor is computed again.
  private(set) var lateValueBlock: [Int?]
  /// The block of each tensor's gradient; nil where there is none.
  private(set) var gradientBlock: [Int?]
  private(set) var blocks: [Block] = []
  /// Bit i of entry t: operation t adds to (not writes) the gradient of its differentiable input i.
  private(set) var accumulateBits: [UInt32]
  /// The same for the first backward of a step: gradients of `overwritten` parameters are unset.
  private(set) var firstAccumulateBits: [UInt32] = []
  /// Parameters, by tensor id, whose first gradient of a step is written, so that nobody needs to
  /// zero them.
  private(set) var overwritten: [Int] = []

  init(_ graph: Graph) {
    schedule = Schedule(graph)
    valueBlock = Array(repeating: nil, count: graph.tensors.count)
    lateValueBlock = valueBlock
    gradientBlock = valueBlock
    accumulateBits = Array(repeating: 0, count: graph.operations.count)
    placeValues(graph)
    if graph.isTraining { placeGradients(graph) }
    firstAccumulateBits = accumulateBits
    if graph.isTraining { findOverwritten(graph) }
    assignOffsets()
  }

  // MARK: Values

  private mutating func placeValues(_ graph: Graph) {
    let uses = LastUses(graph, schedule)
    for (tensor, role) in zip(graph.tensors, graph.roles) {
      switch role {
      case .input, .constant:
        valueBlock[tensor.id] = addBlock(tensor, first: 0, last: schedule.moments.count)
      case .parameter, .activation: break
      }
    }
    for (t, operation) in graph.operations.enumerated() {
      place(operation, at: t, in: \.valueBlock, uses.forward, graph) { _ in true }
      for tensor in operation.workspace {
        let moment = graph.isTraining ? schedule.backwardMoment[t] : t
        valueBlock[tensor.id] = addBlock(tensor, first: moment, last: moment)
      }
    }
    lateValueBlock = valueBlock
    for id in graph.tensors.indices where schedule.isRecomputed[id] { lateValueBlock[id] = nil }
    for (t, operation) in graph.operations.enumerated() {
      guard let moment = schedule.recomputeMoment[t] else { continue }
      let isRecomputed = schedule.isRecomputed
      place(operation, at: moment, in: \.lateValueBlock, uses.late, graph) { isRecomputed[$0.id] }
    }
  }

  /// Places the outputs that `isPlaced` names of an operation that runs at `moment`.
  private mutating func place(
    _ operation: any Operation, at moment: Int, in blockOf: WritableKeyPath<MemoryPlan, [Int?]>,
    _ lastUse: [Int], _ graph: Graph, where isPlaced: (Tensor) -> Bool
  ) {
    for output in operation.outputs where isPlaced(output) {
      let last = max(lastUse[output.id], moment)
      let donor = operation.inPlace.first {
        $0.output == output && lastUse[$0.input.id] <= moment && isPlaced($0.input)
          && $0.input.byteCount == output.byteCount && isActivation($0.input, graph)
      }
      if let donor, let block = self[keyPath: blockOf][donor.input.id] {
        self[keyPath: blockOf][output.id] = block
        blocks[block].last = max(blocks[block].last, last)
      } else {
        self[keyPath: blockOf][output.id] = addBlock(output, first: moment, last: last)
      }
    }
  }

  private mutating func addBlock(_ tensor: Tensor, first: Int, last: Int) -> Int {
    blocks.append(Block(byteCount: tensor.byteCount, first: first, last: last))
    return blocks.count - 1
  }

  private func isActivation(_ tensor: Tensor, _ graph: Graph) -> Bool {
    if case .activation = graph.roles[tensor.id] { return true }
    return false
  }

  // MARK: Gradients

  private mutating func placeGradients(_ graph: Graph) {
    var producer = Array(repeating: -1, count: graph.tensors.count)
    var consumers: [[Int]] = Array(repeating: [], count: graph.tensors.count)
    for (t, operation) in graph.operations.enumerated() {
      for output in operation.outputs { producer[output.id] = t }
      for input in operation.differentiable { consumers[input.id].append(t) }
    }
    for t in graph.operations.indices.reversed() {
      let operation = graph.operations[t]
      let now = schedule.backwardMoment[t]
      if let output = operation.passThrough?.output {
        if gradientBlock[output.id] != nil {
          accumulateBits[t] |= Step.passThroughBit
        } else {
          blocks.append(Block(byteCount: output.gradientByteCount, first: now, last: now))
          gradientBlock[output.id] = blocks.count - 1
        }
      }
      for (i, input) in operation.differentiable.enumerated() {
        if case .parameter = graph.roles[input.id] {
          accumulateBits[t] |= 1 << UInt32(i)
          continue
        }
        let isRepeated = operation.differentiable[..<i].contains(input)
        if isRepeated || consumers[input.id].last != t {
          accumulateBits[t] |= 1 << UInt32(i)
        } else if let shared = sharedBlock(input, of: t, graph, producer, consumers) {
          gradientBlock[input.id] = shared
          blocks[shared].last = max(
            blocks[shared].last, schedule.backwardMoment[producer[input.id]])
        } else {
          let last = schedule.backwardMoment[producer[input.id]]
          blocks.append(Block(byteCount: input.gradientByteCount, first: now, last: last))
          gradientBlock[input.id] = blocks.count - 1
        }
      }
    }
  }

  /// Backward runs in reverse: the last operation that reads a parameter is the first to give it a
  /// gradient.
  private mutating func findOverwritten(_ graph: Graph) {
    var isMet = Array(repeating: false, count: graph.tensors.count)
    for (t, operation) in graph.operations.enumerated().reversed() {
      for (i, input) in operation.differentiable.enumerated() where !isMet[input.id] {
        isMet[input.id] = true
        guard case .parameter = graph.roles[input.id], operation.overwrites.contains(input) else {
          continue
        }
        firstAccumulateBits[t] &= ~(1 << UInt32(i))
        overwritten.append(input.id)
      }
    }
  }

  /// The block of the gradient that operation `t` passes through to `input`, if sharing is sound.
  ///
  /// Whoever else needs the block's numbers must have read them before they change for the sake of
  /// `input`, and the other way round. Backward runs in reverse, so "before" is a larger operation
  /// number.
  private func sharedBlock(
    _ input: Tensor, of t: Int, _ graph: Graph, _ producer: [Int], _ consumers: [[Int]]
  ) -> Int? {
    guard let pass = graph.operations[t].passThrough,
      pass.inputs.count(where: { $0 == input }) == 1,
      let block = gradientBlock[pass.output.id], blocks[block].byteCount == input.gradientByteCount
    else { return nil }
    // The last operation that will still change the gradient of a tensor: one that reads the tensor
    // and adds its share, or the producer, if that works in place.
    func lastWriter(_ id: Int) -> Int {
      let isChangedInPlace = graph.operations[producer[id]].passThrough != nil
      let adding = consumers[id].last { $0 < t } ?? -1
      return isChangedInPlace ? max(adding, producer[id]) : adding
    }
    for other in graph.tensors.indices where gradientBlock[other] == block {
      if other == input.id || producer[other] >= t { continue }
      if lastWriter(input.id) >= producer[other] || lastWriter(other) >= producer[input.id] {
        return nil
      }
    }
    return block
  }

  // MARK: Offsets

  /// What a plan claims that no machine can hold: more than any memory, and small enough to be
  /// added to other such numbers.
  static let impossibleByteCount = 1 << 60

  private mutating func assignOffsets() {
    let total = blocks.reduce(0.0) { $0 + Double($1.byteCount) }
    if total >= Double(MemoryPlan.impossibleByteCount) {
      byteCount = MemoryPlan.impossibleByteCount
      return
    }
    let order = blocks.indices.sorted {
      (blocks[$0].byteCount, $1) > (blocks[$1].byteCount, $0)
    }
    var placed: [Int] = []
    for index in order {
      let size = Arena.rounded(blocks[index].byteCount)
      let neighbours = placed.filter {
        blocks[$0].first <= blocks[index].last && blocks[index].first <= blocks[$0].last
      }.sorted { blocks[$0].offset < blocks[$1].offset }
      var offset = 0
      for neighbour in neighbours {
        if offset + size <= blocks[neighbour].offset { break }
        offset = max(offset, blocks[neighbour].offset + Arena.rounded(blocks[neighbour].byteCount))
      }
      blocks[index].offset = offset
      byteCount = max(byteCount, offset + size)
      placed.append(index)
    }
  }
}

/// The last moment at which the value of each tensor is read; -1 where it never is.
private struct LastUses {
  /// Of what forward computed.
  private(set) var forward: [Int]
  /// Of what was computed again.
  private(set) var late: [Int]

  init(_ graph: Graph, _ schedule: Schedule) {
    forward = Array(repeating: -1, count: graph.tensors.count)
    late = forward
    for (moment, entry) in schedule.moments.enumerated() {
      let operation = graph.operations[entry.operation]
      switch entry.direction {
      case .forward: for tensor in operation.inputs { forward[tensor.id] = moment }
      case .recompute:
        for tensor in operation.inputs { readLate(tensor, moment, schedule) }
        // What stays is written once more, with the same bits.
        for tensor in operation.outputs { readLate(tensor, moment, schedule) }
      case .backward: for tensor in operation.saved { readLate(tensor, moment, schedule) }
      }
    }
    for id in graph.kept { forward[id] = schedule.moments.count }
  }

  private mutating func readLate(_ tensor: Tensor, _ moment: Int, _ schedule: Schedule) {
    if schedule.isRecomputed[tensor.id] {
      late[tensor.id] = moment
    } else {
      forward[tensor.id] = moment
    }
  }
}
