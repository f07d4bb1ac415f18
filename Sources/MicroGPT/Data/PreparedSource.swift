// Of what a folder of token files was made, and whether that is still there as it was. Kept in
// meta.json (TokenFolderMeta.swift).

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where prepared tokens came from.
public struct PreparedSource: Sendable, Equatable {
  /// The text, as the command line named it.
  public var path: String
  /// Bytes of text read.
  public var byteCount: Int
  /// CRC-32C of these bytes.
  public var checksum: UInt32
  /// The files of the text, in the order in which they were read; none if an mgpt wrote meta.json
  /// that did not note them.
  var files: [FileStamp] = []
  /// Where the tokenizer came from; nil if an mgpt wrote meta.json that did not note it.
  public var tokenizer: TokenizerOrigin?
}

/// Where the tokenizer of prepared tokens came from.
public enum TokenizerOrigin: Sendable, Equatable {
  /// Made for the text; of byte pairs so many, or as many as suit it.
  case text(TokenizerKind, size: Int?)
  /// Read from a file.
  case file(String)
}

/// A file as it was at some time.
struct FileStamp: Sendable, Equatable {
  let path: String
  let byteCount: Int
  /// When it was last written, in microseconds since 1970: a number that all readers of JSON hold.
  let modified: Int

  init(path: String, byteCount: Int, modified: Int) {
    (self.path, self.byteCount, self.modified) = (path, byteCount, modified)
  }

  /// The file as it is; nil if there is none.
  init?(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    // Wrapping: file systems hold years that no calendar has.
    let microseconds = Int(time.tv_sec) &* 1_000_000 &+ Int(time.tv_nsec) / 1000
    self.init(path: path, byteCount: Int(status.st_size), modified: microseconds)
  }
}

extension TextSource {
  /// The files as they are, without those that have gone meanwhile.
  func stamps() -> [FileStamp] { files.compactMap { FileStamp($0) } }
}

extension PreparedSource {
  /// What is no longer as it was: a file, or the text; nil if nothing is, or if nobody can tell
  /// because the text is gone or was not noted.
  ///
  /// *Cost*: a system call per file; reads the text where a file was written again and has the same
  /// size.
  func change(_ layout: CorpusLayout) -> String? {
    guard !files.isEmpty, let now = try? TextSource(path) else { return nil }
    return change(in: now, layout)
  }

  /// The same for a text of which it is known that it is there.
  func change(in now: TextSource, _ layout: CorpusLayout) -> String? {
    let before = Dictionary(files.map { ($0.path, $0) }) { first, _ in first }
    var isWritten = false
    for path in now.files {
      guard let old = before[path], let new = FileStamp(path), old.byteCount == new.byteCount
      else { return path }
      if old.modified != new.modified { isWritten = true }
    }
    if now.files.count != files.count {
      let kept = Set(now.files)
      return files.first { !kept.contains($0.path) }?.path
    }
    return isWritten && !isText(of: now, layout) ? path : nil
  }

  /// Whether the bytes of a text are those that were read.
  private func isText(of now: TextSource, _ layout: CorpusLayout) -> Bool {
    var (count, found): (Int, UInt32) = (0, 0)
    let isRead: Void? = try? now.forEachPart(layout) { part in
      count += part.count
      found = part.withUnsafeBytes { crc32c($0, continuing: found) }
      return count <= byteCount
    }
    return isRead != nil && count == byteCount && found == checksum
  }
}

// MARK: - In meta.json

extension PreparedSource {
  var json: JSON {
    let origin: JSON =
      switch tokenizer {
      case nil: .null
      case .text(let kind, let size):
        ["kind": .string(kind.rawValue), "size": size.map { .integer($0) } ?? .null]
      case .file(let path): ["file": .string(path)]
      }
    let stamps = files.map { file -> JSON in
      [
        "path": .string(file.path), "bytes": .integer(file.byteCount),
        "modified_us": .integer(file.modified),
      ]
    }
    return [
      "path": .string(path), "bytes": .integer(byteCount),
      "crc32c": .string(hexadecimal(checksum, digits: 8)), "tokenizer": origin,
      "files": .array(stamps),
    ]
  }

  /// Reads what `json` wrote into `files` and `tokenizer`; what is not as it wrote it counts as not
  /// noted.
  mutating func readRecord(_ json: JSON?) {
    if let path = json?["tokenizer"]?["file"]?.stringValue {
      tokenizer = .file(path)
    } else if let name = json?["tokenizer"]?["kind"]?.stringValue,
      let kind = TokenizerKind(rawValue: name)
    {
      tokenizer = .text(kind, size: json?["tokenizer"]?["size"]?.intValue)
    }
    for entry in json?["files"]?.arrayValue ?? [] {
      guard let path = entry["path"]?.stringValue, let count = entry["bytes"]?.intValue,
        let modified = entry["modified_us"]?.intValue
      else {
        files = []
        return
      }
      files.append(FileStamp(path: path, byteCount: count, modified: modified))
    }
  }
}
