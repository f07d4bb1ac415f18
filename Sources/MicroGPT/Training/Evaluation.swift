// The loss over a whole split: every token once, in order. No sampling, so that two evaluations of
// the same weights agree.

/// Walks a split with a model and sums up its loss.
public final class Evaluator {
  private let executor: Executor
  private let loss: LossGraph
  private let split: TokenSplit
  private let batchSize: Int
  private let sequenceLength: Int

  /// The sum of a walk.
  public struct Result: Sendable, Equatable {
    /// Nats per token.
    public var loss: Double
    /// Tokens predicted.
    public var tokenCount: Int
    /// Bytes of text that the predicted tokens stand for.
    public var byteCount: Int
    /// exp(loss).
    public var perplexity: Double { exponential(loss) }
    /// Bits of code length per byte of text.
    public var bitsPerByte: Double {
      loss * Double(tokenCount) / logarithm(2) / Double(max(byteCount, 1))
    }
  }

  /// Reserves the memory of the walk; `batchSize` changes speed, not results beyond rounding.
  public init(model: GPT, split: TokenSplit, batchSize: Int, compute: Compute) throws {
    self.split = split
    self.batchSize = batchSize
    sequenceLength = model.configuration.contextLength
    loss = LossGraph(
      model.configuration, model.table, batchSize: batchSize, sequenceLength: sequenceLength,
      isTraining: false)
    executor = try Executor(
      loss.graph, compute: compute, parameters: model.weights, matrices: model.matrices)
  }

  /// Walks the whole split; nil if `shouldStop` said so.
  ///
  /// Ends early where the loss is no longer finite, which nothing after that would change.
  public func run(shouldStop: () -> Bool = { false }) -> Result? {
    var windows = EvaluationWindows(split)
    var sum = 0.0
    var tokenCount = 0
    while let counted = windows.next(
      inputs: executor.integers(loss.tokens), targets: executor.integers(loss.targets),
      batchSize: batchSize, sequenceLength: sequenceLength)
    {
      executor.forward()
      sum += executor.state.pointee.lossSum
      tokenCount += counted
      if shouldStop() { return nil }
      if !sum.isFinite { break }
    }
    return Result(
      loss: sum / Double(max(tokenCount, 1)), tokenCount: tokenCount,
      byteCount: split.targetByteCount)
  }
}

/// Why an evaluation has no result.
public enum EvaluationError: UserFacingError, Equatable {
  /// After so many tokens.
  case notFinite(path: String, found: String, tokens: Int)

  /// The code the process exits with.
  public var exitCode: ExitCode { .data }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .notFinite(let path, let found, let tokens):
      "\(printable(path)) has no loss. Found \(found) nats/token over \(tokens) tokens, expected a "
        + "finite number. Use a checkpoint from before the loss became NaN."
    }
  }
}
