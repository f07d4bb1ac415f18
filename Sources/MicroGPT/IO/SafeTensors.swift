// Reading safetensors files: named tensors in a mapped file, validated when it is opened. Not
// here: what the names and the metadata mean (Model and Training know), and writing
// (SafeTensorsWriter.swift). All targets are little-endian, as the format is.

/// An open safetensors file.
///
/// ```swift
/// let file = try SafeTensors(path: "model.safetensors")
/// try file.verifyChecksums()
/// let weights = try file.floats(of: "norm.weight")
/// ```
public struct SafeTensors: Sendable {
  /// The path it was opened by.
  public let path: String
  /// All tensors, in the order of their bytes in the file.
  public let entries: [TensorEntry]
  /// The texts of `__metadata__`, "checksums" included.
  public let metadata: [String: String]
  /// The size of the file.
  public var byteCount: Int { file.byteCount }
  private let file: MappedFile
  private let indices: [String: Int]

  /// Maps the file and checks its header and layout, not its checksums.
  ///
  /// Cost: O(header).
  public init(path: String) throws(CheckpointError) {
    do throws(FileError) {
      file = try MappedFile(path: path)
    } catch {
      throw .file(error)
    }
    let header = try file.withBytes { bytes throws(CheckpointError) in
      try SafeTensorsHeader(file: bytes, path: path)
    }
    var indices: [String: Int] = [:]
    for (index, entry) in header.entries.enumerated() {
      // The parser compares keys by bytes; `String` also finds canonically equivalent names equal.
      guard indices.updateValue(index, forKey: entry.name) == nil else {
        let words = "Found tensor \(printable(entry.name)) twice, expected unique names"
        throw .damagedHeader(path: path, fault: words)
      }
    }
    self.path = path
    self.indices = indices
    entries = header.entries
    metadata = header.metadata
  }

  // MARK: Tensors

  /// The entry called `name`, if any.
  public func entry(named name: String) -> TensorEntry? { indices[name].map { entries[$0] } }

  /// The entry called `name`, which must exist and have `shape` if one is given.
  public func require(
    _ name: String, shape: [Int]? = nil
  ) throws(CheckpointError) -> TensorEntry {
    guard let entry = entry(named: name) else { throw .missingTensor(path: path, name: name) }
    if let shape, shape != entry.shape {
      throw .wrongShape(path: path, name: name, found: entry.shape, expected: shape)
    }
    return entry
  }

  /// Calls `body` with the bytes of `entry`.
  ///
  /// *Requires*: the entry is of this file. The bytes may be unaligned.
  public func withBytes<Result, Failure: Error>(
    of entry: TensorEntry, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try file.withBytes { bytes throws(Failure) in
      try body(UnsafeRawBufferPointer(rebasing: bytes[entry.range]))
    }
  }

  /// Calls `body` with the bytes of the tensor `name`.
  ///
  /// They may be unaligned.
  public func withBytes<Result>(
    of name: String, _ body: (UnsafeRawBufferPointer) -> Result
  ) throws(CheckpointError) -> Result {
    let entry = try require(name)
    return withBytes(of: entry, body)
  }

  /// The address of the first byte of `entry`, which has some; valid as long as this value or a
  /// copy of it lives.
  ///
  /// The bytes may be unaligned.
  func address(of entry: TensorEntry) -> UnsafeRawPointer {
    file.address(of: entry.range.lowerBound)
  }

  /// Lets the system take back the memory of `entry`'s pages: for tensors that have been copied.
  func release(_ entry: TensorEntry) { file.release(entry.range) }

  /// Copies the tensor `name` into `floats`, converting F16, BF16 and F64.
  ///
  /// *Requires*: `floats` has room for exactly its elements (see `require(_:shape:)`).
  public func read(
    _ name: String, into floats: UnsafeMutableBufferPointer<Float>
  ) throws(CheckpointError) {
    let entry = try require(name)
    guard withBytes(of: entry, { entry.dtype.convert($0, to: floats) }) else {
      throw .wrongDType(
        path: path, name: name, found: entry.dtype.rawValue, expected: "F32, F16, BF16 or F64")
    }
  }

  /// The elements of the tensor `name`, converted to `Float`.
  public func floats(of name: String) throws(CheckpointError) -> [Float] {
    let entry = try require(name)
    var converted = false
    let floats = [Float](unsafeUninitializedCapacity: entry.elementCount) { buffer, count in
      let target = UnsafeMutableBufferPointer(rebasing: buffer[..<entry.elementCount])
      target.initialize(repeating: 0)
      converted = withBytes(of: entry) { entry.dtype.convert($0, to: target) }
      count = entry.elementCount
    }
    guard converted else {
      throw .wrongDType(
        path: path, name: name, found: entry.dtype.rawValue, expected: "F32, F16, BF16 or F64")
    }
    return floats
  }

  // MARK: Metadata

  /// The text under `key`, which must exist.
  public func requireMetadata(_ key: String) throws(CheckpointError) -> String {
    guard let text = metadata[key] else { throw .missingMetadata(path: path, key: key) }
    return text
  }

  /// The JSON value that the text under `key` holds.
  public func requireJSON(_ key: String) throws(CheckpointError) -> JSON {
    let text = try requireMetadata(key)
    do throws(JSONError) {
      return try JSON.parse(text)
    } catch {
      throw .damagedMetadata(path: path, key: key, fault: error.fault)
    }
  }
}
