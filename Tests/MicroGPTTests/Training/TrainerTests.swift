// Steps of training: the same bits for any number of threads, gradient accumulation, learning, and
// an end with words when numbers are none.
import CKernels
import Testing

@testable import MicroGPT

/// The back ends that can run on this machine.
func supportedBackEnds() -> [String] {
  var names: [String] = []
  for number in 0..<MG_ISA_COUNT.rawValue where mg_isa_supported(mg_isa(number)) {
    names.append(String(cString: mg_isa_name(mg_isa(number))))
  }
  return names
}

@Suite struct TrainerTests {
  private static func trained(
    _ name: String, _ layout: CorpusLayout, threads: Int, backEnd: String? = nil, seed: UInt64 = 1
  ) throws -> TrainerState {
    let run = try SmallRun(
      name, layout: layout, threads: threads, backEnd: backEnd, seed: seed, accumulation: 2)
    for _ in 0..<10 { _ = try run.trainer.runStep() }
    return run.state
  }

  @Test(arguments: [
    "gpt2-dropout", "microgpt", "llama-gqa-tied", "modern-dropout", "picogpt", "rlm",
  ])
  func sameBitsForAnyNumberOfThreads(_ name: String) throws {
    for layout in CorpusLayout.allCases {
      let one = try Self.trained(name, layout, threads: 1)
      for threads in [2, 4] {
        let other = try Self.trained(name, layout, threads: threads)
        #expect(other == one, "\(layout) \(threads)")
      }
    }
  }

  /// Large enough that every operation is really shared by the workers.
  @Test func sameBitsWhereWorkIsShared() throws {
    func gradients(_ threads: Int) throws -> [UInt32] {
      var c = ModelFamily.gpt2.configuration(
        vocabularySize: 300, contextLength: 48, layerCount: 1, headCount: 4, modelWidth: 128)
      c.dropout = 0.1
      let compute = try Compute(threadCount: threads)
      let runner = try LossRunner(
        GPT(c, seed: 1), batchSize: 4, sequenceLength: 48, compute: compute)
      let (tokens, targets) = randomBatch(192, vocabulary: 300, seed: 1)
      _ = runner.run(tokens, targets)
      return runner.gradients.floats.map(\.bitPattern)
    }
    let one = try gradients(1)
    for threads in [2, 4] {
      let other = try gradients(threads)
      #expect(other == one, "\(threads) threads")
    }
  }

  @Test(arguments: supportedBackEnds()) func everyBackEndAgreesWithItself(_ backEnd: String) throws
  {
    let one = try Self.trained("modern-dropout", .stream, threads: 1, backEnd: backEnd)
    for threads in [2, 4] {
      let other = try Self.trained(
        "modern-dropout", .stream, threads: threads, backEnd: backEnd)
      #expect(other == one, "\(threads) threads")
    }
  }

  @Test func theSeedDecides() throws {
    let first = try Self.trained("gpt2-dropout", .stream, threads: 1)
    let again = try Self.trained("gpt2-dropout", .stream, threads: 1)
    #expect(again == first)
    let other = try Self.trained("gpt2-dropout", .stream, threads: 1, seed: 2)
    #expect(other.weights != first.weights && other.data != first.data)
  }

  /// Dropout masks differ from step to step and from part to part.
  @Test func dropoutChangesFromStepToStep() throws {
    let run = try SmallRun("gpt2-dropout", rate: 0, clip: 0)
    let count = run.trainer.drawBatches()
    let first = run.trainer.computeGradients(tokenCount: count).loss
    #expect(run.trainer.computeGradients(tokenCount: count).loss == first)
    _ = try run.trainer.update(tokenCount: count)
    #expect(run.trainer.computeGradients(tokenCount: count).loss != first)
  }

  /// Accumulated gradients are those of the large batch, documents' padding included.
  @Test(arguments: CorpusLayout.allCases, ["modern", "gpt2", "picogpt"])
  func accumulationIsExact(_ layout: CorpusLayout, _ name: String) throws {
    let large = try SmallRun(name, layout: layout, batchSize: 6)
    let small = try SmallRun(name, layout: layout, batchSize: 2, accumulation: 3)
    let count = large.trainer.drawBatches()
    #expect(small.trainer.drawBatches() == count)
    let (a, b) = (
      large.trainer.computeGradients(tokenCount: count),
      small.trainer.computeGradients(tokenCount: count)
    )
    #expect(abs(a.loss - b.loss) < 1e-6 * a.loss && abs(a.norm - b.norm) < 1e-5 * a.norm)
    let (x, y) = (large.trainer.gradients.floats, small.trainer.gradients.floats)
    let largest = x.reduce(0) { max($0, abs($1)) }
    #expect(largestDifference(x, y) < 1e-6 * max(largest, 1))
  }

  @Test func clippingLimitsTheGlobalNorm() throws {
    let run = try SmallRun("gpt2", rate: 1e-3, clip: 0.01)
    let count = run.trainer.drawBatches()
    let before = run.trainer.computeGradients(tokenCount: count)
    let result = try run.trainer.update(tokenCount: count)
    #expect(result.gradientNorm == before.norm && before.norm > 0.01)
    let norm = firstMoment(run).reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    // The first moment is (1 - beta1) times the clipped gradient.
    #expect(abs(norm - 0.1 * 0.01) < 1e-8)
  }

  private func firstMoment(_ run: SmallRun) -> UnsafeMutableBufferPointer<Float> {
    run.trainer.optimizer.moments[0].values.values.floats
  }

  /// Elements of the gradient are cut off at the limit, after the global norm; Muon's, too.
  @Test(arguments: OptimizerKind.allCases)
  func clippingLimitsEachElement(_ kind: OptimizerKind) throws {
    let optimizer = OptimizerChoice(kind: kind, format: .float32)
    let free = try SmallRun("gpt2", optimizer: optimizer)
    _ = try free.trainer.runStep()
    let factor: Float = kind == .adamW ? 0.1 : 1
    let gradients = firstMoment(free).map { $0 / factor }
    let limit = (gradients.map(abs).max() ?? 0) / 4
    let limited = try SmallRun("gpt2", limit: Double(limit), optimizer: optimizer)
    _ = try limited.trainer.runStep()
    var cut = 0
    for (free, limited) in zip(gradients, firstMoment(limited)) {
      let expected = max(-limit, min(limit, free))
      #expect(abs(limited / factor - expected) <= 1e-6 * limit)
      if abs(free) > limit { cut += 1 }
    }
    #expect(cut > 0)
  }

  /// Every optimizer and every storage of its moments: the same bits for 1, 2 and 4 workers.
  @Test(arguments: OptimizerChoice.all)
  func optimizersIgnoreTheNumberOfThreads(_ optimizer: OptimizerChoice) throws {
    func trained(_ threads: Int) throws -> TrainerState {
      let run = try SmallRun("llama-gqa-tied", threads: threads, optimizer: optimizer)
      for _ in 0..<5 { _ = try run.trainer.runStep() }
      return run.state
    }
    let one = try trained(1)
    for threads in [2, 4] {
      let other = try trained(threads)
      #expect(other == one, "\(threads) threads")
    }
  }

  /// One batch can be learnt by heart.
  @Test(arguments: ModelFamily.allCases) func overfitsOneBatch(_ family: ModelFamily) throws {
    let (corpus, tokenizer) = try SmallTexts.corpus(.stream)
    let c = family.configuration(
      vocabularySize: tokenizer.vocabularySize, contextLength: 16, layerCount: 2, headCount: 2,
      modelWidth: 32)
    let trainer = try Trainer(
      model: GPT(c, seed: 3),
      configuration: TrainingConfiguration(
        steps: 300, batchSize: 4, adamW: AdamWConfiguration(),
        schedule: LearningRateSchedule(
          kind: .cosine, maximum: 1e-2, minimum: 0, warmupSteps: 10, totalSteps: 300,
          patience: 1)),
      training: corpus.training, compute: Compute(threadCount: 1))
    // Rows that begin with different tokens, or the first target would have to be guessed.
    let (inputs, targets) = trainer.buffers(0)
    for b in 0..<4 {
      for t in 0..<16 {
        inputs[b * 16 + t] = Int32((b + t * t) % tokenizer.vocabularySize)
        targets[b * 16 + t] = Int32((b + (t + 1) * (t + 1)) % tokenizer.vocabularySize)
      }
    }
    var loss = Double.infinity
    while trainer.step < 300 && loss > 0.02 { loss = try trainer.update(tokenCount: 64).loss }
    #expect(loss <= 0.02)
  }

  /// The time of the update counts the optimizer's work, and measuring changes nothing.
  @Test(arguments: OptimizerChoice.all) func timeOfTheUpdate(_ optimizer: OptimizerChoice) throws {
    let run = try SmallRun("modern", accumulation: 2, optimizer: optimizer)
    _ = try run.trainer.runStep()
    let before = run.state
    let seconds = run.trainer.measureSecondsLeft()
    #expect(seconds > 0 && seconds.isFinite && run.state == before)
    // Not faster than the peak, nor than the passes; a minute is far more than moving the weights.
    let flops = run.trainer.optimizer.flops
    let atPeak = run.trainer.updateSeconds(passSeconds: 1e-12, peak: flops / 1000)
    #expect(atPeak > 1000 && atPeak < 1060)
    let slow = run.trainer.updateSeconds(passSeconds: 2e9, peak: .infinity)
    let slower = run.trainer.updateSeconds(passSeconds: 4e9, peak: .infinity)
    #expect(slow > 120 && abs(slower - 2 * slow) < 120)
  }

  /// A step that meets NaN changes nothing.
  @Test(arguments: [1, 2]) func stopsAtNaN(_ accumulation: Int) throws {
    let run = try SmallRun("modern", accumulation: accumulation)
    _ = try run.trainer.runStep()
    let parameter = try #require(run.trainer.model.table["norm.weight"])
    run.trainer.model.values(of: parameter)[0] = .nan
    let before = run.state
    #expect(
      throws: TrainingError.notFinite(
        step: 2, what: "loss", learningRate: run.trainer.schedule.rate(at: 1), lastGood: nil)
    ) { try run.trainer.runStep() }
    let after = run.state
    #expect(after.weights == before.weights && after.moments == before.moments)
    #expect(after.step == before.step)
  }
}
