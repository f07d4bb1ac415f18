// A text wherever it is: a file, a folder of files, JSON lines, any of them packed by gzip. Gives
// its bytes in parts, for texts larger than memory; what the bytes mean is up to the layout.

/// A text that can be read in parts, again and again.
///
/// Texts that are apart, the files of a folder and the records of JSON lines, are joined in the way
/// in which the layout keeps documents apart; in a stream by a line feed.
public struct TextSource: Sendable {
  /// The file or the folder, as it was named.
  public let path: String
  /// The files in the order in which they are read.
  let files: [String]
  private let isFolder: Bool

  /// Bytes that a layout is suggested from.
  private static let sampleByteCount = 1 << 22
  /// A record that is longer is taken for a file without line breaks.
  private static let longestRecord = 1 << 28

  /// Finds the files.
  ///
  /// A folder is searched with the folders in it, in the order of the bytes of the names; hidden
  /// files and folders of token files are left out.
  ///
  /// *Throws* `missing`, `unreadable`, `noTexts`.
  public init(_ path: String) throws(DataError) {
    self.path = path
    guard let kind = PathKind(path) else { throw .missing(path: path) }
    isFolder = kind == .folder
    files = isFolder ? try Self.files(in: path) : [path]
    if files.isEmpty { throw .noTexts(path: path) }
  }

  private static func files(in folder: String) throws(DataError) -> [String] {
    var files: [String] = []
    for name in try namesInFolder(folder) {
      let path = folder + (folder.hasSuffix("/") ? "" : "/") + name
      switch PathKind(path) {
      case .file: files.append(path)
      case .folder where TokenFolder.isOne(path): break
      case .folder: files += try Self.files(in: path)
      case .other, nil: break
      }
    }
    return files
  }

  /// Whether the text can be read twice, which pipes can't.
  public var isRepeatable: Bool { isFolder || PathKind(path) == .file }

  /// Whether it consists of several texts by itself.
  private var isMany: Bool { files.count > 1 || Self.holdsRecords(files[0]) }

  private static func holdsRecords(_ path: String) -> Bool {
    var name = path[...]
    if name.hasSuffix(".gz") { name = name.dropLast(3) }
    return name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson")
  }

  /// Suggests a layout from the first 4 MB: JSON lines are documents, and so are several files,
  /// unless they are lists of lines.
  ///
  /// *Throws* as reading does.
  public func suggestedLayout() throws -> CorpusLayout {
    var sample: [UInt8] = []
    try forEachPart(.stream) { part in
      sample += part
      return sample.count < Self.sampleByteCount
    }
    return suggestedLayout(sample)
  }

  private func suggestedLayout(_ text: [UInt8]) -> CorpusLayout {
    if files.contains(where: Self.holdsRecords) { return .endOfText }
    let found = CorpusLayout.suggested(for: Array(text.prefix(Self.sampleByteCount)))
    return isMany && found == .stream ? .endOfText : found
  }

  /// Reads the whole text into memory, with the layout that is asked for or suggested.
  ///
  /// *Throws* `DataError`.
  public func read(_ asked: CorpusLayout?) throws -> (text: [UInt8], layout: CorpusLayout) {
    if !isMany {
      var text: [UInt8] = []
      try forEachPart(.stream) { part in
        text += part
        return true
      }
      return (text, asked ?? suggestedLayout(text))
    }
    let layout = try asked ?? suggestedLayout()
    var text: [UInt8] = []
    try forEachPart(layout) { part in
      text += part
      return true
    }
    return (text, layout)
  }
}

// MARK: - In parts

extension TextSource {
  /// Calls `body` with one part of the text after the other, some 1 MB each, until it says false.
  ///
  /// - Parameter file: is told where in the text each file begins.
  ///
  /// *Throws* `empty` if there is not a byte; `DataError`, and what `body` throws.
  public func forEachPart(
    _ layout: CorpusLayout, file begin: (String, Int) -> Void = { _, _ in },
    _ body: ([UInt8]) throws -> Bool
  ) throws {
    var joined = JoinedText(layout)
    for path in files {
      begin(path, joined.nextStart)
      let goesOn =
        Self.holdsRecords(path)
        ? try Self.readRecords(path, &joined, body) : try readText(path, &joined, body)
      if !goesOn { return }
    }
    if joined.byteCount == 0 { throw DataError.empty(path: path) }
    if !joined.waiting.isEmpty { _ = try body(joined.take()) }
  }

  private func readText(
    _ path: String, _ joined: inout JoinedText, _ body: ([UInt8]) throws -> Bool
  ) throws -> Bool {
    joined.beginText()
    var isFirst = true
    return try Self.forEachBlock(path) { block in
      if isFolder, isFirst, block.prefix(4096).contains(0) { throw DataError.binary(path: path) }
      isFirst = false
      joined.append(block)
      return joined.isFull ? try body(joined.take()) : true
    }
  }

  private static func readRecords(
    _ path: String, _ joined: inout JoinedText, _ body: ([UInt8]) throws -> Bool
  ) throws -> Bool {
    var (waiting, line) = ([UInt8](), 0)
    let goesOn = try forEachBlock(path) { block in
      waiting += block
      var start = 0
      var end = waiting.count - block.count
      while end < waiting.count {
        if waiting[end] == 0x0A {
          line += 1
          try addRecord(Array(waiting[start..<end]), path, line, &joined)
          start = end + 1
        }
        end += 1
      }
      waiting.removeFirst(start)
      if waiting.count > longestRecord {
        throw DataError.badRecord(
          path: path, line: line + 1, column: 1,
          found: "more than \(longestRecord) bytes without a line break",
          expected: "one record per line")
      }
      return joined.isFull ? try body(joined.take()) : true
    }
    if goesOn { try addRecord(waiting, path, line + 1, &joined) }
    return goesOn
  }

  private static func addRecord(
    _ bytes: [UInt8], _ path: String, _ line: Int, _ joined: inout JoinedText
  ) throws {
    if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { return }
    func bad(_ column: Int, _ found: String, _ expected: String) -> DataError {
      .badRecord(path: path, line: line, column: column, found: found, expected: expected)
    }
    let json: JSON
    do throws(JSONError) {
      json = try JSON.parse(bytes)
    } catch {
      throw DataError.brokenRecord(path: path, line: line, column: error.column, fault: error.found)
    }
    guard let text = json["text"]?.stringValue else {
      let found = json.objectValue == nil ? describe(json) : "\"text\": " + describe(json["text"])
      throw bad(1, found, "an object with a string \"text\"")
    }
    joined.beginText()
    joined.append(Array(text.utf8))
  }

  private static func forEachBlock(
    _ path: String, _ body: ([UInt8]) throws -> Bool
  ) throws -> Bool {
    let reader = try TextReader(path)
    while true {
      var block = [UInt8](repeating: 0, count: 1 << 18)
      let count = try block.withUnsafeMutableBytes { bytes in try reader.read(into: bytes) }
      if count == 0 { return true }
      block.removeLast(block.count - count)
      if try !body(block) { return false }
    }
  }

  /// The same error, with the file and the place in it instead of those in the joined text.
  public func located(_ error: DataError, _ layout: CorpusLayout) -> DataError {
    guard case .invalidUTF8(path, let byte, let offset) = error, isFolder else { return error }
    var found = (path: path, start: 0)
    try? forEachPart(layout, file: { if $1 <= offset { found = ($0, $1) } }) { _ in true }
    return .invalidUTF8(path: found.path, byte: byte, offset: offset - found.start)
  }
}

/// Texts put one behind the other as a layout wants it.
private struct JoinedText {
  private let layout: CorpusLayout
  private(set) var waiting: [UInt8] = []
  /// Bytes put so far.
  private(set) var byteCount = 0
  private var last: UInt8 = 0x0A
  private var isPending = false

  init(_ layout: CorpusLayout) { self.layout = layout }

  var isFull: Bool { waiting.count >= 1 << 20 }

  /// Separates what follows from what was there.
  mutating func beginText() { isPending = byteCount > 0 }

  /// Where a text begins that comes next.
  var nextStart: Int { byteCount + (byteCount > 0 ? mark.count : 0) }

  /// What separates two texts: with line breaks of its own, so that it takes none of theirs.
  private var mark: [UInt8] {
    switch layout {
    case .stream, .documents: last == 0x0A ? [] : [0x0A]
    case .blankLine: [0x0A, 0x0A]
    case .endOfText: [0x0A] + DocumentCutter.marker + [0x0A]
    }
  }

  mutating func append(_ bytes: [UInt8]) {
    guard let end = bytes.last else { return }
    if isPending {
      let mark = mark
      waiting += mark
      byteCount += mark.count
      isPending = false
    }
    waiting += bytes
    byteCount += bytes.count
    last = end
  }

  mutating func take() -> [UInt8] {
    defer { waiting = [] }
    return waiting
  }
}
