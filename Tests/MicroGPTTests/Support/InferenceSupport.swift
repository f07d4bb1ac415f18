// Small models with tokenizers, for the tests of generation.
@testable import MicroGPT

/// A model, its tokenizer and what runs it.
struct SmallGenerator {
  let model: GPT
  let tokenizer: any TextTokenizer
  let compute: Compute
  let generator: TextGenerator

  /// `kind` `.character` has begin, end and unknown tokens; `.byte` has none.
  init(
    _ name: String, _ kind: TokenizerKind = .character, context: Int = 7, threads: Int = 1,
    seed: UInt64 = 1
  ) throws {
    tokenizer =
      kind == .byte ? ByteTokenizer() : try SmallTexts.corpus(.documents).tokenizer
    var c = SmallModels.configuration(name)
    c.vocabularySize = tokenizer.vocabularySize
    c.contextLength = context
    model = try GPT(c)
    SmallModels.randomize(model, seed: seed)
    compute = try Compute(threadCount: threads)
    generator = try TextGenerator(model: model, tokenizer: tokenizer, compute: compute)
  }

  /// What is generated: the pieces as they came, and the result.
  func generate(
    _ prompt: String = "", layout: CorpusLayout = .documents, _ options: GenerationOptions,
    sample: Int = 0, limit: Int = .max
  ) throws -> (pieces: [[UInt8]], result: GenerationResult) {
    var pieces: [[UInt8]] = []
    let result = try generator.generate(
      prompt: Array(prompt.utf8), layout: layout, options: options, sample: sample, clock: { 0 },
      emit: {
        pieces.append(Array($0))
        return pieces.count < limit
      })
    return (pieces, result)
  }
}

/// Options for so many tokens.
func generation(
  _ maxTokens: Int, temperature: Double = 1, stop: [String] = [], seed: UInt64 = 1
) -> GenerationOptions {
  var options = GenerationOptions()
  options.maxTokens = maxTokens
  options.sampling.temperature = temperature
  options.stop = stop
  options.seed = seed
  return options
}
