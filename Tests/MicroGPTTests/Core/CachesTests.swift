// Caches of machines that are files, and what follows for matrix products: speed, never bits.
import CKernels
import Testing

@testable import MicroGPT

@Suite struct CachesTests {
  private static let folder = "sys/devices/system/cpu/cpu"

  /// The kernel's files for one cache.
  private static func files(
    _ index: Int, level: Int, _ type: String, _ size: String, sharedBy list: String,
    processor: Int = 0
  ) -> [String: String] {
    let cache = "\(folder)\(processor)/cache/index\(index)"
    return [
      "\(cache)/level": "\(level)\n", "\(cache)/type": "\(type)\n", "\(cache)/size": "\(size)\n",
      "\(cache)/shared_cpu_list": "\(list)\n",
    ]
  }

  private func caches(
    _ lists: [String: String]..., processor: Int = 0
  ) throws -> Caches {
    let all = lists.reduce(into: [:]) { $0.merge($1) { $1 } }
    return try FakeMachine.read(all) { Caches(ofProcessor: processor, $0) }
  }

  private func kernels(kc: Int, nr: Int) throws -> mg_kernels {
    var kernels = try #require(mg_kernels_default()).pointee
    (kernels.kc, kernels.nr, kernels.nc) = (kc, nr, 960)
    return kernels
  }

  /// A Raspberry Pi 5: three quarters of 512 KB, for its third level is small and shared.
  @Test func ofARaspberryPi5() throws {
    let found = try caches(
      Self.files(0, level: 1, "Data", "64K", sharedBy: "0"),
      Self.files(1, level: 1, "Instruction", "64K", sharedBy: "0"),
      Self.files(2, level: 2, "Unified", "512K", sharedBy: "0"),
      Self.files(3, level: 3, "Unified", "2048K", sharedBy: "0-3"))
    #expect(
      found.levels == [
        .init(byteCount: 64 << 10, sharers: 1), .init(byteCount: 512 << 10, sharers: 1),
        .init(byteCount: 2 << 20, sharers: 4),
      ])
    #expect(found.largestByteCount == 2 << 20)
    #expect(found.columnBlock(try kernels(kc: 256, nr: 16)) == 384)
  }

  /// A Raspberry Pi 4: four cores share one megabyte, and there is nothing behind it.
  @Test func ofARaspberryPi4() throws {
    let found = try caches(
      Self.files(0, level: 1, "Data", "32K", sharedBy: "2", processor: 2),
      Self.files(1, level: 1, "Instruction", "48K", sharedBy: "2", processor: 2),
      Self.files(2, level: 2, "Unified", "1024K", sharedBy: "0-3", processor: 2), processor: 2)
    #expect(found.columnBlock(try kernels(kc: 256, nr: 16)) == 192)
  }

  /// A quarter of a large third level, but never more than 4 MiB.
  @Test func ofAServer() throws {
    func server(_ third: String) throws -> Caches {
      try caches(
        Self.files(0, level: 1, "Data", "32K", sharedBy: "0"),
        Self.files(2, level: 2, "Unified", "1024K", sharedBy: "0"),
        Self.files(3, level: 3, "Unified", third, sharedBy: "0-3"))
    }
    #expect(try server("16M").columnBlock(kernels(kc: 512, nr: 32)) == 512)
    #expect(try server("32768K").columnBlock(kernels(kc: 512, nr: 32)) == 1024)
    #expect(try server("1G").columnBlock(kernels(kc: 512, nr: 32)) == 2048)
  }

  /// Whatever is missing or damaged: the back end's own number.
  @Test func unknown() throws {
    let own = try kernels(kc: 512, nr: 32)
    #expect(try caches().columnBlock(own) == 960)
    #expect(try caches().largestByteCount == nil)
    let first = Self.files(0, level: 1, "Data", "32K", sharedBy: "0")
    #expect(try caches(first).columnBlock(own) == 960)
    for size in ["rubbish", "0K", "-1K", ""] {
      let damaged = Self.files(2, level: 2, "Unified", size, sharedBy: "0")
      #expect(try caches(first, damaged).columnBlock(own) == 960, "\(size)")
    }
    // A list that is none counts as a cache of one's own; the smallest block is four tiles.
    let tiny = Self.files(2, level: 2, "Unified", "1K", sharedBy: "x")
    #expect(try caches(first, tiny).columnBlock(own) == 128)
  }

  @Test(arguments: [
    ("32K", 32 << 10), ("1M", 1 << 20), ("2G", 2 << 30), ("512", 512), ("K", nil), ("", nil),
    ("x", nil), ("9223372036854775807K", nil),
  ])
  func sizes(text: String, byteCount: Int?) {
    #expect(Caches.byteCount(text) == byteCount)
  }

  /// The same bits from blocks of 4 tiles, of 2048 columns, and of the back end's own size.
  @Test func noBitDependsOnThem() throws {
    let (m, n, k) = (37, 613, 1100)
    var random = RandomGenerator(seed: 3)
    let a = (0..<m * k).map { _ in Float(random.nextUniform()) - 0.5 }
    let b = (0..<n * k).map { _ in Float(random.nextUniform()) - 0.5 }
    func product(_ form: mg_form, _ caches: Caches) throws -> (columns: Int, result: [Float]) {
      let compute = try Compute(threadCount: 2, caches: caches)
      try compute.reserve(
        scratchPerWorker: mg_matmul_scratch(compute.context.pointee.kernels), shared: 0)
      var c = [Float](repeating: 0, count: m * n)
      a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in
          c.withUnsafeMutableBufferPointer { c in
            var product = mg_dense_product(
              form, m, n, k, a.baseAddress, b.baseAddress, c.baseAddress)
            mg_matmul(compute.context, &product)
          }
        }
      }
      return (compute.kernels.nc, c)
    }
    func second(_ byteCount: Int) -> Caches {
      var caches = Caches(ofProcessor: 0, SystemTree(root: "/nonexistent"))
      caches.levels = [
        .init(byteCount: 32 << 10, sharers: 1), .init(byteCount: byteCount, sharers: 1),
      ]
      return caches
    }
    for form in [MG_NN, MG_NT, MG_TN] {
      let small = try product(form, second(1 << 10))
      let large = try product(form, second(64 << 20))
      #expect(small.columns < n && n < large.columns)
      #expect(small.result == large.result)
      #expect(small.result.contains { $0 != 0 })
    }
  }
}
