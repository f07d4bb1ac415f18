// Runs a model token by token on a key/value cache: prefill, decode, and sliding past the context
// window. Knows ids, not text.

/// One sequence in progress.
final class Decoder {
  private let model: GPT
  private let compute: Compute
  private let cache: KeyValueCache
  private let single: (executor: Executor, graph: LogitsGraph)
  /// Recorded for one number of tokens each; there are few different ones.
  private var prefills: [Int: (executor: Executor, graph: LogitsGraph)] = [:]
  /// The tokens whose keys and values are in the cache, and room for a whole context.
  private let window: UnsafeMutablePointer<Int32>

  /// Most tokens computed at once in prefill: enough for full matrix tiles, little memory.
  static let prefillChunk = 256

  /// Reserves cache and graphs.
  ///
  /// *Throws* if memory lacks.
  init(model: GPT, compute: Compute) throws {
    self.model = model
    self.compute = compute
    cache = try KeyValueCache(model.configuration)
    single = try Decoder.prepare(1, model, compute, cache)
    window = .allocate(capacity: model.configuration.contextLength)
    window.initialize(repeating: 0, count: model.configuration.contextLength)
    // Sliding prefills half a window at a time: prepared now, so that no token allocates.
    var left = keptAfterSlide
    while left > 0 {
      let count = min(left, Decoder.prefillChunk)
      prefills[count] = try Decoder.prepare(count, model, compute, cache)
      left -= count
    }
  }

  deinit { window.deallocate() }

  /// Begins a new sequence.
  func reset() { cache.count = 0 }

  /// Tokens in the window.
  var count: Int { cache.count }

  /// Takes the tokens of a prompt; returns the logits (V) of what follows.
  ///
  /// Of a prompt longer than the context the last `contextLength` tokens count. *Requires*: at
  /// least one token.
  func prefill(_ tokens: [Int32]) throws -> UnsafeMutablePointer<Float> {
    precondition(!tokens.isEmpty, "a prompt of no tokens")
    let limit = model.configuration.contextLength
    let kept = tokens.suffix(cache.count + tokens.count > limit ? limit : tokens.count)
    if kept.count < tokens.count || cache.count + kept.count > limit { reset() }
    var logits: UnsafeMutablePointer<Float>?
    var next = kept.startIndex
    while next < kept.endIndex {
      let count = min(kept.endIndex - next, Decoder.prefillChunk)
      if count > 1 && prefills[count] == nil {
        prefills[count] = try Decoder.prepare(count, model, compute, cache)
      }
      for i in 0..<count { window[cache.count + i] = kept[next + i] }
      logits = advance(by: count)
      next += count
    }
    guard let logits else { preconditionFailure("no tokens were computed") }
    return logits
  }

  /// Takes one more token; returns the logits (V) of what follows.
  ///
  /// Allocates nothing. Past the context window, the older half of the window is forgotten first:
  /// its newer half is computed again from position 0, which is exact for every kind of position
  /// encoding.
  func decode(_ token: Int32) -> UnsafeMutablePointer<Float> {
    if cache.count == model.configuration.contextLength { slide() }
    window[cache.count] = token
    return advance(by: 1)
  }

  private var keptAfterSlide: Int { model.configuration.contextLength / 2 }

  private func slide() {
    let kept = keptAfterSlide
    let old = cache.count - kept
    for i in 0..<kept { window[i] = window[old + i] }
    cache.count = 0
    while cache.count < kept { _ = advance(by: min(kept - cache.count, Decoder.prefillChunk)) }
  }

  /// Computes the next `count` tokens of the window.
  private func advance(by count: Int) -> UnsafeMutablePointer<Float> {
    guard let (executor, graph) = count == 1 ? single : prefills[count] else {
      preconditionFailure("no graph for \(count) tokens")
    }
    let input = executor.integers(graph.tokens)
    for i in 0..<count { input[i] = window[cache.count + i] }
    executor.state.pointee.position = cache.count
    executor.forward()
    cache.count += count
    return executor.floats(graph.logits).baseAddress.unsafelyUnwrapped
  }

  private static func prepare(
    _ count: Int, _ model: GPT, _ compute: Compute, _ cache: KeyValueCache
  ) throws -> (executor: Executor, graph: LogitsGraph) {
    let graph = LogitsGraph(
      model.configuration, model.table, batchSize: 1, sequenceLength: count, cached: true)
    let executor = try Executor(
      graph.graph, compute: compute, parameters: model.weights, matrices: model.matrices,
      caches: cache.slots)
    return (executor, graph)
  }
}
