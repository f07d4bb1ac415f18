// That everything is measured, runs, and is reported with the right arithmetic. How fast it is, is
// nobody's business here.

import CKernels
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct KernelBenchmarkTests {
  static let once = KernelBenchmark.Effort(
    samples: 1, secondsPerSample: 0, shapesPerBenchmark: 1,
    smallestFirst: getenv("MGPT_EMULATED") != nil)

  /// mg_kernels.def is read as text, independently of the macros that use it.
  @Test func everyKernelOfTheListIsThere() throws {
    var folders = #filePath.split(separator: "/").dropLast(4).map(String.init)
    folders += ["Sources", "CKernels", "include", "mg_kernels.def"]
    let text = String(decoding: try readFile("/" + folders.joined(separator: "/")), as: UTF8.self)
    let kernels = text.split(separator: "\n").filter { $0.hasPrefix("MG_KERNEL(") }.map { line in
      line.split(separator: ",")[1].filter { $0 != " " }
    }
    #expect(kernels.count > 30)
    #expect(Array(KernelBenchmark.names.prefix(kernels.count)) == kernels.map { String($0) })
    #expect(KernelBenchmark.names.dropFirst(kernels.count).allSatisfy { $0.hasPrefix("mg_") })
  }

  @Test func everyShapeStatesItsCost() throws {
    let free: Set = ["attention_scratch", "mg_fork_join"]
    let compute = try Compute(threadCount: 1, backEnd: "scalar")
    defer { withExtendedLifetime(compute) {} }
    var context = compute.context(threads: 1)
    for benchmark in 0..<mg_bench_count() {
      let name = KernelBenchmark.names[benchmark]
      let shapeCount = mg_bench_about(benchmark).shape_count
      #expect(shapeCount >= 1, "\(name)")
      var shapes: Set<String> = []
      for shape in 0..<shapeCount {
        var cost = mg_bench_result()
        #expect(mg_bench_measure(&context, benchmark, shape, 0, 0, nil, &cost) == 0)
        let text = withUnsafeBytes(of: cost.shape) { bytes in
          String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        #expect(text.utf8.count > 2 && text.utf8.count < 63, "\(name)")
        #expect(shapes.insert(text).inserted, "\(name) \(text)")
        #expect(free.contains(name) || cost.flops + cost.bytes > 0, "\(name) \(text)")
        #expect(cost.repetitions == 0, "\(name) ran")
        // Compulsory traffic meets each byte of the operands once or twice, tables excepted. Two
        // attentions are there to show how much more they need.
        if cost.bytes > 0 && name != "attention_scratch" {
          let isPlain = ["mg_attention_plain", "mg_attention_rows"].contains(name)
          let isClose = Double(cost.footprint) < 1.8 * cost.bytes + 4096
          #expect(isClose || isPlain, "\(name) \(text)")
          #expect(Double(cost.footprint) * 2 >= cost.bytes, "\(name) \(text)")
        }
      }
    }
  }

  @Test(arguments: ["scalar", "neon", "neon_dotprod", "avx2", "avx512", "avx512_bf16"])
  func everythingRuns(backEnd: String) throws {
    guard mg_isa_supported(mg_isa_named(backEnd)) else { return }
    let compute = try Compute(threadCount: 2, backEnd: backEnd)
    let benchmark = try KernelBenchmark(compute, filter: nil, effort: Self.once)
    var handedOut = 0
    let results = try benchmark.run(against: RooflineTests.roofline) { _ in handedOut += 1 }
    #expect(handedOut == results.count)
    // Operations on one thread and on two.
    let operations = KernelBenchmark.names.filter { $0.hasPrefix("mg_") }
    #expect(results.count == KernelBenchmark.names.count + operations.count)
    for result in results {
      #expect(result.backEnd == backEnd)
      #expect(result.seconds.count == 1 && result.repetitions == 1, "\(result.kernel)")
      #expect(result.checksum.isFinite, "\(result.kernel)")
      #expect(result.checksum != 0 || result.kernel == "mg_fork_join", "\(result.kernel)")
      #expect((result.share ?? 1) > 0, "\(result.kernel)")
      #expect(result.threads == 1 || operations.contains(result.kernel))
    }
  }

  /// The checksum depends on what a kernel computes: the operands are the same in every run.
  @Test func checksumsRepeat() throws {
    let compute = try Compute(threadCount: 1, backEnd: "scalar")
    let benchmark = try KernelBenchmark(compute, filter: "gelu", effort: Self.once)
    let first = try benchmark.run(against: RooflineTests.roofline).map(\.checksum)
    #expect(try benchmark.run(against: RooflineTests.roofline).map(\.checksum) == first)
    #expect(Set(first).count == 2)
  }

  @Test func ratesAndShare() {
    let result = KernelResult(
      kernel: "k", shape: "n=1", backEnd: "scalar", threads: 1,
      seconds: SampleSummary([3e-6, 2e-6, 1e-6]), repetitions: 5, flops: 4000, bytes: 8000,
      boundSeconds: 0.5e-6, limit: .memory, checksum: 1)
    #expect(abs(result.gigaflops - 2) < 1e-12)
    #expect(abs(result.gigabytesPerSecond - 4) < 1e-12)
    #expect(result.share == 0.25)
    let json = result.json
    #expect(json["kernel"]?.stringValue == "k")
    #expect(json["median_us"]?.doubleValue == 2)
    #expect(json["min_us"]?.doubleValue == 1)
    #expect(json["max_us"]?.doubleValue == 3)
    #expect(json["samples"]?.intValue == 3)
    #expect(json["limit"]?.stringValue == "memory")
    #expect(json["share_of_roofline"]?.doubleValue == 0.25)
    #expect(json["threads"]?.intValue == 1)
  }

  @Test func aFilterThatFitsNothing() throws {
    let compute = try Compute(threadCount: 1, backEnd: "scalar")
    #expect(throws: BenchmarkError.nothingSelected(filter: "gem\n")) {
      try KernelBenchmark(compute, filter: "gem\n")
    }
    #expect(
      BenchmarkError.nothingSelected(filter: "gem\n").description
        == #"no benchmark has this in its name. Found --filter "gem\n", expected a part of a "#
        + "kernel's name such as gemm, attention or mg_matmul. Leave --filter out to measure "
        + "everything.")
    #expect(BenchmarkError.nothingSelected(filter: "").exitCode == .usage)
  }
}
