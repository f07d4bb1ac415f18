// Exits of recursive models: that decoding from caches does what the rule says for the whole text
// at once, whatever is left out; and what a configuration may be.
import Testing

@testable import MicroGPT

@Suite struct RecursionTests {
  /// A rule and where it is tried.
  struct Exits: CustomTestStringConvertible, Sendable {
    var model: String
    var measure: ExitMeasure
    var fill: ExitFill
    var minimum = 1
    var testDescription: String { "\(model), \(measure), \(fill), from \(minimum)" }

    /// The rule at a threshold.
    func depth(_ threshold: Double) -> Depth {
      var depth = Depth()
      var rule = ExitRule(threshold: threshold)
      (rule.measure, rule.fill, rule.minimumSteps) = (measure, fill, minimum)
      depth.exit = rule
      return depth
    }
  }

  static let rules: [Exits] = [
    Exits(model: "rlm", measure: .gate, fill: .copy),
    Exits(model: "rlm", measure: .gate, fill: .share),
    Exits(model: "rlm", measure: .gate, fill: .copy, minimum: 2),
    Exits(model: "rlm", measure: .entropy, fill: .copy),
    Exits(model: "rlm", measure: .divergence, fill: .share),
    Exits(model: "rlm-outer", measure: .gate, fill: .copy),
    Exits(model: "rlm-outer", measure: .divergence, fill: .copy),
    Exits(model: "rlm-input", measure: .gate, fill: .copy),
    Exits(model: "rlm-core", measure: .gate, fill: .copy),
    Exits(model: "rlm-outer-core", measure: .gate, fill: .copy),
    Exits(model: "rlm-core", measure: .entropy, fill: .copy),
    Exits(model: "gpt2-core", measure: .gate, fill: .copy),
    Exits(model: "rlm-input", measure: .entropy, fill: .share, minimum: 3),
  ]

  /// Token by token from a cache, tokens leave where they leave with all of the text at once, and
  /// predict the same; thresholds at which some leave and some don't are among those tried.
  @Test(arguments: rules) func cachedExitsAreThoseOfTheWholeText(_ exits: Exits) throws {
    let run = try SmallRun(exits.model)
    let (model, split) = (run.trainer.model, run.corpus.validation)
    SmallModels.randomize(model, seed: 3)
    var averages: Set<Double> = []
    for threshold in [0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1] {
      let depth = exits.depth(threshold)
      let whole = try #require(
        Evaluator(model: model, split: split, batchSize: 4, compute: run.compute, depth: depth)
          .run())
      let cached = try #require(
        CachedEvaluator(
          model: model, split: split, format: .float32, compute: run.compute, depth: depth
        ).run())
      #expect(cached.passes == whole.passes, "threshold \(threshold)")
      #expect(abs(cached.loss - whole.loss) < 1e-5, "threshold \(threshold)")
      averages.insert(whole.passes)
      if exits.measure == .gate && threshold == 1 {
        #expect(whole.passes == Double(model.configuration.passCount))
      }
    }
    #expect(averages.count > 2, "found \(averages)")
    #expect(averages.allSatisfy { $0 >= Double(exits.minimum) })
  }

  /// A prompt taken in at once leaves the same behind as its tokens one by one.
  @Test(arguments: rules) func promptsLeaveByTheSameRule(_ exits: Exits) throws {
    let model = try SmallModels.model(exits.model, seed: 3)
    let compute = try Compute(threadCount: 2)
    let tokens = randomBatch(7, vocabulary: SmallModels.vocabularySize, seed: 5).tokens
    for threshold in [0.1, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98] {
      let depth = exits.depth(threshold)
      let one = try Decoder(model: model, compute: compute, depth: depth)
      let many = try Decoder(model: model, compute: compute, depth: depth)
      for t in tokens.indices {
        let logits = one.decode(tokens[t])
        let expected = Array(UnsafeBufferPointer(start: logits, count: SmallModels.vocabularySize))
        many.reset()
        let found = UnsafeBufferPointer(
          start: try many.prefill(Array(tokens[...t])), count: SmallModels.vocabularySize)
        #expect(largestDifference(found, expected) < 1e-4, "threshold \(threshold), \(t + 1)")
        #expect(many.lastPasses == one.lastPasses, "threshold \(threshold), \(t + 1)")
      }
    }
  }

  /// Tokens that leave one by one leave the caches as tokens that leave with others do.
  ///
  /// Without queries keys begin within a group of rows at a width of 12, with one at 64.
  @Test(
    arguments: [(12, "rlm"), (64, "rlm"), (64, "gpt2-core")],
    [QuantizationTarget.int8, .int8Block, .int4])
  func exitsEqualThoseOfAPrompt(
    _ model: (width: Int, name: String), _ target: QuantizationTarget
  ) throws {
    let made = try QuantizedCase(model.name, target, width: model.width)
    let count = made.quantized.model.configuration.vocabularySize
    let tokens = randomBatch(20, vocabulary: count, seed: 5).tokens
    var passes: Set<Int> = []
    for threshold in [0.2, 0.5, 0.8] {
      var depth = Depth()
      depth.exit = ExitRule(threshold: threshold)
      let one = try Decoder(model: made.quantized.model, compute: made.compute, depth: depth)
      let many = try Decoder(model: made.quantized.model, compute: made.compute, depth: depth)
      for t in tokens.indices {
        let logits = one.decode(tokens[t])
        many.reset()
        let prompt = try many.prefill(Array(tokens[...t]))
        let expected = Array(UnsafeBufferPointer(start: prompt, count: count))
        let found = Array(UnsafeBufferPointer(start: logits, count: count))
        #expect(found == expected && one.lastPasses == many.lastPasses, "\(threshold), \(t)")
        passes.insert(Int(one.lastPasses))
      }
    }
    #expect(passes.count > 1)
  }

  /// What tokens leave behind is there when the window slides and when tokens are taken back.
  ///
  /// A batch of one sequence, whose tokens don't wait, tells what it must be.
  @Test(arguments: ["rlm", "rlm-outer-core", "gpt2-core"], [0.3, 0.6])
  func tokensThatWaitAreNotForgotten(_ name: String, _ threshold: Double) throws {
    let small = try SmallGenerator(name, context: 12, seed: 3)
    let count = small.model.configuration.vocabularySize
    let tokens = randomBatch(60, vocabulary: count, seed: 7).tokens
    var depth = Depth()
    depth.exit = ExitRule(threshold: threshold)
    let waiting = try Decoder(model: small.model, compute: small.compute, depth: depth)
    let direct = try BatchDecoder(
      model: small.model, compute: small.compute, sequenceCount: 1, depth: depth)
    _ = try waiting.prefill(Array(tokens[..<9]))
    waiting.truncate(to: 2)
    for token in tokens[20..<23] { _ = waiting.decode(token) }
    waiting.truncate(to: 4)
    _ = try waiting.append(Array(tokens[22..<24]))
    let same = Array(tokens[..<2] + tokens[20..<24])
    _ = try direct.prefill(Array(same.dropLast()), sequence: 0)
    _ = try direct.prefill(same, sequence: 0)
    var passes: Set<Int> = []
    for t in 24..<60 {
      let found = UnsafeBufferPointer(start: waiting.decode(tokens[t]), count: count)
      let expected = UnsafeBufferPointer(start: direct.decode([tokens[t]]), count: count)
      #expect(largestDifference(found, Array(expected)) < 1e-4, "token \(t)")
      passes.insert(waiting.lastPasses)
    }
    #expect(passes.count > 1)
  }

  /// A decoder that outlives a change of the weights, as in training, packs none of the old ones.
  @Test(arguments: [0.05, 0.1, 0.2, 0.3]) func weightsMayChange(_ threshold: Double) throws {
    let small = try SmallGenerator("rlm", context: 40, seed: 3)
    let count = SmallModels.vocabularySize
    let tokens = randomBatch(40, vocabulary: count, seed: 7).tokens
    var depth = Depth()
    depth.exit = ExitRule(threshold: threshold)
    let kept = try Decoder(model: small.model, compute: small.compute, depth: depth)
    for token in tokens { _ = kept.decode(token) }
    SmallModels.randomize(small.model, seed: 4)
    kept.truncate(to: 0)
    let fresh = try Decoder(model: small.model, compute: small.compute, depth: depth)
    for token in tokens {
      let expected = Array(UnsafeBufferPointer(start: fresh.decode(token), count: count))
      let found = UnsafeBufferPointer(start: kept.decode(token), count: count)
      #expect(largestDifference(found, expected) == 0)
    }
  }

  /// Sequences decoded side by side are at different depths, and don't see each other.
  @Test(arguments: rules) func batchesLeaveByTheSameRule(_ exits: Exits) throws {
    let model = try SmallModels.model(exits.model, seed: 3)
    let compute = try Compute(threadCount: 2)
    let vocabulary = SmallModels.vocabularySize
    let tokens = randomBatch(3 * 7, vocabulary: vocabulary, seed: 5).tokens
    for (row, threshold) in (0..<3).flatMap({ row in [0.2, 0.4, 0.6].map { (row, $0) } }) {
      let depth = exits.depth(threshold)
      let single = try Decoder(model: model, compute: compute, depth: depth)
      var expected: [[Float]] = []
      for t in 0..<7 {
        let logits = single.decode(tokens[7 * row + t])
        expected.append(Array(UnsafeBufferPointer(start: logits, count: vocabulary)))
      }
      let batch = try BatchDecoder(
        model: model, compute: compute, sequenceCount: 3, depth: depth)
      for t in 0..<7 {
        // The first sequence rests at first and is behind the others then.
        let next = (0..<3).map { $0 == 0 && row != 0 && t < 3 ? -1 : tokens[7 * $0 + t] }
        let logits = batch.decode(next) + row * vocabulary
        let found = UnsafeBufferPointer(start: logits, count: vocabulary)
        #expect(largestDifference(found, expected[t]) < 1e-4, "\(threshold) \(row) \(t)")
      }
    }
  }

  /// The losses of an evaluation are those after each pass.
  @Test(arguments: SmallModels.recursive) func fewerPasses(_ name: String) throws {
    let run = try SmallRun(name)
    SmallModels.randomize(run.trainer.model, seed: 3)
    func evaluate(_ passes: Int?) throws -> Evaluator.Result {
      var depth = Depth()
      depth.passes = passes
      return try #require(
        Evaluator(
          model: run.trainer.model, split: run.corpus.validation, batchSize: 3,
          compute: run.compute, depth: depth
        ).run())
    }
    let all = try evaluate(nil)
    #expect(all.passLosses.count == run.trainer.model.configuration.passCount)
    #expect(all.loss == all.passLosses.last)
    for passes in 1...all.passLosses.count {
      let some = try evaluate(passes)
      #expect(some.passLosses == Array(all.passLosses[..<passes]))
      #expect(some.passes == Double(passes))
    }
    #expect(Set(all.passLosses).count == all.passLosses.count)
  }

  @Test(arguments: SmallModels.recursive) func configurationAsJSON(_ name: String) throws {
    var c = SmallModels.configuration(name)
    c.recursion?.minimumSteps = 2
    c.recursion?.exitThreshold = 0.25
    c.recursion?.hasGate = false
    #expect(try ModelConfiguration(json: JSON.parse(c.json.description)) == c)
    #expect(SmallModels.configuration("modern").json["recursion_steps"] == nil)
  }
}
