// Learns merges from text: the most frequent pair of neighbours becomes a token, again and again.
// Counts of pairs are kept up to date instead of being counted anew: a merge costs what it changes.

/// Learns a byte-level BPE vocabulary.
///
/// ```swift
/// var trainer = BytePairTrainer(pattern: .gpt2)
/// trainer.add(text, in: 0..<text.count)
/// let vocabulary = try trainer.train(vocabularySize: 4096)
/// ```
///
/// The result depends on the counts of the pieces only. Of pairs that are equally frequent the one
/// with the lesser left id is taken, then the one with the lesser right id; ids 0 … 255 are the
/// bytes in the order of GPT-2's characters, then come the merged tokens as they are found, then
/// `<|endoftext|>`. Hugging Face's `BpeTrainer` has the same rule and gives the same merges.
///
/// *Source*: R. Sennrich, B. Haddow, A. Birch, 2016 (arXiv:1508.07909), algorithm 1.
public struct BytePairTrainer: Sendable {
  /// A pair must come at least so often: a token for what occurs once saves nothing.
  static let leastCount = 2
  /// The bytes and the end token.
  public static let smallestVocabulary = 257

  let pattern: PreTokenizerPattern
  private var counts = WordCounts()

  /// Starts with no text.
  public init(pattern: PreTokenizerPattern) { self.pattern = pattern }

  /// Distinct pieces of text so far.
  public var distinctPieceCount: Int { counts.words.count }

  /// Counts the pieces of `text[range]`; more text can follow.
  ///
  /// *Cost*: O(bytes), some 15 ns each; memory for pieces that are new.
  public mutating func add(_ text: [UInt8], in range: Range<Int>) {
    let preTokenizer = PreTokenizer(pattern)
    var start = range.lowerBound
    while start < range.upperBound {
      let end = preTokenizer.pieceEnd(in: text, at: start, end: range.upperBound)
      counts.add(text, start, end)
      start = end
    }
  }

  /// Finds merges until there are `vocabularySize` ids.
  ///
  /// - Parameter progress: is called with the ids found and wanted, some hundred times.
  ///
  /// *Cost*: O(changes of pairs), memory for some 40 bytes per pair of neighbours in distinct
  /// pieces.
  ///
  /// *Throws* `vocabularyTooSmall`, `textTooPoor`.
  public func train(
    vocabularySize: Int, progress: (Int, Int) -> Void = { _, _ in }
  ) throws(BytePairTrainingError) -> BytePairVocabulary {
    try Self.check(vocabularySize: vocabularySize)
    var tokens = ByteAlphabet.order.map { [$0] }
    var known: [[UInt8]: Int32] = [:]
    var merges: [BytePairVocabulary.Merge] = []
    var pairs = PairCounts(counts, byteIDs: Self.byteIDs)
    let wanted = vocabularySize - 1
    while tokens.count < wanted {
      if merges.count % max(1, wanted / 200) == 0 { progress(tokens.count, wanted) }
      guard let pair = pairs.mostFrequent(atLeast: Self.leastCount) else {
        throw .textTooPoor(
          found: vocabularySize, supported: tokens.count + 1, pieces: distinctPieceCount)
      }
      let bytes = tokens[Int(pair.left)] + tokens[Int(pair.right)]
      // Two ways may lead to one token; the second one is a merge, but no new id.
      let result = known[bytes] ?? Int32(tokens.count)
      if known[bytes] == nil {
        known[bytes] = result
        tokens.append(bytes)
      }
      merges.append(.init(left: pair.left, right: pair.right, result: result))
      pairs.merge(pair.left, pair.right, into: result)
    }
    let end = SpecialToken(id: Int32(wanted), text: BytePairVocabulary.endNames[0])
    do throws(BytePairError) {
      return try BytePairVocabulary(
        tokens: tokens + [[]], merges: merges, specials: [end], pattern: pattern)
    } catch {
      throw .unusable(error)
    }
  }

  /// Refuses a size that no text could have, before one is read.
  ///
  /// *Throws* `vocabularyTooSmall`, `vocabularyTooLarge`.
  public static func check(vocabularySize: Int) throws(BytePairTrainingError) {
    guard vocabularySize >= smallestVocabulary else {
      throw .vocabularyTooSmall(found: vocabularySize, smallest: smallestVocabulary)
    }
    guard vocabularySize <= BytePairVocabulary.largestVocabulary else {
      throw .vocabularyTooLarge(
        found: vocabularySize, largest: BytePairVocabulary.largestVocabulary)
    }
  }

  /// Where a text that goes on behind `text` can be cut without changing any piece; nil if nowhere.
  public func safeCut(of text: [UInt8]) -> Int? {
    PreTokenizer(pattern).lastSafeCut(in: text, 0, text.count)
  }

  /// The ids of the bytes.
  static let byteIDs: [Int32] = {
    var ids = [Int32](repeating: 0, count: 256)
    for (id, byte) in ByteAlphabet.order.enumerated() { ids[Int(byte)] = Int32(id) }
    return ids
  }()
}

/// Why no vocabulary of the wanted size can be learned.
public enum BytePairTrainingError: UserFacingError, Equatable {
  /// There would be no room for all bytes and the end token.
  case vocabularyTooSmall(found: Int, smallest: Int)
  /// Ids would not be ids any more.
  case vocabularyTooLarge(found: Int, largest: Int)
  /// No pair of neighbours is left that occurs twice.
  case textTooPoor(found: Int, supported: Int, pieces: Int)
  /// The tokens are too long, or together too large.
  case unusable(BytePairError)

  /// The code the process exits with.
  public var exitCode: ExitCode {
    switch self {
    case .vocabularyTooSmall, .vocabularyTooLarge: .usage
    case .textTooPoor, .unusable: .data
    }
  }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .vocabularyTooSmall(let found, let smallest):
      "the vocabulary is too small. Found \(found) tokens, expected at least \(smallest): 256 "
        + "bytes and <|endoftext|>. Use a larger one."
    case .vocabularyTooLarge(let found, let largest):
      "the vocabulary is too large. Found \(found) tokens, expected at most \(largest). Use a "
        + "smaller one."
    case .textTooPoor(let found, let supported, let pieces):
      "the text does not support so many tokens. Found \(found), expected at most \(supported): in "
        + "its \(pieces) different words no further pair of tokens occurs twice. Use a smaller "
        + "vocabulary or more text."
    case .unusable(let error): error.description
    }
  }
}
