// Runs a model on one sequence with a key/value cache: prefill, of which what the cache already has
// is left out, and decoding token by token. Knows ids, not text.

/// One sequence in progress.
///
/// What happens past the context window: `SequenceRunner`.
final class Decoder {
  private let runner: SequenceRunner
  private let sequence: CachedSequence

  /// Reserves cache and graphs; *throws* if memory lacks.
  init(
    model: GPT, compute: Compute, format: KeyValueFormat = .float32, depth: Depth = Depth()
  ) throws {
    try depth.validate(for: model.configuration)
    runner = try SequenceRunner(model: model, compute: compute, depth: depth)
    sequence = try CachedSequence(model.configuration, depth, format: format)
  }

  /// Begins a new sequence.
  func reset() { sequence.truncate(to: 0) }

  /// Tokens in the window.
  var count: Int { sequence.count }

  /// Tokens computed since the beginning: what prefill found in the cache is not among them.
  var computedCount: Int { runner.computedCount }

  /// The passes that the last token went through: 1 in models that are not recursive.
  var lastPasses: Int { runner.lastPasses }

  /// Bytes of the cache.
  var cacheByteCount: Int { sequence.cache.byteCount }

  /// Makes `tokens` the sequence; returns the logits (V) of what follows.
  ///
  /// The longest common beginning of the old sequence and the new one stays in the cache and is not
  /// computed again, so that a turn of a conversation costs its own tokens only; nothing is kept of
  /// a sequence whose window has slid. Of more tokens than the context holds the last
  /// `contextLength` count. *Throws* `PromptStopped` if `shouldStop` says so, which is asked again
  /// and again; whole chunks stay in the cache. *Requires*: at least one token.
  func prefill(
    _ tokens: [Int32], unless shouldStop: () -> Bool = { false }
  ) throws -> UnsafeMutablePointer<Float> {
    try runner.replace(sequence, by: tokens, unless: shouldStop)
  }

  /// Takes in more tokens; returns the logits (V) of what follows.
  ///
  /// The window slides as it does for single tokens. *Requires*: at least one token.
  func append(_ tokens: [Int32]) throws -> UnsafeMutablePointer<Float> {
    try runner.append(tokens[...], to: sequence)
  }

  /// Takes in one more token; returns the logits (V) of what follows.
  ///
  /// Allocates nothing.
  func decode(_ token: Int32) -> UnsafeMutablePointer<Float> {
    runner.append(token, to: sequence)
  }

  /// Forgets all but the first `count` tokens, or everything if the window has slid; returns how
  /// many tokens are left.
  @discardableResult
  func truncate(to count: Int) -> Int { sequence.truncate(to: count) }
}
