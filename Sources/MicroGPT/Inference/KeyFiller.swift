// Keys and values of passes that tokens did not take, for several tokens at once. Nobody looks at
// them before a token goes deeper: until then the states that tokens left with wait with their
// sequence, and the weights are read once for all of them.

/// Fills the caches of one sequence at a time.
///
/// For tokens taken in one by one that left at the first exit; whoever leaves at a later one, or
/// together with others, fills the caches at once.
final class KeyFiller {
  private struct Filling {
    let executor: Executor
    let states: UnsafeMutablePointer<Float>
    let table: SequenceTable
  }

  /// For 1, 2, 4 … tokens.
  private var fillings: [Filling] = []
  private let room: Int
  private let packed: [Int: PackedMatrix]

  /// Prepares all graphs; *throws* if memory lacks.
  ///
  /// Nil where no token waits.
  init?(_ model: GPT, _ compute: Compute, _ depth: Depth) throws {
    room = KeyFiller.room(depth, model.configuration)
    packed = room > 0 ? try KeyFiller.packedKeys(model, compute) : [:]
    var count = 1
    while count < 2 * room {
      let graph = FillGraph(
        model.configuration, model.table, count: count, depth: depth, packed: packed)
      let executor = try Executor(
        graph.graph, compute: compute, parameters: model.weights, matrices: model.matrices)
      let table = SequenceTable(sequenceCount: 1)
      executor.state.pointee.sequences = table.sequences
      executor.state.pointee.sequenceLength = count
      let states = executor.floats(graph.states).baseAddress.unsafelyUnwrapped
      fillings.append(Filling(executor: executor, states: states, table: table))
      count *= 2
    }
    if room == 0 { return nil }
  }

  /// Most tokens that wait in a run to this depth; none where they can't leave, or where what they
  /// leave behind needs no product.
  static func room(_ depth: Depth, _ configuration: ModelConfiguration) -> Int {
    guard let rule = depth.exit, rule.fill == .copy else { return 0 }
    guard rule.sharedPasses < depth.passes ?? configuration.passCount else { return 0 }
    return min(8, configuration.contextLength)  // 16 of three passes were no faster (Zen 5)
  }

  /// The weights of keys and values of each layer of the core.
  ///
  /// None where they are quantised, or have more than 4 MB: packing may add to a model of 100 M
  /// weights a hundredth of what they take.
  private static func packedKeys(
    _ model: GPT, _ compute: Compute
  ) throws(MemoryError) -> [Int: PackedMatrix] {
    let c = model.configuration
    let outCount = c.heads.withoutQueries.rowWidth
    let byteCount = 4 * outCount * c.modelWidth * c.coreLayers.count
    var packed: [Int: PackedMatrix] = [:]
    guard !model.table.isQuantized && byteCount <= 4 << 20 else { return packed }
    for layer in c.coreLayers {
      packed[layer] = try PackedMatrix(compute, outCount: outCount, inCount: c.modelWidth)
    }
    return packed
  }

  /// Notes that the weights may differ from those of the tokens before.
  func packAnew() {
    for matrix in packed.values { matrix.isStale = true }
  }

  /// The newest token of `sequence` leaves with this state (C); allocates nothing.
  func leave(_ sequence: CachedSequence, with state: UnsafePointer<Float>) {
    sequence.wait(state)
    if sequence.owed == room { settle(sequence) }
  }

  /// Fills the caches for the tokens that wait, the newest not among them if that goes deeper and
  /// fills them itself; allocates nothing.
  func settle(_ sequence: CachedSequence, exceptNewest: Bool = false) {
    let count = sequence.owed - (exceptNewest ? 1 : 0)
    if count > 0 {
      var size = 0
      while 1 << size < count { size += 1 }
      let filling = fillings[size]
      sequence.copyStates(count, to: filling.states)
      filling.table.set(0, cache: sequence.cache, position: sequence.settled, count: count)
      filling.executor.forward()
    }
    sequence.settle()
  }
}
