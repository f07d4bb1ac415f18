// Tokens on their way to train.bin and val.bin. Nothing has its name before all of it is written.

/// The two files of a preparation, being written.
struct TokenSink: ~Copyable {
  /// Which documents are for training; empty if the tokens are split by their number.
  var routes: [Bool] = []
  /// The tokens around documents, where they are routed one by one.
  var marks: (begin: Int32, end: Int32)?

  private let width: Int
  private var training: AtomicFile
  private var validation: AtomicFile
  private var document = 0
  private var bytes: [UInt8] = []

  /// *Throws* `FileError`.
  init(folder: String, width: Int) throws(FileError) {
    let files = (folder + "/train.bin", folder + "/val.bin")
    let first = try AtomicFile(path: files.0)
    let second = try AtomicFile(path: files.1)
    self.width = width
    training = first
    validation = second
  }

  /// Writes the tokens of `reader` and takes them away.
  mutating func take(_ reader: inout TokenReader) throws(FileError) {
    if routes.isEmpty {
      try put(reader.tokens[...], isTraining: true)
    } else {
      var start = 0
      for end in reader.ends + [reader.tokens.count] where end > start {
        let isTraining = routes[document]
        let tokens = reader.tokens[start..<end]
        try beginFile(with: tokens, isTraining)
        try put(tokens, isTraining: isTraining)
        start = end
        if reader.ends.last.map({ end <= $0 }) ?? false { document += 1 }
      }
    }
    reader.tokens.removeAll(keepingCapacity: true)
    reader.ends.removeAll(keepingCapacity: true)
  }

  /// The mark that stands before the first document of a file and between any two of them.
  private mutating func beginFile(
    with tokens: ArraySlice<Int32>, _ isTraining: Bool
  ) throws(FileError) {
    guard let marks, (isTraining ? training.byteCount : validation.byteCount) == 0,
      tokens.first != marks.begin
    else { return }
    try put([marks.begin], isTraining: isTraining)
  }

  private mutating func put(
    _ tokens: ArraySlice<Int32>, isTraining: Bool
  ) throws(FileError) {
    bytes.removeAll(keepingCapacity: true)
    for token in tokens {
      let id = UInt32(bitPattern: token)
      for byte in 0..<width { bytes.append(UInt8(truncatingIfNeeded: id >> (8 * UInt32(byte)))) }
    }
    if isTraining { try training.write(bytes) } else { try validation.write(bytes) }
  }

  /// Splits what was not routed, and gives both files their names.
  ///
  /// Nothing is named if one of them would have less than two tokens; the caller says so.
  consuming func finish(
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
