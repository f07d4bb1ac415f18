// That the benchmark trains the model it was given and computes its figures rightly; no timing.

import Testing

@testable import MicroGPT

@Suite struct TrainingBenchmarkTests {
  private func benchmark(layers: Int = 1, heads: Int = 2) -> TrainingBenchmark {
    var benchmark = TrainingBenchmark(
      configuration: ModelFamily.gpt2.configuration(
        vocabularySize: 11, contextLength: 8, layerCount: layers, headCount: heads, modelWidth: 16),
      batchSize: 2, gradientAccumulation: 3, steps: 2)
    benchmark.warmUpSteps = 1
    return benchmark
  }

  @Test(arguments: ModelFamily.allCases)
  func everyFamilyTrains(family: ModelFamily) throws {
    var benchmark = benchmark()
    benchmark.configuration = family.configuration(
      vocabularySize: 11, contextLength: 8, layerCount: 1, headCount: 2, modelWidth: 16)
    let result = try benchmark.run(Compute(threadCount: 2))
    #expect(result.tokensPerStep == 2 * 3 * 8)
    #expect(result.seconds.count == 2)
    #expect(result.threads == 2)
    // Random tokens can't be predicted: the loss is near that of a uniform guess.
    #expect(abs(result.loss - 2.398) < 1)
    #expect(result.flopsPerStep == benchmark.configuration.trainingFlopsPerToken * 48)
  }

  @Test func figures() {
    let result = TrainingBenchmark.Result(
      seconds: SampleSummary([0.02, 0.01, 0.03]), tokensPerStep: 100, flopsPerStep: 4e8,
      peak: 100e9, peakResidentByteCount: 1234, loss: 2.5, parameterCount: 42, threads: 2,
      backEnd: "scalar", planByteCount: 1000, baseByteCount: 34)
    #expect(abs(result.tokensPerSecond - 5000) < 1e-9)
    #expect(abs(result.gigaflops - 20) < 1e-9)
    #expect(abs(result.shareOfPeak - 0.2) < 1e-12)
    let json = result.json
    #expect(json["step_ms"]?.doubleValue == 20)
    #expect(json["step_ms_min"]?.doubleValue == 10)
    #expect(json["step_ms_max"]?.doubleValue == 30)
    #expect(json["tokens_per_second"]?.doubleValue == result.tokensPerSecond)
    #expect(json["gflops"]?.doubleValue == result.gigaflops)
    #expect(json["share_of_peak"]?.doubleValue == result.shareOfPeak)
    #expect(json["peak_rss_bytes"]?.intValue == 1234)
    #expect(json["plan_bytes"]?.intValue == 1000 && json["base_rss_bytes"]?.intValue == 34)
    #expect(json["share_of_plan"]?.doubleValue == 1234.0 / 1034)
    #expect(json["tokens_per_step"]?.intValue == 100 && json["profile"] == nil)
    #expect(json["loss"]?.doubleValue == 2.5)
    #expect(json["parameters"]?.intValue == 42)
    #expect(json["threads"]?.intValue == 2)
    #expect(json["back_end"]?.stringValue == "scalar")
  }

  @Test func profileAndTraceAreOfTheStepsThatCount() throws {
    let folder = try TemporaryFolder()
    var benchmark = benchmark()
    benchmark.isProfiled = true
    benchmark.tracePath = folder.file("trace.json")
    let result = try benchmark.run(Compute(threadCount: 2))
    #expect(result.profile?.stepCount == 2 && result.profile?.rows.isEmpty == false)
    #expect(result.json["profile"]?["steps"]?.intValue == 2)
    let trace = try JSON.parse(readFile(folder.file("trace.json")))
    #expect((trace["traceEvents"]?.arrayValue?.count ?? 0) > 20)
    // A path that can't be written is an error before the first step, not after the last.
    benchmark.tracePath = folder.file("none/trace.json")
    benchmark.configuration.headCount = 2
    benchmark.steps = 1_000_000_000
    #expect(throws: FileError.self) { try benchmark.run(Compute(threadCount: 1)) }
  }

  @Test func impossibleSizes() throws {
    let compute = try Compute(threadCount: 1)
    #expect(throws: ConfigurationError.notDivisible(width: 16, heads: 3, step: 3)) {
      try benchmark(heads: 3).run(compute)
    }
    var huge = benchmark()
    huge.configuration = ModelFamily.gpt2.configuration(
      vocabularySize: 11, contextLength: 8, layerCount: 1024, headCount: 2, modelWidth: 65536)
    #expect(throws: MemoryError.self) { try huge.run(compute) }
  }
}
