// Checksums inside a safetensors file. `__metadata__` has a key "checksums": a JSON text that maps
// each tensor's name to the CRC-32C of its bytes, "__metadata__.KEY" to the CRC-32C of the text
// under each other KEY, and "__metadata__" to that of the list of names, types and shapes, all as
// eight hexadecimal digits. Other programs ignore them, and they survive a rewrite that keeps the
// metadata but changes the order.

/// The checksums of one file, in the order of the file.
struct SafeTensorsChecksums {
  static let key = "checksums"

  /// The name under which the checksum of the metadata text `key` is stored.
  static func name(ofMetadata key: String) -> String { "\(SafeTensorsHeader.metadataKey).\(key)" }

  /// The checksum of what the header says of the tensors, in any order: sorted by name, a line
  /// `NAME DTYPE D0,D1,…` each.
  static func ofLayout(
    _ tensors: [(name: String, dtype: SafeTensorsDType, shape: [Int])]
  ) -> UInt32 {
    let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    return crc32c(
      sorted.map { tensor in
        let shape = tensor.shape.map(\.description).joined(separator: ",")
        return "\(tensor.name) \(tensor.dtype.rawValue) \(shape)\n"
      }.joined())
  }

  var members: [(name: String, value: UInt32)] = []

  /// The JSON text; its length depends on the names only, not on the values.
  var text: String {
    JSON.object(members.map { .init($0.name, .string(hexadecimal($0.value, digits: 8))) })
      .description
  }

  init() {}

  /// Reads what `text` wrote; nil if the text is anything else.
  init?(text: String) {
    guard let json = try? JSON.parse(text), let pairs = json.objectValue else { return nil }
    for pair in pairs {
      guard let digits = pair.value.stringValue, let value = UInt32(digits, radix: 16),
        digits == hexadecimal(value, digits: 8)
      else { return nil }
      members.append((pair.key, value))
    }
  }
}

extension SafeTensors {
  /// Whether the file carries checksums; files of other programs usually do not.
  public var hasChecksums: Bool { metadata[SafeTensorsChecksums.key] != nil }

  /// Compares every tensor and metadata text with its checksum; names the first damaged one.
  ///
  /// Metadata first, then the list of tensors, then tensors in the order of the file; each must
  /// have a checksum and each checksum its tensor or key. Cost: reads the whole file once, see
  /// mg_checksum.h.
  public func verifyChecksums() throws(CheckpointError) {
    let text = try requireMetadata(SafeTensorsChecksums.key)
    guard let checksums = SafeTensorsChecksums(text: text) else {
      let fault = "Found unreadable text, expected names with eight hexadecimal digits"
      throw .damagedMetadata(path: path, key: SafeTensorsChecksums.key, fault: fault)
    }
    var expected: [String: UInt32] = [:]
    for (name, value) in checksums.members { expected[name] = value }
    for (key, text) in metadata.sorted(by: { $0.key < $1.key })
    where key != SafeTensorsChecksums.key {
      let sum = expected.removeValue(forKey: SafeTensorsChecksums.name(ofMetadata: key))
      try compare(crc32c(text), with: sum, part: "metadata \(key)")
    }
    let layout = SafeTensorsChecksums.ofLayout(entries.map { ($0.name, $0.dtype, $0.shape) })
    let sum = expected.removeValue(forKey: SafeTensorsHeader.metadataKey)
    // A tensor that was renamed is better named than the whole list.
    if let stranger = entries.first(where: { expected[$0.name] == nil }) {
      throw .missingChecksum(path: path, part: "tensor \(stranger.name)")
    }
    try compare(layout, with: sum, part: "the list of tensors")
    for entry in entries {
      let sum = expected.removeValue(forKey: entry.name)
      let found = withBytes(of: entry) { crc32c($0) }
      try compare(found, with: sum, part: "tensor \(entry.name)")
    }
    if let name = expected.keys.min() { throw .missingTensor(path: path, name: name) }
  }

  private func compare(
    _ found: UInt32, with expected: UInt32?, part: String
  ) throws(CheckpointError) {
    guard let expected else { throw .missingChecksum(path: path, part: part) }
    if found != expected {
      throw .checksumMismatch(path: path, part: part, found: found, expected: expected)
    }
  }
}
