// `metrics.jsonl` and `metrics.csv` in the run folder, appended line by line. After a kill a
// resumed run cuts off what it will do again, so that the files never contradict themselves.

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What can go wrong with the metrics files; `reason` is the system's words.
enum MetricsError: UserFacingError, Equatable {
  case cannotCreate(path: String, reason: String)
  case cannotRead(path: String, reason: String)
  case cannotWrite(path: String, reason: String)

  var exitCode: ExitCode {
    switch self {
    case .cannotCreate: .cantCreate
    case .cannotRead, .cannotWrite: .ioError
    }
  }

  var description: String {
    switch self {
    case .cannotCreate(let path, let reason):
      "can't create the metrics file '\(path)': \(reason). "
        + "Choose a folder that you can write to with --out."
    case .cannotRead(let path, let reason):
      "can't read the metrics file '\(path)': \(reason). "
        + "Move it away to begin a new one, or make it readable."
    case .cannotWrite(let path, let reason):
      "can't write the metrics file '\(path)': \(reason). "
        + "Make room, then continue the run with --resume."
    }
  }
}

/// Appends records to both metrics files of a run.
///
/// Each line is handed to the system as soon as it is made, so that it survives the death of the
/// process; it is not forced to the disk, which would cost an SD card a write per line.
struct MetricsWriter: ~Copyable {
  private var jsonFile: LineFile
  private var csvFile: LineFile

  /// Opens the files in `folder`, which exists: empty for a new run; for one resumed after `step`
  /// steps with everything up to that step, and without torn or foreign lines.
  init(folder: String, resumingAfter step: Int? = nil) throws(MetricsError) {
    let (jsonPath, csvPath) = (Self.jsonPath(in: folder), folder + "/metrics.csv")
    if let step {
      try keepLines(ofFile: jsonPath) { line in
        guard let lineStep = jsonNumbers(inLine: line)?["step"] else { return nil }
        return lineStep <= Double(step) ? Array(line) : nil
      }
      try keepLines(ofFile: csvPath) { Self.csvLine($0, upTo: step) }
    }
    let newJSONFile = try LineFile(path: jsonPath, isNew: step == nil)
    var newCSVFile = try LineFile(path: csvPath, isNew: step == nil)
    if newCSVFile.byteCount == 0 { try newCSVFile.append(MetricsRecord.csvHeader) }
    // Only now: Swift can't undo half an initialization of a non-copyable value.
    jsonFile = newJSONFile
    csvFile = newCSVFile
  }

  /// Appends one record to both files.
  mutating func append(_ record: MetricsRecord) throws(MetricsError) {
    try jsonFile.append("\(record.json)")
    try csvFile.append(record.csv)
  }

  /// Where the JSON lines of a run are.
  static func jsonPath(in folder: String) -> String { folder + "/metrics.jsonl" }

  /// A whole CSV line of a step up to `step`, or the header, with today's columns; nil for others
  /// and for torn or foreign lines.
  private static func csvLine(_ line: ArraySlice<UInt8>, upTo step: Int) -> [UInt8]? {
    let comma = UInt8(ascii: ",")
    func columnCount(_ header: String) -> Int { header.utf8.count { $0 == comma } + 1 }
    for header in [MetricsRecord.csvHeader, MetricsRecord.olderCSVHeader]
    where line.elementsEqual(header.utf8) {
      return Array(MetricsRecord.csvHeader.utf8)
    }
    let fields = line.split(separator: comma, omittingEmptySubsequences: false)
    let missing = columnCount(MetricsRecord.csvHeader) - fields.count
    guard missing == 0 || fields.count == columnCount(MetricsRecord.olderCSVHeader),
      let lineStep = Int(String(decoding: fields[0], as: UTF8.self)), lineStep <= step
    else { return nil }
    return line + [UInt8](repeating: comma, count: missing)
  }
}

/// A file that only ever grows by whole lines.
///
/// Not private: Swift 6.0.3 crashes on a non-copyable private type stored in another one when
/// the tests import this module.
struct LineFile: ~Copyable {
  private let path: String
  private let descriptor: Int32
  private(set) var byteCount: Int

  init(path: String, isNew: Bool) throws(MetricsError) {
    let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (isNew ? O_TRUNC : 0)
    let descriptor = open(path, flags, 0o644)
    guard descriptor >= 0 else {
      throw .cannotCreate(path: path, reason: describe(systemError: errno))
    }
    self.path = path
    self.descriptor = descriptor
    byteCount = max(0, Int(lseek(descriptor, 0, SEEK_END)))
  }

  deinit { close(descriptor) }

  /// Appends `line` and a line break.
  ///
  /// If it fails half-way, what was written of it is taken back.
  mutating func append(_ line: String) throws(MetricsError) {
    let bytes = Array((line + "\n").utf8)
    let failure = bytes.withUnsafeBytes { SystemInfo.writeAll($0, to: descriptor) }
    guard failure == 0 else {
      _ = ftruncate(descriptor, off_t(byteCount))
      throw .cannotWrite(path: path, reason: describe(systemError: failure))
    }
    byteCount += bytes.count
  }
}

/// Rewrites the file at `path` with what `kept` makes of its whole lines; nil leaves a line out.
///
/// It is written aside, synced and renamed: at any moment the old or the new file is there.
/// A file that doesn't exist, or in which nothing changes, is left alone.
private func keepLines(ofFile path: String, _ kept: (ArraySlice<UInt8>) -> [UInt8]?)
  throws(MetricsError)
{
  guard let bytes = try readIfPresent(path) else { return }
  var new: [UInt8] = []
  new.reserveCapacity(bytes.count)
  forEachWholeLine(of: bytes) { line in
    if let line = kept(line) { new += line + [UInt8(ascii: "\n")] }
  }
  if new == bytes { return }
  let aside = path + ".partial"
  let descriptor = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  guard descriptor >= 0 else {
    throw .cannotCreate(path: aside, reason: describe(systemError: errno))
  }
  var failure = new.withUnsafeBytes { SystemInfo.writeAll($0, to: descriptor) }
  if failure == 0, fsync(descriptor) != 0 { failure = errno }
  close(descriptor)
  if failure == 0, rename(aside, path) != 0 { failure = errno }
  guard failure == 0 else {
    unlink(aside)
    throw .cannotWrite(path: path, reason: describe(systemError: failure))
  }
}
