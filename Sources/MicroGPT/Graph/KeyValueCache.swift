// The keys and values of one sequence, per layer, and the table that tells a run which sequences it
// works on. How they are laid out: mg_kernels.h.

import CKernels

/// How keys and values are stored between tokens.
///
/// The raw value is what one types.
public enum KeyValueFormat: String, Sendable, CaseIterable {
  /// 4 bytes per element; decoding gives what a fresh pass over the text gives.
  case float32 = "f32"
  /// IEEE half precision, 2 bytes.
  case float16 = "f16"
  /// 1 byte, and 2 for the scale of each head vector.
  case int8

  fileprivate var type: mg_type {
    switch self {
    case .float32: return MG_F32
    case .float16: return MG_F16
    case .int8: return MG_Q8
    }
  }
}

/// Memory for the keys and values of the last `capacity` tokens of a sequence.
///
/// A token's place is its position mod `capacity`: past the capacity the newest overwrites the
/// oldest.
final class KeyValueCache {
  let format: KeyValueFormat
  let capacity: Int
  /// What operations read; one per layer.
  let layers: UnsafeMutablePointer<mg_kv_cache>
  let memory: Arena

  /// Reserves the memory; *throws* if it lacks.
  init(layerCount: Int, heads: HeadLayout, capacity: Int, format: KeyValueFormat)
    throws(MemoryError)
  {
    self.format = format
    self.capacity = capacity
    let bytes = KeyValueCache.byteCount(
      layerCount: 1, heads: heads, capacity: capacity, format: format)
    memory = try Arena(byteCount: layerCount * bytes, fillsSlowly: true)
    layers = .allocate(capacity: layerCount)
    for layer in 0..<layerCount {
      (layers + layer).initialize(
        to: mg_kv_cache_at(
          memory.base + layer * bytes, format.type, capacity, heads.keyValueHeadCount,
          heads.headWidth))
    }
  }

  deinit { layers.deallocate() }

  /// Bytes that it takes.
  var byteCount: Int { memory.byteCount }

  /// Bytes that such a cache takes, exactly.
  ///
  /// L · 2 · G · capacity (rounded up to 64) · D · 4, 2 or, with its scale, (1 + 2 / D) bytes.
  static func byteCount(
    layerCount: Int, heads: HeadLayout, capacity: Int, format: KeyValueFormat
  ) -> Int {
    layerCount
      * mg_kv_cache_bytes(format.type, capacity, heads.keyValueHeadCount, heads.headWidth)
  }
}

/// Where the sequences of a run with caches stand: one entry per sequence of the batch.
struct CachedSequences {
  /// Position of each sequence's first new token.
  let positions: UnsafePointer<Int>
  /// Each sequence's new tokens; rows behind them are computed but remembered nowhere.
  let counts: UnsafePointer<Int>
  /// The first layer of each sequence's cache.
  let caches: UnsafePointer<UnsafePointer<mg_kv_cache>?>
}

/// The memory of a `CachedSequences`, which is filled before each run.
final class SequenceTable {
  private let positions: UnsafeMutablePointer<Int>
  private let counts: UnsafeMutablePointer<Int>
  private let caches: UnsafeMutablePointer<UnsafePointer<mg_kv_cache>?>

  init(sequenceCount: Int) {
    positions = .allocate(capacity: sequenceCount)
    positions.initialize(repeating: 0, count: sequenceCount)
    counts = .allocate(capacity: sequenceCount)
    counts.initialize(repeating: 0, count: sequenceCount)
    caches = .allocate(capacity: sequenceCount)
    caches.initialize(repeating: nil, count: sequenceCount)
  }

  deinit {
    positions.deallocate()
    counts.deallocate()
    caches.deallocate()
  }

  /// What a run is given.
  var sequences: CachedSequences {
    CachedSequences(
      positions: UnsafePointer(positions), counts: UnsafePointer(counts),
      caches: UnsafePointer(caches))
  }

  /// Says which sequence entry `index` is.
  ///
  /// The cache must live as long as runs use it.
  func set(_ index: Int, cache: KeyValueCache, position: Int, count: Int) {
    positions[index] = position
    counts[index] = count
    caches[index] = UnsafePointer(cache.layers)
  }
}
