// Generation of text from a prompt: prefill, decode, sampling, stop rules, streaming.

/// How much text to generate and when to stop.
public struct GenerationOptions: Sendable, Equatable {
  /// How each token is drawn.
  public var sampling = SamplingOptions()
  /// Tokens to generate at most.
  public var maxTokens = 256
  /// Text ends before the first of these that appears.
  public var stop: [String] = []
  /// Where the random numbers start; the same seed gives the same text.
  public var seed: UInt64 = 1
  /// Most probable tokens to report with each generated one; nil for no probabilities at all.
  public var logProbabilities: Int?

  /// The defaults.
  public init() {}
}

/// What a generation did.
public struct GenerationResult: Sendable, Equatable {
  /// Why it ended.
  public enum End: Sendable { case maxTokens, endToken, stopString, cancelled }
  /// The reason.
  public var end: End
  /// Tokens of the prompt.
  public var promptTokenCount: Int
  /// Tokens generated.
  public var tokenCount: Int
  /// Passes of a recursive model that the tokens generated took, together.
  public var passCount = 0
  /// Time to take in the prompt.
  public var prefillSeconds: Double
  /// Time to generate the tokens.
  public var decodeSeconds: Double
}

/// Generates text with one model.
///
/// One sample at a time.
public final class TextGenerator {
  private let model: GPT
  private let tokenizer: any TextTokenizer
  private let decoder: Decoder

  /// *Throws* if memory lacks, or if model and tokenizer don't belong together.
  public init(
    model: GPT, tokenizer: any TextTokenizer, compute: Compute, cache: KeyValueFormat = .float32,
    depth: Depth = Depth()
  ) throws {
    guard tokenizer.vocabularySize == model.configuration.vocabularySize else {
      throw GenerationError.otherVocabulary(
        tokenizer: tokenizer.vocabularySize, model: model.configuration.vocabularySize)
    }
    self.model = model
    self.tokenizer = tokenizer
    decoder = try Decoder(model: model, compute: compute, format: cache, depth: depth)
  }

  /// Continues `prompt`.
  ///
  /// `emit` receives pieces of whole UTF-8 characters as they come and answers whether to go on;
  /// `onToken` receives each token. `shouldStop` is asked while the prompt is taken in.
  ///
  /// A model of documents sees its begin token in front of every prompt and stops at its end token.
  /// One of a stream has never seen either: an empty prompt starts there as if after a line break.
  /// A prompt longer than the context window keeps its end. `sample` numbers the samples of one
  /// seed.
  public func generate(
    prompt: [UInt8], layout: CorpusLayout, options: GenerationOptions, sample: Int = 0,
    clock: () -> Double, shouldStop: () -> Bool = { false },
    onToken: (GeneratedToken) -> Void = { _ in }, emit: (UnsafeBufferPointer<UInt8>) -> Bool
  ) throws -> GenerationResult {
    try generate(
      tokens: promptTokens(prompt, layout), layout: layout, options: options, sample: sample,
      clock: clock, shouldStop: shouldStop, onToken: onToken, emit: emit)
  }

  /// Continues a sequence of tokens.
  ///
  /// One without tokens, of text that a tokenizer of characters has none for, starts as a document.
  /// With `continues`, what the sequence has in common with the one before, such as a conversation
  /// with its next turn, is not computed again. Without, the text is the same to the bit whatever
  /// was generated before.
  ///
  /// *Throws* `GenerationError` where the model predicts no number, which damaged weights do.
  public func generate(
    tokens: [Int32], layout: CorpusLayout, options: GenerationOptions, sample: Int = 0,
    continues: Bool = false, clock: () -> Double, shouldStop: () -> Bool = { false },
    onToken: (GeneratedToken) -> Void = { _ in }, emit: (UnsafeBufferPointer<UInt8>) -> Bool
  ) throws -> GenerationResult {
    try options.sampling.validate()
    let tokens = tokens.isEmpty ? [tokenizer.documentBegin ?? 0] : tokens
    var sampler = makeSampler(tokens, layout, options, sample)
    var probabilities = options.logProbabilities.map {
      LogProbabilities(vocabularySize: tokenizer.vocabularySize, alternativeCount: $0)
    }
    var output = TextOutput(stop: options.stop)
    let start = clock()
    if !continues { decoder.reset() }
    var (count, passCount) = (0, 0)
    func result(_ end: GenerationResult.End, _ prefilled: Double) -> GenerationResult {
      GenerationResult(
        end: end, promptTokenCount: tokens.count, tokenCount: count, passCount: passCount,
        prefillSeconds: prefilled - start, decodeSeconds: clock() - prefilled)
    }
    var logits: UnsafeMutablePointer<Float>
    do {
      logits = try decoder.prefill(tokens, unless: shouldStop)
    } catch is PromptStopped {
      return result(.cancelled, clock())
    }
    let prefilled = clock()
    var end = GenerationResult.End.maxTokens
    while count < options.maxTokens {
      probabilities?.read(logits)
      guard let token = sampler.draw(logits) else {
        throw sampler.bansAll
          ? GenerationError.allBanned(count: tokenizer.vocabularySize)
          : .noNumber(promptTokens: tokens.count, tokens: count)
      }
      count += 1
      passCount += decoder.lastPasses
      var report = probabilities?.report(token) ?? GeneratedToken(token: token)
      report.passes = decoder.lastPasses
      onToken(report)
      if token == tokenizer.endToken {
        end = .endToken
        break
      }
      sampler.observe(token)
      let stopped = output.append(token, tokenizer)
      if !output.release(emit) {
        end = .cancelled
        break
      }
      if stopped {
        end = .stopString
        break
      }
      if count < options.maxTokens { logits = decoder.decode(token) }
    }
    if end != .stopString && end != .cancelled {
      output.finish()
      _ = output.release(emit)
    }
    return result(end, prefilled)
  }

  private func makeSampler(
    _ prompt: [Int32], _ layout: CorpusLayout, _ options: GenerationOptions, _ sample: Int
  ) -> Sampler {
    var sampler = Sampler(
      options.sampling, vocabularySize: tokenizer.vocabularySize,
      generator: RandomGenerator(
        seed: options.seed, stream: RandomStream.sampling &+ UInt64(sample) << 8))
    for token in prompt { sampler.observePrompt(token) }
    sampler.ban(tokenizer.unknownToken)
    sampler.ban(tokenizer.beginToken)
    if !layout.hasDocuments { sampler.ban(tokenizer.endToken) }
    return sampler
  }

  private func promptTokens(_ prompt: [UInt8], _ layout: CorpusLayout) throws -> [Int32] {
    var tokens = try tokenizer.encode(prompt)
    if layout.hasDocuments {
      if let begin = tokenizer.documentBegin { tokens.insert(begin, at: 0) }
    } else if tokens.isEmpty {
      tokens = try tokenizer.encode([UInt8(ascii: "\n")])
    }
    return tokens
  }
}

/// Turns tokens into text that may be shown: whole characters, nothing of a stop string.
///
/// Its buffers grow to the longest piece and are used again.
private struct TextOutput {
  private var decoder = IncrementalUTF8Decoder()
  private var stops: StopStrings
  private var bytes: [UInt8] = []
  private var characters: [UInt8] = []
  private var pending: [UInt8] = []

  init(stop: [String]) {
    stops = StopStrings(stop)
    bytes.reserveCapacity(64)
    characters.reserveCapacity(64)
    pending.reserveCapacity(256)
  }

  /// Takes a token; true if a stop string is complete.
  mutating func append(_ token: Int32, _ tokenizer: any TextTokenizer) -> Bool {
    bytes.removeAll(keepingCapacity: true)
    characters.removeAll(keepingCapacity: true)
    tokenizer.append(token, to: &bytes)
    decoder.append(bytes, to: &characters)
    return stops.append(characters, to: &pending)
  }

  /// Ends the text: what was held back becomes ready.
  mutating func finish() {
    characters.removeAll(keepingCapacity: true)
    decoder.flush(to: &characters)
    if !stops.append(characters, to: &pending) { stops.flush(to: &pending) }
  }

  /// Shows what is ready; false if the receiver wants no more.
  mutating func release(_ emit: (UnsafeBufferPointer<UInt8>) -> Bool) -> Bool {
    if pending.isEmpty { return true }
    defer { pending.removeAll(keepingCapacity: true) }
    return pending.withUnsafeBufferPointer(emit)
  }
}

/// Why nothing can be generated.
public enum GenerationError: UserFacingError, Equatable {
  case otherVocabulary(tokenizer: Int, model: Int)
  /// The logits after so many tokens are NaN, except of tokens that may not come.
  case noNumber(promptTokens: Int, tokens: Int)
  case allBanned(count: Int)

  /// The code the process exits with.
  public var exitCode: ExitCode {
    switch self {
    case .otherVocabulary, .noNumber: .data
    case .allBanned: .config
    }
  }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .otherVocabulary(let tokenizer, let model):
      "tokenizer and model don't belong together. Found \(tokenizer) token ids in the "
        + "tokenizer, expected \(model). Use the checkpoint's own tokenizer."
    case .noNumber(let prompt, let tokens):
      "the model's predictions are no numbers. Found nan for every token that may come, after "
        + "\(prompt) of the prompt and \(tokens) generated, expected logits. Use a checkpoint from "
        + "before the loss became NaN."
    case .allBanned(let count):
      "no token may come. Found a bias of -inf, or no text, for each of \(count) tokens, expected "
        + "one that may. Leave out a --logit-bias."
    }
  }
}
