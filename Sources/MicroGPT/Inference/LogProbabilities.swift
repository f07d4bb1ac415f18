// Log-probabilities of tokens, for those who look at what the model thought. Of the model's own
// logits: before penalties, biases, temperature and everything else that `Sampler` does to them.

/// A token with the logarithm of its probability.
public struct TokenLogProbability: Sendable, Equatable {
  /// The token.
  public var token: Int32
  /// Its natural logarithm of probability, 0 or less; NaN where the model gave no number.
  public var value: Double
}

/// A token that was generated, and how probable the model found it and others.
public struct GeneratedToken: Sendable, Equatable {
  /// The token.
  public var token: Int32
  /// Passes of a recursive model that predicted it; 1 in others.
  public var passes = 1
  /// The natural logarithm of its probability; nil unless asked for.
  public var logProbability: Double?
  /// The most probable tokens in its place, the best first; as many as were asked for.
  public var alternatives: [TokenLogProbability] = []
}

/// The logits of one place, kept while the sampler changes the originals.
struct LogProbabilities {
  private var logits: [Float]
  /// log of the sum of exp of the logits.
  private var normalizer = 0.0
  private let alternativeCount: Int
  /// Whether every logit is a number.
  private(set) var areAllNumbers = true

  init(vocabularySize: Int, alternativeCount: Int) {
    logits = [Float](repeating: 0, count: vocabularySize)
    self.alternativeCount = min(alternativeCount, vocabularySize)
  }

  /// Takes the logits of the next token.
  mutating func read(_ source: UnsafePointer<Float>) {
    var top = -Float.infinity
    areAllNumbers = true
    for i in logits.indices {
      logits[i] = source[i]
      if logits[i].isNaN { areAllNumbers = false }
      if logits[i] > top { top = logits[i] }
    }
    var sum = 0.0
    for logit in logits where !logit.isNaN {
      sum += logit == top ? 1 : exponential(Double(logit - top))
    }
    normalizer = Double(top) + logarithm(sum)
  }

  /// What to report of the `token` that was drawn.
  func report(_ token: Int32) -> GeneratedToken {
    GeneratedToken(
      token: token, logProbability: value(Int(token)), alternatives: mostProbable())
  }

  /// The logarithm of a token's probability.
  ///
  /// Infinite logits, which leave the others nothing, share it.
  func value(_ token: Int) -> Double {
    let logit = Double(logits[token])
    if logit.isInfinite && logit == normalizer {
      return -logarithm(Double(logits.count { $0 == logits[token] }))
    }
    return min(logit - normalizer, 0)
  }

  /// The best tokens; of equals the one with the smaller id first.
  private func mostProbable() -> [TokenLogProbability] {
    var best: [Int] = []
    if alternativeCount == 0 { return [] }
    for i in logits.indices where !logits[i].isNaN {
      if best.count == alternativeCount {
        guard logits[i] > logits[best[best.count - 1]] else { continue }
        best.removeLast()
      }
      var place = best.count
      while place > 0 && logits[i] > logits[best[place - 1]] { place -= 1 }
      best.insert(i, at: place)
    }
    return best.map { TokenLogProbability(token: Int32($0), value: value($0)) }
  }
}
