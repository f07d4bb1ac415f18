// `mgpt bench`: how fast this machine runs the kernels, or trains a model; running one is in
// GenerateBenchmark.swift. Measuring is in the library (MicroGPT/Benchmark, TrainingBenchmark);
// here are the tables and the defaults.

import MicroGPT

/// Measures as asked; returns the code to exit with.
func runBench(_ asked: BenchOptions) throws -> Int32 {
  try asked.checkSubject()
  if asked.report { return try benchReport(asked) }
  let compute = try makeCompute(threads: asked.threads)
  switch asked.subject {
  case .kernels: try benchKernels(asked, compute)
  case .train: try benchTraining(asked, compute)
  case .generate: return try benchGenerating(asked, compute)
  }
  return 0
}

// MARK: - Kernels

private func benchKernels(_ asked: BenchOptions, _ compute: Compute) throws {
  let benchmark = try KernelBenchmark(compute, filter: asked.filter, quick: asked.quick)
  let machine = MachineDescription.current(compute)
  let roofline = Roofline.measure(compute, quick: asked.quick)
  if asked.json {
    let results = try benchmark.run(against: roofline)
    let report: JSON = [
      "machine": machine.json, "roofline": roofline.json, "results": .array(results.map(\.json)),
    ]
    Terminal.output.write("\(report)\n")
    return
  }
  Terminal.output.write(BenchTable.introduction(machine, roofline) + BenchTable.heading)
  try benchmark.run(against: roofline) { result in Terminal.output.write(BenchTable.row(result)) }
  Terminal.output.write(BenchTable.legend)
}

/// The table of `mgpt bench kernels`, line by line, so that each shows as soon as it is measured.
enum BenchTable {
  /// Machine and roofline.
  static func introduction(_ machine: MachineDescription, _ roofline: Roofline) -> String {
    var lines = introduction(machine)
    for (threads, peak) in roofline.peaks.sorted(by: { $0.key < $1.key }) {
      let reads = roofline.readings.filter { $0.threads == threads }.map { reading in
        "\(gigabytes(reading.bytesPerSecond)) (\(binarySize(reading.byteCount)))"
      }
      let others = [("bf16", roofline.bf16Peaks), ("int8", roofline.int8Peaks)].map { name, peaks in
        peaks[threads].map { ", \(name) \(Format.fixed($0 / 1e9, decimals: 1))" } ?? ""
      }
      lines +=
        "\(threadCount(threads)): peak "
        + "\(Format.fixed(peak / 1e9, decimals: 1))\(others.joined()) GFLOP/s; reading, GB/s: "
        + reads.joined(separator: ", ") + "\n"
    }
    return lines + "\n"
  }

  /// The machine alone.
  static func introduction(_ machine: MachineDescription) -> String {
    var facts = [
      machine.processor ?? "unknown processor", "\(machine.processorCount) processors",
      "back end \(machine.backEnd)", threadCount(machine.threads),
    ]
    if let governor = machine.governor { facts.append("governor \(governor)") }
    if let clock = machine.megahertz { facts.append("\(Format.fixed(clock, decimals: 0)) MHz") }
    if let celsius = machine.celsius { facts.append("\(Format.fixed(celsius, decimals: 0)) °C") }
    let warning =
      machine.isOptimized
      ? "" : "warning: the kernels were built for debugging. Use swift build -c release.\n"
    return facts.joined(separator: ", ") + "\nkernels compiled by \(machine.compiler)\n" + warning
  }

  static let heading = line([
    "kernel", "shape", "threads", "median us", "min", "max", "rate", "unit", "roofline", "limit",
  ])

  static let legend = """

    roofline: the share of what is possible, max(FLOP / peak, bytes / reading speed of a
    buffer above that holds the operands), over the median. Only multiply-adds reach the
    peak; writes beside reads can exceed 100% in a cache.

    """

  /// One measurement.
  static func row(_ result: KernelResult) -> String {
    let (rate, unit) = rate(of: result)
    return line([
      result.kernel, result.shape, "\(result.threads)", microseconds(result.seconds.median),
      microseconds(result.seconds.minimum), microseconds(result.seconds.maximum), rate, unit,
      result.share.map(Format.percent) ?? "", result.limit?.rawValue ?? "",
    ])
  }

  /// In the unit of what limits it.
  private static func rate(of result: KernelResult) -> (String, String) {
    switch result.limit {
    case .compute: (Format.fixed(result.gigaflops, decimals: 1), "GFLOP/s")
    case .memory: (gigabytes(result.gigabytesPerSecond * 1e9), "GB/s")
    case nil: ("", "")
    }
  }

  /// Texts flush left, numbers flush right; no blanks at the end.
  private static func line(_ cells: [String]) -> String {
    let widths = [-23, -28, 7, 10, 10, 10, 7, -7, 8, -7]
    let text = zip(cells, widths).map { cell, width in
      width < 0
        ? cell + String(repeating: " ", count: max(0, -width - cell.count))
        : Format.padded(cell, to: width)
    }.joined(separator: "  ")
    let used = text.reversed().drop { $0 == " " }.reversed()
    return String(used) + "\n"
  }

  private static func microseconds(_ seconds: Double) -> String {
    Format.fixed(seconds * 1e6, decimals: seconds < 1e-4 ? 3 : 1)
  }

  private static func gigabytes(_ bytesPerSecond: Double) -> String {
    Format.fixed(bytesPerSecond / 1e9, decimals: 1)
  }

  /// 16 KiB, 64 MiB: sizes of caches are powers of two.
  private static func binarySize(_ byteCount: Int) -> String {
    byteCount < 1 << 20 ? "\(byteCount >> 10) KiB" : "\(byteCount >> 20) MiB"
  }
}

// MARK: - Training

private func benchTraining(_ asked: BenchOptions, _ compute: Compute) throws {
  let benchmark = try asked.trainingBenchmark()
  try benchmark.configuration.validate()
  let machine = MachineDescription.current(compute)
  if !asked.json {
    Terminal.output.write(BenchTable.introduction(machine) + introduction(benchmark))
  }
  let result = try benchmark.run(compute)
  if asked.json, case .object(let members) = result.json {
    let choices = [
      JSON.Member("preset", asked.preset.map(JSON.string) ?? .null),
      JSON.Member("precision", .string(benchmark.precision.rawValue)),
      JSON.Member("recompute", .bool(benchmark.recomputes)),
      JSON.Member("optimizer", .string(benchmark.optimizer.rawValue)),
      JSON.Member("optimizer_state", .string(benchmark.optimizerState.rawValue)),
    ]
    Terminal.output.write("\(JSON.object(choices + members))\n")
    return
  }
  Terminal.output.write(report(result) + (result.profile.map { "\n" + profileTable($0) } ?? ""))
}

extension BenchOptions {
  /// The model and batch asked for; the defaults are the preset's, or those of the small GPT-2 that
  /// comparisons use.
  func trainingBenchmark() throws(ConfigurationError) -> TrainingBenchmark {
    let preset = try findPreset(preset ?? "nanogpt-cpu")
    let family = family.flatMap { ModelFamily(rawValue: $0.rawValue) } ?? preset.family
    var benchmark = TrainingBenchmark(
      configuration: family.configuration(
        vocabularySize: vocabSize ?? 65, contextLength: context ?? preset.context,
        layerCount: layers ?? preset.layers, headCount: heads ?? preset.heads,
        modelWidth: embedDim ?? preset.width, keyValueHeadCount: keyValueHeads,
        hiddenWidth: hiddenDim),
      batchSize: batchSize ?? preset.batchSize, gradientAccumulation: gradAccum ?? 1,
      steps: steps ?? 30)
    benchmark.recomputes = recompute
    benchmark.isProfiled = profile
    benchmark.tracePath = trace
    benchmark.precision = precision.flatMap { Precision(rawValue: $0.rawValue) } ?? .float32
    benchmark.optimizer =
      optimizer.flatMap { OptimizerKind(rawValue: $0.rawValue) } ?? benchmark.optimizer
    benchmark.optimizerState =
      optimizerState.flatMap { OptimizerStateFormat(rawValue: $0.rawValue) }
      ?? benchmark.optimizerState
    return benchmark
  }
}

private func introduction(_ benchmark: TrainingBenchmark) -> String {
  let c = benchmark.configuration
  return "\(sizes(c)); \(benchmark.batchSize) x \(c.contextLength) tokens x "
    + "\(benchmark.gradientAccumulation), precision \(benchmark.precision.rawValue)"
    + "\(benchmark.recomputes ? ", recomputing" : ""), "
    + "\(benchmark.optimizer == .muon ? "Muon" : "AdamW"), "
    + "moments in \(benchmark.optimizerState.rawValue)\n\n"
}

/// Family and sizes of a model, for a person.
func sizes(_ c: ModelConfiguration) -> String {
  "\(c.family.rawValue): \(c.layerCount) layers, \(c.headCount) heads (\(c.keyValueHeadCount) "
    + "key/value), width \(c.modelWidth), MLP \(c.hiddenWidth), vocabulary \(c.vocabularySize)"
}

private func threadCount(_ count: Int) -> String { count == 1 ? "1 thread" : "\(count) threads" }

/// The result for a person.
func report(_ result: TrainingBenchmark.Result) -> String {
  func milliseconds(_ seconds: Double) -> String { Format.fixed(seconds * 1e3, decimals: 2) }
  let seconds = result.seconds
  return """
    step          \(milliseconds(seconds.median)) ms (median of \(seconds.count); \
    \(milliseconds(seconds.minimum)) to \(milliseconds(seconds.maximum)))
    speed         \(Format.rate(result.tokensPerSecond)) tokens/s, \
    \(Format.fixed(result.gigaflops, decimals: 1)) GFLOP/s
    peak          \(Format.percent(result.shareOfPeak)) of \
    \(Format.fixed(result.peak / 1e9, decimals: 1)) GFLOP/s on \(threadCount(result.threads))
    parameters    \(Format.count(result.parameterCount))
    memory        \(Format.bytes(result.peakResidentByteCount)) at most; \
    plan \(Format.bytes(result.planByteCount)) + program \(Format.bytes(result.baseByteCount))
    loss          \(Format.loss(result.loss)) (of random tokens)

    """
}
