// The loss over a whole split: every token once, in order. No sampling, so that two evaluations of
// the same weights agree.

/// Walks a split with a model and sums up its loss.
public final class Evaluator {
  private let executor: Executor
  private let loss: LossGraph
  private let split: TokenSplit
  private let batchSize: Int
  private let sequenceLength: Int
  private let depth: Depth
  private let passCount: Int

  /// The sum of a walk.
  public struct Result: Sendable, Equatable {
    /// Nats per token; of a recursive model after the last pass, or where each token leaves.
    public var loss: Double
    /// Nats per token after each pass of a recursive model; one loss for others, or with exits.
    public var passLosses: [Double]
    /// Passes that a token goes through, on average.
    public var passes: Double
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
  ///
  /// *Throws* `DepthError` for a depth that the model can't be run to.
  public init(
    model: GPT, split: TokenSplit, batchSize: Int, compute: Compute, depth: Depth = Depth()
  ) throws {
    try depth.validate(for: model.configuration)
    self.split = split
    self.batchSize = batchSize
    self.depth = depth
    passCount = depth.passes ?? model.configuration.passCount
    sequenceLength = model.configuration.contextLength
    loss = LossGraph(
      model.configuration, model.table, batchSize: batchSize, sequenceLength: sequenceLength,
      isTraining: false, depth: depth)
    executor = try Executor(
      loss.graph, compute: compute, parameters: model.weights, matrices: model.matrices)
    threshold = depth.exit?.threshold ?? 1
  }

  /// The threshold of the exits, for the next walk.
  ///
  /// *Requires*: 0 … 1.
  public var threshold: Double {
    get { Double(executor.state.pointee.exitThreshold) }
    set { executor.state.pointee.exitThreshold = Float(newValue) }
  }

  /// Walks the whole split; nil if `shouldStop` said so.
  ///
  /// Ends early where the loss is no longer finite, which nothing after that would change.
  public func run(shouldStop: () -> Bool = { false }) -> Result? {
    var windows = EvaluationWindows(split)
    let state = executor.state
    var sums = [Double](repeating: 0, count: state.pointee.lossSums.count)
    var tokenCount = 0
    var passes = 0
    while let counted = windows.next(
      inputs: executor.integers(loss.tokens), targets: executor.integers(loss.targets),
      batchSize: batchSize, sequenceLength: sequenceLength)
    {
      executor.forward()
      for i in sums.indices { sums[i] += state.pointee.lossSums[i] }
      tokenCount += counted
      passes += passesOfAll(counted)
      if shouldStop() { return nil }
      if !(sums.last ?? 0).isFinite { break }
    }
    let count = Double(max(tokenCount, 1))
    return Result(
      loss: (sums.last ?? 0) / count, passLosses: sums.map { $0 / count },
      passes: Double(passes) / count, tokenCount: tokenCount, byteCount: split.targetByteCount)
  }

  /// Passes that the `count` tokens of the last run went through, together.
  private func passesOfAll(_ count: Int) -> Int {
    guard let shared = depth.exit?.sharedPasses, shared < passCount else {
      return count * passCount
    }
    let counts = executor.state.pointee.passCounts
    return count * shared + (shared..<passCount).reduce(0) { $0 + counts[$1] }
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
