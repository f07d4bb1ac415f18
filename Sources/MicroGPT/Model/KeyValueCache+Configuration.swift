// The key/value cache of a model: its sizes from the configuration.

extension KeyValueCache {
  /// A cache for the context of a model run to this depth; *throws* if memory lacks.
  convenience init(
    _ c: ModelConfiguration, _ depth: Depth = Depth(), format: KeyValueFormat = .float32
  ) throws(MemoryError) {
    try self.init(
      layerCount: c.cachedLayerCount(depth), heads: c.heads, capacity: c.contextLength,
      format: format)
  }

  /// Bytes that a cache for this configuration takes.
  static func byteCount(_ c: ModelConfiguration, format: KeyValueFormat = .float32) -> Int {
    byteCount(
      layerCount: c.passedLayerCount, heads: c.heads, capacity: c.contextLength, format: format)
  }
}

extension ModelConfiguration {
  /// Bytes of a cache in float32 for the whole context.
  public var cacheByteCount: Int { KeyValueCache.byteCount(self) }
}
