// What quantisation costs, measured: two models with the same tokens side by side over a text.

import CKernels

/// The predictions of a changed model beside those of the original.
public struct ModelComparison: Sendable, Equatable {
  /// Loss of the original, nats per token.
  public var loss = 0.0
  /// Loss of the changed model, nats per token.
  public var changedLoss = 0.0
  /// Mean Kullback-Leibler divergence of the changed predictions from the original's, nats.
  public var divergence = 0.0
  /// Part of the tokens for which both find the same one most probable.
  public var agreement = 0.0
  /// Tokens compared.
  public var tokenCount = 0

  /// Compares `changed` with `original` on the first `tokenLimit` tokens of `split`, or some more
  /// up to the end of a window.
  ///
  /// Returns nil if `shouldStop` said so. *Requires*: models of one configuration.
  public static func run(
    original: GPT, changed: GPT, split: TokenSplit, tokenLimit: Int = .max, compute: Compute,
    shouldStop: () -> Bool = { false }
  ) throws -> ModelComparison? {
    let first = try LogitsRun(original, compute)
    let second = try LogitsRun(changed, compute)
    let configuration = original.configuration
    let (rows, vocabulary) = (configuration.contextLength, configuration.vocabularySize)
    try compute.reserve(scratchPerWorker: vocabulary, shared: 0)
    let results = try Arena(byteCount: 4 * rows * 4)
    let values = results.base.assumingMemoryBound(to: Float.self)
    let targets = try Arena(byteCount: rows * 4)
    let targetIDs = UnsafeMutableBufferPointer(
      start: targets.base.assumingMemoryBound(to: Int32.self), count: rows)
    var sums = [0.0, 0.0, 0.0, 0.0]
    var count = 0
    var windows = EvaluationWindows(split)
    while count < tokenLimit,
      let counted = windows.next(
        inputs: first.tokens, targets: targetIDs, batchSize: 1, sequenceLength: rows)
    {
      if shouldStop() { return nil }
      _ = second.tokens.update(fromContentsOf: first.tokens)
      first.executor.forward()
      second.executor.forward()
      var comparison = mg_comparison(
        rows: rows, vocabulary: vocabulary, p: first.logits, q: second.logits,
        targets: targetIDs.baseAddress, losses_p: values, losses_q: values + rows,
        divergences: values + 2 * rows, agreements: values + 3 * rows)
      mg_compare_predictions(compute.context, &comparison)
      for part in 0..<4 {
        for row in 0..<rows { sums[part] += Double(values[part * rows + row]) }
      }
      count += counted
    }
    let divisor = Double(max(count, 1))
    return ModelComparison(
      loss: sums[0] / divisor, changedLoss: sums[1] / divisor, divergence: sums[2] / divisor,
      agreement: sums[3] / divisor, tokenCount: count)
  }
}

/// A graph of all logits of one window.
private struct LogitsRun {
  let executor: Executor
  let tokens: UnsafeMutableBufferPointer<Int32>
  let logits: UnsafePointer<Float>?

  init(_ model: GPT, _ compute: Compute) throws {
    let graph = LogitsGraph(
      model.configuration, model.table, batchSize: 1,
      sequenceLength: model.configuration.contextLength, cached: false)
    executor = try Executor(
      graph.graph, compute: compute, parameters: model.weights, matrices: model.matrices)
    tokens = executor.integers(graph.tokens)
    logits = UnsafePointer(executor.floats(graph.logits).baseAddress)
  }
}
