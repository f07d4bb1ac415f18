// A folder of token files as the two splits of a corpus: mapped, checked in one pass, never copied
// whole. Start here to train on prepared data; preparing it: DataPreparation.swift.

/// Tokens that were prepared before, and the tokenizer that made them.
///
/// - `mgpt data prepare`: train.bin, val.bin and a meta.json that says everything
/// - nanoGPT: train.bin and val.bin of 16-bit numbers, with the characters in meta.pkl, or GPT-2's
///   ids
/// - llm.c: `*_train_*.bin` and `*_val_*.bin`, GPT-2's or Llama 3's ids behind a header
public struct TokenFolder: Sendable {
  /// The folder, as it was named.
  public let path: String
  /// What made the tokens.
  public let tokenizer: any TextTokenizer
  /// Both splits.
  public let corpus: Corpus
  /// What meta.json says of the text; nil where there is none.
  public let source: PreparedSource?
  /// The share of the tokens that is for validation; nil where there is no meta.json.
  public let validationFraction: Double?
  /// Documents without text that were left out.
  public let emptyDocumentCount: Int

  /// Whether `path` is such a folder.
  public static func isOne(_ path: String) -> Bool { TokenFiles.origin(of: path) != nil }

  /// Maps the files and reads each token once: for its range, for the ends of documents, for bytes.
  ///
  /// - Parameter given: the tokenizer that the caller has; it must be that of the tokens.
  ///
  /// *Cost*: O(tokens), about 1.5 ns each and the disk; memory for 16 bytes per document.
  ///
  /// *Throws* `TokenFileError`, `FileError`, `DataError`.
  public init(_ path: String, tokenizer given: (any TextTokenizer)? = nil) throws {
    guard let origin = TokenFiles.origin(of: path) else {
      throw TokenFileError.lacks(folder: path, file: "train.bin")
    }
    self.path = path
    let meta = origin == .mgpt ? try TokenFolderMeta(readFrom: path) : nil
    let own = try meta?.tokenizer ?? Self.pickled(path, origin)
    if let own, let given, own.json != given.json {
      throw TokenFileError.otherTokenizer(
        folder: path, found: own.identity, expected: given.identity)
    }
    guard let tokenizer = own ?? given else { throw TokenFileError.noTokenizer(folder: path) }
    let files = try TokenFiles(path, width: meta?.width ?? 2, origin: origin)
    // Files that don't say how they were cut are documents if they have end tokens.
    let layout = meta?.layout ?? (own == nil && tokenizer.endToken != nil ? .endOfText : .stream)
    let training = try SplitFiles(files.training, tokenizer, layout, meta?.training)
    let validation = try SplitFiles(files.validation, tokenizer, layout, meta?.validation)
    let isStream = meta == nil && training.endCount + validation.endCount == 0
    corpus = Corpus(
      training: training.split(isStream ? .stream : layout, tokenizer),
      validation: validation.split(isStream ? .stream : layout, tokenizer))
    self.tokenizer = tokenizer
    (source, validationFraction) = (meta?.source, meta?.validationFraction)
    emptyDocumentCount = training.emptyCount + validation.emptyCount
    try corpus.refuseEmptySplits(path: path)
  }

  /// What has changed of the text since the tokens were made of it; nil if nothing has, or if
  /// nobody can tell.
  ///
  /// *Cost*: a system call per file of the text, which is read if one was written again.
  public var change: String? { source?.change(corpus.layout) }

  /// Bytes of text that the tokens stand for.
  public var byteCount: Int {
    corpus.training.targetByteCount + corpus.validation.targetByteCount
  }

  /// The characters of a nanoGPT folder; nil if it has no meta.pkl.
  private static func pickled(
    _ folder: String, _ origin: TokenFiles.Origin
  ) throws -> (any TextTokenizer)? {
    let path = folder + "/meta.pkl"
    guard origin == .nanoGPT, try namesInFolder(folder).contains("meta.pkl") else { return nil }
    let characters = try PickledVocabulary(try readFile(path), path: path).characters
    return CharacterTokenizer(sorted: characters)
  }
}

extension Corpus {
  /// Refuses a stream that is too short for a context.
  ///
  /// *Throws* `shorterThanContext`.
  public func check(contextLength: Int, path: String) throws(DataError) {
    guard training.layout == .stream else { return }
    let splits: [(DataError.Split, Int)] = [
      (.training, training.tokenCount), (.validation, validation.tokenCount),
    ]
    for (split, count) in splits where count <= contextLength {
      throw .shorterThanContext(
        path: path, split: split, tokenCount: count, contextLength: contextLength,
        largestContext: min(training.tokenCount, validation.tokenCount) - 1)
    }
  }
}

/// The files of one split, read once.
struct SplitFiles {
  private let store: TokenStore
  private let found: DocumentPieces
  private let fileChecksum: UInt32
  private let checksum: UInt64
  var endCount: Int { found.endCount }
  var emptyCount: Int { found.emptyCount }

  init(
    _ files: [TokenFile], _ tokenizer: any TextTokenizer, _ layout: CorpusLayout,
    _ described: TokenFolderMeta.Part?
  ) throws {
    store = TokenStore(files)
    if let described, described.tokenCount != store.count {
      throw TokenFileError.notDescribed(
        path: files[0].file.path, by: "meta.json", what: "tokens", found: "\(store.count)",
        expected: "\(described.tokenCount)")
    }
    var found = DocumentPieces(tokenizer, cuts: layout.hasDocuments)
    var checksum: UInt32 = 0
    for file in files {
      try Self.read(file, &found, &checksum, vocabularySize: tokenizer.vocabularySize)
    }
    found.finish()
    if let described, described.checksum != checksum {
      throw TokenFileError.notDescribed(
        path: files[0].file.path, by: "meta.json", what: "as checksum",
        found: hexadecimal(checksum, digits: 8),
        expected: hexadecimal(described.checksum, digits: 8))
    }
    if store.count < 2 {
      throw TokenFileError.tooShort(path: files[0].file.path, found: store.count, expected: 2)
    }
    self.found = found
    fileChecksum = checksum
    self.checksum = splitMix64(UInt64(checksum) << 32 ^ UInt64(store.count))
  }

  private static func read(
    _ file: TokenFile, _ found: inout DocumentPieces, _ checksum: inout UInt32,
    vocabularySize: Int
  ) throws {
    var buffer = [Int32](repeating: 0, count: min(file.count, 1 << 16))
    for start in stride(from: 0, to: file.count, by: 1 << 16) {
      let range = start..<min(start + 1 << 16, file.count)
      let bytes = file.bytes(range)
      checksum = file.file.withBytes {
        crc32c(UnsafeRawBufferPointer(rebasing: $0[bytes]), continuing: checksum)
      }
      let stranger = buffer.withUnsafeMutableBufferPointer { tokens -> Int? in
        let tokens = UnsafeMutableBufferPointer(rebasing: tokens[..<range.count])
        file.copy(from: start, to: tokens)
        return found.add(UnsafeBufferPointer(tokens))
      }
      if let stranger {
        throw TokenFileError.badID(
          path: file.file.path, id: Int(UInt32(bitPattern: buffer[stranger])),
          position: start + stranger, vocabularySize: vocabularySize)
      }
      file.file.release(bytes)
    }
  }

  /// How meta.json describes it.
  var part: TokenFolderMeta.Part {
    TokenFolderMeta.Part(
      tokenCount: store.count, byteCount: found.byteCount, checksum: fileChecksum)
  }

  func split(_ layout: CorpusLayout, _ tokenizer: any TextTokenizer) -> TokenSplit {
    TokenSplit(
      layout: layout, pieces: found.pieces, store: store, paddingToken: tokenizer.endToken ?? 0,
      targetByteCount: found.targetByteCount, checksum: checksum)
  }
}
