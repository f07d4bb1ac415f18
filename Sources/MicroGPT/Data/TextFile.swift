// Reads a whole file into memory: training text is read once and tokenized at once, so mapping it
// would save nothing. Interprets no byte of it.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Reads all bytes of the file (or pipe) at `path`.
///
/// The size that the system reports is a hint: pipes have none, and a file may grow meanwhile.
///
/// *Throws* `missing`, `directory`, `unreadable`, `readFailed` and `empty`.
public func readFile(_ path: String) throws(DataError) -> [UInt8] {
  let descriptor = try openText(path)
  defer { close(descriptor) }

  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, code: errno) }
  // One byte more than the reported size: a full buffer then means that the file is larger.
  var bytes = [UInt8](repeating: 0, count: max(Int(status.st_size), 4095) + 1)
  var byteCount = 0
  while true {
    if byteCount == bytes.count {
      bytes.append(contentsOf: repeatElement(0, count: bytes.count))
    }
    let result = bytes.withUnsafeMutableBytes { buffer in
      retryingInterrupts {
        read(descriptor, buffer.baseAddress?.advanced(by: byteCount), buffer.count - byteCount)
      }
    }
    if result < 0 { throw .readFailed(path: path, code: errno, offset: byteCount) }
    if result == 0 { break }
    byteCount += result
  }
  if byteCount == 0 { throw .empty(path: path) }
  bytes.removeLast(bytes.count - byteCount)
  return bytes
}

/// Opens a file or a pipe for reading.
///
/// *Throws* `missing`, `directory`, `unreadable`.
func openText(_ path: String) throws(DataError) -> Int32 {
  let descriptor = retryingInterrupts { open(path, O_RDONLY | O_CLOEXEC) }
  guard descriptor >= 0 else {
    let code = errno
    throw code == ENOENT || code == ENOTDIR
      ? .missing(path: path) : .unreadable(path: path, code: code)
  }
  var status = stat()
  if fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR {
    close(descriptor)
    throw .directory(path: path)
  }
  return descriptor
}

/// Repeats a system call for as long as a signal interrupts it.
func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}
