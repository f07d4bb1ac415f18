// `mgpt tokenizer`: learns a vocabulary, encodes, decodes, counts and converts. Texts are read in
// parts; memory holds one of them.

import MicroGPT

/// Does what was asked; returns the code to exit with.
func runTokenizer(_ asked: TokenizerOptions) throws -> Int32 {
  guard let action = asked.action else {
    throw SetupError.missing(flag: "ACTION", why: "say what to do, such as count")
  }
  try refuseForeign(asked, action)
  switch action {
  case .train: return try trainTokenizer(asked)
  case .convert: return try convertTokenizer(asked)
  case .encode, .count: return try encodeText(asked, prints: action == .encode)
  case .decode: return try decodeIDs(asked)
  }
}

/// What an action would ignore is refused.
private func refuseForeign(
  _ asked: TokenizerOptions, _ action: TokenizerAction
) throws(SetupError) {
  let writes = action == .train || action == .convert
  let given: [(String, Bool, Bool)] = [
    ("--data", asked.data != nil, action != .convert),
    ("--tokenizer", asked.tokenizer != nil, action != .train),
    ("--vocab-size", asked.vocabularySize != nil, action == .train),
    ("--lines", asked.lines, action == .train),
    ("--out", asked.output != nil, writes), ("--format", asked.format != nil, writes),
    ("--force", asked.force, writes),
    ("--special", asked.special, !writes),
    ("--json", asked.json, action != .convert && action != .decode),
  ]
  for (option, isGiven, hasMeaning) in given where isGiven && !hasMeaning {
    throw .foreignOption(option: option, action: action.rawValue)
  }
}

private func required(
  _ value: String?, _ flag: String, _ why: String
) throws(SetupError) -> String {
  guard let value else { throw .missing(flag: flag, why: why) }
  return value
}

private func output(_ asked: TokenizerOptions) throws(SetupError) -> String {
  let path = try required(asked.output, "--out", "name a file to write")
  var files = [path]
  if asked.format == .gpt2 { files.append(parentFolder(of: path) + "/merges.txt") }
  for file in files where !asked.force && fileExists(file) { throw .outputExists(path: file) }
  return path
}

// MARK: - Learning

private func trainTokenizer(_ asked: TokenizerOptions) throws -> Int32 {
  let data = try required(asked.data, "--data", "a tokenizer is learned from a text")
  guard let size = asked.vocabularySize else {
    throw SetupError.missing(flag: "--vocab-size", why: "say how many tokens to learn")
  }
  let path = try output(asked)
  var trainer = BytePairTrainer(pattern: asked.pattern ?? .gpt2)
  let display = ProgressNote()
  let clock = ContinuousClock()
  let start = clock.now
  var byteCount = 0
  try BytePairTrainer.check(vocabularySize: size)
  let source = try TextSource(data)
  try trainer.add(source, layout: asked.lines ? .documents : nil) { count, words in
    byteCount = count
    display.show("\(Format.bytes(count)) read, \(words) different words")
  }
  let vocabulary = try trainer.train(vocabularySize: size) { found, wanted in
    display.show("\(found) of \(wanted) tokens")
  }
  display.clear()
  try write(BytePairTokenizer(vocabulary), as: asked.format ?? .huggingface, to: path)
  let seconds = (clock.now - start).seconds
  let (count, words) = (vocabulary.tokens.count, trainer.distinctPieceCount)
  let report: JSON = [
    "path": .string(path), "tokens": .integer(count),
    "merges": .integer(vocabulary.merges.count), "bytes": .integer(byteCount),
    "words": .integer(words), "seconds": .number(seconds),
  ]
  let text =
    "\(path): \(count) tokens from \(Format.bytes(byteCount)) with \(words) different words, in "
    + Format.duration(seconds)
  Terminal.output.write((asked.json ? "\(report)" : text) + "\n")
  return 0
}

private func convertTokenizer(_ asked: TokenizerOptions) throws -> Int32 {
  let tokenizer = try namedTokenizer(asked)
  let path = try output(asked)
  try write(tokenizer, as: asked.format ?? .huggingface, to: path)
  let specials = tokenizer.vocabulary.specials
  let lost = asked.format == .tiktoken && !specials.isEmpty
  let kind =
    tokenizer.vocabulary.alphabet == .characters
    ? "on characters" : "pattern \(tokenizer.vocabulary.pattern.rawValue)"
  Terminal.output.write(
    "\(path): \(tokenizer.vocabularySize) tokens, \(kind)"
      + (lost ? "; \(counted(specials.count, "special token")) left out, as the format wants" : "")
      + "\n")
  return 0
}

private func namedTokenizer(_ asked: TokenizerOptions) throws -> BytePairTokenizer {
  let path = try required(asked.tokenizer, "--tokenizer", "name the file of a tokenizer")
  return try readTokenizer(path, pattern: asked.pattern ?? .gpt2)
}

// MARK: - Using

/// What encoding a text has come to.
private struct EncodingCounts {
  var (tokens, bytes, leftOut, seconds) = (0, 0, 0, 0.0)

  var json: JSON {
    [
      "tokens": .integer(tokens), "bytes": .integer(bytes), "bytes_left_out": .integer(leftOut),
      "bytes_per_token": tokens == 0 ? .null : .number(Double(bytes) / Double(tokens)),
      "seconds_encoding": .number(seconds),
    ]
  }

  var words: String {
    let ratio = tokens == 0 ? "no" : Format.fixed(Double(bytes) / Double(tokens), decimals: 3)
    return "\(tokens) tokens, \(bytes) bytes, \(ratio) bytes per token"
      + (leftOut > 0 ? "; \(leftOutWords(leftOut))" : "")
  }
}

/// Says on standard error what a tokenizer has no token for, if there is such a thing.
func noteLeftOut(of text: [UInt8], _ tokenizer: any TextTokenizer) {
  noteLeftOut(tokenizer.leftOutByteCount(text, in: 0..<text.count))
}

private func noteLeftOut(_ byteCount: Int) {
  if byteCount > 0 { Terminal.error.write("mgpt: \(leftOutWords(byteCount))\n") }
}

/// What is said of characters that a tokenizer has no token for.
func leftOutWords(_ byteCount: Int) -> String {
  "\(counted(byteCount, "byte")) of characters without a token left out"
}

private func encodeText(_ asked: TokenizerOptions, prints: Bool) throws -> Int32 {
  let tokenizer = try namedTokenizer(asked)
  let source = try TextSource(try required(asked.data, "--data", "name a text"))
  var counts = EncodingCounts()
  if prints && asked.json { Terminal.output.write("[") }
  try source.forEachChunk(
    safeCut: { tokenizer.safeCut(of: $0, readsSpecials: asked.special) }
  ) { text in
    let tokens = try encode(text, asked.special, tokenizer, source, &counts)
    if prints { print(tokens, isFirst: counts.tokens == 0, asked.json ? "," : " ") }
    counts.tokens += tokens.count
  }
  if !prints {
    Terminal.output.write(asked.json ? "\(counts.json)\n" : counts.words + "\n")
    return 0
  }
  Terminal.output.write(asked.json ? "]\n" : "\n")
  noteLeftOut(counts.leftOut)
  return 0
}

/// The ids of a part of a text, of which `counts.bytes` bytes are done.
private func encode(
  _ text: [UInt8], _ special: Bool, _ tokenizer: BytePairTokenizer, _ source: TextSource,
  _ counts: inout EncodingCounts
) throws -> [Int32] {
  var tokens: [Int32] = []
  let clock = ContinuousClock()
  let start = clock.now
  do throws(TokenizerError) {
    if special {
      try tokenizer.encodeWithSpecials(text, to: &tokens)
    } else {
      try tokenizer.encode(text, in: 0..<text.count, to: &tokens)
    }
  } catch {
    guard case .invalidUTF8(let byte, let offset) = error else { throw error }
    throw source.located(
      .invalidUTF8(path: source.path, byte: byte, offset: counts.bytes + offset), .stream)
  }
  counts.seconds += (clock.now - start).seconds
  counts.bytes += text.count
  counts.leftOut += tokenizer.leftOutByteCount(text, in: 0..<text.count)
  return tokens
}

private func print(_ tokens: [Int32], isFirst: Bool, _ separator: String) {
  var text = isFirst ? "" : separator
  text.reserveCapacity(tokens.count * 6)
  for (index, token) in tokens.enumerated() {
    if index > 0 { text += separator }
    text += String(token)
  }
  Terminal.output.write(text)
}

private func decodeIDs(_ asked: TokenizerOptions) throws -> Int32 {
  let tokenizer = try namedTokenizer(asked)
  let data = try required(asked.data, "--data", "name a file of ids")
  let isBlank: (UInt8) -> Bool = { [0x20, 0x09, 0x0A, 0x0D, 0x2C, 0x5B, 0x5D].contains($0) }
  var offset = 0
  var text: [UInt8] = []
  try TextSource(data).forEachChunk(
    safeCut: { $0.lastIndex(where: isBlank).map { $0 + 1 } }
  ) { ids in
    text.removeAll(keepingCapacity: true)
    for word in ids.split(whereSeparator: isBlank) {
      let digits = String(decoding: word.prefix(20), as: UTF8.self)
      guard word.count < 20, let id = Int32(digits), (0..<Int32(tokenizer.vocabularySize)) ~= id
      else {
        throw SetupError.notIDs(
          path: data, found: printableText(digits), offset: offset + word.startIndex)
      }
      if asked.special {
        tokenizer.appendWithSpecials(id, to: &text)
      } else {
        tokenizer.append(id, to: &text)
      }
    }
    offset += ids.count
    Terminal.output.write(bytes: text)
  }
  return 0
}
