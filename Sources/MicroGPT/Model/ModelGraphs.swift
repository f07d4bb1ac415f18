// The graphs that a model is run with: the loss of whole sequences, and the logits of what follows.

/// A graph that computes the loss of (B, T) tokens, and where its inputs are.
struct LossGraph {
  let graph: Graph
  let tokens: Tensor
  let targets: Tensor

  /// Records the loss of `batchSize` sequences of `sequenceLength` tokens.
  ///
  /// Of a recursive model the losses after each of `depth.passes` passes, or where tokens leave by
  /// `depth.exit` the one loss that each has then. With `recomputes`, backward of a training graph
  /// computes blocks, or passes, again instead of keeping them; `loss` says what passes learn.
  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable, batchSize: Int,
    sequenceLength: Int, isTraining: Bool, recomputes: Bool = false,
    precision: Precision = .float32, depth: Depth = Depth(), loss: RecursionLoss = .deep
  ) {
    precondition(sequenceLength <= configuration.contextLength, "sequence longer than context")
    var recorder = ModelRecorder(
      configuration, table, isTraining: isTraining, precision: isTraining ? precision : .float32)
    recorder.recomputesBlocks = recomputes && isTraining
    tokens = recorder.graph.input(Shape(batchSize, sequenceLength))
    targets = recorder.graph.input(Shape(batchSize, sequenceLength))
    if configuration.recursion == nil {
      recorder.loss(recorder.body(tokens), targets)
    } else if depth.exit != nil {
      let h = recorder.passes(tokens, depth: depth, targets: targets)
      recorder.loss(recorder.coda(h), targets)
    } else {
      recorder.losses(tokens, targets, count: depth.passes ?? configuration.passCount, loss)
    }
    graph = recorder.graph
  }
}

/// A graph that computes logits of T tokens, with or without a cache.
struct LogitsGraph {
  /// A place where all rows may have left a recursive model.
  struct Exit {
    /// `StepState.passCounts` has the rows that go on here.
    let pass: Int
    /// 1 for rows that go on, 0 for others.
    let active: Tensor
    /// The state (B, T, C) that rows leave with.
    let state: Tensor
    /// Operations that fill the caches of the passes not taken, if none goes on.
    let fill: Range<Int>
    /// Operations to run instead of the rest then.
    let leave: Range<Int>
    /// What these compute.
    let logits: Tensor
  }

  let graph: Graph
  let tokens: Tensor
  let logits: Tensor
  private(set) var exits: [Exit] = []

  /// Records `sequenceLength` tokens of `batchSize` sequences.
  ///
  /// With `cached`, sequences that go on where their caches end (`StepState.sequences`), and logits
  /// of the last position only: several tokens of one sequence, or one of each. Without, nobody
  /// leaves a recursive model early.
  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable, batchSize: Int,
    sequenceLength: Int, cached: Bool, depth: Depth = Depth()
  ) {
    precondition(sequenceLength <= configuration.contextLength, "sequence longer than context")
    precondition(cached || depth.exit == nil, "exits without a cache: LossGraph")
    var recorder = ModelRecorder(configuration, table, isTraining: false)
    tokens = recorder.graph.input(Shape(batchSize, sequenceLength))
    recorder.isCached = cached
    recorder.predictsLastRowOnly = cached && sequenceLength > 1
    if configuration.recursion == nil {
      logits = recorder.logits(recorder.body(tokens), lastOnly: cached)
    } else {
      let count = depth.passes ?? configuration.passCount
      var exits: [Exit] = []
      let h = recorder.passes(tokens, depth: depth, masks: batchSize * sequenceLength > 1) {
        recorder, done, h, active in
        recorder.graph.keep(active)
        let first = recorder.graph.operations.count
        if let rule = depth.exit { recorder.fillCaches(h, done, count, rule) }
        let filled = recorder.graph.operations.count
        let logits = recorder.logits(recorder.coda(h), lastOnly: cached)
        recorder.graph.keep(logits)
        exits.append(
          Exit(
            pass: done, active: active, state: h, fill: first..<filled,
            leave: filled..<recorder.graph.operations.count, logits: logits))
      }
      self.exits = exits
      logits = recorder.logits(recorder.coda(h), lastOnly: cached)
    }
    recorder.graph.keep(logits)
    graph = recorder.graph
  }
}

/// A graph that fills the caches of passes that T tokens of one sequence did not take.
struct FillGraph {
  let graph: Graph
  /// The states (1, T, C) that they left with.
  let states: Tensor

  /// Records it for tokens that left after the first pass at which `depth` lets them.
  ///
  /// `packed`: the weights of keys and values by layer, see `PackedMatrix`.
  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable, count: Int, depth: Depth,
    packed: [Int: PackedMatrix] = [:]
  ) {
    guard let rule = depth.exit else { preconditionFailure("nobody leaves") }
    var recorder = ModelRecorder(configuration, table, isTraining: false)
    recorder.isCached = true
    recorder.packedKeys = packed
    states = recorder.graph.input(Shape(1, count, configuration.modelWidth), .float32)
    recorder.stand(states.shape)
    recorder.fillCaches(
      states, rule.sharedPasses, depth.passes ?? configuration.passCount, rule)
    graph = recorder.graph
  }
}

extension ModelRecorder {
  /// The loss of what the head makes of `x`, see `Graph.linearCrossEntropy`.
  mutating func loss(_ x: Tensor, _ targets: Tensor, _ weighing: LossWeighing = .equal) {
    graph.linearCrossEntropy(
      x, head: head(), targets: targets, cap: Float(configuration.logitSoftCap),
      weighing: weighing)
  }

  /// The logits of what the head reads, see `Graph.logits`.
  mutating func logits(_ x: Tensor, lastOnly: Bool) -> Tensor {
    graph.logits(x, head: head(), cap: Float(configuration.logitSoftCap), lastOnly: lastOnly)
  }
}
