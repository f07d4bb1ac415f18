// Random batches for training, and the position in the data that a checkpoint keeps so that a
// resumed run draws the very same ones. In order and complete: `EvaluationWindows`.

/// An endless source of training batches; the sequence is a function of split, seed and sizes.
///
/// - Stream of n tokens: each row is a window whose start is uniform in `0 ..< n - T`, as in
///   nanoGPT.
/// - Documents: each row is one document, in the order of a new permutation for each epoch, padded
///   behind its end token. A document with more than T targets gives one window of those that
///   begin 0, T, 2T, … tokens after its start, drawn uniformly; so it too comes once per epoch.
///
/// - Documents of whole texts: each row begins at a token drawn uniformly, or so much before it
///   that the row is full, but never before its document; where the document ends, padding begins.
///
/// ```
/// T = 6    inputs    <  a  d  a  >  >        < begin, > end and padding
///          targets   a  d  a  > -1 -1
/// ```
public struct BatchSampler: Sendable {
  /// What the batches are drawn from.
  public let split: TokenSplit
  /// How often all documents have been used; always 0 for a stream.
  public private(set) var epoch: Int

  let seed: UInt64
  private(set) var generator: RandomGenerator
  // Documents only: the permutation of this epoch and how many of it are used up. The permutation
  // is a function of seed and epoch, so that checkpoints need not hold it.
  private var order: [Int]
  private(set) var position: Int

  /// Starts at the beginning.
  public init(_ split: TokenSplit, seed: UInt64) {
    self.init(
      split, seed: seed, epoch: 0, position: 0,
      generator: RandomGenerator(seed: seed, stream: DataStream.windows))
  }

  /// Starts anywhere.
  ///
  /// *Requires*: `0 <= position <= documents`.
  init(
    _ split: TokenSplit, seed: UInt64, epoch: Int, position: Int, generator: RandomGenerator
  ) {
    self.split = split
    self.seed = seed
    self.epoch = epoch
    self.position = position
    self.generator = generator
    order = split.layout == .documents ? Array(split.pieces.indices) : []
    shuffle()
  }

  /// Fills a batch of inputs and, as targets, the tokens that follow them; returns how many
  /// targets count, which are those that are not -1.
  ///
  /// *Shapes*: `inputs` and `targets` (B, T), written completely.
  ///
  /// *Requires*: a stream has more than T tokens.
  ///
  /// *Cost*: O(B·T), and O(documents) once per epoch; allocates nothing.
  public mutating func fill(
    inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>,
    batchSize: Int, sequenceLength: Int
  ) -> Int {
    precondition(
      inputs.count == batchSize * sequenceLength && targets.count == inputs.count,
      "expected two buffers of (\(batchSize), \(sequenceLength)), found \(inputs.count) and "
        + "\(targets.count) elements")
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

  /// The tokens from which the next row takes as many as fit.
  private mutating func nextWindow(_ sequenceLength: Int) -> Range<Int> {
    switch split.layout {
    case .stream:
      let piece = split.pieces[0]
      precondition(
        piece.count > sequenceLength,
        "\(piece.count) tokens hold no window of \(sequenceLength) and the token after it")
      let start = generator.next(below: piece.count - sequenceLength)
      return piece.lowerBound + start..<piece.upperBound
    case .blankLine, .endOfText:
      return windowInText(sequenceLength)
    case .documents:
      if position == order.count {
        epoch += 1
        position = 0
        shuffle()
      }
      let piece = split.pieces[order[position]]
      position += 1
      let windowCount = (piece.count - 2) / sequenceLength + 1
      let window = windowCount == 1 ? 0 : generator.next(below: windowCount)
      return piece.lowerBound + window * sequenceLength..<piece.upperBound
    }
  }

  /// A window within one document, which is drawn in proportion to its length.
  ///
  /// *Cost*: O(log documents).
  private mutating func windowInText(_ sequenceLength: Int) -> Range<Int> {
    let pieces = split.pieces
    let first = pieces[0].lowerBound
    let drawn = first + generator.next(below: pieces[pieces.count - 1].upperBound - first)
    // The first document that ends behind the token.
    var (low, high) = (0, pieces.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if pieces[middle].upperBound <= drawn { low = middle + 1 } else { high = middle }
    }
    let piece = pieces[low]
    let start = min(drawn, piece.upperBound - 1 - sequenceLength)
    return max(start, piece.lowerBound)..<piece.upperBound
  }

  private mutating func shuffle() {
    shuffleIndices(&order, seed: seed, stream: DataStream.order + UInt64(epoch))
  }
}
