// One vocab.json with both lists: {"vocab": [token, ...], "merges": [[l, r], ...]}, in which the
// place of a token is its id. Tokens are in GPT-2's characters; <|bos|> and <|eos|> are special.

extension BytePairVocabulary {
  /// Reads a vocab.json of two lists.
  ///
  /// Merges name their parts by text or by id. Files whose tokens are characters instead of bytes,
  /// with a blank as a blank, are of another kind: such a tokenizer loses what it has no character
  /// for.
  ///
  /// *Throws* `otherKind`, `damaged`, `unusable`.
  init(pairs root: JSON, path: String) throws(TokenizerFileError) {
    guard let vocabulary = root["vocab"]?.arrayValue, let list = root["merges"]?.arrayValue else {
      throw .damaged(
        path: path, field: "vocab or merges", found: describe(root["merges"]),
        expected: "two arrays")
    }
    var builder = VocabularyBuilder(path: path, count: vocabulary.count)
    for (id, value) in vocabulary.enumerated() {
      let field = "vocab[\(id)]"
      guard let text = value.stringValue else {
        throw .damaged(path: path, field: field, found: describe(value), expected: "a token")
      }
      guard let bytes = ByteAlphabet.bytes(of: text) else {
        let found = "BPE on characters: \(field) is \(quotedForMessage(text))"
        throw .otherKind(path: path, found: found)
      }
      try builder.add(bytes, id: id, field: field)
    }
    for (index, value) in list.enumerated() {
      func fault(_ found: String) -> TokenizerFileError {
        .damaged(
          path: path, field: "merges[\(index)]", found: found, expected: "two tokens of vocab")
      }
      guard value.arrayValue?.count == 2, let left = part(value[0], vocabulary),
        let right = part(value[1], vocabulary)
      else { throw fault(describe(value)) }
      try builder.addMerge(left, right, fault: fault)
    }
    try builder.findSpecials()
    self = try builder.finish(pattern: .gpt2)
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
    var texts = tokens.map { JSON.string(ByteAlphabet.text(of: $0)) }
    for special in specials { texts[Int(special.id)] = .string(special.text) }
    if let hole = texts.firstIndex(of: "") {
      throw .notWritable(
        format: "pairs", found: "no token for id \(hole)", expected: "one for each id")
    }
    return ["vocab": .array(texts), "merges": mergesJSON]
  }
}

/// The bytes of a part of a merge: a token's text, or its id.
private func part(_ value: JSON?, _ vocabulary: [JSON]) -> [UInt8]? {
  let named = value?.intValue.flatMap { vocabulary.indices.contains($0) ? vocabulary[$0] : nil }
  return (named ?? value)?.stringValue.flatMap { ByteAlphabet.bytes(of: $0) }
}
