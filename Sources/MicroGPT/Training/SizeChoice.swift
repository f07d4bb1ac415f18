// Tokenizer and size of a model for a text, where nobody says them.

/// A size that suits a text, a time and a machine.
public struct SizeChoice: Sendable, Equatable {
  /// What keeps the size from being the next larger one.
  public enum Limit: Sendable, Equatable {
    case text, time, memory
  }

  /// The size.
  public let preset: ModelPreset
  /// Why it is not larger.
  public let limit: Limit

  /// Sizes to choose from, and the bytes of text from which on each makes sense.
  ///
  /// A small model that has seen its text some times beats a large one that has not finished.
  static let ladder: [(name: String, leastByteCount: Int)] = [
    ("tiny", 0), ("mini", 30_000), ("micro", 30_000), ("small", 8_000_000),
    ("medium", 100_000_000), ("large", 1_000_000_000),
  ]

  /// Without a time to keep nothing larger is chosen: it would take hours.
  static let largestWithoutTime = "small"

  /// Tokens that a model sees per weight within its time, at least; the next smaller one learns
  /// more otherwise.
  ///
  /// Bits per byte on WikiText-2, byte pairs of 1024: after 10 s 2.02 with 2 layers of width 64
  /// and 7.7 tokens per weight, 2.17 with 4 layers and 2.7; after 28 s 1.851 and 1.869, the second
  /// with 7.7 tokens per weight, and 2.04 with 4 layers of width 128 and 0.7
  /// (tools/bench/README.md, section 11).
  static let leastTokensPerWeight = 8.0

  /// Tokens of the longest line of a list.
  public static let longestOfLists = 64

  /// Chooses for a text of `byteCount` bytes.
  ///
  /// - Parameters:
  ///   - tokensPerSecond: The predicted speed of a size; nil without a time to keep.
  ///   - seconds: That time.
  ///   - isList: Whether the text is a list of names, or of other lines as short.
  ///   - parameterCount: The weights of a size, with the vocabulary of the text.
  ///   - fits: Whether memory suffices for it.
  public init(
    byteCount: Int, isList: Bool, seconds: Double?,
    tokensPerSecond: (ModelPreset) -> Double, parameterCount: (ModelPreset) -> Int,
    fits: (ModelPreset) -> Bool
  ) {
    let sizes = Self.ladder.compactMap { size in
      ModelPreset.find(size.name).map { (preset: $0, leastByteCount: size.leastByteCount) }
    }
    var (chosen, limit) = (sizes[0].preset, Limit.text)
    for (preset, least) in sizes.dropFirst() {
      if byteCount < least || (seconds == nil && chosen.name == Self.largestWithoutTime) { break }
      // Names and other short lines need no more, however many there are.
      let wanted = isList ? ModelPreset.find("names") ?? preset : preset
      if let seconds {
        let tokens = tokensPerSecond(wanted) * seconds
        if tokens < Self.leastTokensPerWeight * Double(parameterCount(wanted)) {
          limit = .time
          break
        }
      }
      if !fits(wanted) {
        limit = .memory
        break
      }
      chosen = wanted
      if isList { break }
    }
    (self.preset, self.limit) = (chosen, limit)
  }

  /// The kind of tokenizer for a text: characters for lists and for little text, of which a larger
  /// vocabulary would see too little; byte pairs otherwise, which carry further in the same time.
  public static func tokenizer(byteCount: Int, layout: CorpusLayout) -> TokenizerKind {
    layout == .documents || byteCount < leastByteCountOfPairs ? .character : .bpe
  }

  /// Of 100 KB 512 pairs make 2.37 bits per byte, characters 2.45, after the same 400 steps.
  static let leastByteCountOfPairs = 100_000
}
