// A BPE tokenizer as checkpoints carry it: numbers, because they are shorter than the tokens as
// text and need no alphabet. 50,257 tokens take 1 MB.

extension BytePairTokenizer {
  /// The bytes' ids, none on characters, the merges as `left, right, result` in the order of their
  /// ranks, and with hex digits what no merge makes.
  public var json: JSON {
    var known = [Bool](repeating: false, count: vocabulary.tokens.count)
    for id in vocabulary.byteIDs { known[Int(id)] = true }
    // A reader builds tokens from merges; what is not built in that order it must be told.
    var built = known
    var needed = [Bool](repeating: false, count: known.count)
    for merge in vocabulary.merges {
      for part in [merge.left, merge.right] where !built[Int(part)] { needed[Int(part)] = true }
      built[Int(merge.result)] = true
    }
    var others: [JSON] = []
    for (id, token) in vocabulary.tokens.enumerated() where !known[id] && !token.isEmpty {
      if !built[id] || needed[id] {
        others.append(.array([.integer(id), .string(hexadecimal(token))]))
      }
    }
    var merges: [JSON] = []
    merges.reserveCapacity(vocabulary.merges.count * 3)
    for merge in vocabulary.merges {
      for part in [merge.left, merge.right, merge.result] { merges.append(.integer(Int(part))) }
    }
    // Only where it is not bytes: the fingerprints of these stay what they were.
    let alphabet: [JSON.Member] =
      vocabulary.alphabet == .bytes
      ? [] : [JSON.Member("alphabet", .string(vocabulary.alphabet.rawValue))]
    return .object(
      alphabet + [
        JSON.Member("kind", .string(kind.rawValue)),
        JSON.Member("vocabulary_size", .integer(vocabularySize)),
        JSON.Member("pattern", .string(vocabulary.pattern.rawValue)),
        JSON.Member("whole_pieces", .bool(vocabulary.ignoresMerges)),
        JSON.Member("bytes", .array(vocabulary.byteIDs.map { .integer(Int($0)) })),
        JSON.Member("others", .array(others)),
        JSON.Member(
          "specials",
          .array(vocabulary.specials.map { .array([.integer(Int($0.id)), .string($0.text)]) })),
        JSON.Member("merges", .array(merges)),
      ])
  }

  /// Reads what `json` wrote.
  ///
  /// *Throws* `damaged`; no id and no length is trusted.
  init(json: JSON) throws(TokenizerError) {
    let reader = CheckpointReader(json: json)
    let alphabet = try reader.alphabet()
    let byteCount = alphabet == .bytes ? 256 : 0
    let size = try reader.size(least: max(byteCount, 1))
    var tokens = [[UInt8]](repeating: [], count: size)
    for (byte, value) in try reader.array("bytes", count: byteCount).enumerated() {
      tokens[try reader.id(value, size, "bytes[\(byte)]")] = [UInt8(byte)]
    }
    for (index, value) in try reader.array("others").enumerated() {
      let field = "others[\(index)]"
      let id = try reader.id(value[0] ?? .null, size, field)
      guard let token = value[1]?.stringValue.flatMap(bytes(ofHexadecimal:)), tokens[id].isEmpty
      else { throw .damaged(field: field, found: describe(value[1]), expected: "new bytes in hex") }
      tokens[id] = token
    }
    let merges = try reader.merges(&tokens)
    let specials = try reader.specials(size)
    guard let name = json["pattern"]?.stringValue, let pattern = PreTokenizerPattern(rawValue: name)
    else {
      throw .damaged(
        field: "pattern", found: describe(json["pattern"]),
        expected: PreTokenizerPattern.allCases.map(\.rawValue).joined(separator: " or "))
    }
    do throws(BytePairError) {
      self.init(
        try BytePairVocabulary(
          tokens: tokens, merges: merges, specials: specials, pattern: pattern,
          ignoresMerges: json["whole_pieces"]?.boolValue ?? false, alphabet: alphabet))
    } catch {
      throw .damaged(field: "tokens", found: error.fault, expected: "a whole vocabulary")
    }
  }
}

/// Takes the fields of a description apart, with distrust.
private struct CheckpointReader {
  let json: JSON

  func size(least: Int) throws(TokenizerError) -> Int {
    let limit = BytePairVocabulary.largestVocabulary
    guard let size = json["vocabulary_size"]?.intValue, (least...limit).contains(size) else {
      throw .damaged(
        field: "vocabulary_size", found: describe(json["vocabulary_size"]),
        expected: "\(least) to \(limit)")
    }
    return size
  }

  func alphabet() throws(TokenizerError) -> TokenAlphabet {
    guard let value = json["alphabet"] else { return .bytes }
    guard let alphabet = value.stringValue.flatMap(TokenAlphabet.init(rawValue:)) else {
      throw .damaged(
        field: "alphabet", found: describe(value), expected: "bytes or characters")
    }
    return alphabet
  }

  func array(_ field: String, count: Int? = nil) throws(TokenizerError) -> [JSON] {
    guard let values = json[field]?.arrayValue, values.count == count ?? values.count else {
      throw .damaged(
        field: field, found: describe(json[field]),
        expected: count.map { "an array of \($0) values" } ?? "an array")
    }
    return values
  }

  func id(_ value: JSON, _ size: Int, _ field: String) throws(TokenizerError) -> Int {
    guard let id = value.intValue, (0..<size).contains(id) else {
      throw .damaged(field: field, found: describe(value), expected: "an id below \(size)")
    }
    return id
  }

  /// The merges; the tokens that they make are added to `tokens`.
  func merges(_ tokens: inout [[UInt8]]) throws(TokenizerError) -> [BytePairVocabulary.Merge] {
    let numbers = try array("merges")
    var merges: [BytePairVocabulary.Merge] = []
    merges.reserveCapacity(numbers.count / 3)
    var total = 0
    for start in stride(from: 0, to: numbers.count, by: 3) {
      let field = "merges[\(start)]"
      guard start + 3 <= numbers.count else {
        throw .damaged(field: field, found: "\(numbers.count) numbers", expected: "three for each")
      }
      let left = try id(numbers[start], tokens.count, field)
      let right = try id(numbers[start + 1], tokens.count, field)
      let result = try id(numbers[start + 2], tokens.count, field)
      let bytes = tokens[left] + tokens[right]
      total += bytes.count
      guard !tokens[left].isEmpty, !tokens[right].isEmpty,
        tokens[result].isEmpty || tokens[result] == bytes,
        bytes.count <= BytePairVocabulary.longestToken, total <= BytePairVocabulary.largestText
      else {
        throw .damaged(
          field: field, found: "\(left), \(right), \(result)",
          expected: "two known tokens and the one they make")
      }
      tokens[result] = bytes
      merges.append(.init(left: Int32(left), right: Int32(right), result: Int32(result)))
    }
    return merges
  }

  func specials(_ size: Int) throws(TokenizerError) -> [SpecialToken] {
    var specials: [SpecialToken] = []
    for (index, value) in try array("specials").enumerated() {
      let field = "specials[\(index)]"
      let id = try id(value[0] ?? .null, size, field)
      guard let text = value[1]?.stringValue else {
        throw .damaged(field: field, found: describe(value[1]), expected: "a text")
      }
      specials.append(SpecialToken(id: Int32(id), text: text))
    }
    return specials
  }
}

/// Two digits per byte.
private func hexadecimal(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(
    decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

/// The bytes of pairs of digits; nil if there are none or others.
private func bytes(ofHexadecimal text: String) -> [UInt8]? {
  let digits = text.utf8.map { Character(Unicode.Scalar($0)).hexDigitValue }
  if digits.isEmpty || digits.count % 2 != 0 { return nil }
  var bytes: [UInt8] = []
  for i in stride(from: 0, to: digits.count, by: 2) {
    guard let high = digits[i], let low = digits[i + 1] else { return nil }
    bytes.append(UInt8(high << 4 | low))
  }
  return bytes
}
