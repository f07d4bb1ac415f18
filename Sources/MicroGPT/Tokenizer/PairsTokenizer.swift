// One vocab.json with both lists: {"vocab": [token, ...], "merges": [[l, r], ...]}, in which the
// place of a token is its id. <|bos|> and <|eos|> are special. Tokens are in GPT-2's characters, or
// made of characters as randyGPT's are.

extension BytePairVocabulary {
  /// Reads a vocab.json of two lists.
  ///
  /// Merges name their parts by text or by id. Tokens are made of bytes if all are written in
  /// GPT-2's characters and the blank's is one, "Ġ"; else they are what is written. On characters,
  /// the order of the merges is that of their results.
  ///
  /// *Throws* `damaged`, `unusable`.
  ///
  /// *Source*: randyGPT (MonumentalSystems/RandyGPT), `src/tokenizer.rs` and
  /// `scripts/tokenizer_randygpt.py`. A token that is there twice or is merged from a later one, of
  /// which these make different things, is refused.
  init(pairs root: JSON, path: String) throws(TokenizerFileError) {
    guard let vocabulary = root["vocab"]?.arrayValue, let list = root["merges"]?.arrayValue else {
      throw .damaged(
        path: path, field: "vocab or merges", found: describe(root["merges"]),
        expected: "two arrays")
    }
    let isBytes = isInBytes(vocabulary)
    func bytes(_ text: String) -> [UInt8]? {
      isBytes ? ByteAlphabet.bytes(of: text) : Array(text.utf8)
    }
    var builder = VocabularyBuilder(path: path, count: vocabulary.count)
    for (id, value) in vocabulary.enumerated() {
      guard let token = value.stringValue.flatMap(bytes) else {
        throw .damaged(
          path: path, field: "vocab[\(id)]", found: describe(value), expected: "a token")
      }
      try builder.add(token, id: id, field: "vocab[\(id)]")
    }
    for (index, value) in list.enumerated() {
      func fault(_ found: String) -> TokenizerFileError {
        .damaged(
          path: path, field: "merges[\(index)]", found: found, expected: "two tokens of vocab")
      }
      guard value.arrayValue?.count == 2,
        let left = part(value[0], vocabulary).flatMap(bytes),
        let right = part(value[1], vocabulary).flatMap(bytes)
      else { throw fault(describe(value)) }
      try builder.addMerge(left, right, fault: fault)
    }
    try builder.findSpecials()
    self = try builder.finish(pattern: .gpt2, alphabet: isBytes ? .bytes : .characters)
  }

  /// The content of a vocab.json of two lists.
  ///
  /// *Throws* `notWritable` if an id stands for nothing, or if the pattern is not GPT-2's, which
  /// the file can't say.
  public func pairsJSON() throws(TokenizerFileError) -> JSON {
    guard pattern == .gpt2, !ignoresMerges else {
      throw .notWritable(
        format: "pairs", found: ignoresMerges ? "whole pieces" : "the pattern \(pattern.rawValue)",
        expected: "GPT-2's pattern and merges")
    }
    var texts = tokens.indices.map { JSON.string(text(of: Int32($0))) }
    for special in specials { texts[Int(special.id)] = .string(special.text) }
    if let hole = texts.firstIndex(of: "") {
      throw .notWritable(
        format: "pairs", found: "no token for id \(hole)", expected: "one for each id")
    }
    return ["vocab": .array(texts), "merges": mergesJSON]
  }
}

/// Whether tokens stand for bytes.
private func isInBytes(_ vocabulary: [JSON]) -> Bool {
  var hasBlank = false
  for text in vocabulary.lazy.compactMap(\.stringValue) {
    guard let bytes = ByteAlphabet.bytes(of: text) else { return false }
    if bytes == [0x20] { hasBlank = true }
  }
  return hasBlank
}

/// The text of a part of a merge, which may be named by its id.
private func part(_ value: JSON?, _ vocabulary: [JSON]) -> String? {
  let named = value?.intValue.flatMap { vocabulary.indices.contains($0) ? vocabulary[$0] : nil }
  return (named ?? value)?.stringValue
}
