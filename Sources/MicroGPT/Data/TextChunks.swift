// A file in parts, for texts larger than memory. Where they may be cut whoever reads them decides.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Calls `body` with one part of a file after the other.
///
/// A part has some `byteCount` bytes, more only where `safeCut` finds no place to end it.
///
/// *Throws* as `readFile` does, and what `body` throws.
public func forEachChunk(
  of path: String, byteCount: Int = 1 << 24, safeCut: ([UInt8]) -> Int?,
  _ body: ([UInt8]) throws -> Void
) throws {
  let descriptor = try openText(path)
  defer { close(descriptor) }
  var (waiting, wanted, total): ([UInt8], Int, Int) = ([], byteCount, 0)
  var buffer = [UInt8](repeating: 0, count: min(byteCount, 1 << 20))
  while true {
    let count = buffer.withUnsafeMutableBytes { bytes in
      retryingInterrupts { read(descriptor, bytes.baseAddress, bytes.count) }
    }
    if count < 0 { throw DataError.readFailed(path: path, code: errno, offset: total) }
    if count == 0 { break }
    total += count
    waiting += buffer[..<count]
    if waiting.count < wanted { continue }
    guard let cut = safeCut(waiting) else {
      wanted *= 2
      continue
    }
    let rest = Array(waiting[cut...])
    waiting.removeLast(waiting.count - cut)
    try body(waiting)
    (waiting, wanted) = (rest, byteCount)
  }
  if total == 0 { throw DataError.empty(path: path) }
  if !waiting.isEmpty { try body(waiting) }
}
