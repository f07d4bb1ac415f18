// `mgpt data`: text to files of tokens, in parts; memory holds one of them.

import MicroGPT

/// Does what was asked; returns the code to exit with.
func runData(_ asked: DataOptions) throws -> Int32 {
  guard let data = asked.data, let folder = asked.output else {
    throw SetupError.missing(flag: "--data", why: "name a text")
  }
  if let file = fileInPlaceOfFolder(folder) {
    throw SetupError.notAFolder(folder: folder, file: file)
  }
  let source = try TextSource(data)
  let layout =
    try asked.layout.flatMap { CorpusLayout(rawValue: $0.rawValue) }
    ?? (source.isRepeatable ? source.suggestedLayout() : nil)
  let display = ProgressNote()
  let preparation = try DataPreparation(
    of: source, layout: layout, vocabulary: try vocabulary(asked, layout ?? .stream),
    validationFraction: asked.validationFraction ?? 0.1, to: folder
  ) { display.show("\(Format.bytes($1)) read, \($0)") }
  var reason: String?
  switch asked.force ? .empty : preparation.standing() {
  case .empty: break
  case .foreign(let file): throw SetupError.outputExists(path: file)
  case .outdated(let found): reason = found
  case .upToDate:
    let report: JSON = ["path": .string(folder), "up_to_date": true]
    Terminal.output.write(
      (asked.json
        ? "\(report)" : "\(folder) is up to date: nothing of what it is made of has changed")
        + "\n")
    return 0
  }
  try makeWritableFolder(folder, for: folder + "/train.bin")
  let clock = ContinuousClock()
  let start = clock.now
  let report: DataPreparation.Report
  do {
    report = try preparation.run()
  } catch {
    display.clear()
    throw error
  }
  display.clear()
  let seconds = (clock.now - start).seconds
  Terminal.output.write(
    (asked.json ? "\(json(report, folder, seconds))" : words(report, folder, seconds, reason))
      + "\n")
  return 0
}

private func vocabulary(
  _ asked: DataOptions, _ layout: CorpusLayout
) throws -> DataPreparation.Vocabulary {
  switch try asked.tokenizerChoice() {
  case .file(let file)?: .given(try readTokenizer(file, for: layout), file: file)
  case .kind(let kind)?: .kind(kind, size: asked.bpe)
  case nil: .kind(.character, size: nil)
  }
}

/// Reads the file of a tokenizer.
///
/// Documents need a token that ends them: a file that has none gets `<|endoftext|>` behind its ids.
func readTokenizer(_ path: String, for layout: CorpusLayout) throws -> any TextTokenizer {
  let tokenizer = try readTokenizer(path)
  if !layout.hasDocuments { return tokenizer }
  return BytePairTokenizer(try tokenizer.vocabulary.withEndToken())
}

private func json(
  _ report: DataPreparation.Report, _ folder: String, _ seconds: Double
) -> JSON {
  [
    "path": .string(folder), "up_to_date": false, "bytes": .integer(report.byteCount),
    "layout": .string(report.layout.rawValue), "documents": .integer(report.documentCount),
    "blank_documents": .integer(report.blankCount),
    "bytes_left_out": .integer(report.leftOutByteCount),
    "train_tokens": .integer(report.trainingCount), "val_tokens": .integer(report.validationCount),
    "tokenizer": .string(report.tokenizer.kind.rawValue),
    "vocab_size": .integer(report.tokenizer.vocabularySize),
    "fingerprint": .string(report.tokenizer.fingerprint),
    "dtype": .string(report.width == 2 ? "uint16" : "uint32"), "seconds": .number(seconds),
  ]
}

private func words(
  _ report: DataPreparation.Report, _ folder: String, _ seconds: Double, _ reason: String?
) -> String {
  var lines = [
    "\(folder): \(report.trainingCount) tokens for training, \(report.validationCount) for "
      + "validation, from \(Format.bytes(report.byteCount)) in \(Format.duration(seconds))",
    "tokenizer \(report.tokenizer.identity), tokens of \(8 * report.width) bits",
  ]
  if report.layout.hasDocuments {
    lines.append(
      "\(counted(report.documentCount, "document")), \(layoutWords(report.layout))"
        + (report.blankCount > 0 && report.layout != .documents
          ? "; \(report.blankCount) without text left out" : ""))
  }
  if let reason { lines.append("made anew: of the tokens that were there, \(reason)") }
  if report.leftOutByteCount > 0 { lines.append(leftOutWords(report.leftOutByteCount)) }
  return lines.joined(separator: "\n")
}
