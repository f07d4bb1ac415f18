// A text as training and validation tokens. All of it is in memory: 4 bytes per token, 1 GB for
// 250 million characters. Start here; `TokenSplit` is what the rest of the program works with.

/// A text, encoded and split into a training and a validation part.
///
/// ```swift
/// let text = try readFile(path)
/// let layout = CorpusLayout.suggested(for: text)
/// let tokenizer = try makeTokenizer(.character, for: text, layout: layout, path: path)
/// let corpus = try Corpus(
///   text: text, layout: layout, tokenizer: tokenizer, contextLength: 64, path: path)
/// var sampler = BatchSampler(corpus.training, seed: 1)
/// ```
public struct Corpus: Sendable {
  /// What the model learns from.
  public let training: TokenSplit
  /// What it is judged by.
  public let validation: TokenSplit

  /// Encodes `text` and splits it.
  ///
  /// - Stream: of n tokens the first `Int((1 - validationFraction) * n)` are for training, the
  ///   rest for validation, exactly as in nanoGPT. Both parts must have `contextLength + 1` tokens.
  /// - Documents of whole texts: as a stream; the document in the middle is cut in two, because the
  ///   last book of five, kept back whole, would be another author's.
  /// - Lines: as many of n documents, at least one and at most n - 1, are for training, chosen
  ///   by a shuffle, because lists are often sorted. The choice depends on n and `splitSeed` only.
  ///   Leave that at its default: a split that moves with the seed of the run would make the
  ///   losses of two runs incomparable.
  ///
  /// *Requires*: `0 < validationFraction < 1`, `contextLength > 0`.
  ///
  /// *Throws* `empty`, `invalidUTF8`, `shorterThanContext`, `tooFewDocuments`; `path` is for their
  /// messages.
  ///
  /// *Source* of the stream rule: nanoGPT, `data/shakespeare_char/prepare.py`.
  public init(
    text: [UInt8], layout: CorpusLayout, tokenizer: any TextTokenizer, contextLength: Int,
    validationFraction: Double = 0.1, splitSeed: UInt64 = 0, path: String
  ) throws(DataError) {
    precondition(validationFraction > 0 && validationFraction < 1 && contextLength > 0)
    let encoded = try EncodedText(text, layout: layout, tokenizer: tokenizer, path: path)
    func trainingCount(of n: Int) -> Int { Int((1 - validationFraction) * Double(n)) }

    switch layout {
    case .stream:
      let n = encoded.tokens.count
      let middle = trainingCount(of: n)
      let largestContext = min(middle, n - middle) - 1
      for (split, count) in [(DataError.Split.training, middle), (.validation, n - middle)]
      where count <= contextLength {
        throw .shorterThanContext(
          path: path, split: split, tokenCount: count, contextLength: contextLength,
          largestContext: largestContext)
      }
      training = encoded.stream(0..<middle)
      validation = encoded.stream(middle..<n)
    case .documents:
      let n = encoded.pieces.count
      guard n >= 2 else { throw .tooFewDocuments(path: path, found: n, expected: 2) }
      let middle = min(max(trainingCount(of: n), 1), n - 1)
      var order = Array(0..<n)
      shuffleIndices(&order, seed: splitSeed, stream: DataStream.split)
      training = encoded.documents(order[..<middle].sorted())
      validation = encoded.documents(order[middle...].sorted())
    case .blankLine, .endOfText:
      let middle = trainingCount(of: encoded.tokens.count)
      training = encoded.texts(0..<middle)
      validation = encoded.texts(middle..<encoded.tokens.count)
      try refuseEmptySplits(path: path)
    }
  }

  /// Two splits that are tokens already.
  init(training: TokenSplit, validation: TokenSplit) {
    (self.training, self.validation) = (training, validation)
  }

  /// *Throws* `tooFewDocuments` if nothing could be predicted in one of the splits.
  func refuseEmptySplits(path: String) throws(DataError) {
    let found = training.pieces.count + validation.pieces.count
    if training.pieces.isEmpty || validation.pieces.isEmpty {
      throw .tooFewDocuments(path: path, found: found, expected: 2)
    }
  }

  /// The same corpus, whose training may cross the ends of documents; nil for lines, which are not
  /// in the order of the text.
  public func crossingDocuments() -> Corpus? {
    layout == .documents
      ? nil : Corpus(training: training.crossingDocuments(), validation: validation)
  }

  /// The lengths of all documents, with begin and end.
  public var documentTokenCounts: [Int] { (training.pieces + validation.pieces).map(\.count) }

  /// Tokens of both parts together.
  public var tokenCount: Int { training.tokenCount + validation.tokenCount }

  /// How the text was cut into sequences.
  public var layout: CorpusLayout { validation.layout }
}

/// The streams of random numbers that data uses; other parts of the program have others, so that
/// drawing more numbers in one place changes nothing in another.
enum DataStream {
  /// Which documents are for validation.
  static let split: UInt64 = 0xDA7A_0000_0000_0000
  /// Where the windows of batches begin.
  static let windows: UInt64 = 0xDA7A_0001_0000_0000
  /// Order of the documents; the number of the epoch is added.
  static let order: UInt64 = 0xDA7A_0002_0000_0000
}

/// Fills `order` with a permutation of its indices that depends on its length, `seed` and `stream`
/// only.
///
/// Allocates nothing if the array is not shared.
///
/// *Source*: D. Knuth, The Art of Computer Programming, volume 2, algorithm 3.4.2P
/// (Fisher and Yates).
func shuffleIndices(_ order: inout [Int], seed: UInt64, stream: UInt64) {
  var generator = RandomGenerator(seed: seed, stream: stream)
  for i in 0..<order.count { order[i] = i }
  var left = order.count
  while left > 1 {
    let chosen = generator.next(below: left)
    left -= 1
    let last = order[left]
    order[left] = order[chosen]
    order[chosen] = last
  }
}
