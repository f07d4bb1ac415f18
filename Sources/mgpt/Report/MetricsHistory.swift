// Reads `metrics.jsonl` back, so that the loss curve of a resumed run shows the whole run.
// Tolerant: a torn last line and lines of another kind are passed over, never an error.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The losses of a run so far.
struct MetricsHistory: Equatable, Sendable {
  /// Training losses in the order of their steps.
  var training: [LossPoint] = []
  /// Validation losses in the order of their steps.
  var validation: [LossPoint] = []

  init() {}

  /// Reads a file; empty if there is none.
  ///
  /// *Cost*: the file is read into memory once.
  init(path: String) throws(MetricsError) {
    let bytes = try readIfPresent(path) ?? []
    for line in bytes.split(separator: UInt8(ascii: "\n")) {
      guard let numbers = jsonNumbers(inLine: line), let value = numbers["step"],
        let step = Int(exactly: value)
      else { continue }
      if let loss = numbers["loss"] { training.append(LossPoint(step: step, loss: loss)) }
      if let loss = numbers["val_loss"] { validation.append(LossPoint(step: step, loss: loss)) }
    }
  }

  /// Adds what a record says of losses.
  mutating func append(_ record: MetricsRecord) {
    if let loss = record.loss { training.append(LossPoint(step: record.step, loss: loss)) }
    if let loss = record.validationLoss {
      validation.append(LossPoint(step: record.step, loss: loss))
    }
  }
}

/// All bytes of a file; nil if it doesn't exist.
func readIfPresent(_ path: String) throws(MetricsError) -> [UInt8]? {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    if errno == ENOENT { return nil }
    throw .cannotRead(path: path, reason: describe(systemError: errno))
  }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var failure: Int32 = 0
  withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { buffer in
    while true {
      let count = read(descriptor, buffer.baseAddress, buffer.count)
      if count > 0 {
        bytes += buffer[0..<count]
      } else if count == 0 || errno != EINTR {
        if count < 0 { failure = errno }
        return
      }
    }
  }
  if failure != 0 { throw .cannotRead(path: path, reason: describe(systemError: failure)) }
  return bytes
}

/// Calls `body` with each line that ends in a line break, without it.
///
/// The slice's `endIndex` is the line break's index in `bytes`.
func forEachWholeLine(of bytes: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
  var start = 0
  while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
    body(bytes[start..<end])
    start = end + 1
  }
}
