// What may be asked of the choice of a token: the options, their ranges, and the order in which
// they apply. The choice itself is in Sampler.swift and Candidates.swift.

/// How the next token is chosen.
///
/// Applied in this order:
/// 1. the penalties change the logits of tokens that were there before: repetition, then presence
///    and frequency;
/// 2. the biases are added, so that a bias of x means x nats whatever came before;
/// 3. temperature 0 takes the largest logit and ends here; any other divides the logits, and
///    softmax makes them probabilities;
/// 4. top-k, typical-p, top-p, min-p drop tokens, each looking at what the one before left;
/// 5. one draw among the rest, in proportion to their probabilities.
///
/// At least one token is always left. Tokens less than e^-87 times as probable as the best never
/// come. A sum of probabilities that reaches p within rounding (1e-6) counts as p.
public struct SamplingOptions: Sendable, Equatable {
  /// Divides the logits; 0 is greedy.
  public var temperature = 0.8
  /// Keep the k most probable tokens; 0 for all.
  public var topK = 0
  /// Keep the tokens whose surprise -log p is closest to the expected one, the entropy, until
  /// their probability reaches this; 1 for all.
  ///
  /// *Source*: Meister et al. 2022, arXiv 2202.00666.
  public var typicalP = 1.0
  /// Keep the smallest set whose probability reaches p.
  ///
  /// *Source*: Holtzman et al. 2019, arXiv 1904.09751.
  public var topP = 1.0
  /// Keep tokens at least this fraction as probable as the best.
  ///
  /// *Source*: Nguyen et al. 2024, arXiv 2407.01082.
  public var minP = 0.0
  /// Divides positive and multiplies negative logits of tokens of prompt and answer; 1 for none.
  ///
  /// *Source*: Keskar et al. 2019, arXiv 1909.05858.
  public var repetitionPenalty = 1.0
  /// Subtracted from the logits of tokens of the answer so far, once each; 0 for none.
  public var presencePenalty = 0.0
  /// Subtracted from the logits of tokens for each time they are in the answer; 0 for none.
  public var frequencyPenalty = 0.0
  /// Added to the logits of single tokens.
  public var logitBias: [LogitBias] = []

  /// The defaults: temperature 0.8, nothing cut off, no penalty.
  public init() {}

  /// Throws the first option that is out of range, in the words of the flags.
  public func validate() throws(ConfigurationError) {
    let reals: [(String, Double, ClosedRange<Double>, String)] = [
      ("--temperature", temperature, 0...1000, "0 to 1000"),
      ("--typical-p", typicalP, 0...1, "0 to 1"),
      ("--top-p", topP, 0...1, "0 to 1"),
      ("--min-p", minP, 0...1, "0 to 1"),
      ("--repetition-penalty", repetitionPenalty, 0.01...100, "0.01 to 100"),
      ("--presence-penalty", presencePenalty, -100...100, "-100 to 100"),
      ("--frequency-penalty", frequencyPenalty, -100...100, "-100 to 100"),
    ]
    for (name, value, range, words) in reals where !range.contains(value) {
      throw .outOfRange(option: name, found: "\(value)", range: words)
    }
    if topK < 0 { throw .outOfRange(option: "--top-k", found: "\(topK)", range: "0 (all) up") }
    for bias in logitBias where bias.value.isNaN || bias.value > 1000 {
      throw .outOfRange(
        option: "--logit-bias", found: "\(bias.value)", range: "-inf (never) to 1000")
    }
  }
}

/// A number added to the logit of one token.
public struct LogitBias: Sendable, Equatable {
  /// The token; one that the vocabulary lacks has no effect.
  public var token: Int32
  /// Added to its logit, as are others for the same token; -infinity means never.
  public var value: Double

  /// Makes a bias.
  public init(token: Int32, value: Double) {
    self.token = token
    self.value = value
  }

  /// A bias for the token that `text` is.
  ///
  /// *Throws* unless the text is one token of the tokenizer, and a known one.
  public init(
    text: String, value: Double, tokenizer: any TextTokenizer
  ) throws(LogitBiasError) {
    let tokens = (try? tokenizer.encode(Array(text.utf8))) ?? []
    guard let token = tokens.first, tokens.count == 1 else {
      throw .notOneToken(text: text, count: tokens.count)
    }
    if token == tokenizer.unknownToken { throw .unknownText(text) }
    self.init(token: token, value: value)
  }

  /// A bias for a token by its number.
  ///
  /// *Throws* if the tokenizer has no such token.
  public init(id: Int, value: Double, tokenizer: any TextTokenizer) throws(LogitBiasError) {
    guard let token = Int32(exactly: id), (0..<tokenizer.vocabularySize).contains(id) else {
      throw .noSuchToken(id: id, vocabularySize: tokenizer.vocabularySize)
    }
    self.init(token: token, value: value)
  }
}

/// A bias for a token that the model doesn't have.
public enum LogitBiasError: UserFacingError, Equatable {
  case notOneToken(text: String, count: Int)
  case unknownText(String)
  case noSuchToken(id: Int, vocabularySize: Int)

  /// The code the process exits with.
  public var exitCode: ExitCode { .config }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .notOneToken(let text, let count):
      "--logit-bias needs one token. Found \(text.prefix(40).debugDescription), which is "
        + "\(count) tokens, expected a text of one. Give a bias to each of its tokens."
    case .unknownText(let text):
      "--logit-bias names a text that the model doesn't know. Found "
        + "\(text.prefix(40).debugDescription), expected a text of its vocabulary. Leave it out."
    case .noSuchToken(let id, let size):
      "--logit-bias names a token that the model doesn't have. Found \(id), expected 0 to "
        + "\(size - 1). To give a text of digits, quote it: '\"\(id)\":-5'."
    }
  }
}
