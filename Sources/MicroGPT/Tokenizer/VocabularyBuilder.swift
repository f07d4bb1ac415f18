// From the strings of a tokenizer's file to a checked vocabulary. What all formats share; the
// formats themselves are in HuggingFaceTokenizer.swift, MergesText.swift, TiktokenFile.swift and
// PairsTokenizer.swift.

/// Collects tokens, merges and special tokens of a file at `path`.
struct VocabularyBuilder {
  let path: String
  private var tokens: [[UInt8]] = []
  private var isTaken: [Bool] = []
  private var ids: [[UInt8]: Int32] = [:]
  private var merges: [BytePairVocabulary.Merge] = []
  private var specials: [SpecialToken] = []
  /// Where ids end: those of a file with few tokens must not make a vocabulary of millions.
  private let idLimit: Int

  /// - Parameter count: the entries that the file has.
  init(path: String, count: Int) {
    self.path = path
    idLimit = min(2 * count + 4096, BytePairVocabulary.largestVocabulary)
  }

  /// The id of some bytes, if they are a token.
  func id(_ bytes: [UInt8]) -> Int32? { ids[bytes] }

  /// The bytes of an id; none for specials and holes.
  func token(_ id: Int32) -> [UInt8] { tokens[Int(id)] }

  /// Adds a token.
  mutating func add(_ bytes: [UInt8], id: Int, field: String) throws(TokenizerFileError) {
    try take(id, field)
    guard !bytes.isEmpty, ids.updateValue(Int32(id), forKey: bytes) == nil else {
      throw .damaged(
        path: path, field: field, found: bytes.isEmpty ? "an empty token" : "a token twice",
        expected: "each token once")
    }
    tokens[id] = bytes
  }

  /// Adds a special token; its id and its text may be those of a token, which it replaces.
  mutating func addSpecial(_ text: String, id: Int, field: String) throws(TokenizerFileError) {
    if let old = ids[Array(text.utf8)], Int(old) == id {
      ids[Array(text.utf8)] = nil
      tokens[id] = []
    } else {
      try take(id, field)
    }
    specials.append(SpecialToken(id: Int32(id), text: text))
  }

  private mutating func take(_ id: Int, _ field: String) throws(TokenizerFileError) {
    guard (0..<idLimit).contains(id) else {
      throw .damaged(path: path, field: field, found: "id \(id)", expected: "0 to \(idLimit - 1)")
    }
    while tokens.count <= id {
      tokens.append([])
      isTaken.append(false)
    }
    if isTaken[id] {
      throw .damaged(path: path, field: field, found: "id \(id) again", expected: "each id once")
    }
    isTaken[id] = true
  }

  /// Adds the merge of next rank; `fault` says what is wrong where the parts or the whole are
  /// unknown.
  mutating func addMerge(
    _ left: [UInt8], _ right: [UInt8], fault: (String) -> TokenizerFileError
  ) throws(TokenizerFileError) {
    guard let leftID = ids[left], let rightID = ids[right] else {
      throw fault("a part that is no token")
    }
    guard let result = ids[left + right] else { throw fault("a result that is no token") }
    merges.append(.init(left: leftID, right: rightID, result: result))
  }

  /// Makes special tokens of those in angle brackets that nothing makes, as `<|endoftext|>` in
  /// GPT-2's vocab.json.
  mutating func findSpecials() throws(TokenizerFileError) {
    var isMade = [Bool](repeating: false, count: tokens.count)
    for merge in merges { isMade[Int(merge.result)] = true }
    let names = BytePairVocabulary.endNames + BytePairVocabulary.beginNames
    for (id, bytes) in tokens.enumerated() where bytes.count > 2 && !isMade[id] {
      let text = String(decoding: bytes, as: UTF8.self)
      if names.contains(text) || (text.hasPrefix("<|") && text.hasSuffix("|>")) {
        try addSpecial(text, id: id, field: quotedForMessage(text))
      }
    }
  }

  /// The vocabulary, if it is one.
  func finish(
    pattern: PreTokenizerPattern, ignoresMerges: Bool = false, alphabet: TokenAlphabet = .bytes
  ) throws(TokenizerFileError) -> BytePairVocabulary {
    do throws(BytePairError) {
      return try BytePairVocabulary(
        tokens: tokens, merges: merges, specials: specials, pattern: pattern,
        ignoresMerges: ignoresMerges, alphabet: alphabet)
    } catch {
      throw .unusable(path: path, error)
    }
  }
}

/// Runs the strict JSON parser, with the path for its errors.
func parseTokenizerJSON(_ bytes: [UInt8], path: String) throws(TokenizerFileError) -> JSON {
  do throws(JSONError) {
    return try JSON.parse(bytes)
  } catch {
    throw .notJSON(path: path, error)
  }
}
