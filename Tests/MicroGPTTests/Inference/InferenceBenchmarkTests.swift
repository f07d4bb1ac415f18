// That the benchmark runs the model it was given and computes its figures rightly; no timing.

import Testing

@testable import MicroGPT

@Suite struct InferenceBenchmarkTests {
  private func configuration(_ family: ModelFamily = .gpt2) -> ModelConfiguration {
    family.configuration(
      vocabularySize: 11, contextLength: 24, layerCount: 2, headCount: 2, modelWidth: 40)
  }

  /// A benchmark that takes no longer than it must.
  private func benchmark(_ path: String) -> InferenceBenchmark {
    var benchmark = InferenceBenchmark(path: path)
    benchmark.runs = 2
    benchmark.leastSeconds = 0
    benchmark.readByteCount = 1 << 20
    benchmark.promptTokens = 9
    benchmark.decodedTokens = 5
    return benchmark
  }

  static let targets: [QuantizationTarget?] = [nil, .int8, .int8Block, .int4]

  @Test(arguments: targets, KeyValueFormat.allCases)
  func everyFormatRuns(_ target: QuantizationTarget?, _ cache: KeyValueFormat) throws {
    let folder = try TemporaryFolder()
    let compute = try Compute(threadCount: 2)
    let c = configuration()
    #expect(try ModelFile.writeRandom(c, to: folder.file("a")))
    if let target {
      let source = try ModelFile(path: folder.file("a"), for: .inference)
      _ = try Quantizer(compute: compute).quantize(source, to: target, path: folder.file("b"))
    }
    var benchmark = benchmark(folder.file(target == nil ? "a" : "b"))
    benchmark.cacheFormat = cache
    let result = try #require(try benchmark.run(compute))
    #expect(result.loadSeconds.count == 2 && result.decodeSeconds.count == 2)
    #expect(result.prefillSeconds.minimum > 0 && result.decodeSeconds.minimum > 0)
    #expect(result.firstTokenSeconds > result.loadSeconds.minimum)
    #expect(result.promptTokens == 9 && result.decodedTokens == 5 && result.decodeAfter == 9)
    #expect(result.threads == 2 && result.readings.minimum > 0)
    #expect(result.readings.count == 2 && result.shares.count == 2)
    // A share is one decoding's bytes per second over one reading's.
    let bytes = Double(5 * result.bytesPerToken)
    let least = bytes / result.decodeSeconds.maximum / result.readings.maximum
    let most = bytes / result.decodeSeconds.minimum / result.readings.minimum
    #expect(result.shares.minimum > least * 0.999 && result.shares.maximum < most * 1.001)
    let fileByteCount = try readFile(benchmark.path).count
    #expect(result.fileByteCount == fileByteCount)
    // Rows of 40 and 160 elements are padded to whole blocks of 32, whose scales have 2 bytes.
    let linear = { (rows: Int, columns: Int) -> Int in
      let blocks = rows * ((columns + 31) / 32)
      return switch target {
      case nil: 4 * rows * columns
      case .int8: 32 * blocks + 4 * rows
      case .int8Block: 34 * blocks
      default: 18 * blocks
      }
    }
    let matrices = linear(120, 40) + linear(40, 40) + linear(160, 40) + linear(40, 160)
    let head = target == nil ? 4 * 11 * 40 : 16 * 64 + 11 * 4  // whole groups of eight rows
    let vectors = 4 * (2 * (120 + 40 + 160 + 40 + 4 * 40) + 2 * 40)
    #expect(result.weightBytesPerPass == 2 * matrices + head + vectors + 4 * 40)
    let headBytes: Int
    switch cache {
    case .float32: headBytes = 4 * 20
    case .float16: headBytes = 2 * 20
    case .int8: headBytes = 20 + 2
    }
    #expect(result.cacheBytesPerToken == 2 * 2 * 2 * headBytes * 12)
  }

  @Test func everyFamilyRuns() throws {
    let folder = try TemporaryFolder()
    for family in ModelFamily.allCases {
      let c = configuration(family)
      #expect(try ModelFile.writeRandom(c, to: folder.file("a")))
      var benchmark = benchmark(folder.file("a"))
      benchmark.sequences = 3
      let result = try #require(try benchmark.run(Compute(threadCount: 1)))
      #expect(result.sequences == 3 && result.parameterCount > 0, "\(family)")
      // All weights, but of tables that are only looked up one row.
      var rows = c.position == .learned ? 23 : 0
      if !c.tiedHead { rows += 10 }
      #expect(result.weightBytesPerPass == 4 * (result.parameterCount - rows * 40), "\(family)")
    }
  }

  @Test func figures() {
    let result = InferenceBenchmark.Result(
      loadSeconds: SampleSummary([0.004]), firstTokenSeconds: 0.05,
      prefillSeconds: SampleSummary([0.02, 0.01, 0.03]),
      decodeSeconds: SampleSummary([0.5, 0.4, 0.6]), promptTokens: 100, decodeAfter: 7,
      decodedTokens: 10, sequences: 4, weightBytesPerPass: 800, cacheBytesPerToken: 50,
      readings: SampleSummary([40_000]), shares: SampleSummary([0.6, 0.5, 0.4]),
      fileByteCount: 1000, cacheByteCount: 320, peakResidentByteCount: 5000,
      baseByteCount: 3000, parameterCount: 200, threads: 2, backEnd: "scalar")
    #expect(abs(result.prefillTokensPerSecond - 5000) < 1e-9)
    #expect(abs(result.decodeTokensPerSecond - 80) < 1e-9)
    #expect(result.bytesPerToken == 250)
    let json = result.json
    let expected: [(String, Double)] = [
      ("load_ms", 4), ("first_token_ms", 50), ("prefill_ms", 20), ("decode_ms", 500),
      ("decode_ms_min", 400), ("decode_ms_max", 600), ("runs", 3), ("prompt_tokens", 100),
      ("decode_after", 7), ("decoded_tokens", 10), ("sequences", 4),
      ("prefill_tokens_per_second", 5000), ("decode_tokens_per_second", 80),
      ("weight_bytes_per_pass", 800), ("cache_bytes_per_token", 50), ("bytes_per_token", 250),
      ("read_gb_per_second", 4e-5), ("share_of_bandwidth", 0.5), ("file_bytes", 1000),
      ("cache_bytes", 320), ("peak_rss_bytes", 5000), ("base_rss_bytes", 3000),
      ("parameters", 200), ("threads", 2),
    ]
    for (key, value) in expected {
      let found = json[key]?.doubleValue ?? .nan
      #expect(abs(found - value) <= 1e-9 * value, "\(key): \(found)")
    }
  }

  static let impossible: [(prompt: Int?, decoded: Int?, after: Int?, option: String)] = [
    (25, nil, nil, "--prompt-tokens"), (nil, 24, nil, "--max-tokens"),
    (nil, 4, 21, "--decode-after"),
  ]

  @Test(arguments: impossible)
  func tokensThatDoNotFit(_ prompt: Int?, _ decoded: Int?, _ after: Int?, _ option: String) throws {
    var benchmark = InferenceBenchmark(path: "")
    #expect(try benchmark.tokenCounts(configuration()) == (24, 12, 12))
    benchmark.promptTokens = prompt
    benchmark.decodedTokens = decoded
    benchmark.decodeAfter = after
    #expect {
      try benchmark.tokenCounts(configuration())
    } throws: { error in
      "\(error)".hasPrefix("\(option) is out of range. Found ") && error is ConfigurationError
    }
  }

  @Test func stopsWhenTold() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a")
    var questions = 0
    let stopsLater = { (count: Int) -> () -> Bool in
      questions = 0
      return {
        questions += 1
        return questions > count
      }
    }
    #expect(try !ModelFile.writeRandom(configuration(), to: path, shouldStop: stopsLater(3)))
    #expect(folder.names.isEmpty)
    #expect(try ModelFile.writeRandom(configuration(), to: path))
    for count in [0, 2, 4] {
      let compute = try Compute(threadCount: 1)
      #expect(try benchmark(path).run(compute, shouldStop: stopsLater(count)) == nil)
      #expect(questions == count + 1)
    }
  }

  /// A function of configuration and seed; no matrix is zero, as the outputs of a new model are.
  @Test func randomWeights() throws {
    let folder = try TemporaryFolder()
    for (name, seed) in [("a", UInt64(1)), ("b", 1), ("c", 2)] {
      #expect(try ModelFile.writeRandom(configuration(), seed: seed, to: folder.file(name)))
    }
    let (a, b) = (try folder.content("a"), try folder.content("b"))
    #expect(a == b)
    let c = try folder.content("c")
    #expect(a != c)
    let model = try ModelFile(path: folder.file("a")).model
    for parameter in model.table.parameters where parameter.shape.rank == 2 {
      let values = model.values(of: parameter).map(Double.init)
      let residual = ["output.weight", "down.weight"].contains(where: parameter.name.hasSuffix)
      let expected = residual ? 0.01 : 0.02
      let square = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
      #expect(abs(square.squareRoot() / expected - 1) < 0.1, "\(parameter.name)")
    }
  }
}
