// Takes tokens into sequences with a model's cached graphs: in chunks, and past the context window.
// Decoder.swift and BatchDecoder.swift offer it for one sequence and for several.

/// A graph for so many tokens of so many sequences, ready to run.
struct CachedGraph {
  let executor: Executor
  let graph: LogitsGraph
  let table: SequenceTable
  private let passCount: Int

  /// Records and plans it; *throws* if memory lacks.
  init(
    _ model: GPT, _ compute: Compute, _ depth: Depth, sequenceCount: Int, count: Int
  ) throws {
    graph = LogitsGraph(
      model.configuration, model.table, batchSize: sequenceCount, sequenceLength: count,
      cached: true, depth: depth)
    passCount = depth.passes ?? model.configuration.passCount
    executor = try Executor(
      graph.graph, compute: compute, parameters: model.weights, matrices: model.matrices)
    table = SequenceTable(sequenceCount: sequenceCount)
    executor.state.pointee.sequences = table.sequences
    executor.state.pointee.sequenceLength = count
    executor.state.pointee.exitThreshold = Float(depth.exit?.threshold ?? 1)
  }

  /// Where the ids of the new tokens go.
  var tokens: UnsafeMutableBufferPointer<Int32> { executor.integers(graph.tokens) }

  /// Computes; returns the logits (sequences, V) and the passes of the last row.
  ///
  /// Passes end where all rows have left: what later ones would have put into the caches is put
  /// there instead. With a filler, the one row of `sequence` may leave its state instead. Nil if
  /// `shouldStop` said so, which several tokens ask before each operation that is not of an exit.
  func run(
    _ filler: KeyFiller? = nil, _ sequence: CachedSequence? = nil,
    unless shouldStop: () -> Bool = { false }
  ) -> (logits: UnsafeMutablePointer<Float>, passes: Int)? {
    var (next, passes) = (0, passCount)
    for i in 0..<graph.exits.count {  // an enumeration allocates in debug builds
      let exit = graph.exits[i]
      guard forward(next..<exit.fill.lowerBound, unless: shouldStop) else { return nil }
      let rows = executor.floats(exit.active)
      if passes == passCount && rows[rows.count - 1] == 0 { passes = exit.pass }
      if executor.state.pointee.passCounts[exit.pass] == 0 {
        if i == 0, let filler, let sequence {
          filler.leave(sequence, with: executor.floats(exit.state).baseAddress.unsafelyUnwrapped)
        } else {
          executor.forward(exit.fill)
        }
        executor.forward(exit.leave)
        return (executor.floats(exit.logits).baseAddress.unsafelyUnwrapped, passes)
      }
      if i == 0, let filler, let sequence { filler.settle(sequence, exceptNewest: true) }
      next = exit.leave.upperBound
    }
    let end = graph.graph.operations.count
    guard forward(next..<end, unless: shouldStop) else { return nil }
    return (executor.floats(graph.logits).baseAddress.unsafelyUnwrapped, passes)
  }

  private func forward(_ range: Range<Int>, unless shouldStop: () -> Bool) -> Bool {
    if tokens.count > 1 { return executor.forward(range, unless: shouldStop) }
    executor.forward(range)
    return true
  }
}

/// A prompt was not taken in to its end, as was wished.
struct PromptStopped: Error {}

/// Runs a model on one sequence at a time.
///
/// *The context window.* With rotary positions it slides by one token at a time: keys stay as they
/// were rotated at their position, the oldest is overwritten, and each token sees the last
/// `contextLength`. Learned positions end with their table: when it is full the older half of the
/// window is forgotten, and the newer half is computed again from position 0.
final class SequenceRunner {
  let model: GPT
  let compute: Compute
  private let single: CachedGraph
  /// For the lengths that sliding needs, so that no token allocates.
  private var slides: [Int: CachedGraph] = [:]
  /// For whole chunks, and for the last other length: prompts have many lengths, and each graph has
  /// memory of its own.
  private var chunks: [Int: CachedGraph] = [:]
  private let chunkLength: Int
  private let depth: Depth
  private let filler: KeyFiller?
  /// Tokens computed so far, those of slides included.
  private(set) var computedCount = 0
  /// The passes that the last token went through.
  private(set) var lastPasses = 1

  /// Most tokens computed at once: enough for full matrix tiles, little memory.
  ///
  /// Matrices in float32 are packed anew for each chunk. On GPT-2 124 M, two cores of an AMD EPYC
  /// (Zen 4), 512 tokens at once took 0.95 of the time of 256 twice, and 10 MB more.
  static func prefillChunk(_ model: GPT) -> Int {
    let isQuantized = model.matrices?.matrices.contains { $0.elementType != .float32 } == true
    return isQuantized ? 256 : 512
  }

  /// Prepares the graphs that no token may wait for; *throws* if memory lacks.
  init(model: GPT, compute: Compute, depth: Depth) throws {
    self.model = model
    self.compute = compute
    self.depth = depth
    chunkLength = min(SequenceRunner.prefillChunk(model), model.configuration.contextLength)
    single = try CachedGraph(model, compute, depth, sequenceCount: 1, count: 1)
    filler = try KeyFiller(model, compute, depth)
    var left = restarts ? keptAfterSlide : 0
    while left > 0 {
      let count = min(left, chunkLength)
      if slides[count] == nil {
        slides[count] = try CachedGraph(model, compute, depth, sequenceCount: 1, count: count)
      }
      left -= count
    }
  }

  private var contextLength: Int { model.configuration.contextLength }
  private var restarts: Bool { model.configuration.position == .learned }
  private var keptAfterSlide: Int { contextLength / 2 }

  /// Makes `sequence` these tokens, see `Decoder.prefill`.
  func replace(
    _ sequence: CachedSequence, by tokens: [Int32], unless shouldStop: () -> Bool = { false }
  ) throws -> UnsafeMutablePointer<Float> {
    precondition(!tokens.isEmpty, "a prompt of no tokens")
    let kept = tokens.suffix(contextLength)
    // The last token is computed in any case: its logits are asked for.
    let common = min(sequence.commonPrefix(kept), kept.count - 1)
    sequence.truncate(to: common)
    return try append(kept.dropFirst(common), to: sequence, unless: shouldStop)
  }

  /// Takes in `tokens`; returns the logits (V) of what follows.
  ///
  /// *Throws* `PromptStopped` if `shouldStop` says so; the chunks that were complete are kept.
  /// *Requires*: at least one token.
  func append(
    _ tokens: ArraySlice<Int32>, to sequence: CachedSequence,
    unless shouldStop: () -> Bool = { false }
  ) throws -> UnsafeMutablePointer<Float> {
    var logits: UnsafeMutablePointer<Float>?
    var next = tokens.startIndex
    while next < tokens.endIndex {
      if shouldStop() { throw PromptStopped() }
      makeRoom(in: sequence)
      let room = restarts ? contextLength - sequence.position : chunkLength
      let count = min(tokens.endIndex - next, chunkLength, room)
      let graph = try self.graph(count)
      for i in 0..<count { graph.tokens[i] = tokens[next + i] }
      let before = sequence.position
      logits = run(graph, count, sequence, unless: shouldStop)
      if logits == nil {
        sequence.truncate(to: before)
        throw PromptStopped()
      }
      next += count
    }
    guard let logits else { preconditionFailure("no tokens to take in") }
    return logits
  }

  /// Takes in one token; allocates nothing.
  func append(_ token: Int32, to sequence: CachedSequence) -> UnsafeMutablePointer<Float> {
    makeRoom(in: sequence)
    single.tokens[0] = token
    guard let logits = run(single, 1, sequence) else { preconditionFailure("nobody to stop it") }
    return logits
  }

  /// Makes sure that the next token has a position.
  ///
  /// Allocates nothing.
  func makeRoom(in sequence: CachedSequence) {
    guard restarts && sequence.position == contextLength else { return }
    sequence.restart(keeping: keptAfterSlide)
    while sequence.position < keptAfterSlide {
      let count = min(keptAfterSlide - sequence.position, chunkLength)
      guard let graph = count == 1 ? single : slides[count] else {
        preconditionFailure("no graph for \(count) tokens")
      }
      for i in 0..<count { graph.tokens[i] = sequence.pending(i) }
      _ = run(graph, count, sequence)
    }
  }

  /// Fills what the caches of `sequence` lack.
  func settle(_ sequence: CachedSequence) {
    if sequence.position == 0 { filler?.packAnew() }
    filler?.settle(sequence)
  }

  private func run(
    _ graph: CachedGraph, _ count: Int, _ sequence: CachedSequence,
    unless shouldStop: () -> Bool = { false }
  ) -> UnsafeMutablePointer<Float>? {
    // In training the weights change between texts.
    if count > 1 || sequence.position == 0 { self.filler?.packAnew() }
    let filler = count == 1 ? filler : nil
    if filler == nil { settle(sequence) }
    graph.table.set(0, cache: sequence.cache, position: sequence.position, count: count)
    for i in 0..<count { sequence.append(graph.tokens[i]) }
    if filler == nil { sequence.settle() }
    guard let result = graph.run(filler, sequence, unless: shouldStop) else { return nil }
    computedCount += count
    lastPasses = result.passes
    return result.logits
  }

  private func graph(_ count: Int) throws -> CachedGraph {
    if count == 1 { return single }
    if let graph = slides[count] ?? chunks[count] { return graph }
    if count < chunkLength { chunks = chunks.filter { $0.key == chunkLength } }
    let graph = try CachedGraph(model, compute, depth, sequenceCount: 1, count: count)
    chunks[count] = graph
    return graph
  }
}
