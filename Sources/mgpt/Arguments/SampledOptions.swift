// What the commands that write text share: the sampling options, and the words for their order. Not
// here: the sampling itself.

import MicroGPT

/// Options that say how tokens are chosen.
protocol SampledOptions: CommandOptions {
  /// All but the biases.
  var sampling: SamplingOptions { get set }
  /// As typed: their texts become tokens when the model is known.
  var logitBias: [LogitBiasArgument] { get set }
}

/// Options of a command that writes text with a model.
protocol WritingOptions: ThreadedOptions, CachedOptions, SeededOptions, ModelOptions,
  SampledOptions, DepthOptions
{
  /// Tokens to write at once, at most.
  var maxTokens: Int { get }
  /// Each ends a text where it appears; never empty texts.
  var stop: [String] { get }
}

/// A token, by id or by text, and what to add to its logit.
struct LogitBiasArgument: Equatable, Sendable {
  enum Target: Equatable, Sendable {
    case id(Int)
    case text(String)
  }
  var target: Target
  var value: Double
}

/// For the end of a help text.
let samplingOrder =
  "Order of the steps: repetition, presence and frequency penalty; logit bias; temperature (0 takes "
  + "the most probable token, and that is all); top-k, typical-p, top-p and min-p, each on what the "
  + "one before left; one draw."

extension Option where Root: SampledOptions {
  /// In the order in which they apply, the most used first.
  static var samplingOptions: [Option] { setOptions + penaltyOptions }

  private static var setOptions: [Option] {
    [
      .value(
        "temperature", "X", .real(.including(0), .including(100)), into: \.sampling.temperature,
        help: "Below 1 safer, above 1 more surprising (0 = always the most probable token)"
      ).named(suggestedFor: ["temp"]),
      .value(
        "top-k", "N", .integer(0...1_000_000_000), into: \.sampling.topK, example: "40",
        help: "Choose among the N most probable tokens (0 = off)"),
      .value(
        "typical-p", "X", .real(.excluding(0), .including(1)), into: \.sampling.typicalP,
        example: "0.95",
        help: "Choose among the tokens of most usual surprise that sum to X (1 = off)"
      ).named(suggestedFor: ["typical", "locally-typical"]),
      .value(
        "top-p", "X", .real(.excluding(0), .including(1)), into: \.sampling.topP, example: "0.95",
        help: "Choose among the most probable tokens that sum to X (1 = off)"
      ).named(suggestedFor: ["nucleus"]),
      .value(
        "min-p", "X", .real(.including(0), .including(1)), into: \.sampling.minP, example: "0.05",
        help: "Drop tokens below X times the highest probability (0 = off)"),
    ]
  }

  private static var penaltyOptions: [Option] {
    [
      .value(
        "repetition-penalty", "X", .real(.excluding(0), .including(10)),
        into: \.sampling.repetitionPenalty, example: "1.1",
        help: "Above 1, tokens of prompt and answer become less probable (1 = off)"
      ).named(suggestedFor: ["repeat-penalty"]),
      .value(
        "presence-penalty", "X", .real(.including(-100), .including(100)),
        into: \.sampling.presencePenalty, example: "0.5",
        help: "Taken from the logit of each token that is in the answer (0 = off)"),
      .value(
        "frequency-penalty", "X", .real(.including(-100), .including(100)),
        into: \.sampling.frequencyPenalty, example: "0.5",
        help: "Taken from a token's logit for each time it is in the answer (0 = off)"),
      .list(
        "logit-bias", "TOKEN:X", .logitBias, into: \.logitBias, example: "17:-2.5",
        help: "Add X, or -inf for never, to the logit of a token: its id, or a text that is one "
          + "token (of digits: '\"7\":X'). May be given several times"),
    ]
  }
}

extension ValueType where Value == LogitBiasArgument {
  /// ID:X or TEXT:X; the last colon separates.
  ///
  /// Digits are an id, unless in double quotes, which are removed from any text that has them on
  /// both sides.
  static var logitBias: ValueType {
    ValueType(
      expectation: "ID:X or TEXT:X with X from -1000 to 1000, or -inf", completion: .text,
      format: { _ in "" }, parse: parseLogitBias)
  }

  private static func parseLogitBias(_ text: String) -> LogitBiasArgument? {
    guard let colon = text.lastIndex(of: ":"), colon != text.startIndex else { return nil }
    let number = String(text[text.index(after: colon)...])
    let real = ValueType<Double>.real(.including(-1000), .including(1000))
    guard let value = number == "-inf" ? -Double.infinity : real.parse(number) else { return nil }
    let token = text[..<colon]
    if token.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
      return Int(token).map { LogitBiasArgument(target: .id($0), value: value) }
    }
    let isQuoted = token.count >= 3 && token.hasPrefix("\"") && token.hasSuffix("\"")
    let unquoted = isQuoted ? token.dropFirst().dropLast() : token
    return LogitBiasArgument(target: .text(String(unquoted)), value: value)
  }
}
