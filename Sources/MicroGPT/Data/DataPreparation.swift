// Text to token files: read in parts, encoded, written aside and renamed. Memory holds some
// megabytes of text whatever its size, and a byte per document where lines are split by a shuffle.

/// What `mgpt data prepare` does.
public struct DataPreparation {
  /// The tokenizer of the files.
  public enum Vocabulary {
    /// Characters, bytes, or byte pairs that are learned from the text, so many or as suit it.
    case kind(TokenizerKind, size: Int?)
    /// One that exists, in that file.
    case given(any TextTokenizer, file: String)

    var origin: TokenizerOrigin {
      switch self {
      case .kind(let kind, let size): .text(kind, size: size)
      case .given(_, let file): .file(file)
      }
    }
  }

  /// What was made.
  public struct Report: Sendable {
    /// The tokenizer, learned or given.
    public let tokenizer: any TextTokenizer
    /// How the text was cut.
    public let layout: CorpusLayout
    /// Bytes of a token.
    public let width: Int
    /// Bytes of text read.
    public let byteCount: Int
    /// Documents found.
    public let documentCount: Int
    /// Documents of nothing but white space, which were left out.
    public let blankCount: Int
    /// Bytes of characters that the tokenizer has no token for, which were left out too.
    public let leftOutByteCount: Int
    /// Tokens for training.
    public let trainingCount: Int
    /// Tokens for validation.
    public let validationCount: Int
  }

  let source: TextSource
  let layout: CorpusLayout
  let vocabulary: Vocabulary
  let validationFraction: Double
  let folder: String
  private let progress: (String, Int) -> Void

  /// Finds out what is to be done; `progress` is told what is being done, and how many bytes of
  /// text are done.
  ///
  /// *Requires*: `0 < validationFraction < 1`; `folder` exists.
  ///
  /// *Throws* `notRepeatable`, and what looking at the text throws.
  public init(
    of source: TextSource, layout: CorpusLayout?, vocabulary: Vocabulary,
    validationFraction: Double = 0.1, to folder: String,
    progress: @escaping (String, Int) -> Void = { _, _ in }
  ) throws {
    precondition(validationFraction > 0 && validationFraction < 1)
    guard source.isRepeatable else { throw DataError.notRepeatable(path: source.path) }
    self.source = source
    self.layout = try layout ?? source.suggestedLayout()
    self.validationFraction = validationFraction
    (self.vocabulary, self.folder, self.progress) = (vocabulary, folder, progress)
  }

  /// Writes train.bin, val.bin and meta.json.
  ///
  /// Each is written aside and renamed, meta.json last: files that it does not describe are refused
  /// when they are read, so that a preparation that broke off half-way is never taken for whole.
  ///
  /// *Throws* `DataError`, `FileError`, `TokenFileError`.
  public func run() throws -> Report {
    do {
      return try prepare()
    } catch let error as DataError {
      throw source.located(error, layout)
    }
  }

  private func prepare() throws -> Report {
    // Before it is read: what is written to it meanwhile is a change.
    let stamps = source.stamps()
    let (tokenizer, documentCount) = try makeTokenizer()
    let width = TokenFolderMeta.width(vocabularySize: tokenizer.vocabularySize)
    var sink = TokenSink(width: width)
    if layout == .documents {
      sink.routes = try Self.lineSplit(documentCount, validationFraction, source.path)
      sink.marks = documentMarks(of: tokenizer)
    }
    var reader = TokenReader(tokenizer, layout: layout, path: source.path)
    var training = try AtomicFile(path: folder + "/train.bin")
    var validation = try AtomicFile(path: folder + "/val.bin")
    let read = try read("encoding", to: &reader, cut: tokenizer.cut) { reader in
      try sink.take(&reader, &training, &validation)
    }
    let counts = try sink.finish(training, validation, validationFraction)
    guard counts.training >= 2, counts.validation >= 2 else {
      throw DataError.nothingToPredict(
        path: source.path, tokenCount: min(counts.training, counts.validation))
    }
    let meta = TokenFolderMeta(
      layout: layout, tokenizer: tokenizer, width: width,
      training: try Self.measure(folder + "/train.bin", width, tokenizer),
      validation: try Self.measure(folder + "/val.bin", width, tokenizer),
      validationFraction: validationFraction,
      source: PreparedSource(
        path: source.path, byteCount: read.byteCount, checksum: read.checksum, files: stamps,
        tokenizer: vocabulary.origin))
    try AtomicFile.replace(folder + "/meta.json", with: meta.json.utf8Bytes + [0x0A])
    return Report(
      tokenizer: tokenizer, layout: layout, width: width, byteCount: read.byteCount,
      documentCount: read.cutter.documentCount, blankCount: read.cutter.blankCount,
      leftOutByteCount: reader.leftOutByteCount, trainingCount: counts.training,
      validationCount: counts.validation)
  }

  /// Learns or takes the tokenizer; counts the documents if lines are to be shuffled.
  private func makeTokenizer() throws -> (any TextTokenizer, documentCount: Int) {
    switch vocabulary {
    case .given(let tokenizer, _): return (tokenizer, try countLines())
    case .kind(.byte, _): return (ByteTokenizer(), try countLines())
    case .kind(.character, _):
      var reader = CharacterReader(path: source.path)
      let read = try read("collecting characters", to: &reader, cut: { _, _ in nil })
      return (reader.tokenizer, read.cutter.documentCount)
    case .kind(.bpe, let size):
      if let size { try BytePairTrainer.check(vocabularySize: size) }
      var reader = WordReader(trainer: BytePairTrainer(pattern: .gpt2))
      let cut = reader.trainer.cut
      let read = try read("collecting words", to: &reader, cut: cut)
      let wanted = size ?? suggestedVocabularySize(byteCount: read.byteCount)
      do {
        let learned = try reader.trainer.train(vocabularySize: wanted) { found, _ in
          progress("learning \(found) of \(wanted) tokens", read.byteCount)
        }
        return (BytePairTokenizer(learned), read.cutter.documentCount)
      } catch {
        throw DataError.untrainable(path: source.path, error)
      }
    }
  }

  private func countLines() throws -> Int {
    if layout != .documents { return 0 }
    var reader = CountingReader()
    return try read("counting lines", to: &reader, cut: { $1.upperBound }).cutter.documentCount
  }

  /// Which lines are for training: the split of `Corpus`, so that both ways of training see the
  /// same.
  private static func lineSplit(
    _ count: Int, _ validationFraction: Double, _ path: String
  ) throws(DataError) -> [Bool] {
    guard count >= 2 else { throw .tooFewDocuments(path: path, found: count, expected: 2) }
    let middle = min(max(Int((1 - validationFraction) * Double(count)), 1), count - 1)
    var order = [Int](repeating: 0, count: count)
    shuffleIndices(&order, seed: 0, stream: DataStream.split)
    var isTraining = [Bool](repeating: false, count: count)
    for index in order[..<middle] { isTraining[index] = true }
    return isTraining
  }

  // MARK: Reading

  /// Reads the whole text once.
  private func read<Reader: DocumentReader>(
    _ what: String, to reader: inout Reader, cut: ([UInt8], Range<Int>) -> Int?,
    after: (inout Reader) throws -> Void = { _ in }
  ) throws -> TextSource.Reading {
    try source.read(layout, to: &reader, cut: cut) { reader, byteCount in
      try after(&reader)
      progress(what, byteCount)
    }
  }

  /// What meta.json says of a file: of what is on the disk, not of what should be.
  private static func measure(
    _ path: String, _ width: Int, _ tokenizer: any TextTokenizer
  ) throws -> TokenFolderMeta.Part {
    let file = try MappedFile(path: path)
    let split = try SplitFiles(
      [TokenFile(file: file, offset: 0, width: width, count: file.byteCount / width)], tokenizer,
      .stream, nil)
    return split.part
  }
}

extension TextTokenizer {
  /// Where a range of `text`, which goes on, can be cut without changing any token; nil if nowhere,
  /// or if any place between two characters will do.
  func cut(_ text: [UInt8], _ range: Range<Int>) -> Int? {
    switch kind {
    case .byte: range.upperBound
    case .character: nil
    case .bpe: (self as? BytePairTokenizer)?.safeCut(of: text, in: range)
    }
  }
}
