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
    switch try asked.tokenizerChoice() {
    case .file(let file)?: return try readTokenizer(file, for: layout)
    case .kind(let kind)?:
      return try makeTokenizer(
        kind, for: text, layout: layout, path: path, vocabularySize: asked.bpe)
    case nil:
      if asked.choosesSize,
        SizeChoice.tokenizer(byteCount: text.count, layout: layout) == .bpe,
        // A text that repeats itself has too few pairs.
        let pairs = try? makeTokenizer(.bpe, for: text, layout: layout, path: path)
      {
        return pairs
      }
      return try makeTokenizer(.character, for: text, layout: layout, path: path)
    }
  }
}

extension TextOptions {
  /// What `--tokenizer` and `--bpe`, which implies byte pairs, say together; nil if nothing.
  func tokenizerChoice() throws(SetupError) -> TokenizerChoice? {
    guard bpe != nil else { return tokenizer }
    switch tokenizer {
    case .file(let file)?: throw .twoTokenizers(found: file)
    case .kind(let kind)? where kind != .bpe: throw .twoTokenizers(found: kind.rawValue)
    case .kind?, nil: return .kind(.bpe)
    }
  }
}
