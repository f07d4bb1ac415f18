// Writing safetensors files: layout and metadata first, then the tensors' bytes in that order, in
// pieces of any size. Checksums are known only at the end, so the header is written with zeros in
// their place and patched before the file is synced and renamed (AtomicFile.swift); reading the
// data twice would double the memory traffic of every save.

/// The name, type and shape of a tensor to be written.
public struct TensorSpecification: Equatable, Sendable {
  /// Unique in the file.
  public var name: String
  /// The type of the elements.
  public var dtype: SafeTensorsDType
  /// The dimensions, the last one contiguous; empty for a scalar.
  public var shape: [Int]

  /// Describes a tensor, of F32 unless told otherwise.
  public init(name: String, dtype: SafeTensorsDType = .f32, shape: [Int]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
  }
}

/// A safetensors file being written; nothing is at its path before `commit`.
///
/// The data start at a multiple of 64 bytes, so tensors whose predecessors have multiples of 16
/// floats are aligned to cache lines in the mapped file.
public struct SafeTensorsWriter: ~Copyable {
  private var content: Content
  private var file: AtomicFile

  /// Starts the file at `path` and writes its header.
  ///
  /// *Requires*: names are unique and sizes fit `Int`; metadata keys are unique, without
  /// "checksums". The metadata go to the file in the given order.
  public init(
    path: String, tensors: [TensorSpecification], metadata: [(key: String, value: String)] = []
  ) throws(FileError) {
    let content = Content(tensors, metadata)
    let header = content.header
    let byteCount = header.count + content.dataByteCount
    var file = try AtomicFile(path: path, expectedByteCount: byteCount)
    try file.write(header)
    self.content = content
    self.file = file
  }

  /// Appends `bytes` to the tensor `name`, the first that is not complete.
  ///
  /// A tensor may come in several pieces. *Requires*: tensors come in the order given to `init`,
  /// and no piece exceeds what is left of its tensor. Empty tensors need no call.
  public mutating func write(
    _ bytes: UnsafeRawBufferPointer, of name: String
  ) throws(FileError) {
    if bytes.isEmpty { return }
    content.append(bytes, of: name)
    try file.write(bytes)
  }

  /// Appends `floats` to the F32 tensor `name`.
  public mutating func write(
    _ floats: UnsafeBufferPointer<Float>, of name: String
  ) throws(FileError) {
    precondition(floats.isEmpty || content.dtype == .f32, "floats for \(name), which is not F32")
    try write(UnsafeRawBufferPointer(floats), of: name)
  }

  /// Puts the checksums into the header, syncs, and replaces the file at the path.
  ///
  /// *Requires*: every tensor is complete.
  public consuming func commit() throws(FileError) {
    precondition(content.dtype == nil, "the last tensors are missing or incomplete")
    try file.overwrite(content.header, at: 0)
    try file.commit()
  }
}

/// What goes into the header, and how much of the data went by.
private struct Content {
  let tensors: [TensorSpecification]
  let byteCounts: [Int]
  let metadata: [JSON.Member]
  var checksums = SafeTensorsChecksums()
  let firstTensorChecksum: Int  // index into checksums.members
  var current: Int  // index of the tensor whose bytes come next; tensors.count at the end
  var remaining: Int  // its bytes still to come

  init(_ tensors: [TensorSpecification], _ metadata: [(key: String, value: String)]) {
    precondition(Set(tensors.map(\.name)).count == tensors.count, "tensor names must be unique")
    precondition(Set(metadata.map(\.key)).count == metadata.count, "metadata keys must be unique")
    precondition(
      !tensors.contains { $0.name.hasPrefix(SafeTensorsHeader.metadataKey) }
        && !metadata.contains { $0.key == SafeTensorsChecksums.key },
      "\(SafeTensorsHeader.metadataKey)… and \(SafeTensorsChecksums.key) are reserved names")
    self.tensors = tensors
    byteCounts = tensors.map { tensor in
      guard let count = tensor.dtype.byteCount(ofShape: tensor.shape) else {
        preconditionFailure("impossible shape \(tensor.shape) of \(tensor.name)")
      }
      return count
    }
    self.metadata = metadata.map { JSON.Member($0.key, .string($0.value)) }
    for (key, value) in metadata {
      checksums.members.append((SafeTensorsChecksums.name(ofMetadata: key), crc32c(value)))
    }
    let layout = tensors.map { ($0.name, $0.dtype, $0.shape) }
    checksums.members.append(
      (SafeTensorsHeader.metadataKey, SafeTensorsChecksums.ofLayout(layout)))
    firstTensorChecksum = checksums.members.count
    for tensor in tensors { checksums.members.append((tensor.name, 0)) }
    (current, remaining) = (-1, 0)
    moveOn()
  }

  var dataByteCount: Int { byteCounts.reduce(0, +) }

  /// The type of the tensor whose bytes come next; nil at the end.
  var dtype: SafeTensorsDType? { current < tensors.count ? tensors[current].dtype : nil }

  /// Counts `bytes` and adds them to the checksum of the tensor `name`.
  mutating func append(_ bytes: UnsafeRawBufferPointer, of name: String) {
    precondition(current < tensors.count, "\(name) after the last tensor")
    precondition(
      name == tensors[current].name, "found tensor \(name), expected \(tensors[current].name)")
    precondition(
      bytes.count <= remaining, "\(bytes.count) bytes of \(name), expected at most \(remaining)")
    let index = firstTensorChecksum + current
    checksums.members[index].value = crc32c(bytes, continuing: checksums.members[index].value)
    remaining -= bytes.count
    if remaining == 0 { moveOn() }
  }

  /// Goes to the next tensor that has bytes.
  private mutating func moveOn() {
    current = byteCounts[(current + 1)...].firstIndex { $0 > 0 } ?? tensors.count
    remaining = current < tensors.count ? byteCounts[current] : 0
  }

  /// Length, JSON and padding.
  ///
  /// The size is the same for all values of the checksums.
  var header: [UInt8] {
    let texts = metadata + [.init(SafeTensorsChecksums.key, .string(checksums.text))]
    var members = [JSON.Member(SafeTensorsHeader.metadataKey, .object(texts))]
    var offset = 0
    for (tensor, byteCount) in zip(tensors, byteCounts) {
      let value: JSON = [
        "dtype": .string(tensor.dtype.rawValue),
        "shape": .array(tensor.shape.map { .integer($0) }),
        "data_offsets": [.integer(offset), .integer(offset + byteCount)],
      ]
      members.append(JSON.Member(tensor.name, value))
      offset += byteCount
    }
    var bytes = [UInt8](repeating: 0, count: 8)
    JSON.object(members).append(to: &bytes)
    bytes += [UInt8](repeating: UInt8(ascii: " "), count: (64 - bytes.count % 64) % 64)
    let length = UInt64(bytes.count - 8)
    precondition(length <= SafeTensorsHeader.maximumByteCount, "header of \(length) bytes")
    for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: length >> (8 * index)) }
    return bytes
  }
}
