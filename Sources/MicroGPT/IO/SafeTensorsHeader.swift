// The header of a safetensors file, checked before anything in it is trusted. Pure: bytes in,
// entries or an error out; mapping the file is SafeTensors.swift. The format: eight bytes of
// little-endian header length n, n bytes of JSON (padded with spaces), then the tensors' bytes
// without gaps. https://huggingface.co/docs/safetensors, "Format".

/// Where a tensor of the file is and what its bytes mean.
public struct TensorEntry: Equatable, Sendable {
  /// Unique in the file.
  public let name: String
  /// The type of the elements.
  public let dtype: SafeTensorsDType
  /// The dimensions, the last one contiguous; empty for a scalar.
  public let shape: [Int]
  /// Offsets in the file, from its first byte.
  public let range: Range<Int>

  /// The product of the shape; 1 for a scalar.
  public var elementCount: Int { range.count / dtype.byteCount }
}

/// The entries and metadata of a header that passed every check.
struct SafeTensorsHeader {
  /// The reference implementation's limit.
  static let maximumByteCount = 100_000_000
  /// The key of the metadata object, which is no tensor.
  static let metadataKey = "__metadata__"

  /// In the order of their bytes in the file.
  private(set) var entries: [TensorEntry] = []
  private(set) var metadata: [String: String] = [:]
  private let path: String

  /// Reads the header of the file whose whole content is `bytes`.
  ///
  /// Checked: length, JSON, types, shapes (no overflow), that the tensors' ranges have the size
  /// their shapes say, and that they cover the rest of the file without overlap or gap.
  init(file bytes: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
    self.path = path
    let length = try Self.headerByteCount(of: bytes, path: path)
    let json: JSON
    do throws(JSONError) {
      json = try JSON.parse(UnsafeRawBufferPointer(rebasing: bytes[8..<8 + length]))
    } catch {
      throw .damagedHeader(path: path, fault: error.fault)
    }
    guard case .object(let members) = json else {
      throw fault("Found no JSON object, expected one")
    }
    for member in members {
      if member.key == Self.metadataKey {
        try readMetadata(member.value)
      } else {
        entries.append(try entry(member, dataStart: 8 + length))
      }
    }
    try checkLayout(dataStart: 8 + length, fileByteCount: bytes.count)
  }

  /// The length that the first eight bytes state, if the file can be a safetensors file.
  private static func headerByteCount(
    of bytes: UnsafeRawBufferPointer, path: String
  ) throws(CheckpointError) -> Int {
    if let error = ForeignFile.error(for: bytes, path: path) { throw error }
    guard bytes.count >= 10 else {
      throw .truncated(path: path, found: bytes.count, expected: 10)
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= maximumByteCount else {
      let expected = "expected at most \(maximumByteCount) bytes"
      throw .damagedHeader(path: path, fault: "Found a header length of \(length), \(expected)")
    }
    guard 8 + Int(length) <= bytes.count else {
      throw .truncated(path: path, found: bytes.count, expected: 8 + Int(length))
    }
    return Int(length)
  }

  private mutating func readMetadata(_ value: JSON) throws(CheckpointError) {
    guard let members = value.objectValue else {
      throw fault("Found \(Self.metadataKey) of another kind, expected an object")
    }
    for member in members {
      guard let text = member.value.stringValue else {
        throw fault("Found metadata \(printable(member.key)) of another kind, expected a string")
      }
      guard metadata.updateValue(text, forKey: member.key) == nil else {
        throw fault("Found metadata \(printable(member.key)) twice, expected unique keys")
      }
    }
  }

  private func entry(
    _ member: JSON.Member, dataStart: Int
  ) throws(CheckpointError) -> TensorEntry {
    let name = member.key
    guard let code = member.value["dtype"]?.stringValue else {
      throw fault("Found tensor \(printable(name)) without dtype, expected one")
    }
    guard let dtype = SafeTensorsDType(rawValue: code) else {
      throw .unknownDType(path: path, name: name, found: code)
    }
    guard let shape = Self.counts(member.value["shape"]) else {
      throw fault("Found tensor \(printable(name)) with a bad shape, expected a list of counts")
    }
    guard let offsets = Self.counts(member.value["data_offsets"]), offsets.count == 2,
      offsets[0] <= offsets[1]
    else {
      throw fault("Found tensor \(printable(name)) with bad data_offsets, expected [begin, end]")
    }
    guard let byteCount = dtype.byteCount(ofShape: shape) else {
      throw fault("Found tensor \(printable(name)) of impossible size, expected it to fit memory")
    }
    guard offsets[1] - offsets[0] == byteCount else {
      let found = "Found \(offsets[1] - offsets[0]) bytes for tensor \(printable(name))"
      throw fault("\(found), expected \(byteCount) by its shape")
    }
    guard offsets[1] <= Int.max - dataStart else {
      throw fault("Found tensor \(printable(name)) at an impossible place, expected it in the file")
    }
    return TensorEntry(
      name: name, dtype: dtype, shape: shape,
      range: dataStart + offsets[0]..<dataStart + offsets[1])
  }

  /// Sorts the entries by place and makes sure that they cover the data without overlap or gap.
  private mutating func checkLayout(dataStart: Int, fileByteCount: Int) throws(CheckpointError) {
    // By both ends: an empty tensor may begin where the next one does.
    entries.sort {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    var end = dataStart
    for entry in entries {
      guard entry.range.lowerBound == end else {
        let found = "Found tensor \(printable(entry.name)) at byte \(entry.range.lowerBound)"
        throw fault("\(found), expected it at byte \(end)")
      }
      end = entry.range.upperBound
    }
    if end > fileByteCount {
      throw .truncated(path: path, found: fileByteCount, expected: end)
    }
    if end < fileByteCount {
      throw fault("Found \(fileByteCount - end) bytes after the last tensor, expected none")
    }
  }

  private func fault(_ words: String) -> CheckpointError {
    .damagedHeader(path: path, fault: words)
  }

  /// The elements of a JSON array of integers ≥ 0; nil for anything else.
  private static func counts(_ json: JSON?) -> [Int]? {
    guard case .array(let elements)? = json else { return nil }
    var counts: [Int] = []
    for element in elements {
      guard case .integer(let count) = element, count >= 0 else { return nil }
      counts.append(count)
    }
    return counts
  }
}
