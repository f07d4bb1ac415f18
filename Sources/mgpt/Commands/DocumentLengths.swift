// How long the documents of a text are, to choose a context that holds them, and to say so where it
// doesn't. Encodes only where tokens can't be counted without.

import MicroGPT

/// The lengths of the lines of a text, in tokens without begin and end.
struct DocumentLengths: Equatable {
  private var counts: [Int] = []
  /// The longest line; at least 1.
  private(set) var longest = 1

  /// Measures all lines that are not empty.
  ///
  /// *Cost*: O(bytes).
  init(_ text: [UInt8], _ tokenizer: any TextTokenizer) {
    var tokens: [Int32] = []
    for line in text.split(separator: UInt8(ascii: "\n")) {
      var count = line.last == UInt8(ascii: "\r") ? -1 : 0
      switch tokenizer.kind {
      case .byte: count += line.count
      // One per character: continuation bytes, 10xxxxxx, don't begin one.
      case .character: for byte in line where byte & 0xC0 != 0x80 { count += 1 }
      case .bpe:
        tokens.removeAll(keepingCapacity: true)
        // Byte pairs encode anything.
        try? tokenizer.encode(
          text, in: line.startIndex..<line.endIndex + min(count, 0), to: &tokens)
        count = tokens.count
      }
      counts.append(count)
      longest = max(longest, count)
    }
  }

  /// The lengths of lines that are tokens already.
  init(_ corpus: Corpus) {
    counts = corpus.documentTokenCounts.map { $0 - 2 }
    longest = max(1, counts.max() ?? 1)
  }

  /// What to tell if some documents don't fit into a context; nil if all do.
  func note(context: Int) -> String? {
    // A document predicts each of its tokens and the end.
    let cut = counts.reduce(0) { $0 + ($1 + 1 > context ? 1 : 0) }
    if cut == 0 { return nil }
    return "\(cut) of \(counts.count) documents are longer than the context and are trained on in "
      + "pieces; --context \(longest + 1) would hold all"
  }
}
