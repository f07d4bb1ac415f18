// The distribution that a token is drawn from, after the documented steps, in double precision and
// with nothing but sorting.
@testable import MicroGPT

extension Reference {
  /// What the answer holds so far, and what must not come.
  struct Situation {
    var banned: Set<Int> = []
    /// Tokens of the prompt.
    var prompt: Set<Int> = []
    /// Tokens of the answer, as often as they are there.
    var answer: [Int] = []
  }

  /// Probabilities of the tokens.
  ///
  /// *Requires*: finite logits, temperature > 0.
  static func samplingDistribution(
    _ logits: [Float], _ o: SamplingOptions, _ situation: Situation = Situation()
  ) -> [Double] {
    let z = changed(logits, o, situation)
    var p = softmax(z.map { $0 / o.temperature })
    // By surprise, not by probability, which may be the same number for two surprises.
    var kept = p.indices.filter { p[$0] > 0 }.sorted { z[$0] == z[$1] ? $0 < $1 : z[$0] > z[$1] }
    if o.topK > 0 { kept = Array(kept.prefix(o.topK)) }
    if o.typicalP < 1 {
      let total = kept.reduce(0) { $0 + p[$1] }
      let surprise = kept.map { -logarithm(p[$0] / total) }
      let entropy = zip(kept, surprise).reduce(0) { $0 + p[$1.0] / total * $1.1 }
      let order = kept.indices.sorted {
        let (a, b) = ((surprise[$0] - entropy).magnitude, (surprise[$1] - entropy).magnitude)
        return a == b ? kept[$0] < kept[$1] : a < b
      }
      kept = leading(order.map { kept[$0] }, p, o.typicalP)
      kept.sort { z[$0] == z[$1] ? $0 < $1 : z[$0] > z[$1] }
    }
    if o.topP < 1 { kept = leading(kept, p, o.topP) }
    kept = kept.filter { p[$0] >= o.minP * p[kept[0]] }
    let isKept = Set(kept)
    for i in p.indices where !isKept.contains(i) { p[i] = 0 }
    let total = p.reduce(0, +)
    return p.map { $0 / total }
  }

  private static func changed(
    _ logits: [Float], _ o: SamplingOptions, _ situation: Situation
  ) -> [Double] {
    let seen = situation.prompt.union(situation.answer)
    var z = logits.indices.map { i -> Double in
      let logit = Double(logits[i])
      if !seen.contains(i) { return logit }
      return logit > 0 ? logit / o.repetitionPenalty : logit * o.repetitionPenalty
    }
    for i in Set(situation.answer) { z[i] -= o.presencePenalty }
    for i in situation.answer { z[i] -= o.frequencyPenalty }
    for bias in o.logitBias { z[Int(bias.token)] += bias.value }
    for i in situation.banned { z[i] = -.infinity }
    return z
  }

  /// The first of `order` that together have the share `p` of what all of them have.
  private static func leading(_ order: [Int], _ probability: [Double], _ p: Double) -> [Int] {
    let total = order.reduce(0) { $0 + probability[$1] }
    var sum = 0.0
    return order.enumerated().filter { index, token in
      defer { sum += probability[token] }
      return index == 0 || sum < p * total
    }.map(\.element)
  }
}
