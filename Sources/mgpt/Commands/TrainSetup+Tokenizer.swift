// The tokenizer of a new run: a kind, learned from the text where it has to be, or a file.

import MicroGPT

extension TrainSetup {
  /// Makes or reads what `--tokenizer` and `--bpe` say; what suits the text where it also decides
  /// the size, otherwise characters.
  ///
  /// Documents need a token that ends them: a file that has none gets `<|endoftext|>` behind its
  /// ids.
  static func tokenizer(
    _ asked: TrainOptions, _ text: [UInt8], _ layout: CorpusLayout, _ path: String
  ) throws -> any TextTokenizer {
    switch asked.tokenizer {
    case .file(let file)?:
      if asked.bpe != nil { throw SetupError.twoTokenizers(found: file) }
      return try readTokenizer(file, for: layout)
    case .kind(let kind)?:
      if asked.bpe != nil && kind != .bpe {
        throw SetupError.twoTokenizers(found: kind.rawValue)
      }
      return try makeTokenizer(
        kind, for: text, layout: layout, path: path, vocabularySize: asked.bpe)
    case nil:
      if asked.bpe == nil && asked.choosesSize,
        SizeChoice.tokenizer(byteCount: text.count, layout: layout) == .bpe,
        // A text that repeats itself has too few pairs.
        let pairs = try? makeTokenizer(.bpe, for: text, layout: layout, path: path)
      {
        return pairs
      }
      return try makeTokenizer(
        asked.bpe == nil ? .character : .bpe, for: text, layout: layout, path: path,
        vocabularySize: asked.bpe)
    }
  }
}
