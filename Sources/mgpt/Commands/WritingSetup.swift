// What `mgpt generate` and `mgpt chat` make of their options before the first token.

import MicroGPT

extension WritingOptions {
  /// What is asked of the library, with a new seed if none was given.
  ///
  /// The biases are given by texts, which are now tokens.
  func generation(_ tokenizer: any TextTokenizer) throws(LogitBiasError) -> GenerationOptions {
    var options = GenerationOptions()
    options.sampling = sampling
    for bias in logitBias {
      options.sampling.logitBias.append(try bias.resolved(tokenizer))
    }
    options.maxTokens = maxTokens
    options.stop = stop
    options.seed = seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    return options
  }

  /// Writes with that model.
  func generator(_ saved: ModelFile) throws -> TextGenerator {
    try TextGenerator(
      model: saved.model, tokenizer: saved.tokenizer,
      compute: makeCompute(threads: threads), cache: keyValueCache,
      depth: depth.resolved(for: saved.model.configuration))
  }
}

extension LogitBiasArgument {
  fileprivate func resolved(_ tokenizer: any TextTokenizer) throws(LogitBiasError) -> LogitBias {
    switch target {
    case .id(let id): try LogitBias(id: id, value: value, tokenizer: tokenizer)
    case .text(let text): try LogitBias(text: text, value: value, tokenizer: tokenizer)
    }
  }
}
