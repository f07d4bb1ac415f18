// Writing a file so that its name always stands for a complete version, old or new, even through
// kill -9 and power loss: write aside, sync, rename, sync the folder. Not a general file handle:
// it streams forward, patches what it wrote, and replaces the destination once.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file being written beside its destination; `commit` puts it in place.
///
/// Until then the destination is untouched. Without `commit`, or after an error, the temporary
/// file `.NAME.tmp-PID` disappears with this value; what a killed process left behind is removed
/// when the same destination is written next. A symbolic link is replaced, not followed. One
/// process at a time may write one destination.
public struct AtomicFile: ~Copyable {
  /// The destination.
  public let path: String
  /// Bytes written so far, patches not counted.
  public private(set) var byteCount = 0
  private let temporaryPath: String
  private let expectedByteCount: Int
  /// -1 once the temporary file is gone, by commit or by failure.
  private var descriptor: Int32

  /// Creates the temporary file.
  ///
  /// - Parameter expectedByteCount: the final size, if known: too little space is then an error
  ///   before anything is written.
  public init(path: String, expectedByteCount: Int = 0) throws(FileError) {
    var status = stat()
    let exists = stat(path, &status) == 0
    if path.utf8.last == UInt8(ascii: "/") || (exists && status.st_mode & S_IFMT == S_IFDIR) {
      throw .directory(path: path)
    }
    let prefix = TemporaryName.prefix(for: path)
    TemporaryName.removeStale(prefix: prefix, in: parentDirectory(of: path))
    if let available = availableByteCount(at: path), available < expectedByteCount {
      throw .diskFull(path: path, wanted: expectedByteCount, available: available)
    }
    let temporary = parentDirectory(of: path) + "/" + prefix + "\(getpid())"
    // A temporary file with our own process id is from an earlier life of that id (in containers
    // ids repeat), so it is ours to remove.
    unlink(temporary)
    let opened = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard opened >= 0 else { throw FileError.creating(path, errno, wanted: expectedByteCount) }
    // Keeps the mode of the file that is replaced; failing to is no reason to lose the data.
    if exists { fchmod(opened, status.st_mode & 0o777) }
    self.path = path
    self.expectedByteCount = expectedByteCount
    temporaryPath = temporary
    descriptor = opened
  }

  deinit { Self.remove(descriptor, temporaryPath) }

  /// Appends `bytes`.
  ///
  /// On error the temporary file is removed and this value is of no further use.
  public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    try put(bytes, at: nil)
    byteCount += bytes.count
  }

  /// Appends `bytes`.
  public mutating func write(_ bytes: [UInt8]) throws(FileError) {
    try put(bytes, at: nil)
    byteCount += bytes.count
  }

  /// Replaces bytes written before, from `offset` on.
  public mutating func overwrite(_ bytes: [UInt8], at offset: Int) throws(FileError) {
    precondition(
      offset >= 0 && offset + bytes.count <= byteCount,
      "overwrite of \(offset)..<\(offset + bytes.count) in \(byteCount) bytes")
    try put(bytes, at: offset)
  }

  /// Moves everything from `offset` on to the end of another file.
  ///
  /// *Cost*: reads and writes it once, 1 MB at a time.
  public mutating func moveTail(from offset: Int, to other: inout AtomicFile) throws(FileError) {
    precondition((0...byteCount).contains(offset), "\(offset) of \(byteCount) bytes")
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var place = offset
    while place < byteCount {
      let source = descriptor
      let wanted = min(buffer.count, byteCount - place)
      let count = buffer.withUnsafeMutableBytes { bytes in
        pread(source, bytes.baseAddress, wanted, off_t(place))
      }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { throw .notReadable(path: path, code: count < 0 ? errno : EIO) }
      try other.write(Array(buffer[..<count]))
      place += count
    }
    guard ftruncate(descriptor, off_t(offset)) == 0 else {
      throw FileError.writing(path, errno, wanted: offset)
    }
    lseek(descriptor, off_t(offset), SEEK_SET)
    byteCount = offset
  }

  /// Syncs the data, renames the file to its destination and syncs the folder.
  ///
  /// When this returns the new content survives a power failure; when it throws the previous
  /// content is still in place.
  public consuming func commit() throws(FileError) {
    precondition(descriptor >= 0, "commit of \(path) after an error")
    let wanted = max(byteCount, expectedByteCount)
    guard fsync(descriptor) == 0 else { throw FileError.writing(path, errno, wanted: wanted) }
    guard Self.isSame(descriptor, temporaryPath) else { throw .twoWriters(path: path) }
    guard rename(temporaryPath, path) == 0 else {
      throw FileError.writing(path, errno, wanted: wanted)
    }
    close(descriptor)
    descriptor = -1
    syncDirectory()
  }

  /// Writes `bytes` as the whole new content of `path`.
  public static func replace(_ path: String, with bytes: [UInt8]) throws(FileError) {
    var file = try AtomicFile(path: path, expectedByteCount: bytes.count)
    try file.write(bytes)
    try file.commit()
  }

  // MARK: Helpers

  private mutating func put(_ bytes: [UInt8], at offset: Int?) throws(FileError) {
    // withUnsafeBytes rethrows any error; the code travels as a value instead.
    let target = descriptor
    let code = bytes.withUnsafeBytes { writeAll($0, to: target, at: offset) }
    try check(code, adding: offset == nil ? bytes.count : 0)
  }

  private mutating func put(_ bytes: UnsafeRawBufferPointer, at offset: Int?) throws(FileError) {
    try check(writeAll(bytes, to: descriptor, at: offset), adding: bytes.count)
  }

  /// Gives the space back at once when a write failed, then reports it.
  private mutating func check(_ code: Int32, adding count: Int) throws(FileError) {
    if code == 0 { return }
    let wanted = max(byteCount + count, expectedByteCount)
    let error = FileError.writing(path, code, wanted: wanted)
    Self.remove(descriptor, temporaryPath)
    descriptor = -1
    throw error
  }

  /// The rename is done: a folder that can't be synced (some network disks) is no failure of it.
  private func syncDirectory() {
    let folder = open(parentDirectory(of: path), O_RDONLY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }

  /// Closes and deletes the temporary file, unless its name already stands for another file.
  private static func remove(_ descriptor: Int32, _ path: String) {
    guard descriptor >= 0 else { return }
    if isSame(descriptor, path) { unlink(path) }
    close(descriptor)
  }

  private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
    var ours = stat()
    var named = stat()
    return fstat(descriptor, &ours) == 0 && lstat(path, &named) == 0
      && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev
  }
}

/// Writes all of `bytes`, whatever signals and short writes do; returns 0 or an `errno`.
///
/// - Parameter offset: where to write; nil appends at the descriptor's own position.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int?) -> Int32 {
  var done = 0
  while done < bytes.count {
    // Linux writes at most 0x7ffff000 bytes per call.
    let rest = UnsafeRawBufferPointer(rebasing: bytes[done..<min(bytes.count, done + 1 << 30)])
    let count =
      if let offset { pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done)) } else
      {
        write(descriptor, rest.baseAddress, rest.count)
      }
    if count < 0 {
      if errno == EINTR { continue }
      return errno
    }
    if count == 0 { return EIO }
    done += count
  }
  return 0
}

/// The names of temporary files, and the removal of those whose writers are dead.
private enum TemporaryName {
  /// `.NAME.tmp-`, to be followed by a process id.
  static func prefix(for path: String) -> String {
    let name = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    return ".\(name).tmp-"
  }

  /// Deletes `prefix` + process id for every id that no process has.
  ///
  /// Errors are ignored: the next writer tries again.
  static func removeStale(prefix: String, in directory: String) {
    guard let stream = opendir(directory) else { return }
    defer { closedir(stream) }
    guard let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name) else { return }
    while let entry = readdir(stream) {
      // By address: the record is shorter than the `dirent` that its type promises.
      let name = String(
        cString: (UnsafeRawPointer(entry) + nameOffset).assumingMemoryBound(to: CChar.self))
      guard name.utf8.starts(with: prefix.utf8) else { continue }
      let digits = name.utf8.dropFirst(prefix.utf8.count)
      guard digits.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains),
        let process = Int32(String(decoding: digits, as: UTF8.self)), process > 0,
        kill(process, 0) != 0, errno == ESRCH
      else { continue }
      unlink(directory + "/" + name)
    }
  }
}
