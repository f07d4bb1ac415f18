// The documents of a text that may be larger than memory, one pass over it.

extension TextSource {
  /// What a pass over a text found.
  struct Reading {
    var cutter: DocumentCutter
    /// Bytes of the joined text.
    var byteCount = 0
    /// CRC-32C of these bytes.
    var checksum: UInt32 = 0
  }

  /// Passes the documents of the text to `reader`, in parts.
  ///
  /// - Parameters:
  ///   - cut: where a range of a text that goes on can be cut; see `DocumentCutter.feed`.
  ///   - after: is called after each part with the bytes of text that were read.
  ///
  /// *Cost*: memory for some 6 MB of text.
  ///
  /// *Throws* as reading the text does, and as `reader` does, with offsets into the text.
  func read<Reader: DocumentReader>(
    _ layout: CorpusLayout, to reader: inout Reader, cut: ([UInt8], Range<Int>) -> Int?,
    after: (inout Reader, Int) throws -> Void
  ) throws -> Reading {
    var reading = Reading(cutter: DocumentCutter(layout))
    var (waiting, done) = ([UInt8](), 0)
    func feed(isEnd: Bool) throws {
      do throws(DataError) {
        let count = try reading.cutter.feed(
          waiting, isEnd: isEnd, cut: { cut(waiting, $0) }, to: &reader)
        waiting.removeFirst(count)
        done += count
      } catch {
        guard case .invalidUTF8(let path, let byte, let offset) = error else { throw error }
        throw DataError.invalidUTF8(path: path, byte: byte, offset: offset + done)
      }
      try after(&reader, reading.byteCount)
    }
    try forEachPart(layout) { part in
      reading.byteCount += part.count
      reading.checksum = part.withUnsafeBytes { crc32c($0, continuing: reading.checksum) }
      waiting += part
      try feed(isEnd: false)
      return true
    }
    try feed(isEnd: true)
    return reading
  }
}

extension BytePairTrainer {
  /// Counts the pieces of a whole text.
  ///
  /// - Parameters:
  ///   - layout: how it is cut; nil for one stream, or for documents between `<|endoftext|>` if
  ///     there are any.
  ///   - progress: is told the bytes read and the distinct pieces found.
  ///
  /// *Throws* as reading the text does.
  public mutating func add(
    _ source: TextSource, layout: CorpusLayout?, progress: (Int, Int) -> Void
  ) throws {
    var reader = WordReader(trainer: self)
    let suggested = source.isRepeatable ? try source.suggestedLayout() : .stream
    _ = try source.read(
      layout ?? (suggested == .endOfText ? .endOfText : .stream), to: &reader, cut: cut
    ) { progress($1, $0.trainer.distinctPieceCount) }
    self = reader.trainer
  }

  /// Where a range of `text`, which goes on, can be cut without changing any piece; nil if nowhere.
  func cut(_ text: [UInt8], _ range: Range<Int>) -> Int? {
    PreTokenizer(pattern).lastSafeCut(in: text, range.lowerBound, range.upperBound)
  }
}
