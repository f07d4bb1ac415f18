// GPT-2's pair of files: vocab.json, tokens with their ids, and merges.txt, a pair on each line.

extension BytePairVocabulary {
  /// Reads GPT-2's vocab.json and merges.txt.
  ///
  /// Tokens in angle brackets that no merge makes, `<|endoftext|>`, are special.
  ///
  /// *Throws* `notJSON`, `damaged`, `badLine`, `unusable`.
  public init(
    vocabulary: [UInt8], path: String, merges: [UInt8], mergesPath: String,
    pattern: PreTokenizerPattern = .gpt2
  ) throws(TokenizerFileError) {
    try self.init(
      vocabulary: parseTokenizerJSON(vocabulary, path: path), path: path, merges: merges,
      mergesPath: mergesPath, pattern: pattern)
  }

  /// Reads the content of a vocab.json, and a merges.txt.
  init(
    vocabulary: JSON, path: String, merges: [UInt8], mergesPath: String,
    pattern: PreTokenizerPattern
  ) throws(TokenizerFileError) {
    guard let members = vocabulary.objectValue else {
      throw .damaged(
        path: path, field: "the beginning", found: "no object", expected: "tokens with their ids")
    }
    var builder = VocabularyBuilder(path: path, count: members.count)
    for member in members {
      let field = quotedForMessage(member.key)
      guard let id = member.value.intValue, let bytes = ByteAlphabet.bytes(of: member.key) else {
        throw .damaged(
          path: path, field: field, found: describe(member.value),
          expected: "a token in GPT-2's characters with its id")
      }
      try builder.add(bytes, id: id, field: field)
    }
    let lines = merges.split(separator: 0x0A, omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.isEmpty || (index == 0 && line.starts(with: "#version".utf8)) { continue }
      func fault(_ found: String) -> TokenizerFileError {
        .badLine(path: mergesPath, line: index + 1, found: found, expected: "two tokens of \(path)")
      }
      // What is no UTF-8 becomes U+FFFD, which stands for no byte.
      guard let parts = splitMerge(String(decoding: line, as: UTF8.self)),
        let left = ByteAlphabet.bytes(of: parts.left),
        let right = ByteAlphabet.bytes(of: parts.right)
      else { throw fault(quotedForMessage(String(decoding: line.prefix(60), as: UTF8.self))) }
      try builder.addMerge(left, right, fault: fault)
    }
    try builder.findSpecials()
    self = try builder.finish(pattern: pattern)
  }

  /// The content of a merges.txt.
  public var mergesText: [UInt8] {
    var text = Array("#version: 0.2\n".utf8)
    for merge in merges {
      text += ByteAlphabet.text(of: tokens[Int(merge.left)]).utf8
      text.append(0x20)
      text += ByteAlphabet.text(of: tokens[Int(merge.right)]).utf8
      text.append(0x0A)
    }
    return text
  }

  /// The content of a vocab.json beside a merges.txt.
  public var vocabularyFile: [UInt8] { vocabularyJSON.utf8Bytes }
}
