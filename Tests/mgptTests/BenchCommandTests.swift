// The tables of `mgpt bench`, its defaults, and options that belong to the other subject.

import Testing

@testable import MicroGPT
@testable import mgpt

@Suite struct BenchCommandTests {
  @Test func defaultsAreTheSmallGPT2() throws {
    let benchmark = try BenchOptions(subject: .train).trainingBenchmark()
    #expect(
      benchmark.configuration
        == ModelFamily.gpt2.configuration(
          vocabularySize: 65, contextLength: 64, layerCount: 4, headCount: 4, modelWidth: 128))
    #expect(benchmark.batchSize == 12)
    #expect(benchmark.gradientAccumulation == 1)
    #expect(benchmark.steps == 30)
    #expect(benchmark.warmUpSteps == 5)
    #expect(!benchmark.isProfiled && benchmark.tracePath == nil)
  }

  /// A preset gives what other options don't.
  @Test func presetsArrive() throws {
    let line = "bench train --preset xl --layers 2 --trace t"
    guard case .bench(let options) = try parse(line) else {
      Issue.record("not a benchmark")
      return
    }
    let benchmark = try options.trainingBenchmark()
    #expect(
      benchmark.configuration
        == ModelFamily.modern.configuration(
          vocabularySize: 65, contextLength: 512, layerCount: 2, headCount: 16, modelWidth: 1024))
    #expect(benchmark.batchSize == 4 && benchmark.tracePath == "t")
    #expect(throws: ConfigurationError.self) {
      try BenchOptions(subject: .train, preset: "huge").trainingBenchmark()
    }
  }

  @Test func sizesArrive() throws {
    let options = BenchOptions(
      subject: .train, family: .llama, layers: 2, heads: 6, keyValueHeads: 3, embedDim: 96,
      hiddenDim: 256, context: 32, vocabSize: 500, batchSize: 3, gradAccum: 4, steps: 7)
    let benchmark = try options.trainingBenchmark()
    #expect(
      benchmark.configuration
        == ModelFamily.llama.configuration(
          vocabularySize: 500, contextLength: 32, layerCount: 2, headCount: 6, modelWidth: 96,
          keyValueHeadCount: 3, hiddenWidth: 256))
    #expect(benchmark.batchSize == 3)
    #expect(benchmark.gradientAccumulation == 4)
    #expect(benchmark.steps == 7)
  }

  @Test(arguments: [
    (
      "bench kernels --steps 3",
      "mgpt bench kernels: unknown option --steps. It belongs to mgpt bench train. "
        + "See mgpt bench kernels --help"
    ),
    (
      "bench train --quick",
      "mgpt bench train: unknown option --quick. It belongs to mgpt bench kernels. "
        + "See mgpt bench train --help"
    ),
    (
      "bench kernels --heads 3",
      "mgpt bench kernels: unknown option --heads. It belongs to mgpt bench train and bench generate. "
        + "See mgpt bench kernels --help"
    ),
    (
      "bench train --format int8",
      "mgpt bench train: unknown option --format. It belongs to mgpt bench generate. "
        + "See mgpt bench train --help"
    ),
  ])
  func optionsOfTheOtherSubject(line: String, message: String) throws {
    guard case .bench(let options) = try parse(line) else {
      Issue.record("not a benchmark")
      return
    }
    do {
      try options.checkSubject()
      Issue.record("accepted \(line)")
    } catch {
      #expect(error.description == message)
    }
  }

  /// Every option belongs to the subjects of its heading; none is forgotten in `checkSubject`.
  @Test func everyOptionHasASubject() throws {
    let common: Set = ["threads", "json"]
    for section in BenchOptions.sections {
      for option in section.options.map(\.description) where !common.contains(option.name) {
        let words = [option.label, option.exampleValue].compactMap { $0 }.joined(separator: " ")
        for subject in BenchSubject.allCases {
          guard case .bench(let options) = try parse("bench \(subject.rawValue) \(words)") else {
            continue
          }
          let fits = section.title.contains("bench \(subject.rawValue)")
          #expect((try? options.checkSubject()) != nil ? fits : !fits, "\(subject) \(words)")
        }
      }
    }
  }

  @Test func presetsOfGenerate() throws {
    let sizes: [(String?, Int, Int, Int, Int, Int)] = [
      (nil, 4, 4, 128, 256, 65), ("tiny", 4, 4, 128, 256, 65),
      ("gpt2", 12, 12, 768, 1024, 50257), ("xl", 16, 16, 1024, 1024, 32000),
      ("500m", 24, 20, 1280, 1024, 32000),
    ]
    for (name, layers, heads, width, context, vocabulary) in sizes {
      let options = BenchOptions(subject: .generate, preset: name)
      #expect(
        try options.generatingConfiguration()
          == ModelFamily.gpt2.configuration(
            vocabularySize: vocabulary, contextLength: context, layerCount: layers,
            headCount: heads, modelWidth: width))
    }
    let options = BenchOptions(
      subject: .generate, family: .llama, preset: "gpt2", layers: 2, heads: 6, keyValueHeads: 3,
      embedDim: 96, hiddenDim: 256, context: 32, vocabSize: 500)
    #expect(
      try options.generatingConfiguration()
        == ModelFamily.llama.configuration(
          vocabularySize: 500, contextLength: 32, layerCount: 2, headCount: 6, modelWidth: 96,
          keyValueHeadCount: 3, hiddenWidth: 256))
    #expect(throws: ConfigurationError.self) {
      try BenchOptions(subject: .generate, preset: "micro").generatingConfiguration()
    }
  }

  @Test func rowsOfGenerate() {
    let result = InferenceBenchmark.Result(
      loadSeconds: SampleSummary([0.0042]), firstTokenSeconds: 0.25,
      prefillSeconds: SampleSummary([0.1]), decodeSeconds: SampleSummary([0.4]),
      promptTokens: 100, decodeAfter: 7, decodedTokens: 10, sequences: 2,
      weightBytesPerPass: 124_000_000, cacheBytesPerToken: 3_000_000,
      readings: SampleSummary([40e9]), shares: SampleSummary([0.08]), fileByteCount: 125_000_000,
      cacheByteCount: 9_000_000, peakResidentByteCount: 150_000_000,
      baseByteCount: 10_000_000, parameterCount: 124_000_000, threads: 2, backEnd: "scalar")
    #expect(
      GenerateTable.heading(result)
        == "prompt of 100 tokens; 2 sequences at once, 10 decoded after 7; cache 9.0 MB\n\n"
        + "format           file    load ms  first token ms   prefill/s    decode/s  bytes/token"
        + "          reading   resident\n")
    #expect(
      GenerateTable.row(.int8, result)
        == "int8           125 MB       4.20             250        1000        50.0      65.0 MB"
        + "       8% of 40.0     150 MB\n")
  }

  @Test func rows() {
    var result = KernelResult(
      kernel: "gemm_block_f32", shape: "m=96 n=384 k=128", backEnd: "scalar", threads: 1,
      seconds: SampleSummary([80e-6, 82e-6, 90e-6]), repetitions: 3, flops: 8.2e6, bytes: 82e3,
      boundSeconds: 41e-6, limit: .compute, checksum: 0)
    let rows = [
      "gemm_block_f32           m=96 n=384 k=128                    1      82.000      80.000  "
        + "    90.000    100.0  GFLOP/s       50%  compute\n",
      "gemm_block_f32           m=96 n=384 k=128                    1      82.000      80.000  "
        + "    90.000      1.0  GB/s          50%  memory\n",
      "gemm_block_f32           m=96 n=384 k=128                    1      82.000      80.000  "
        + "    90.000\n",
    ]
    #expect(BenchTable.row(result) == rows[0])
    result.limit = .memory
    #expect(BenchTable.row(result) == rows[1])
    result.limit = nil
    result.boundSeconds = nil
    #expect(BenchTable.row(result) == rows[2])
    #expect(
      BenchTable.heading
        == "kernel                   shape                         threads   median us         min"
        + "         max     rate  unit     roofline  limit\n")
  }

  @Test func introduction() {
    var machine = MachineDescription(
      processor: "Cortex-A76", processorCount: 4, backEnd: "neon_dotprod", threads: 2,
      governor: "ondemand", megahertz: 2400, celsius: 51.4, compiler: "Clang 21",
      isOptimized: true)
    let roofline = Roofline(
      peaks: [2: 76.8e9, 1: 38.4e9],
      bf16Peaks: [1: 76.5e9],
      int8Peaks: [1: 99e9],
      readings: [
        Roofline.Reading(threads: 1, byteCount: 16 << 10, bytesPerSecond: 70e9),
        Roofline.Reading(threads: 1, byteCount: 64 << 20, bytesPerSecond: 11e9),
        Roofline.Reading(threads: 2, byteCount: 64 << 20, bytesPerSecond: 12.34e9),
      ])
    let text = """
      Cortex-A76, 4 processors, back end neon_dotprod, 2 threads, governor ondemand, 2400 MHz, 51 °C
      kernels compiled by Clang 21
      1 thread: peak 38.4, bf16 76.5, int8 99.0 GFLOP/s; reading, GB/s: 70.0 (16 KiB), 11.0 (64 MiB)
      2 threads: peak 76.8 GFLOP/s; reading, GB/s: 12.3 (64 MiB)


      """
    #expect(BenchTable.introduction(machine, roofline) == text)
    machine.isOptimized = false
    #expect(
      BenchTable.introduction(machine).hasSuffix(
        "warning: the kernels were built for debugging. Use swift build -c release.\n"))
  }

  @Test func trainingReport() {
    let result = TrainingBenchmark.Result(
      seconds: SampleSummary([0.0102, 0.0111, 0.013]), tokensPerStep: 768, flopsPerStep: 1.11e9,
      peak: 200e9, peakResidentByteCount: 53_600_000, loss: 4.1823, parameterCount: 809_856,
      threads: 2, backEnd: "avx512", planByteCount: 42_200_000, baseByteCount: 11_300_000)
    let text = """
      step          11.10 ms (median of 3; 10.20 to 13.00)
      speed         69.2 K tokens/s, 100.0 GFLOP/s
      peak          50% of 200.0 GFLOP/s on 2 threads
      parameters    810 K
      memory        53.6 MB at most; plan 42.2 MB + program 11.3 MB
      loss          4.182 (of random tokens)

      """
    #expect(report(result) == text)
  }
}
