// Tokens on their way to train.bin and val.bin. Nothing has its name before all of it is written.

/// Sorts tokens into the two files, and writes them as numbers.
struct TokenSink {
  /// Which documents are for training; empty if the tokens are split by their number.
  var routes: [Bool] = []
  /// The tokens around documents, where they are routed one by one.
  var marks: (begin: Int32, end: Int32)?

  let width: Int
  private var document = 0
  private var bytes: [UInt8] = []

  init(width: Int) { self.width = width }

  /// Writes the tokens of `reader` and takes them away.
  mutating func take(
    _ reader: inout TokenReader, _ training: inout AtomicFile, _ validation: inout AtomicFile
  ) throws(FileError) {
    if routes.isEmpty {
      try put(reader.tokens[...], to: &training)
    } else {
      var start = 0
      let whole = reader.ends.last ?? 0
      for end in reader.ends + [reader.tokens.count] where end > start {
        let tokens = reader.tokens[start..<end]
        if routes[document] {
          try put(tokens, to: &training)
        } else {
          try put(tokens, to: &validation)
        }
        start = end
        if end <= whole { document += 1 }
      }
    }
    reader.tokens.removeAll(keepingCapacity: true)
    reader.ends.removeAll(keepingCapacity: true)
  }

  private mutating func put(
    _ tokens: ArraySlice<Int32>, to file: inout AtomicFile
  ) throws(FileError) {
    bytes.removeAll(keepingCapacity: true)
    // The mark that stands before the first document of a file, and between any two of them.
    if let marks, file.byteCount == 0, tokens.first != marks.begin { append(marks.begin) }
    for token in tokens { append(token) }
    try file.write(bytes)
  }

  private mutating func append(_ token: Int32) {
    let id = UInt32(bitPattern: token)
    for byte in 0..<width { bytes.append(UInt8(truncatingIfNeeded: id >> (8 * UInt32(byte)))) }
  }

  /// Splits what was not routed, and gives both files their names.
  ///
  /// Nothing is named if one of them would have less than two tokens; the caller says so.
  func finish(
    _ training: consuming AtomicFile, _ validation: consuming AtomicFile,
    _ validationFraction: Double
  ) throws(FileError) -> (training: Int, validation: Int) {
    if routes.isEmpty {
      // The rule of `Corpus`, and of nanoGPT.
      let middle = Int((1 - validationFraction) * Double(training.byteCount / width))
      try training.moveTail(from: middle * width, to: &validation)
    }
    let counts = (training.byteCount / width, validation.byteCount / width)
    if counts.0 >= 2 && counts.1 >= 2 {
      try training.commit()
      try validation.commit()
    }
    return counts
  }
}
