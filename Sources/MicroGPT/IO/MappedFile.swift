// A file as bytes in memory, read-only, without copying: texts, token files and checkpoints. Not
// for files that another program rewrites in place: a mapped file that is truncated meanwhile
// ends the process with a message (MapGuard.swift). Ours are replaced by rename (AtomicFile.swift),
// which leaves a map intact.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A whole file, mapped read-only for as long as the object lives.
///
/// A class, because several readers share one map. `@unchecked Sendable` is sound: the stored
/// properties are constants, the pages are read-only, and they are unmapped only in `deinit`,
/// which runs after the last user.
public final class MappedFile: @unchecked Sendable {
  /// The path it was opened by.
  public let path: String
  /// At least 1: empty files are an error.
  public let byteCount: Int
  private let base: UnsafeMutableRawPointer
  private let mapGuard: MapGuard

  /// Maps the regular file at `path`.
  ///
  /// Cost: O(1); pages are read when they are touched.
  public init(path: String) throws(FileError) {
    // Non-blocking, so that a pipe nobody writes to gives an error and no endless wait.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError.reading(path, errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError.reading(path, errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw .directory(path: path)
    default: throw .notRegular(path: path)
    }
    let count = Int(status.st_size)
    guard count > 0 else { throw .empty(path: path) }
    let pages = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    // MAP_FAILED is the address -1.
    guard let pages, Int(bitPattern: pages) != -1 else { throw FileError.reading(path, errno) }
    self.path = path
    byteCount = count
    base = pages
    mapGuard = MapGuard(pages, byteCount: count, name: printable(path))
  }

  deinit { munmap(base, byteCount) }

  /// The address of byte `offset`, valid as long as the object lives.
  func address(of offset: Int) -> UnsafeRawPointer {
    precondition((0..<byteCount).contains(offset), "byte \(offset) of \(byteCount)")
    return UnsafeRawPointer(base) + offset
  }

  /// Lets the system take back the pages of `range`, which are read again if they are used again.
  func release(_ range: Range<Int>) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (range.lowerBound + page - 1) / page * page
    let end = range.upperBound / page * page
    if first < end { madvise(base + first, end - first, MADV_DONTNEED) }
  }

  /// Calls `body` with all bytes of the file; the buffer must not leave the closure.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(self) {} }
    return try body(UnsafeRawBufferPointer(start: base, count: byteCount))
  }
}
