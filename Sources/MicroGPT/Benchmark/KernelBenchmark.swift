// Times every kernel and the operations that training spends its time in, shape by shape, and
// compares with the roofline. What runs between two looks at the clock is in C (mg_bench.h).

import CKernels

/// The measurement of one shape of one kernel or operation.
public struct KernelResult: Equatable, Sendable {
  /// As in mg_kernels.def, or `mg_…` for an operation of mg_ops.h.
  public var kernel: String
  /// Sizes in words, such as "m=768 n=384 k=128".
  public var shape: String
  /// The name of the back end.
  public var backEnd: String
  /// Threads it ran on.
  public var threads: Int
  /// Durations of one run.
  public var seconds: SampleSummary
  /// Runs per sample.
  public var repetitions: Int
  /// Floating-point operations of one run; 0 where that is no measure.
  public var flops: Double
  /// Bytes that one run must read or write; 0 where that is no measure.
  public var bytes: Double
  /// The shortest possible duration; nil where there is no bound.
  public var boundSeconds: Double?
  /// What makes it so.
  public var limit: Roofline.Limit?
  /// Depends on the results, so that none can be left out.
  public var checksum: Double

  /// 10^9 FLOP/s at the median duration.
  public var gigaflops: Double { flops / seconds.median / 1e9 }
  /// 10^9 bytes/s at the median duration.
  public var gigabytesPerSecond: Double { bytes / seconds.median / 1e9 }
  /// The part of the roofline that was reached.
  public var share: Double? { boundSeconds.map { $0 / seconds.median } }
}

/// All benchmarks, or those with a certain text in their names.
public struct KernelBenchmark {
  /// The names of all benchmarks, in order.
  public static var names: [String] {
    (0..<mg_bench_count()).map { String(cString: mg_bench_about($0).name) }
  }

  /// How long to measure.
  struct Effort {
    var samples: Int
    /// Duration of a sample at least: at 50 us the clock's own microsecond would be 2 %.
    var secondsPerSample: Double
    var shapesPerBenchmark: Int
    /// Begin with the shapes of least arithmetic, for emulators.
    var smallestFirst = false

    static let full = Effort(samples: 21, secondsPerSample: 1e-3, shapesPerBenchmark: .max)
    static let quick = Effort(samples: 7, secondsPerSample: 1e-4, shapesPerBenchmark: 1)
  }

  private let compute: Compute
  private let effort: Effort
  private let selected: [Int]

  /// Chooses what to measure; `quick` takes the first shape of each only, and fewer samples.
  ///
  /// *Throws* `BenchmarkError.nothingSelected`.
  public init(_ compute: Compute, filter: String? = nil, quick: Bool = false) throws {
    try self.init(compute, filter: filter, effort: quick ? .quick : .full)
  }

  init(_ compute: Compute, filter: String?, effort: Effort) throws {
    self.compute = compute
    self.effort = effort
    let names = KernelBenchmark.names
    selected = names.indices.filter { index in
      filter.map { contains(names[index], $0) } ?? true
    }
    if selected.isEmpty { throw BenchmarkError.nothingSelected(filter: filter ?? "") }
  }

  /// Measures everything, kernels on one thread, operations on one and on all; hands out each
  /// result when it is there.
  ///
  /// *Throws* `MemoryError.exhausted`.
  @discardableResult
  public func run(
    against roofline: Roofline, each: (KernelResult) -> Void = { _ in }
  ) throws -> [KernelResult] {
    var results: [KernelResult] = []
    for benchmark in selected {
      let about = mg_bench_about(benchmark)
      let all = about.threaded == 1 ? compute.threadCount : 1
      for shape in shapes(of: benchmark, count: about.shape_count).prefix(effort.shapesPerBenchmark)
      {
        for threads in Set([1, all]).sorted() {
          let result = try measure(benchmark, shape, threads, roofline)
          each(result)
          results.append(result)
        }
      }
    }
    return results
  }

  private func shapes(of benchmark: Int, count: Int) -> [Int] {
    guard effort.smallestFirst else { return Array(0..<count) }
    var context = compute.context(threads: 1)
    // No samples: only described.
    let costs = (0..<count).map { shape in
      var cost = mg_bench_result()
      _ = mg_bench_measure(&context, benchmark, shape, 0, 0, nil, &cost)
      return cost.flops + cost.bytes
    }
    return costs.indices.sorted { costs[$0] < costs[$1] }
  }

  private func measure(
    _ benchmark: Int, _ shape: Int, _ threads: Int, _ roofline: Roofline
  ) throws -> KernelResult {
    var context = compute.context(threads: threads)
    var cost = mg_bench_result()
    var seconds = [Double](repeating: 0, count: effort.samples)
    guard
      mg_bench_measure(
        &context, benchmark, shape, seconds.count, effort.secondsPerSample, &seconds, &cost) == 0
    else { throw MemoryError.exhausted(byteCount: cost.footprint) }
    let bound = roofline.bound(
      flops: cost.flops, bytes: cost.bytes, footprint: cost.footprint, threads: threads,
      arithmetic: cost.arithmetic == MG_Q8
        ? .int8 : cost.arithmetic == MG_BF16 ? .bf16 : .float32)
    return KernelResult(
      kernel: String(cString: mg_bench_about(benchmark).name),
      shape: withUnsafeBytes(of: cost.shape) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      },
      backEnd: compute.backEnd, threads: threads, seconds: SampleSummary(seconds),
      repetitions: cost.repetitions, flops: cost.flops, bytes: cost.bytes,
      boundSeconds: bound?.seconds, limit: bound?.limit, checksum: cost.checksum)
  }
}

extension KernelResult {
  /// The object that reports have in "results".
  public var json: JSON {
    [
      "kernel": .string(kernel), "shape": .string(shape), "back_end": .string(backEnd),
      "threads": .integer(threads),
      "median_us": .number(seconds.median * 1e6), "min_us": .number(seconds.minimum * 1e6),
      "lower_quartile_us": .number(seconds.lowerQuartile * 1e6),
      "upper_quartile_us": .number(seconds.upperQuartile * 1e6),
      "max_us": .number(seconds.maximum * 1e6),
      "samples": .integer(seconds.count), "runs_per_sample": .integer(repetitions),
      "flops": .number(flops), "bytes": .number(bytes),
      "gflops": flops > 0 ? .number(gigaflops) : .null,
      "gb_per_second": bytes > 0 ? .number(gigabytesPerSecond) : .null,
      "limit": limit.map { .string($0.rawValue) } ?? .null,
      "share_of_roofline": share.map(JSON.number) ?? .null,
      "checksum": .number(checksum),
    ]
  }
}

/// Why a benchmark can't begin.
public enum BenchmarkError: UserFacingError, Equatable {
  /// No name contains the filter.
  case nothingSelected(filter: String)

  /// A mistake on the command line.
  public var exitCode: ExitCode { .usage }

  /// One line for the user.
  public var description: String {
    switch self {
    case .nothingSelected(let filter):
      return "no benchmark has this in its name. Found --filter \(filter.debugDescription), "
        + "expected a part of a kernel's name such as gemm, attention or mg_matmul. "
        + "Leave --filter out to measure everything."
    }
  }
}

/// Whether `text` has `part` in it; Foundation's `contains` is not used here.
private func contains(_ text: String, _ part: String) -> Bool {
  let (text, part) = (Array(text.utf8), Array(part.utf8))
  guard part.count <= text.count else { return false }
  return (0...(text.count - part.count)).contains { start in
    text[start..<(start + part.count)].elementsEqual(part)
  }
}
