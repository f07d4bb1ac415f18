// Random batches for training, and the position in the data that a checkpoint keeps so that a
// resumed run draws the very same ones. In order and complete: `EvaluationWindows`.

/// An endless source of training batches; the sequence is a function of split, seed and sizes.
///
/// - Stream: an epoch is all windows that begin T tokens after one another, in random order; where
///   the first one begins is drawn anew for each epoch. Windows drawn independently of each other,
///   as nanoGPT does it, leave out a fifth of a text that is seen one and a half times, and cost
///   0.008 to 0.010 nats (tools/bench/README.md, section 7).
/// - Documents: each row is one document, in the order of a new permutation for each epoch, padded
///   behind its end token. A document with more than T targets gives one window of those that
///   begin 0, T, 2T, … tokens after its start, drawn uniformly; so it too comes once per epoch.
///
/// - Documents of whole texts: the same of all tokens. A row begins there, or so much before it
///   that it is full, but never before its document; where the document ends, padding begins.
///
/// ```
/// T = 6    inputs    <  a  d  a  >  >        < begin, > end and padding
///          targets   a  d  a  > -1 -1
/// ```
public struct BatchSampler: Sendable {
  /// What the batches are drawn from.
  public let split: TokenSplit
  /// How often all has been used.
  public private(set) var epoch: Int

  let seed: UInt64
  private(set) var generator: RandomGenerator
  // What of this epoch is used up. Its order is a function of seed and epoch, so that checkpoints
  // need not hold it: of documents, and of windows (made when their length is known).
  private(set) var position: Int
  private var order: [Int]
  private var windows: EpochWindows?

  /// Starts at the beginning.
  public init(_ split: TokenSplit, seed: UInt64) {
    self.init(
      split, seed: seed, epoch: 0, position: 0,
      generator: RandomGenerator(seed: seed, stream: DataStream.windows))
  }

  /// Starts anywhere.
  ///
  /// *Requires*: `position >= 0`, and at most the number of documents.
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
  /// *Cost*: O(B·T), and O(documents) once per epoch where they are lines; allocates nothing.
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
      let start = nextStart(below: piece.count - sequenceLength, sequenceLength)
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

  /// The next start of a window of `length` tokens, of those below `limit`.
  private mutating func nextStart(below limit: Int, _ length: Int) -> Int {
    if windows?.length != length || position >= windows?.count ?? 0 {
      startWindows(below: limit, length)
    }
    guard let windows else { preconditionFailure("no windows of \(length) tokens") }
    position += 1
    return windows[position - 1]
  }

  /// Those of this epoch, or of the next where none of this is left.
  private mutating func startWindows(below limit: Int, _ length: Int) {
    var started = EpochWindows(seed, epoch, below: limit, length)
    if position >= started.count {
      epoch += 1
      position = 0
      started = EpochWindows(seed, epoch, below: limit, length)
    }
    windows = started
  }

  /// A window within one document, which is drawn in proportion to its length.
  ///
  /// *Cost*: O(log documents).
  private mutating func windowInText(_ sequenceLength: Int) -> Range<Int> {
    let pieces = split.pieces
    let first = pieces[0].lowerBound
    let tokens = pieces[pieces.count - 1].upperBound - first
    let drawn = first + nextStart(below: tokens, sequenceLength)
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

/// Where the windows of an epoch begin, in their order.
private struct EpochWindows: Sendable {
  let length: Int
  private let phase: Int
  private let order: IndexPermutation

  init(_ seed: UInt64, _ epoch: Int, below limit: Int, _ length: Int) {
    var generator = RandomGenerator(seed: seed, stream: DataStream.windows + UInt64(epoch))
    phase = generator.next(below: min(length, limit))
    self.length = length
    order = IndexPermutation(
      count: (limit - phase + length - 1) / length, key: generator.next())
  }

  var count: Int { order.count }
  subscript(place: Int) -> Int { phase + order[place] * length }
}
