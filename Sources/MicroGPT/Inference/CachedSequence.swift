// A sequence of tokens that a model has taken in: its cache and the ids that are in it. Knows what
// can be kept of it, not how anything is computed.

/// Tokens in order of position, of which the last `capacity` are remembered.
final class CachedSequence {
  let cache: KeyValueCache
  /// Tokens taken in: the position of the next one.
  private(set) var position = 0
  /// The first token whose keys and values the caches of passes it did not take still lack, see
  /// `KeyFiller`; `position` if none does.
  private(set) var settled = 0
  /// Token p is at p mod capacity.
  private let window: UnsafeMutablePointer<Int32>
  /// The states (owed, C) of the tokens from `settled` on, see `KeyFiller.room`.
  private let states: UnsafeMutablePointer<Float>
  private let width: Int

  /// An empty sequence; *throws* if memory lacks.
  init(
    _ configuration: ModelConfiguration, _ depth: Depth, format: KeyValueFormat
  ) throws(MemoryError) {
    cache = try KeyValueCache(configuration, depth, format: format)
    window = .allocate(capacity: cache.capacity)
    window.initialize(repeating: 0, count: cache.capacity)
    width = configuration.modelWidth
    let room = KeyFiller.room(depth, configuration)
    states = .allocate(capacity: room * width)
    states.initialize(repeating: 0, count: room * width)
  }

  deinit {
    window.deallocate()
    states.deallocate()
  }

  /// Tokens from `settled` on.
  var owed: Int { position - settled }

  /// Notes that the caches have, or are about to get, all that they lack.
  func settle() { settled = position }

  /// Notes the state (C) that the newest token left with.
  func wait(_ state: UnsafePointer<Float>) {
    (states + (owed - 1) * width).update(from: state, count: width)
  }

  /// Copies the states (count, C) of the tokens from `settled` on.
  func copyStates(_ count: Int, to destination: UnsafeMutablePointer<Float>) {
    destination.update(from: states, count: count * width)
  }

  /// Tokens that are remembered.
  var count: Int { min(position, cache.capacity) }

  /// Whether the oldest tokens have been overwritten.
  ///
  /// The rest can only go on then: what is left was computed with them in view, and what they left
  /// behind is gone.
  var hasSlid: Bool { position > cache.capacity }

  /// The remembered token at `position`.
  subscript(position: Int) -> Int32 { window[position % cache.capacity] }

  /// Notes the ids of tokens whose keys and values enter the cache now.
  func append(_ token: Int32) {
    window[position % cache.capacity] = token
    position += 1
  }

  /// Forgets all but the first `count` tokens, or all if the window has slid; returns what is left.
  @discardableResult
  func truncate(to count: Int) -> Int {
    precondition((0...position).contains(count), "\(count) tokens of \(position)")
    if count < position { position = hasSlid ? 0 : count }
    settled = min(settled, position)
    return position
  }

  /// How many of the first of `tokens` are the sequence's first tokens, and can be kept.
  func commonPrefix(_ tokens: ArraySlice<Int32>) -> Int {
    if hasSlid { return 0 }
    var count = 0
    for token in tokens {
      guard count < position && window[count] == token else { break }
      count += 1
    }
    return count
  }

  /// Moves the newest `count` tokens to the beginning, as ids to be taken in again: the sequence is
  /// empty, `pending(i)` is the i-th of them.
  func restart(keeping count: Int) {
    precondition(!hasSlid && count <= position, "\(count) tokens of \(position)")
    let first = position - count
    for i in 0..<count { window[i] = window[first + i] }
    position = 0
    settled = 0
  }

  /// The i-th token from the next one on, after `restart`.
  func pending(_ i: Int) -> Int32 { window[position + i] }
}
