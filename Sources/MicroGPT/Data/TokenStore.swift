// Where tokens lie: in an array, or in mapped files of 16- or 32-bit numbers that are read where
// they are. Knows neither what the numbers mean nor how a text was cut.

/// Tokens on disk: little-endian numbers of one width, from some byte of a mapped file to its end.
struct TokenFile: Sendable {
  let file: MappedFile
  /// Bytes before the first token.
  let offset: Int
  /// Bytes of a token: 2 or 4.
  let width: Int
  let count: Int

  /// The bytes of some tokens.
  func bytes(_ range: Range<Int>) -> Range<Int> {
    offset + range.lowerBound * width..<offset + range.upperBound * width
  }

  /// Copies tokens; numbers beyond 2^31 come out negative.
  ///
  /// *Cost*: O(n), some 0.3 ns each where the pages are in memory.
  func copy(from start: Int, to target: UnsafeMutableBufferPointer<Int32>) {
    if target.isEmpty { return }
    let source = file.address(of: offset + start * width)
    if width == 2 {
      for i in 0..<target.count {
        target[i] = Int32(
          UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)))
      }
    } else {
      for i in 0..<target.count {
        target[i] = Int32(
          littleEndian: source.loadUnaligned(fromByteOffset: 4 * i, as: Int32.self))
      }
    }
  }
}

/// A sequence of tokens, wherever it lies.
struct TokenStore: Sendable {
  private let array: [Int32]
  private let files: [TokenFile]
  /// Where each file begins in the sequence, and the end of the last one.
  private let starts: [Int]
  /// The number of tokens.
  let count: Int

  /// Whether the tokens are on disk.
  var isMapped: Bool { !files.isEmpty }

  init(_ tokens: [Int32]) {
    (array, files, starts, count) = (tokens, [], [], tokens.count)
  }

  /// One file after the other.
  init(_ files: [TokenFile]) {
    var starts = [0]
    for file in files { starts.append(starts[starts.count - 1] + file.count) }
    (array, self.files, self.starts) = ([], files, starts)
    count = starts[starts.count - 1]
  }

  /// Copies the tokens from `start` on; allocates nothing.
  func copy(from start: Int, to target: UnsafeMutableBufferPointer<Int32>) {
    if files.isEmpty {
      array.withUnsafeBufferPointer { tokens in
        for i in 0..<target.count { target[i] = tokens[start + i] }
      }
      return
    }
    var (done, index) = (0, fileIndex(of: start))
    while done < target.count {
      let place = start + done - starts[index]
      let count = min(target.count - done, files[index].count - place)
      files[index].copy(
        from: place, to: UnsafeMutableBufferPointer(rebasing: target[done..<done + count]))
      done += count
      index += 1
    }
  }

  subscript(range: Range<Int>) -> [Int32] {
    [Int32](unsafeUninitializedCapacity: range.count) { buffer, count in
      copy(from: range.lowerBound, to: UnsafeMutableBufferPointer(rebasing: buffer[..<range.count]))
      count = range.count
    }
  }

  /// The last file that begins at or before `start`; a few comparisons, as there are few files.
  private func fileIndex(of start: Int) -> Int {
    var (low, high) = (0, files.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= start { low = middle } else { high = middle }
    }
    return low
  }
}
