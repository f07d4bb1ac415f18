// Evaluation of a whole split against single windows in double precision.
import Foundation
import Testing

@testable import MicroGPT

@Suite struct EvaluationTests {
  @Test(arguments: CorpusLayout.allCases, [1, 3, 50])
  func equalsTheMeanOverWindows(_ layout: CorpusLayout, _ batchSize: Int) throws {
    let run = try SmallRun("modern", layout: layout)
    let model = run.trainer.model
    SmallModels.randomize(model, seed: 2)
    let split = run.corpus.validation
    let evaluator = try Evaluator(
      model: model, split: split, batchSize: batchSize, compute: run.compute)
    let result = try #require(evaluator.run())
    let reference = ReferenceModel(model)
    let context = model.configuration.contextLength
    var windows = EvaluationWindows(split)
    var (sum, count) = (0.0, 0)
    while let batch = windows.batch(1, context) {
      sum += reference.loss(batch.inputs[0], batch.targets[0], time: context)
      count += batch.targetCount
    }
    #expect(result.tokenCount == count && count == split.targetCount && count > 10)
    #expect(abs(result.loss - sum / Double(count)) < 1e-5)
    #expect(abs(result.perplexity - exp(result.loss)) < 1e-9)
    // Bits of the whole code over the bytes of text.
    #expect(result.byteCount == split.targetByteCount)
    let bits = result.loss * Double(count) / log(2)
    #expect(abs(result.bitsPerByte - bits / Double(split.targetByteCount)) < 1e-9)
    #expect(try #require(evaluator.run()) == result)
  }

  /// What a cache costs, and that it is what costs: int8 and float16 differ, float32 does not.
  @Test(arguments: KeyValueFormat.allCases, CorpusLayout.allCases)
  func decodedFromACache(_ format: KeyValueFormat, _ layout: CorpusLayout) throws {
    let run = try SmallRun("modern", layout: layout)
    let (model, split) = (run.trainer.model, run.corpus.validation)
    SmallModels.randomize(model, seed: 2)
    let evaluator = try Evaluator(model: model, split: split, batchSize: 3, compute: run.compute)
    let cached = try CachedEvaluator(
      model: model, split: split, format: format, compute: run.compute)
    let whole = try #require(evaluator.run())
    let result = try #require(cached.run())
    #expect(result.tokenCount == whole.tokenCount && result.byteCount == whole.byteCount)
    let difference = abs(result.loss - whole.loss)
    #expect(difference < (format == .int8 ? 1e-2 : format == .float16 ? 1e-3 : 1e-6))
    #expect(format == .float32 || difference > 1e-9)
    #expect(try #require(cached.run()) == result)
    #expect(cached.run(shouldStop: { true }) == nil)
  }

  @Test func mayBeStopped() throws {
    let run = try SmallRun("modern")
    let evaluator = try Evaluator(
      model: run.trainer.model, split: run.corpus.validation, batchSize: 1, compute: run.compute)
    #expect(evaluator.run(shouldStop: { true }) == nil)
    #expect(evaluator.run() != nil)
  }

  @Test func dropoutIsOff() throws {
    let run = try SmallRun("gpt2-dropout")
    SmallModels.randomize(run.trainer.model, seed: 2)
    let evaluator = try Evaluator(
      model: run.trainer.model, split: run.corpus.validation, batchSize: 2, compute: run.compute)
    let first = evaluator.run()
    #expect(evaluator.run() == first)
  }
}
