// tiktoken's files: a token in base64 and its rank on each line. Merges are not in them; they
// follow from the ranks.

extension BytePairVocabulary {
  /// Longest token of such a file: deriving merges takes the square of it.
  private static let longestLine = 1024

  /// Reads a .tiktoken file; ids are the ranks.
  ///
  /// The file says neither the pattern nor the special tokens, which tiktoken keeps in its source:
  /// `<|endoftext|>` gets the id behind all others, as in GPT-2.
  ///
  /// *Throws* `badLine`, `damaged`, `unusable`.
  ///
  /// *Source* of the rule by which merges follow: tiktoken merges the two neighbours whose
  /// concatenation has the least rank, so the last merge of a token joins what all merges of lesser
  /// rank leave of its bytes.
  public init(
    tiktoken bytes: [UInt8], path: String, pattern: PreTokenizerPattern
  ) throws(TokenizerFileError) {
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    var builder = VocabularyBuilder(path: path, count: lines.count)
    var ranks: [Int] = []
    for (index, line) in lines.enumerated() where !line.isEmpty {
      let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
      guard parts.count == 2, let token = bytesOfBase64(parts[0]), !token.isEmpty,
        let rank = Int(String(decoding: parts[1], as: UTF8.self)), rank >= 0
      else {
        throw .badLine(
          path: path, line: index + 1,
          found: quotedForMessage(String(decoding: line.prefix(60), as: UTF8.self)),
          expected: "a token in base64, a blank and its rank")
      }
      guard token.count <= Self.longestLine else {
        throw .badLine(
          path: path, line: index + 1, found: "a token of \(token.count) bytes",
          expected: "at most \(Self.longestLine)")
      }
      try builder.add(token, id: rank, field: "line \(index + 1)")
      ranks.append(rank)
    }
    ranks.sort()
    for rank in ranks {
      let token = builder.token(Int32(rank))
      guard token.count > 1, let (left, right) = lastMerge(of: token, below: rank, builder) else {
        continue
      }
      try builder.addMerge(left, right) {
        .damaged(path: path, field: "rank \(rank)", found: $0, expected: "tokens of the file")
      }
    }
    try builder.addSpecial(
      Self.endNames[0], id: (ranks.last ?? -1) + 1, field: Self.endNames[0])
    self = try builder.finish(pattern: pattern, ignoresMerges: true)
  }

  /// The content of a .tiktoken file; special tokens are not in it.
  ///
  /// *Throws* `notWritable` unless ids ascend with the ranks of merges.
  public func tiktokenFile() throws(TokenizerFileError) -> [UInt8] {
    for (index, merge) in merges.enumerated() where index > 0 {
      guard merge.result > merges[index - 1].result else {
        throw .notWritable(
          format: "tiktoken", found: "the id \(merge.result) after \(merges[index - 1].result)",
          expected: "ids in the order of the merges")
      }
    }
    var file: [UInt8] = []
    for (id, bytes) in tokens.enumerated() where !bytes.isEmpty {
      file += base64(bytes)
      file += " \(id)\n".utf8
    }
    return file
  }
}

/// The two parts that merges of lesser ranks leave of a token; nil if they leave more or one.
private func lastMerge(
  of token: [UInt8], below rank: Int, _ builder: VocabularyBuilder
) -> ([UInt8], [UInt8])? {
  var parts = token.map { [$0] }
  while parts.count > 2 {
    var (best, place) = (Int32(clamping: rank), -1)
    for i in 1..<parts.count {
      if let id = builder.id(parts[i - 1] + parts[i]), id < best { (best, place) = (id, i - 1) }
    }
    if place < 0 { return nil }
    parts[place] += parts.remove(at: place + 1)
  }
  return (parts[0], parts[1])
}

// MARK: - Base64

/// *Source*: RFC 4648, section 4.
private let base64Digits = Array(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

/// Bytes as base64 with padding.
private func base64(_ bytes: [UInt8]) -> [UInt8] {
  var text: [UInt8] = []
  for start in stride(from: 0, to: bytes.count, by: 3) {
    let group = bytes[start..<min(start + 3, bytes.count)]
    var bits: UInt32 = 0
    for i in 0..<3 { bits = bits << 8 | (i < group.count ? UInt32(group[start + i]) : 0) }
    for i in 0..<4 {
      let digit = base64Digits[Int(bits >> UInt32(18 - 6 * i)) & 63]
      text.append(i <= group.count ? digit : UInt8(ascii: "="))
    }
  }
  return text
}

/// The bytes of base64 with padding; nil for anything that `base64` would not write.
private func bytesOfBase64(_ text: ArraySlice<UInt8>) -> [UInt8]? {
  if text.count % 4 != 0 { return nil }
  let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
  if padding > 2 { return nil }
  var bytes: [UInt8] = []
  var (bits, count): (UInt32, Int) = (0, 0)
  for digit in text.dropLast(padding) {
    let value: UInt8
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = digit - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): value = digit - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): value = 62
    case UInt8(ascii: "/"): value = 63
    default: return nil
    }
    bits = bits << 6 | UInt32(value)
    count += 6
    if count >= 8 {
      count -= 8
      bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
    }
  }
  // The digits of the last byte that stand for nothing are zero.
  return bits & (1 << UInt32(count) - 1) == 0 ? bytes : nil
}
