// When each operation runs: forward in recorded order, backward in reverse, and between the two the
// segments whose values were dropped and are computed again (Chen et al. 2016, arXiv 1604.06174).
// Planning (MemoryPlan.swift) and running (Executor.swift) follow the same list.
//
//   operations      a b [c d e] [f g h] i          [ ] segments
//   forward         a b  c d e   f g h  i
//   backward        i'  f g h  h' g' f'  c d e  e' d' c'  b' a'

/// The moments of a graph, one operation each.
struct Schedule: Sendable {
  /// What a moment does with its operation.
  enum Direction: Sendable { case forward, recompute, backward }

  /// One operation, run once.
  struct Moment: Sendable {
    var operation: Int
    var direction: Direction
    /// Nobody wants the first output once more, see `Operation.flopsWithoutResult`.
    var skipsResult = false
  }

  /// Forward moments first, in the order of operations.
  private(set) var moments: [Moment] = []
  /// The moment of each operation's backward; empty for inference graphs.
  private(set) var backwardMoment: [Int] = []
  /// The moment at which an operation runs again before its backward, if it does.
  private(set) var recomputeMoment: [Int?]
  /// Whether the value of a tensor, by id, is dropped after forward and computed again.
  private(set) var isRecomputed: [Bool]

  init(_ graph: Graph) {
    let count = graph.operations.count
    recomputeMoment = Array(repeating: nil, count: count)
    isRecomputed = Array(repeating: false, count: graph.tensors.count)
    for t in 0..<count { moments.append(Moment(operation: t, direction: .forward)) }
    guard graph.isTraining else { return }
    let isNeededElsewhere = Schedule.tensorsNeededElsewhere(graph)
    backwardMoment = Array(repeating: 0, count: count)
    var segments = graph.segments
    for t in (0..<count).reversed() {
      if let segment = segments.last, segment.last == t {
        segments.removeLast()
        recompute(segment, graph, isNeededElsewhere)
      }
      backwardMoment[t] = moments.count
      moments.append(Moment(operation: t, direction: .backward))
    }
  }

  /// Tensors that an operation outside their segment reads after forward: they stay.
  private static func tensorsNeededElsewhere(_ graph: Graph) -> [Bool] {
    var segmentOfOperation: [Int?] = Array(repeating: nil, count: graph.operations.count)
    for (s, segment) in graph.segments.enumerated() {
      for t in segment { segmentOfOperation[t] = s }
    }
    var producerSegment: [Int?] = Array(repeating: nil, count: graph.tensors.count)
    for (t, operation) in graph.operations.enumerated() {
      for output in operation.outputs { producerSegment[output.id] = segmentOfOperation[t] }
    }
    var needed = Array(repeating: false, count: graph.tensors.count)
    for (t, operation) in graph.operations.enumerated() {
      let segment = segmentOfOperation[t]
      let late = operation.saved + (segment == nil ? [] : operation.inputs)
      for tensor in late where producerSegment[tensor.id] != segment { needed[tensor.id] = true }
    }
    for id in graph.kept { needed[id] = true }
    return needed
  }

  /// Appends what backward of `segment` reads and nobody kept, with all that leads to it.
  private mutating func recompute(
    _ segment: Range<Int>, _ graph: Graph, _ isNeededElsewhere: [Bool]
  ) {
    let operations = graph.operations[segment]
    let made = Set(operations.flatMap(\.outputs).map(\.id)).filter { !isNeededElsewhere[$0] }
    var wanted = Set(operations.flatMap(\.saved).map(\.id)).intersection(made)
    var chosen: [Moment] = []
    for t in segment.reversed() {
      let operation = graph.operations[t]
      guard operation.outputs.contains(where: { wanted.contains($0.id) }) else { continue }
      let isVain = operation.flopsWithoutResult != nil && !wanted.contains(operation.outputs[0].id)
      chosen.append(Moment(operation: t, direction: .recompute, skipsResult: isVain))
      wanted.formUnion(made.intersection(operation.inputs.map(\.id)))
    }
    for moment in chosen.reversed() {
      recomputeMoment[moment.operation] = moments.count
      moments.append(moment)
      let outputs = graph.operations[moment.operation].outputs
      for output in outputs.dropFirst(moment.skipsResult ? 1 : 0) where made.contains(output.id) {
        isRecomputed[output.id] = true
      }
    }
  }
}
