// Hugging Face's tokenizer.json: byte-level BPE and nothing else. Whatever would tokenize in
// another way is named in an error, not guessed at. Writing: HuggingFaceTokenizer+Writing.swift.

extension BytePairVocabulary {
  /// Reads a tokenizer.json.
  ///
  /// Added tokens, special or not, are special tokens here. `post_processor` may add begin and end
  /// tokens; that is left to whoever encodes.
  ///
  /// *Throws* `notJSON` with the position, `otherKind`, `damaged`, `unusable`.
  ///
  /// *Source* of the format: the documentation and files of PyPI's `tokenizers` 0.23.
  public init(huggingFace bytes: [UInt8], path: String) throws(TokenizerFileError) {
    try self.init(huggingFace: parseTokenizerJSON(bytes, path: path), path: path)
  }

  /// Reads the content of a tokenizer.json.
  init(huggingFace root: JSON, path: String) throws(TokenizerFileError) {
    let file = HuggingFaceFile(root: root, path: path)
    let model = try file.model()
    let pattern = try file.pattern()
    let vocabulary = try file.vocabulary(model)
    var builder = VocabularyBuilder(path: path, count: vocabulary.count)
    let added = try file.addedTokens()
    let addedIDs = Set(added.map(\.id))
    for member in vocabulary {
      let field = "model.vocab[\(quotedForMessage(member.key))]"
      guard let id = member.value.intValue else {
        throw .damaged(
          path: path, field: field, found: describe(member.value), expected: "an id")
      }
      // The text of an added token is text, not in the alphabet of bytes.
      if addedIDs.contains(id) { continue }
      guard let bytes = ByteAlphabet.bytes(of: member.key) else {
        throw file.foreignCharacter(field)
      }
      try builder.add(bytes, id: id, field: field)
    }
    for (index, token) in added.enumerated() {
      try builder.addSpecial(token.text, id: token.id, field: "added_tokens[\(index)]")
    }
    for (index, merge) in try file.merges(model).enumerated() {
      let field = "model.merges[\(index)]"
      guard let left = ByteAlphabet.bytes(of: merge.left),
        let right = ByteAlphabet.bytes(of: merge.right)
      else { throw file.foreignCharacter(field) }
      try builder.addMerge(left, right) {
        .damaged(path: path, field: field, found: $0, expected: "tokens of the vocabulary")
      }
    }
    self = try builder.finish(
      pattern: pattern, ignoresMerges: model["ignore_merges"]?.boolValue ?? false)
  }
}

/// The parts of a tokenizer.json, each refused if it is of another kind.
struct HuggingFaceFile {
  let root: JSON
  let path: String

  /// The model, if it is BPE on bytes.
  func model() throws(TokenizerFileError) -> JSON {
    guard let model = root["model"], model.objectValue != nil else {
      throw .damaged(
        path: path, field: "model", found: describe(root["model"]), expected: "an object")
    }
    let type = model["type"]?.stringValue ?? (model["merges"] == nil ? "no type" : "BPE")
    if type != "BPE" { throw other("a model of type \(quotedForMessage(type))") }
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let text = model[key]?.stringValue, !text.isEmpty {
        throw other("BPE with \(key) \(quotedForMessage(text))")
      }
    }
    if model["byte_fallback"]?.boolValue == true { throw other("BPE with byte_fallback") }
    if let dropout = model["dropout"]?.doubleValue, dropout != 0 {
      throw other("BPE with dropout \(dropout)")
    }
    if let normalizer = root["normalizer"], normalizer != .null {
      throw other("a normalizer of type \(typeName(normalizer))")
    }
    return model
  }

  /// The pattern of the pre-tokenizer, if we have it.
  func pattern() throws(TokenizerFileError) -> PreTokenizerPattern {
    guard let outer = root["pre_tokenizer"], outer != .null else {
      throw other("no pre-tokenizer")
    }
    let steps = outer["type"] == "Sequence" ? outer["pretokenizers"]?.arrayValue ?? [] : [outer]
    for step in steps where step["type"] != "ByteLevel" && step["type"] != "Split" {
      throw other("a pre-tokenizer of type \(typeName(step))")
    }
    guard let last = steps.last, last["type"] == "ByteLevel" else {
      throw other("a pre-tokenizer without ByteLevel")
    }
    if last["add_prefix_space"]?.boolValue ?? true {
      throw other("ByteLevel with add_prefix_space")
    }
    let usesOwn = last["use_regex"]?.boolValue ?? true
    if steps.count == 1 && usesOwn { return .gpt2 }
    guard steps.count == 2, !usesOwn, steps[0]["type"] == "Split",
      let regex = steps[0]["pattern"]?["Regex"]?.stringValue
    else { throw other("\(steps.count) steps of pre-tokenizers") }
    guard let pattern = Self.patterns.first(where: { $0.regex == regex })?.pattern else {
      throw other("the pattern \(quotedForMessage(regex))")
    }
    guard steps[0]["behavior"] == "Isolated", steps[0]["invert"]?.boolValue != true else {
      throw other("Split with behavior \(describe(steps[0]["behavior"]))")
    }
    return pattern
  }

  /// Patterns as they stand in files; those of one kind mean the same.
  ///
  /// The first one of a kind is what we write. Possessive `{1,3}+` is not among them: Oniguruma,
  /// which `tokenizers` uses, reads it as a repeated group.
  static let patterns: [(pattern: PreTokenizerPattern, regex: String)] = [
    (
      .gpt2,
      #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    ),
    (
      .gpt4,
      #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
        + #"\s++$|\s*[\r\n]|\s+(?!\S)|\s"#
    ),
    (
      .llama3,
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"#
        + #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    ),
  ]

  /// The members of `model.vocab`.
  func vocabulary(_ model: JSON) throws(TokenizerFileError) -> [JSON.Member] {
    guard let members = model["vocab"]?.objectValue else {
      throw .damaged(
        path: path, field: "model.vocab", found: describe(model["vocab"]), expected: "an object")
    }
    return members
  }

  /// Merges, written as "l r" or as ["l", "r"].
  func merges(_ model: JSON) throws(TokenizerFileError) -> [(left: String, right: String)] {
    guard let values = model["merges"]?.arrayValue else {
      throw .damaged(
        path: path, field: "model.merges", found: describe(model["merges"]), expected: "an array")
    }
    var merges: [(left: String, right: String)] = []
    merges.reserveCapacity(values.count)
    for (index, value) in values.enumerated() {
      if let parts = value.arrayValue, parts.count == 2, let left = parts[0].stringValue,
        let right = parts[1].stringValue
      {
        merges.append((left, right))
      } else if let parts = value.stringValue.flatMap(splitMerge) {
        merges.append(parts)
      } else {
        throw .damaged(
          path: path, field: "model.merges[\(index)]", found: describe(value),
          expected: "two tokens, as \"l r\" or [\"l\", \"r\"]")
      }
    }
    return merges
  }

  /// `added_tokens`, of which none may swallow blanks or look at whole words.
  func addedTokens() throws(TokenizerFileError) -> [(id: Int, text: String)] {
    var tokens: [(id: Int, text: String)] = []
    for (index, value) in (root["added_tokens"]?.arrayValue ?? []).enumerated() {
      guard let id = value["id"]?.intValue, let text = value["content"]?.stringValue, !text.isEmpty
      else {
        throw .damaged(
          path: path, field: "added_tokens[\(index)]", found: describe(value),
          expected: "an id and a content")
      }
      for key in ["lstrip", "rstrip", "single_word"] where value[key]?.boolValue == true {
        throw other("the added token \(quotedForMessage(text)) with \(key)")
      }
      tokens.append((id, text))
    }
    return tokens
  }

  /// The error for a token in other characters than GPT-2's.
  func foreignCharacter(_ field: String) -> TokenizerFileError {
    .damaged(
      path: path, field: field, found: "a character that stands for no byte",
      expected: "those of byte-level BPE")
  }

  private func other(_ found: String) -> TokenizerFileError { .otherKind(path: path, found: found) }

  private func typeName(_ value: JSON) -> String {
    value["type"]?.stringValue.map(quotedForMessage) ?? "unknown"
  }
}

/// The two tokens of "l r"; nil unless there is exactly one blank, between them.
func splitMerge(_ text: String) -> (left: String, right: String)? {
  let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
  guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
  return (String(parts[0]) ?? "", String(parts[1]) ?? "")
}
