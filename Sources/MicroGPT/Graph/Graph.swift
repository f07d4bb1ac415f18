// Records operations and checks shapes while recording. A graph is recorded once for fixed sizes,
// planned (MemoryPlan.swift) and replayed (Executor.swift). It knows no models, files or text.
// The recording methods stand beside their operations in Operations/.

/// A list of operations on tensors.
struct Graph: Sendable {
  /// Where a tensor's memory comes from.
  enum Role: Sendable {
    /// Part of the parameter block, from this element on; gradients at the same place.
    case parameter(offset: Int)
    /// A matrix that lies elsewhere, by its place among the executor's matrices; no gradient.
    case matrix(slot: Int)
    /// Filled by the caller before a run.
    case input
    /// Computed once, when the executor is made.
    case constant(Constant)
    /// Computed by an operation.
    case activation
  }

  /// Values that depend on sizes only.
  enum Constant: Equatable, Sendable {
    /// Rows of cosines, then rows of sines: (2, positions, half).
    case rotaryTable(positions: Int, half: Int, base: Double)
  }

  /// Whether backward will be run.
  let isTraining: Bool
  private(set) var tensors: [Tensor] = []
  private(set) var roles: [Role] = []
  private(set) var operations: [any Operation] = []
  /// Losses that the graph computes.
  private(set) var lossCount = 0
  /// Passes whose tokens are counted are below this.
  private(set) var passCount = 0
  /// Tensors that must still hold their values after the run.
  private(set) var kept: Set<Int> = []
  /// Ranges of operations whose values backward computes once more instead of keeping them.
  private(set) var segments: [Range<Int>] = []
  /// Operations before this one belong to a segment and don't fuse with what follows it.
  private var fusionBarrier = 0
  private var segmentStart: Int?

  /// In what numbers products are computed and activations kept.
  let precision: Precision
  /// Whether the weights of all linear maps are quantised.
  var quantizesActivations = false

  init(isTraining: Bool, precision: Precision = .float32) {
    self.isTraining = isTraining
    self.precision = precision
  }

  /// A parameter; the same `offset` gives the same tensor, so shared weights are one tensor.
  mutating func parameter(offset: Int, shape: Shape) -> Tensor {
    for (tensor, role) in zip(tensors, roles) {
      if case .parameter(offset) = role {
        precondition(tensor.shape == shape, "parameter is \(tensor.shape), asked for \(shape)")
        return tensor
      }
    }
    return make(shape, role: .parameter(offset: offset))
  }

  /// A matrix outside the parameter block, float32 or quantised; the same slot gives the same
  /// tensor.
  mutating func matrix(slot: Int, shape: Shape, _ elementType: ElementType) -> Tensor {
    precondition(!isTraining, "matrices outside the parameter block have no gradient")
    for (tensor, role) in zip(tensors, roles) {
      if case .matrix(slot) = role { return tensor }
    }
    return make(shape, elementType, role: .matrix(slot: slot))
  }

  /// An array that the caller fills: token ids, if nothing else is said.
  mutating func input(_ shape: Shape, _ elementType: ElementType = .int32) -> Tensor {
    make(shape, elementType, role: .input)
  }

  /// A table that depends on sizes only; equal tables are one tensor.
  mutating func constant(_ constant: Constant) -> Tensor {
    for (tensor, role) in zip(tensors, roles) {
      if case .constant(constant) = role { return tensor }
    }
    switch constant {
    case .rotaryTable(let positions, let half, _):
      return make(Shape(2, positions, half), role: .constant(constant))
    }
  }

  /// A tensor that an operation will compute.
  mutating func activation(_ shape: Shape, _ elementType: ElementType = .float32) -> Tensor {
    make(shape, elementType, role: .activation)
  }

  /// What large tensors consist of that only operations with a choice read: bfloat16 in training
  /// graphs of that precision.
  var compactType: ElementType { isTraining && precision == .bfloat16 ? .bfloat16 : .float32 }

  /// What a tensor consists of that only linear maps read.
  var linearInputType: ElementType { quantizesActivations ? .quantizedRows : compactType }

  /// Adds an operation at the end.
  mutating func append(_ operation: any Operation) { operations.append(operation) }

  /// The operation recorded last, if one that follows may take over its work (fusion).
  var fusible: (any Operation)? { operations.count > fusionBarrier ? operations.last : nil }

  /// Begins a segment: of what is recorded until `endSegment`, only what later operations read is
  /// kept for backward, and the rest is computed again then, with the same bits.
  mutating func beginSegment() {
    precondition(segmentStart == nil, "segments within segments")
    segmentStart = operations.count
    fusionBarrier = operations.count
  }

  /// Ends the segment.
  mutating func endSegment() {
    guard let first = segmentStart else { preconditionFailure("no segment was begun") }
    if isTraining && operations.count > first { segments.append(first..<operations.count) }
    segmentStart = nil
    fusionBarrier = operations.count
  }

  /// Replaces the last operation by one that does its work too (fusion).
  mutating func replaceLast(with operation: any Operation) {
    operations[operations.count - 1] = operation
  }

  /// Notes that tokens are counted that enter this pass.
  mutating func countPass(_ pass: Int) { passCount = max(passCount, pass + 1) }

  /// The place of one more loss among those of the graph.
  mutating func addLoss() -> Int {
    lossCount += 1
    return lossCount - 1
  }

  /// Keeps the value of `tensor` readable after a run.
  mutating func keep(_ tensor: Tensor) { kept.insert(tensor.id) }

  private mutating func make(
    _ shape: Shape, _ elementType: ElementType = .float32, role: Role
  ) -> Tensor {
    let tensor = Tensor(id: tensors.count, shape: shape, elementType: elementType)
    tensors.append(tensor)
    roles.append(role)
    return tensor
  }
}
