// The files of tokens that there are: ours and nanoGPT's are bare numbers, llm.c's have a header.
// Finds out what a folder holds and maps it; what the numbers say is checked in TokenFolder.swift.

/// The token files of a folder, still unread.
struct TokenFiles {
  /// Who wrote them.
  enum Origin { case mgpt, nanoGPT, llmC }

  let origin: Origin
  let training: [TokenFile]
  let validation: [TokenFile]

  /// Finds the files of `folder`.
  ///
  /// - Parameter width: bytes of a token in bare files.
  ///
  /// *Throws* `TokenFileError`, `FileError`.
  init(_ folder: String, width: Int, origin: Origin) throws {
    self.origin = origin
    if origin == .llmC {
      let shards = try LLMCShard.names(in: folder)
      func open(_ part: String) throws -> [TokenFile] {
        let names = shards.filter { $0.contains(part) }
        if names.isEmpty { throw TokenFileError.lacks(folder: folder, file: "*_\(part)*.bin") }
        return try names.map { try LLMCShard.open(folder + "/" + $0) }
      }
      (training, validation) = (try open("train"), try open("val"))
      return
    }
    func open(_ name: String) throws -> [TokenFile] {
      let path = folder + "/" + name
      do {
        let file = try MappedFile(path: path)
        guard file.byteCount % width == 0 else {
          throw TokenFileError.odd(path: path, byteCount: file.byteCount, width: width)
        }
        return [TokenFile(file: file, offset: 0, width: width, count: file.byteCount / width)]
      } catch FileError.missing {
        throw TokenFileError.lacks(folder: folder, file: name)
      }
    }
    (training, validation) = (try open("train.bin"), try open("val.bin"))
  }

  /// Whether `path` is a folder of token files, and whose; nil if it is anything else.
  static func origin(of path: String) -> Origin? {
    guard let names = try? namesInFolder(path) else { return nil }
    if names.contains("meta.json") && names.contains("train.bin") { return .mgpt }
    if names.contains("train.bin") || names.contains("val.bin") { return .nanoGPT }
    return (try? LLMCShard.names(in: path))?.isEmpty == false ? .llmC : nil
  }
}

/// A file of tokens as llm.c writes them: 256 numbers of 32 bits (magic, version, count of tokens,
/// zeros), then tokens, of 16 bits for GPT-2's vocabulary, of 32 bits for Llama 3's.
///
/// *Source*: llm.c, `dev/data/data_common.py` and `llmc/dataloader.h`.
enum LLMCShard: CaseIterable {
  case gpt2, llama3

  static let headerByteCount = 1024

  var magic: Int { self == .gpt2 ? 20_240_520 : 20_240_801 }
  var version: Int { self == .gpt2 ? 1 : 7 }
  /// Bytes of a token.
  var width: Int { self == .gpt2 ? 2 : 4 }

  /// The `.bin` files of a folder that begin with a magic number, sorted.
  static func names(in folder: String) throws -> [String] {
    try namesInFolder(folder).filter { name in
      guard name.hasSuffix(".bin"), let file = try? MappedFile(path: folder + "/" + name),
        file.byteCount >= 4
      else { return false }
      return kind(of: file) != nil
    }
  }

  /// Maps one, and checks its header.
  static func open(_ path: String) throws -> TokenFile {
    let file = try MappedFile(path: path)
    func damaged(_ field: String, _ found: String, _ expected: String) -> TokenFileError {
      .damaged(path: path, field: field, found: found, expected: expected)
    }
    guard file.byteCount >= headerByteCount else {
      throw damaged("its header", "\(file.byteCount) bytes", "\(headerByteCount) or more")
    }
    guard let kind = kind(of: file) else {
      let magics = allCases.map { "\($0.magic)" }.joined(separator: " or ")
      throw damaged("its magic number", "\(field(0, file))", magics)
    }
    guard field(1, file) == kind.version else {
      throw damaged("its version", "\(field(1, file))", "\(kind.version)")
    }
    let byteCount = file.byteCount - headerByteCount
    if byteCount % kind.width != 0 {
      throw TokenFileError.odd(path: path, byteCount: file.byteCount, width: kind.width)
    }
    let count = byteCount / kind.width
    guard field(2, file) == count else {
      throw TokenFileError.notDescribed(
        path: path, by: "its header", what: "tokens", found: "\(count)",
        expected: "\(field(2, file))")
    }
    return TokenFile(file: file, offset: headerByteCount, width: kind.width, count: count)
  }

  private static func kind(of file: MappedFile) -> LLMCShard? {
    allCases.first { $0.magic == field(0, file) }
  }

  private static func field(_ index: Int, _ file: MappedFile) -> Int {
    file.withBytes {
      Int(Int32(littleEndian: $0.loadUnaligned(fromByteOffset: 4 * index, as: Int32.self)))
    }
  }
}
