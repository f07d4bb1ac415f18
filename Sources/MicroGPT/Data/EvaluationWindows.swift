// The whole of a split in order, for evaluation: an exact number instead of an estimate from a
// few random batches. Random and endless: `BatchSampler`.

/// A walk over a split in which every token but the first of each sequence is predicted once.
///
/// The windows of a sequence do not overlap: each begins with the last target of the one before.
/// No row holds tokens of two documents. The rest of a last window, and the rows after the last
/// window of all, are padding with targets of -1.
///
/// ```
/// T = 4    tokens    a b c d e f g        one sequence of 7
/// row 0    inputs    a b c d              targets  b c d e
/// row 1    inputs    e f > >              targets  f g -1 -1
/// ```
public struct EvaluationWindows: Sendable {
  /// What is walked over.
  public let split: TokenSplit

  private var piece = 0
  // Tokens of `piece` that have been inputs.
  private var offset = 0

  /// Starts at the beginning.
  public init(_ split: TokenSplit) {
    self.split = split
  }

  /// Fills the next batch and returns how many of its targets count; nil, with both buffers left
  /// alone, after the last one.
  ///
  /// Use the same sizes for a whole walk. The order does not depend on the batch size.
  ///
  /// *Shapes*: `inputs` and `targets` (B, T), written completely.
  ///
  /// *Cost*: O(B·T); allocates nothing.
  public mutating func next(
    inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>,
    batchSize: Int, sequenceLength: Int
  ) -> Int? {
    precondition(
      inputs.count == batchSize * sequenceLength && targets.count == inputs.count,
      "expected two buffers of (\(batchSize), \(sequenceLength)), found \(inputs.count) and "
        + "\(targets.count) elements")
    if piece == split.pieces.count { return nil }
    var targetCount = 0
    for row in 0..<batchSize {
      let cells = row * sequenceLength..<(row + 1) * sequenceLength
      let window = nextWindow(sequenceLength)
      targetCount += split.copyRow(
        from: window.lowerBound, to: window.upperBound,
        inputs: UnsafeMutableBufferPointer(rebasing: inputs[cells]),
        targets: UnsafeMutableBufferPointer(rebasing: targets[cells]))
    }
    return targetCount
  }

  /// Goes back to the beginning.
  public mutating func reset() {
    (piece, offset) = (0, 0)
  }

  /// The tokens from which the next row takes as many as fit; empty after the end.
  private mutating func nextWindow(_ sequenceLength: Int) -> Range<Int> {
    guard piece < split.pieces.count else { return 0..<0 }
    let tokens = split.pieces[piece]
    let window = tokens.lowerBound + offset..<tokens.upperBound
    offset += sequenceLength
    // The last token of a sequence is never an input.
    if offset >= tokens.count - 1 { (piece, offset) = (piece + 1, 0) }
    return window
  }
}
