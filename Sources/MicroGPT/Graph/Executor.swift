// Runs a planned graph forward and backward. Everything is decided before the first run; a run
// allocates nothing. Not for use from two threads at a time.

import CKernels

/// A recorded, planned graph with its memory, ready to be replayed.
final class Executor {
  let graph: Graph
  let plan: MemoryPlan
  /// Changes from run to run.
  let state: UnsafeMutablePointer<StepState>
  /// Where the time of every operation is recorded, if anywhere.
  var profile: StepProfile?
  private let compute: Compute
  private let arena: Arena
  /// Kept alive because the tables below point into them.
  private let owners: [Arena]
  private let matrices: MatrixStore?
  /// Those of the graph, where calling one copies and counts nothing.
  private let operations: UnsafeMutableBufferPointer<Unmanaged<RecordedOperation>>
  private let values: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// Where values lie from the first moment of backward on.
  private let lateValues: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let gradients: UnsafeMutablePointer<UnsafeMutablePointer<Float>?>

  /// Reserves the graph's memory.
  ///
  /// `gradients` is needed for training graphs: a block like `parameters`. `matrices` are what the
  /// graph's tensors of that role name by slot.
  init(
    _ graph: Graph, compute: Compute, parameters: Arena, matrices: MatrixStore? = nil,
    gradients gradientArena: Arena? = nil
  ) throws(MemoryError) {
    precondition(!graph.isTraining || gradientArena != nil, "training needs a gradient block")
    self.graph = graph
    self.compute = compute
    plan = MemoryPlan(graph)
    self.matrices = matrices
    let needs = Executor.scratchNeeds(graph, compute.kernels)
    try compute.reserve(scratchPerWorker: needs.perWorker, shared: needs.shared)
    arena = try Arena(byteCount: plan.byteCount)
    owners = [parameters] + (gradientArena.map { [$0] } ?? [])
    state = .allocate(capacity: 1)
    let lossSums = UnsafeMutableBufferPointer<Double>.allocate(capacity: graph.lossCount)
    lossSums.initialize(repeating: 0)
    let passCounts = UnsafeMutableBufferPointer<Int>.allocate(capacity: graph.passCount)
    passCounts.initialize(repeating: 0)
    state.initialize(to: StepState(passCounts: passCounts, lossSums: lossSums))
    operations = .allocate(capacity: graph.operations.count)
    _ = operations.initialize(from: graph.operations.map { .passRetained(recorded($0)) })
    let count = graph.tensors.count
    values = .allocate(capacity: count)
    values.initialize(repeating: nil, count: count)
    lateValues = .allocate(capacity: count)
    lateValues.initialize(repeating: nil, count: count)
    gradients = .allocate(capacity: count)
    gradients.initialize(repeating: nil, count: count)
    for (id, role) in graph.roles.enumerated() {
      switch role {
      case .parameter(let offset):
        values[id] = parameters.base + offset * 4
        gradients[id] = gradientArena.map { $0.floats.baseAddress.unsafelyUnwrapped + offset }
      case .matrix(let slot):
        values[id] = matrices?.address(slot)
      case .input, .constant, .activation:
        values[id] = plan.valueBlock[id].map { arena.base + plan.blocks[$0].offset }
        gradients[id] = plan.gradientBlock[id].map {
          (arena.base + plan.blocks[$0].offset).assumingMemoryBound(to: Float.self)
        }
      }
      lateValues[id] =
        plan.lateValueBlock[id].map { arena.base + plan.blocks[$0].offset } ?? values[id]
      if case .constant(let constant) = role { fill(constant, at: values[id]) }
    }
  }

  deinit {
    for operation in operations { operation.release() }
    operations.deallocate()
    values.deallocate()
    lateValues.deallocate()
    gradients.deallocate()
    state.pointee.lossSums.deallocate()
    state.pointee.passCounts.deallocate()
    state.deallocate()
  }

  /// Floats of scratch that the graph's operations need: per worker, and shared.
  static func scratchNeeds(_ graph: Graph, _ kernels: mg_kernels) -> (perWorker: Int, shared: Int) {
    var perWorker = 0
    var shared = 0
    for operation in graph.operations {
      perWorker = max(perWorker, operation.scratch(kernels))
      shared = max(shared, operation.sharedScratch(kernels))
    }
    return (perWorker, shared)
  }

  /// The parts of a gradient block of `elementCount` numbers that must be zero before the first
  /// backward of a step.
  ///
  /// Short stretches that need not be are not left out.
  func rangesToZero(elementCount: Int) -> [Range<Int>] {
    var written: [Range<Int>] = []
    for id in plan.overwritten {
      if case .parameter(let offset) = graph.roles[id] {
        written.append(offset..<(offset + graph.tensors[id].shape.count))
      }
    }
    var ranges: [Range<Int>] = []
    var first = 0
    for range in written.sorted(by: { $0.lowerBound < $1.lowerBound }) where range.count > 4096 {
      if range.lowerBound > first { ranges.append(first..<range.lowerBound) }
      first = range.upperBound
    }
    return first < elementCount ? ranges + [first..<elementCount] : ranges
  }

  /// Runs all operations in order.
  func forward() { forward(0..<operations.count) }

  /// Runs these operations; what they read must have been computed before.
  func forward(_ range: Range<Int>) {
    let step = makeStep()
    let profile = profile
    // By index: an iterator over existentials allocates in debug builds.
    for t in range {
      operations[t]._withUnsafeGuaranteedRef { $0.forward(step) }
      profile?.end(moment: t)
    }
  }

  /// Runs these operations until `shouldStop`, which is asked in front of each; whether all ran.
  func forward(_ range: Range<Int>, unless shouldStop: () -> Bool) -> Bool {
    for t in range {
      if shouldStop() { return false }
      forward(t..<t + 1)
    }
    return true
  }

  /// Runs the backward of all operations in reverse order; adds into the gradient block.
  ///
  /// With `isFirst`, gradients outside `rangesToZero` need not be zero before. Segments that were
  /// not kept run forward once more in front of their backward.
  func backward(isFirst: Bool = false) {
    precondition(graph.isTraining, "backward of a graph recorded for inference")
    var step = makeStep()
    step.values = UnsafePointer(lateValues)
    let bits = isFirst ? plan.firstAccumulateBits : plan.accumulateBits
    let profile = profile
    for m in operations.count..<plan.schedule.moments.count {
      let moment = plan.schedule.moments[m]
      if moment.direction == .recompute {
        step.skipsResult = moment.skipsResult
        operations[moment.operation]._withUnsafeGuaranteedRef { $0.forward(step) }
      } else {
        step.accumulateBits = bits[moment.operation]
        operations[moment.operation]._withUnsafeGuaranteedRef { $0.backward(step) }
      }
      profile?.end(moment: m)
    }
  }

  /// The values of an input, or of a kept tensor after a run.
  func floats(_ tensor: Tensor) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: makeStep().floats(tensor), count: tensor.shape.count)
  }

  /// The token ids of an input.
  func integers(_ tensor: Tensor) -> UnsafeMutableBufferPointer<Int32> {
    UnsafeMutableBufferPointer(start: makeStep().integers(tensor), count: tensor.shape.count)
  }

  private func makeStep() -> Step {
    Step(
      context: UnsafePointer(compute.context), values: UnsafePointer(values),
      gradients: UnsafePointer(gradients), state: state, isTraining: graph.isTraining,
      accumulateBits: 0)
  }

  private func fill(_ constant: Graph.Constant, at address: UnsafeMutableRawPointer?) {
    guard let table = address?.assumingMemoryBound(to: Float.self) else { return }
    switch constant {
    case .rotaryTable(let positions, let half, let base):
      mg_rope_table(positions, half, base, table, table + positions * half)
    }
  }
}

/// An operation at a place of its own.
///
/// Calling an existential counts a reference up and down, for each of the dozens of operations of a
/// microsecond that a token of a small model consists of.
private class RecordedOperation {
  func forward(_ step: Step) { preconditionFailure("no operation") }
  func backward(_ step: Step) { preconditionFailure("no operation") }
}

private final class Recorded<Kind: Operation>: RecordedOperation {
  private let operation: Kind

  init(_ operation: Kind) { self.operation = operation }

  override func forward(_ step: Step) { operation.forward(step) }
  override func backward(_ step: Step) { operation.backward(step) }
}

private func recorded(_ operation: some Operation) -> RecordedOperation { Recorded(operation) }
