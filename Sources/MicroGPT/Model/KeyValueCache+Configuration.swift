// The key/value cache of a model: its sizes from the configuration.

extension KeyValueCache {
  /// A cache for the context of a model; *throws* if memory lacks.
  convenience init(
    _ c: ModelConfiguration, format: KeyValueFormat = .float32
  ) throws(MemoryError) {
    try self.init(
      layerCount: c.layerCount, heads: c.heads, capacity: c.contextLength, format: format)
  }

  /// Bytes that a cache for this configuration takes.
  static func byteCount(_ c: ModelConfiguration, format: KeyValueFormat = .float32) -> Int {
    byteCount(layerCount: c.layerCount, heads: c.heads, capacity: c.contextLength, format: format)
  }
}
