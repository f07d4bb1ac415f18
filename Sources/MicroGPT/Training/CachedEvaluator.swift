// The loss over a whole split as generation meets it: token by token, from a key/value cache. Many
// tokens at once, without a cache: `Evaluator`.

/// Walks a split by decoding it.
///
/// With a cache in float32 the loss is `Evaluator`'s but for rounding; with another, the difference
/// is what storing keys and values that way costs.
public final class CachedEvaluator {
  private let decoder: Decoder
  private let split: TokenSplit
  private let vocabularySize: Int
  private let contextLength: Int

  /// Reserves the cache and the memory of a step; *throws* if memory lacks.
  public init(
    model: GPT, split: TokenSplit, format: KeyValueFormat, compute: Compute,
    depth: Depth = Depth()
  ) throws {
    self.split = split
    vocabularySize = model.configuration.vocabularySize
    contextLength = model.configuration.contextLength
    decoder = try Decoder(model: model, compute: compute, format: format, depth: depth)
  }

  /// Walks the whole split, in the windows of `Evaluator`; nil if `shouldStop` said so.
  ///
  /// Ends early where the loss is no longer finite, which nothing after that would change.
  public func run(shouldStop: () -> Bool = { false }) -> Evaluator.Result? {
    var inputs = [Int32](repeating: 0, count: contextLength)
    var targets = inputs
    var probabilities = LogProbabilities(vocabularySize: vocabularySize, alternativeCount: 0)
    var windows = EvaluationWindows(split)
    var (sum, tokenCount, passes) = (0.0, 0, 0)
    while let counted = nextWindow(&windows, &inputs, &targets), sum.isFinite {
      decoder.reset()
      for (input, target) in zip(inputs, targets) {
        if target < 0 { break }  // padding, at the end of a window
        if shouldStop() { return nil }
        probabilities.read(decoder.decode(input))
        passes += decoder.lastPasses
        sum -= probabilities.areAllNumbers ? probabilities.value(Int(target)) : .nan
      }
      tokenCount += counted
    }
    let count = Double(max(tokenCount, 1))
    return Evaluator.Result(
      loss: sum / count, passLosses: [sum / count], passes: Double(passes) / count,
      tokenCount: tokenCount,
      byteCount: split.targetByteCount)
  }

  private func nextWindow(
    _ windows: inout EvaluationWindows, _ inputs: inout [Int32], _ targets: inout [Int32]
  ) -> Int? {
    inputs.withUnsafeMutableBufferPointer { inputs in
      targets.withUnsafeMutableBufferPointer { targets in
        windows.next(
          inputs: inputs, targets: targets, batchSize: 1, sequenceLength: contextLength)
      }
    }
  }
}
