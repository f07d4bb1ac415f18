// The data of a run: a text that is read and encoded, or tokens that were prepared.

import MicroGPT

/// What a run learns from, before its context is known.
struct TrainData {
  let path: String
  let layout: CorpusLayout
  let tokenizer: any TextTokenizer
  /// Bytes of text.
  let byteCount: Int
  /// The lengths of the lines, if each is a document.
  let lengths: DocumentLengths?
  private let text: [UInt8]
  private let folder: TokenFolder?

  /// Reads the text, or maps the tokens, that `asked` names.
  ///
  /// - Parameter saved: the model of a run that goes on, whose tokenizer and layout count.
  init(_ asked: TrainOptions, path: String, saved: ModelFile? = nil) throws {
    self.path = path
    if TokenFolder.isOne(path) {
      let folder = try Self.open(asked, path, saved)
      self.folder = folder
      (layout, tokenizer) = (folder.corpus.layout, folder.tokenizer)
      (byteCount, text) = (folder.byteCount, [])
      lengths = layout == .documents ? DocumentLengths(folder.corpus) : nil
      return
    }
    folder = nil
    let source = try TextSource(path)
    let choice = asked.layout.flatMap { CorpusLayout(rawValue: $0.rawValue) }
    let (text, layout) = try source.read(saved?.layout ?? choice)
    do {
      tokenizer = try saved?.tokenizer ?? TrainSetup.tokenizer(asked, text, layout, path)
    } catch let error as DataError {
      throw source.located(error, layout)
    }
    lengths = layout == .documents && saved == nil ? DocumentLengths(text, tokenizer) : nil
    (self.text, self.layout, byteCount) = (text, layout, text.count)
  }

  private static func open(
    _ asked: TrainOptions, _ path: String, _ saved: ModelFile?
  ) throws -> TokenFolder {
    if let saved { return try TokenFolder(path, tokenizer: saved.tokenizer) }
    for (option, isGiven) in [
      ("--bpe", asked.bpe != nil), ("--val-fraction", asked.validationFraction != nil),
      ("--layout", asked.layout != nil && asked.layout != .auto),
    ] where isGiven {
      throw SetupError.decidedByTokens(option: option, path: path)
    }
    switch asked.tokenizer {
    case .file(let file)?:
      // The end token that documents need is there if it was there when they were prepared.
      let given = try readTokenizer(file)
      do {
        return try TokenFolder(path, tokenizer: given)
      } catch TokenFileError.otherTokenizer {
        return try TokenFolder(path, tokenizer: try readTokenizer(file, for: .endOfText))
      }
    case .kind(let kind)?:
      let folder = try TokenFolder(path)
      if folder.tokenizer.kind != kind {
        throw TokenFileError.otherTokenizer(
          folder: path, found: folder.tokenizer.identity, expected: kind.rawValue)
      }
      return folder
    case nil: return try TokenFolder(path)
    }
  }

  /// Both splits, for a context.
  func corpus(
    contextLength: Int, validationFraction: Double, crossesDocuments: Bool
  ) throws -> Corpus {
    let corpus: Corpus
    if let folder {
      corpus = folder.corpus
    } else {
      corpus = try Corpus(
        text: text, layout: layout, tokenizer: tokenizer, contextLength: contextLength,
        validationFraction: validationFraction, path: path)
    }
    let crossed = crossesDocuments ? corpus.crossingDocuments() : corpus
    guard let crossed else { throw SetupError.crossedLines(path: path) }
    try crossed.check(contextLength: contextLength, path: path)
    return crossed
  }

  /// Tokens that lie in memory: none of a folder's.
  func residentTokenCount(_ corpus: Corpus) -> Int { folder == nil ? corpus.tokenCount : 0 }

  /// No more than these will lie in memory, whatever the context.
  var mostResidentTokens: Int { folder == nil ? byteCount : 0 }

  /// What the person should know of the data, a line each.
  var notes: [String] {
    var notes: [String] = []
    let empty = folder?.emptyDocumentCount ?? layout.blankDocumentCount(in: text)
    if empty > 0 { notes.append("\(counted(empty, "document")) without text left out") }
    let leftOut = tokenizer.leftOutByteCount(text, in: 0..<text.count)
    if leftOut > 0 { notes.append(leftOutWords(leftOut)) }
    return notes
  }

  /// That prepared tokens are older than their text, if they are, and what to run.
  var warning: String? {
    guard let folder, let source = folder.source, let change = folder.change else { return nil }
    return
      "\(printableText(path)) is older than its text. Found changes in \(printableText(change)), "
      + "expected the text that it was made of. Run `\(command(source))` to make it anew."
  }

  /// The command line that makes a folder as it was made.
  private func command(_ source: PreparedSource) -> String {
    var words = ["--data", source.path, "--out", path, "--layout", layout.rawValue]
    switch source.tokenizer {
    case .file(let file)?: words += ["--tokenizer", file]
    case .text(.bpe, let size?)?: words += ["--bpe", "\(size)"]
    case .text(let kind, _)?: words += ["--tokenizer", kind.rawValue]
    case nil: break
    }
    if let fraction = folder?.validationFraction, fraction != 0.1 {
      words += ["--val-fraction", "\(fraction)"]
    }
    return (["mgpt data prepare"] + words.map(shellWord)).joined(separator: " ")
  }
}
