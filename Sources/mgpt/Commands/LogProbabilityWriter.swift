// `mgpt generate --logprobs`: one line of JSON for each token, on standard output or in a file.

import MicroGPT

/// Writes reports of tokens; a file is there as a whole at the end, or not at all.
final class LogProbabilityWriter {
  private let tokenizer: any TextTokenizer
  private var file: AtomicFile?
  /// Whether the lines stand on standard output in place of the text.
  let replacesText: Bool
  /// What went wrong with the file; nothing more is written then.
  private(set) var failure: FileError?
  private var index = 0
  private var lastSample = 0

  /// Nil unless probabilities were asked for.
  ///
  /// *Throws* if the file can't be made.
  init?(_ asked: GenerateOptions, _ tokenizer: any TextTokenizer) throws {
    if asked.logProbabilities == nil && asked.logProbabilitiesFile == nil { return nil }
    self.tokenizer = tokenizer
    replacesText = asked.logProbabilitiesFile == nil
    if let path = asked.logProbabilitiesFile { file = try AtomicFile(path: path) }
  }

  /// Writes the line of one token.
  func append(_ token: GeneratedToken, sample: Int) {
    if sample != lastSample { index = 0 }
    lastSample = sample
    let line = "\(logProbabilityLine(token, sample: sample, index: index, tokenizer))\n"
    index += 1
    if replacesText {
      Terminal.output.write(line)
    } else if failure == nil {
      do {
        try file?.write(Array(line.utf8))
      } catch {
        failure = error
      }
    }
  }

  /// Puts the file in its place; *throws* what went wrong with it.
  func finish() throws {
    if let failure { throw failure }
    try file.take()?.commit()
  }
}

/// One token as JSON: `{"sample":0,"index":0,"id":17,"text":"a","logprob":-0.5,"top":[…]}`.
///
/// A token that is not whole characters has its `bytes` too; a log-probability that is no number is
/// null.
func logProbabilityLine(
  _ token: GeneratedToken, sample: Int, index: Int, _ tokenizer: any TextTokenizer
) -> JSON {
  var members: [JSON.Member] = [
    .init("sample", .integer(sample)), .init("index", .integer(index)),
  ]
  members += describe(token.token, token.logProbability ?? .nan, tokenizer)
  members.append(
    .init(
      "top", .array(token.alternatives.map { .object(describe($0.token, $0.value, tokenizer)) })))
  return .object(members)
}

private func describe(
  _ token: Int32, _ logProbability: Double, _ tokenizer: any TextTokenizer
) -> [JSON.Member] {
  let bytes = tokenizer.decode([token])
  let text = String(decoding: bytes, as: UTF8.self)
  var members: [JSON.Member] = [
    .init("id", .integer(Int(token))), .init("text", .string(text)),
  ]
  if !text.utf8.elementsEqual(bytes) {
    members.append(.init("bytes", .array(bytes.map { .integer(Int($0)) })))
  }
  members.append(.init("logprob", .number(logProbability)))
  return members
}
