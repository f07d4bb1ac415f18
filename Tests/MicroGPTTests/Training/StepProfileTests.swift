// A profile counts every call, loses no time, changes no result and allocates nothing; its trace is
// what trace viewers read.
import Testing

@testable import MicroGPT

@Suite struct StepProfileTests {
  /// A run whose profile is on.
  private func profiled(_ name: String = "modern-dropout", accumulation: Int = 2) throws -> SmallRun
  {
    let run = try SmallRun(name, threads: 2, steps: 100, accumulation: accumulation)
    run.trainer.startProfile()
    return run
  }

  private let roofline = Roofline(
    peaks: [1: 1e9, 2: 2e9],
    readings: [1, 2].map { Roofline.Reading(threads: $0, byteCount: 1 << 20, bytesPerSecond: 1e9) })

  @Test func sumsAreTheTimeOfTheSteps() throws {
    let run = try profiled()
    let start = SystemInfo.seconds
    for _ in 0..<5 { _ = try run.trainer.runStep() }
    let wall = SystemInfo.seconds - start
    let profile = try #require(run.trainer.profile)
    let report = ProfileReport(profile, roofline: roofline, threads: 2)
    #expect(report.stepCount == 5)
    // Nothing between the steps is counted, and within a step no time is lost or counted twice.
    #expect(report.seconds <= wall && report.seconds > 0.5 * wall)
    #expect(abs(report.otherSeconds) < 1e-9 * wall + 1e-12)
    #expect(report.rows.map(\.seconds) == report.rows.map(\.seconds).sorted(by: >))
    let operations = run.trainer.executor.graph.operations.count
    for phase in ["forward", "backward"] {
      let calls = report.rows.filter { $0.phase == phase }.reduce(0) { $0 + $1.calls }
      #expect(calls == 5 * 2 * operations)
    }
    let calls = Dictionary(
      uniqueKeysWithValues: report.rows.filter { $0.phase == nil }.map { ($0.name, $0.calls) })
    // The batch is drawn once and loaded for each pass.
    #expect(calls == ["batch": 15, "zeroing": 5, "gradient norm": 5, "optimizer": 5])
  }

  /// The products count as many operations as the figure that model FLOP utilisation is made from.
  @Test(arguments: ["gpt2", "modern", "llama-gqa-tied"])
  func workAgreesWithTheModels(_ name: String) throws {
    let run = try profiled(name, accumulation: 1)
    _ = try run.trainer.runStep()
    let profile = try #require(run.trainer.profile)
    let report = ProfileReport(profile, roofline: roofline, threads: 2)
    func flops(_ prefix: String) -> Double {
      report.rows.filter { $0.name.hasPrefix(prefix) }.reduce(0) { $0 + $1.flops }
    }
    let products = flops("linear") + flops("mlp") + flops("head")
    let attention = flops("attention")
    let expected =
      run.trainer.model.configuration.trainingFlopsPerToken * Double(run.trainer.tokensPerStep)
    // Backward computes q k^T again: 7 products instead of the 6 that count as work of the model.
    #expect(abs(products + attention * 6 / 7 - expected) < 1e-9 * expected)
    for row in report.rows where row.name != "batch" && row.name != "dropout" {
      let isNothing = row.name.hasPrefix("head") && row.phase == "forward" || row.name == "add"
      #expect((row.bytes > 0) != isNothing, "\(row)")
    }
  }

  @Test func boundIsTheSlowerOfComputingAndReading() throws {
    let run = try profiled("gpt2", accumulation: 1)
    for _ in 0..<3 { _ = try run.trainer.runStep() }
    let profile = try #require(run.trainer.profile)
    let report = ProfileReport(profile, roofline: roofline, threads: 2)
    let norm = try #require(report.rows.first { $0.name == "gradient norm" })
    let bytes = Double(run.trainer.model.weights.byteCount)
    #expect(norm.bytes == 3 * bytes && norm.limit == .memory)
    #expect(abs(norm.boundSeconds - 3 * bytes / 1e9) < 1e-15)
    let zeroing = try #require(report.rows.first { $0.name == "zeroing" })
    #expect(zeroing.bytes == 12 * Double(run.trainer.zeroed.reduce(0) { $0 + $1.count }))
    let wide = try #require(report.rows.first { $0.name.hasPrefix("linear") })
    #expect(wide.limit == .compute && abs(wide.boundSeconds - wide.flops / 2e9) < 1e-15)
    #expect(wide.shareOfRoofline == wide.boundSeconds / wide.seconds)
  }

  /// Products of a run in bfloat16 are held against the peak of bfloat16, all else is not.
  @Test func precisionDecidesThePeak() throws {
    let run = try SmallRun("gpt2", threads: 2, graph: GraphChoice(precision: .bfloat16))
    run.trainer.startProfile()
    _ = try run.trainer.runStep()
    let profile = try #require(run.trainer.profile)
    var roofline = roofline
    // So slow that computing is the limit of every row.
    (roofline.peaks, roofline.bf16Peaks) = ([2: 1e3], [2: 4e3])
    let report = ProfileReport(profile, roofline: roofline, threads: 2)
    for row in report.rows where row.flops > 0 {
      let isProduct = ["linear", "mlp", "head"].contains { row.name.hasPrefix($0) }
      #expect(row.precision == (isProduct ? .bfloat16 : .float32), "\(row)")
      let expected = row.flops / (isProduct ? 4e3 : 1e3)
      #expect(abs(row.boundSeconds - expected) < 1e-9 * expected, "\(row)")
    }
    #expect(report.rows.contains { $0.precision == .bfloat16 && $0.flops > 0 })
  }

  @Test func changesNoResult() throws {
    let plain = try SmallRun("modern-dropout", threads: 2, steps: 100, accumulation: 2)
    let run = try profiled()
    for _ in 0..<3 {
      #expect(try plain.trainer.runStep().loss == run.trainer.runStep().loss)
    }
    #expect(plain.state == run.state && plain.trainer.profile == nil)
  }

  @Test func allocatesNothing() throws {
    let run = try profiled()
    for _ in 0..<3 { _ = try run.trainer.runStep() }
    let count = try allocations(on: run.compute) {
      for _ in 0..<(2 * Trainer.traceSteps) { _ = try run.trainer.runStep() }
    }
    #expect(count ?? 0 == 0)
  }

  // MARK: Trace

  @Test func traceHoldsTheLastWholeSteps() throws {
    let run = try profiled()
    let stepCount = Trainer.traceSteps + 7
    for _ in 0..<stepCount { _ = try run.trainer.runStep() }
    let profile = try #require(run.trainer.profile)
    let trace = try JSON.parse(profile.trace.utf8Bytes)
    let events = try #require(trace["traceEvents"]?.arrayValue)
    let complete = events.filter { $0["ph"]?.stringValue == "X" }
    #expect(events.count == complete.count + 2 && events[0]["ph"]?.stringValue == "M")
    let steps = complete.filter { $0["name"]?.stringValue == "step" }
    #expect(steps.compactMap { $0["args"]?["step"]?.intValue } == Array(8...stepCount))
    // 4 parts and 2 batches more than one, and per pass the operations and the two phases.
    let operations = run.trainer.executor.graph.operations.count
    #expect(complete.count == Trainer.traceSteps * (1 + 4 + 2 + 2 * (2 * operations + 2)))
    try checkNesting(complete)
    for event in complete where event["cat"]?.stringValue != "phase" {
      #expect(event["args"]?["step"]?.intValue != nil)
    }
  }

  /// Events come in order of time and lie in one another or apart, as deep as step, phase,
  /// operation.
  private func checkNesting(_ events: [JSON]) throws {
    var open: [Double] = []
    var before = 0.0
    var depth = 0
    for event in events {
      let start = try #require(event["ts"]?.doubleValue)
      let end = start + (try #require(event["dur"]?.doubleValue))
      // Times are given to the nanosecond, in microseconds.
      let grain = 0.0005
      try #require(start >= before - grain && end >= start)
      while let last = open.last, last <= start + grain { open.removeLast() }
      try #require(open.allSatisfy { end <= $0 + grain }, "\(event)")
      open.append(end)
      depth = max(depth, open.count)
      before = start
    }
    #expect(depth == 3)
  }

  @Test func theRingIsBounded() throws {
    let graph = LossGraph(
      SmallModels.configuration("gpt2"), ParameterTable(SmallModels.configuration("gpt2")),
      batchSize: 1, sequenceLength: 4, isTraining: true
    ).graph
    let schedule = Schedule(graph)
    let profile = StepProfile(graph, schedule, passesPerStep: 1 << 40, traceSteps: Int.max)
    let calls = StepProfile.largestRing + 5
    profile.beginStep()
    for _ in 0..<calls { profile.end(.batch) }
    // Not one whole step is left: then all that there is.
    #expect(profile.spans.count == StepProfile.largestRing)
    #expect(profile.total(StepProfile.Part.batch.rawValue).calls == calls)
    let empty = StepProfile(graph, schedule, passesPerStep: 1, traceSteps: 0)
    #expect(empty.spans.isEmpty && empty.trace["traceEvents"]?.arrayValue?.count == 2)
  }

  @Test func traceIsWrittenAsAWholeOrNotAtAll() throws {
    let run = try profiled()
    _ = try run.trainer.runStep()
    let profile = try #require(run.trainer.profile)
    let folder = try TemporaryFolder()
    let path = folder.file("trace.json")
    try profile.writeTrace(to: path)
    let written = try readFile(path)
    #expect(written == profile.trace.utf8Bytes)
    #expect(throws: FileError.self) { try profile.writeTrace(to: folder.file("none/trace.json")) }
  }
}
