// The position of a `BatchSampler` in a checkpoint: small, exact, and refused for other data.

extension BatchSampler {
  /// The position, for a checkpoint.
  ///
  /// 64-bit words are hexadecimal, because JSON integers are `Int`.
  ///
  /// *Cost*: O(tokens), about 4 ns each, for the checksum.
  public var state: JSON {
    .object([
      JSON.Member("layout", .string(split.layout.rawValue)),
      JSON.Member("token_count", .integer(split.tokenCount)),
      JSON.Member("sequence_count", .integer(split.pieces.count)),
      JSON.Member("checksum", .string(hexadecimal(split.checksum))),
      JSON.Member("seed", .string(hexadecimal(seed))),
      JSON.Member("epoch", .integer(epoch)),
      JSON.Member("position", .integer(position)),
      JSON.Member("generator", .array(generator.words.map { .string(hexadecimal($0)) })),
    ])
  }

  /// Goes on exactly where the sampler that wrote `state` stood; its seed goes on too.
  ///
  /// *Throws* `otherData` unless `split` has the tokens of that sampler's split, and
  /// `damagedPosition`; nothing in `state` is trusted.
  public init(_ split: TokenSplit, resuming state: JSON) throws(DataError) {
    let reader = StateReader(state: state)
    let layout = try reader.string("layout")
    let comparisons = [
      ("the layout differs", split.layout.rawValue, layout),
      (
        "the number of training tokens differs", "\(split.tokenCount)",
        "\(try reader.integer("token_count", in: 0...Int.max))"
      ),
      (
        "the number of training sequences differs", "\(split.pieces.count)",
        "\(try reader.integer("sequence_count", in: 0...Int.max))"
      ),
      (
        "the checksum of the training tokens differs", hexadecimal(split.checksum),
        hexadecimal(try reader.word("checksum"))
      ),
    ]
    for (what, found, expected) in comparisons where found != expected {
      throw .otherData(what: what, found: found, expected: expected)
    }
    let places = split.layout == .documents ? split.pieces.count : split.tokenCount
    self.init(
      split, seed: try reader.word("seed"),
      epoch: try reader.integer("epoch", in: 0...Int(UInt32.max)),
      position: try reader.integer("position", in: 0...places),
      generator: try reader.generator("generator"))
  }
}

extension TokenSplit {
  /// A 64-bit fingerprint of the tokens and of where the pieces end.
  ///
  /// Not for cryptography.
  var checksum: UInt64 {
    if let storedChecksum { return storedChecksum }
    var hash: UInt64 = 0
    for piece in pieces {
      for start in stride(from: piece.lowerBound, to: piece.upperBound, by: 1 << 14) {
        for token in tokens[start..<min(start + 1 << 14, piece.upperBound)] {
          hash = splitMix64(hash ^ UInt64(UInt32(bitPattern: token)))
        }
      }
      hash = splitMix64(hash ^ UInt64.max)
    }
    return hash
  }
}

/// Reads the members of a saved state; every failure names the member.
private struct StateReader {
  let state: JSON

  func value(_ key: String) -> JSON? {
    guard case .object(let members) = state else { return nil }
    return members.first { $0.key == key }?.value
  }

  func string(_ key: String) throws(DataError) -> String {
    guard case .string(let text)? = value(key) else { throw damaged(key, expected: "a string") }
    return text
  }

  func integer(_ key: String, in range: ClosedRange<Int>) throws(DataError) -> Int {
    guard case .integer(let number)? = value(key), range.contains(number) else {
      let bounds = range.upperBound == Int.max ? "0 or more" : "0 to \(range.upperBound)"
      throw damaged(key, expected: bounds)
    }
    return number
  }

  func word(_ key: String) throws(DataError) -> UInt64 {
    guard let word = parse(value(key)) else {
      throw damaged(key, expected: "16 hexadecimal digits")
    }
    return word
  }

  func generator(_ key: String) throws(DataError) -> RandomGenerator {
    guard case .array(let values)? = value(key),
      let generator = RandomGenerator(words: values.compactMap(parse)), values.count == 4
    else {
      throw damaged(key, expected: "4 words of 16 hexadecimal digits, not all zero")
    }
    return generator
  }

  private func parse(_ value: JSON?) -> UInt64? {
    guard case .string(let text)? = value, text.utf8.count == 16 else { return nil }
    return UInt64(text, radix: 16)
  }

  private func damaged(_ key: String, expected: String) -> DataError {
    .damagedPosition(field: key, found: describe(value(key)), expected: expected)
  }
}

/// A word as 16 hexadecimal digits.
private func hexadecimal(_ word: UInt64) -> String {
  let digits = String(word, radix: 16)
  return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}
