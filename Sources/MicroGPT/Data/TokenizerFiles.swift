// Tokenizers of other programs on disk: finds out what a path is, and writes what was asked for.
// The formats themselves are in Tokenizer/.

/// The formats in which BPE tokenizers are passed on; `pairs` holds those on characters too.
public enum TokenizerFormat: String, CaseIterable, Sendable {
  /// Hugging Face's tokenizer.json.
  case huggingface
  /// GPT-2's vocab.json, and a merges.txt beside it.
  case gpt2
  /// tiktoken's .tiktoken.
  case tiktoken
  /// One vocab.json with the lists `vocab` and `merges`.
  case pairs
}

/// Reads a tokenizer of any format.
///
/// - tokenizer.json, and any other JSON with a `model` that is no number: Hugging Face's
/// - JSON with an array `vocab`: the lists `vocab` and `merges`, on bytes or on characters
/// - vocab.json, any other JSON, or a merges.txt: GPT-2's pair, of which the other file is expected
///   beside it
/// - anything else: tiktoken's
/// - a folder: the tokenizer.json in it, or else its vocab.json
///
/// - Parameter pattern: for the formats that don't say it.
///
/// *Throws* `DataError`, `TokenizerFileError`.
public func readTokenizer(
  _ path: String, pattern: PreTokenizerPattern = .gpt2
) throws -> BytePairTokenizer {
  do {
    return try readTokenizerFile(path, pattern)
  } catch DataError.directory {
    do {
      return try readTokenizerFile(path + "/tokenizer.json", pattern)
    } catch DataError.missing {
      return try readTokenizerFile(path + "/vocab.json", pattern)
    }
  }
}

private func readTokenizerFile(
  _ path: String, _ pattern: PreTokenizerPattern
) throws -> BytePairTokenizer {
  let bytes = try readFile(path)
  if path.hasSuffix(".txt") {
    let beside = folder(of: path) + "vocab.json"
    return BytePairTokenizer(
      try BytePairVocabulary(
        vocabulary: try readFile(beside), path: beside, merges: bytes, mergesPath: path,
        pattern: pattern))
  }
  let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
  guard first == UInt8(ascii: "{") || path.hasSuffix(".json") else {
    return BytePairTokenizer(
      try BytePairVocabulary(tiktoken: bytes, path: path, pattern: pattern))
  }
  let json = try parseTokenizerJSON(bytes, path: path)
  // In a vocab.json "model" is a token, and its value a number.
  if let model = json["model"], model.intValue == nil {
    return BytePairTokenizer(try BytePairVocabulary(huggingFace: json, path: path))
  }
  if json["vocab"]?.arrayValue != nil {
    return BytePairTokenizer(try BytePairVocabulary(pairs: json, path: path))
  }
  let beside = folder(of: path) + "merges.txt"
  return BytePairTokenizer(
    try BytePairVocabulary(
      vocabulary: json, path: path, merges: try readFile(beside), mergesPath: beside,
      pattern: pattern))
}

/// Writes a tokenizer; GPT-2's format puts a merges.txt beside `path`.
///
/// *Throws* `FileError`, `notWritable`, `charactersNotWritable`.
public func write(
  _ tokenizer: BytePairTokenizer, as format: TokenizerFormat, to path: String
) throws {
  let vocabulary = tokenizer.vocabulary
  if vocabulary.alphabet == .characters && format != .pairs {
    throw TokenizerFileError.charactersNotWritable(format: format.rawValue)
  }
  switch format {
  case .huggingface:
    try AtomicFile.replace(path, with: vocabulary.huggingFaceJSON.utf8Bytes + [0x0A])
  case .gpt2:
    try AtomicFile.replace(folder(of: path) + "merges.txt", with: vocabulary.mergesText)
    try AtomicFile.replace(path, with: vocabulary.vocabularyFile)
  case .tiktoken:
    try AtomicFile.replace(path, with: try vocabulary.tiktokenFile())
  case .pairs:
    try AtomicFile.replace(path, with: try vocabulary.pairsJSON().utf8Bytes + [0x0A])
  }
}

/// Everything up to the last slash.
private func folder(of path: String) -> String {
  path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
}
