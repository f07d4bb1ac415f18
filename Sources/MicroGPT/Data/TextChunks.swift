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
/// A part has some `byteCount` bytes. Where `safeCut` finds no place to end it, it ends between two
/// characters: a text of one word of 16 MB, which is none, must not be read whole for it.
///
/// *Throws* as `readFile` does, and what `body` throws.
public func forEachChunk(
  of path: String, byteCount: Int = 1 << 24, safeCut: ([UInt8]) -> Int?,
  _ body: ([UInt8]) throws -> Void
) throws {
  let descriptor = try openText(path)
  defer { close(descriptor) }
  var (waiting, total): ([UInt8], Int) = ([], 0)
  var buffer = [UInt8](repeating: 0, count: min(byteCount, 1 << 20))
  while true {
    let count = buffer.withUnsafeMutableBytes { bytes in
      retryingInterrupts { read(descriptor, bytes.baseAddress, bytes.count) }
    }
    if count < 0 { throw DataError.readFailed(path: path, code: errno, offset: total) }
    if count == 0 { break }
    total += count
    waiting += buffer[..<count]
    if waiting.count < byteCount { continue }
    let cut = safeCut(waiting) ?? characterStart(waiting, 0..<waiting.count)
    let rest = Array(waiting[cut...])
    waiting.removeLast(waiting.count - cut)
    try body(waiting)
    waiting = rest
  }
  if total == 0 { throw DataError.empty(path: path) }
  if !waiting.isEmpty { try body(waiting) }
}

/// The last place in `range` where a character of UTF-8 begins; its end if there is none near it.
func characterStart(_ text: [UInt8], _ range: Range<Int>) -> Int {
  for back in 1...4 where range.count > back {
    if text[range.upperBound - back] & 0xC0 != 0x80 { return range.upperBound - back }
  }
  return range.upperBound
}
