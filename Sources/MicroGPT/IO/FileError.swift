// What can go wrong between this program and a file, whatever the file contains. Damaged or
// foreign contents are errors of the format (`CheckpointError`), not of the file.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that can't be read or written.
///
/// Codes are values of `errno`.
public enum FileError: UserFacingError, Equatable {
  case missing(path: String)
  case directory(path: String)
  case notRegular(path: String)
  case permission(path: String)
  case empty(path: String)
  /// Reading or mapping failed.
  case notReadable(path: String, code: Int32)
  /// The file, or the temporary file beside it, can't be created.
  case notCreatable(path: String, code: Int32)
  /// Writing, syncing or renaming failed.
  case notWritable(path: String, code: Int32)
  /// `wanted` bytes are the size of the whole file where known; `available` nil is unknown.
  case diskFull(path: String, wanted: Int, available: Int?)
  /// Another process replaced our temporary file while we wrote it.
  case twoWriters(path: String)

  /// The code the process exits with.
  public var exitCode: ExitCode {
    switch self {
    case .missing, .directory, .notRegular, .permission, .empty: .noInput
    case .notCreatable: .cantCreate
    case .notReadable, .notWritable, .diskFull, .twoWriters: .ioError
    }
  }

  /// The message, one line.
  public var description: String {
    switch self {
    case .missing(let path):
      "\(printable(path)) does not exist. Check the path; it is relative to the current folder."
    case .directory(let path):
      "\(printable(path)) is a folder, expected a file. Name a file inside it."
    case .notRegular(let path):
      "\(printable(path)) is a pipe or a device, expected a file. Copy its content into a file."
    case .permission(let path):
      "\(printable(path)) can't be read: permission denied. Check its owner and mode with ls -l."
    case .empty(let path):
      "\(printable(path)) is empty. Found 0 bytes, expected some content. Name another file."
    case .notReadable(let path, let code):
      "\(printable(path)) can't be read: \(reason(code)). Check the disk, then try again."
    case .notCreatable(let path, ENOENT):
      "\(printable(path)) can't be created: there is no folder "
        + "\(printable(parentDirectory(of: path)))."
        + " Create it with mkdir -p."
    case .notCreatable(let path, let code):
      "\(printable(path)) can't be created: \(reason(code)). Choose another place."
    case .notWritable(let path, let code):
      "\(printable(path)) can't be written: \(reason(code)). Nothing was overwritten; choose"
        + " another place or check the disk."
    case .diskFull(let path, let wanted, let available):
      "disk full: \(printable(path)) can't be written. Found \(available?.description ?? "too few")"
        + " bytes free, expected \(wanted). Nothing was overwritten; free some space or choose"
        + " another disk."
    case .twoWriters(let path):
      "\(printable(path)) was not written: another process is writing it too. Nothing was"
        + " overwritten; stop one of the two."
    }
  }

  /// The error for `code` from opening or reading `path`.
  static func reading(_ path: String, _ code: Int32) -> FileError {
    switch code {
    case ENOENT, ENOTDIR: .missing(path: path)
    case EISDIR: .directory(path: path)
    case EACCES, EPERM: .permission(path: path)
    default: .notReadable(path: path, code: code)
    }
  }

  /// The error for `code` from creating a file beside `path`.
  static func creating(_ path: String, _ code: Int32, wanted: Int) -> FileError {
    isDiskFull(code) ? full(path, wanted: wanted) : .notCreatable(path: path, code: code)
  }

  /// The error for `code` from writing, syncing or renaming to `path`.
  static func writing(_ path: String, _ code: Int32, wanted: Int) -> FileError {
    isDiskFull(code) ? full(path, wanted: wanted) : .notWritable(path: path, code: code)
  }

  private static func isDiskFull(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }

  private static func full(_ path: String, wanted: Int) -> FileError {
    .diskFull(path: path, wanted: wanted, available: availableByteCount(at: path))
  }
}

/// The system's words for an `errno`, in lower case to follow a colon.
private func reason(_ code: Int32) -> String {
  guard let words = strerror(code) else { return "error \(code)" }
  let text = String(cString: words)
  return text.prefix(1).lowercased() + text.dropFirst()
}

/// The folder that holds `path`, by its text: `a/b` is in `a`, `b` in `.`, `/b` in `/`.
func parentDirectory(of path: String) -> String {
  guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// The bytes that an unprivileged process may still write where `path` is or would be.
///
/// Nil where the file system does not say. Quotas are not seen.
public func availableByteCount(at path: String) -> Int? {
  var status = statvfs()
  guard statvfs(path, &status) == 0 || statvfs(parentDirectory(of: path), &status) == 0,
    status.f_blocks > 0
  else { return nil }
  let (count, overflow) = Int(status.f_bavail).multipliedReportingOverflow(
    by: Int(status.f_frsize))
  return overflow ? Int.max : count
}

/// `text` fit for one line of a terminal: control characters escaped, at most 200 characters.
func printable(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars.prefix(200) {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator:
      result += "\\u{\(String(scalar.value, radix: 16))}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return text.unicodeScalars.count > 200 ? result + "…" : result
}
