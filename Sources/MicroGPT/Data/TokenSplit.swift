// Tokens to train on, or to evaluate on: one sequence and the pieces of it that belong together.
// Batches of them: `BatchSampler` (random, training) and `EvaluationWindows` (all, in order).

/// A set of token sequences.
///
/// Each predicts all of its tokens but the first.
///
/// ```
/// stream     one piece     t o   b e   o r   n o t
/// documents  many pieces   < a d a >  < b e n >  < e v a >      < begin, > end
/// ```
///
/// Documents of whole texts are pieces that may share a token: one that ends the first of them and
/// begins the second.
public struct TokenSplit: Sendable {
  /// How the text was cut into sequences.
  public let layout: CorpusLayout
  /// The ranges of the token sequences, ascending; each holds at least two tokens.
  let pieces: [Range<Int>]
  /// The tokens; splits of one corpus share an array, so there may be others between the pieces.
  let tokens: TokenStore
  /// The fingerprint of tokens on disk, which is found when they are checked; nil for others.
  let storedChecksum: UInt64?
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
    self.init(
      layout: layout, pieces: pieces, store: TokenStore(tokens), paddingToken: paddingToken,
      targetByteCount: targetByteCount)
  }

  init(
    layout: CorpusLayout, pieces: [Range<Int>], store: TokenStore, paddingToken: Int32,
    targetByteCount: Int, checksum: UInt64? = nil
  ) {
    precondition(pieces.allSatisfy { $0.count >= 2 }, "every piece needs two tokens")
    self.layout = layout
    self.pieces = pieces
    tokens = store
    storedChecksum = checksum
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
    case .blankLine, .endOfText:
      let split = encoded.texts(encoded.tokens.indices, isWhole: true)
      guard !split.pieces.isEmpty else {
        throw .tooFewDocuments(path: path, found: 0, expected: 1)
      }
      self = split
    }
  }

  /// The same tokens as one stream: windows of training may then cross the ends of documents.
  func crossingDocuments() -> TokenSplit {
    guard let first = pieces.first, let last = pieces.last else { return self }
    return TokenSplit(
      layout: .stream, pieces: [first.lowerBound..<last.upperBound], store: tokens,
      paddingToken: paddingToken, targetByteCount: targetByteCount, checksum: storedChecksum)
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
    if count > 0 {
      tokens.copy(from: start, to: UnsafeMutableBufferPointer(rebasing: inputs[..<count]))
      tokens.copy(from: start + 1, to: UnsafeMutableBufferPointer(rebasing: targets[..<count]))
    }
    for t in count..<inputs.count {
      inputs[t] = paddingToken
      targets[t] = -1
    }
    return count
  }
}
