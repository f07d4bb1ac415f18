// The keys and values of one sequence, per layer, for decoding.

/// Memory for the keys and values of up to `contextLength` tokens.
final class KeyValueCache {
  /// Slot 2l holds the keys, slot 2l + 1 the values of layer l: (contextLength, G · D) float32.
  let slots: [Arena]
  /// Tokens whose keys and values are in the cache.
  var count = 0

  /// Reserves the memory; *throws* if it lacks.
  ///
  /// *Cost*: 2 · L · contextLength · G · D · 4 bytes.
  init(_ c: ModelConfiguration) throws(MemoryError) {
    var slots: [Arena] = []
    for _ in 0..<(2 * c.layerCount) {
      slots.append(try Arena(byteCount: KeyValueCache.slotByteCount(c)))
    }
    self.slots = slots
  }

  private static func slotByteCount(_ c: ModelConfiguration) -> Int {
    c.contextLength * c.keyValueHeadCount * c.headWidth * 4
  }

  /// Bytes that a cache for this configuration takes.
  static func byteCount(_ c: ModelConfiguration) -> Int {
    2 * c.layerCount * Arena.rounded(slotByteCount(c))
  }
}
