// Tokens to train on, or to evaluate on: one array and the pieces of it that belong together.
// Batches of them: `BatchSampler` (random, training) and `EvaluationWindows` (all, in order).

/// A set of token sequences.
///
/// Each predicts all of its tokens but the first.
///
/// ```
/// stream     one piece     t o   b e   o r   n o t
/// documents  many pieces   < a d a >  < b e n >  < e v a >      < begin, > end
/// ```
public struct TokenSplit: Sendable {
  /// How the text was cut into sequences.
  public let layout: CorpusLayout
  /// The ranges of the token sequences, ascending; each holds at least two tokens.
  let pieces: [Range<Int>]
  /// The tokens; splits of one corpus share the array, so there may be others between the pieces.
  let tokens: [Int32]
  /// The input token behind the end of a piece; its target is -1.
  let paddingToken: Int32

  /// The number of tokens.
  public let tokenCount: Int
  /// The number of tokens to predict: all but the first of each piece.
  public let targetCount: Int
  /// Bytes of text that the predicted tokens stand for; an end token stands for one line feed.
  ///
  /// Bits per byte = total loss in nats / ln 2 / `targetByteCount`.
  public let targetByteCount: Int

  init(
    layout: CorpusLayout, pieces: [Range<Int>], tokens: [Int32], paddingToken: Int32,
    targetByteCount: Int
  ) {
    precondition(pieces.allSatisfy { $0.count >= 2 }, "every piece needs two tokens")
    self.layout = layout
    self.pieces = pieces
    self.tokens = tokens
    self.paddingToken = paddingToken
    self.targetByteCount = targetByteCount
    tokenCount = pieces.reduce(0) { $0 + $1.count }
    targetCount = tokenCount - pieces.count
  }

  /// Encodes a whole text, for example to evaluate a model on a file of its own.
  ///
  /// *Throws* `invalidUTF8`, `empty`, `nothingToPredict`, `tooFewDocuments`; `path` is for their
  /// messages.
  public init(
    text: [UInt8], layout: CorpusLayout, tokenizer: any TextTokenizer, path: String
  ) throws(DataError) {
    let encoded = try EncodedText(text, layout: layout, tokenizer: tokenizer, path: path)
    switch layout {
    case .stream:
      guard encoded.tokens.count >= 2 else {
        throw .nothingToPredict(path: path, tokenCount: encoded.tokens.count)
      }
      self = encoded.stream(encoded.tokens.indices)
    case .documents:
      guard !encoded.pieces.isEmpty else {
        throw .tooFewDocuments(path: path, found: 0, expected: 1)
      }
      self = encoded.documents(Array(encoded.pieces.indices))
    }
  }

  /// Copies one row: inputs from `start` on and, as targets, the tokens that follow them, up to
  /// `limit`; the rest is padding, with targets of -1.
  ///
  /// Returns the number of real targets.
  ///
  /// *Shapes*: `inputs` and `targets` (T). *Requires*: `start < limit`, or equal for an empty row.
  func copyRow(
    from start: Int, to limit: Int,
    inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>
  ) -> Int {
    let count = max(0, min(inputs.count, limit - 1 - start))
    tokens.withUnsafeBufferPointer { tokens in
      for t in 0..<count {
        inputs[t] = tokens[start + t]
        targets[t] = tokens[start + t + 1]
      }
    }
    for t in count..<inputs.count {
      inputs[t] = paddingToken
      targets[t] = -1
    }
    return count
  }
}
