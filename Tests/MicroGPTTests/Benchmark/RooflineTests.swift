// The rule of the roofline on given rates, and what is read from the system. No clock.

import Testing

@testable import MicroGPT

@Suite struct RooflineTests {
  /// 100 GFLOP/s; a cache of 1 KB at 50 GB/s, memory at 10 GB/s; two threads twice as fast.
  static let roofline = Roofline(
    peaks: [1: 100e9, 2: 200e9],
    bf16Peaks: [1: 190e9],
    int8Peaks: [1: 400e9],
    readings: [
      Roofline.Reading(threads: 1, byteCount: 1000, bytesPerSecond: 50e9),
      Roofline.Reading(threads: 1, byteCount: 1_000_000, bytesPerSecond: 10e9),
      Roofline.Reading(threads: 2, byteCount: 1000, bytesPerSecond: 100e9),
      Roofline.Reading(threads: 2, byteCount: 1_000_000, bytesPerSecond: 20e9),
    ])

  @Test(arguments: [
    // flops, bytes, footprint, threads, seconds, limit
    (1000.0, 0.0, 0, 1, 10e-9, Roofline.Limit.compute),
    (1000.0, 0.0, 0, 2, 5e-9, .compute),
    (1000.0, 1000.0, 1000, 1, 20e-9, .memory),
    (1000.0, 1000.0, 1001, 1, 100e-9, .memory),
    (1000.0, 1000.0, 2_000_000, 1, 100e-9, .memory),
    (1000.0, 1000.0, 2_000_000, 2, 50e-9, .memory),
    (1e6, 1000.0, 1001, 1, 10e-6, .compute),
    (0.0, 1000.0, 10, 1, 20e-9, .memory),
  ])
  func bounds(
    flops: Double, bytes: Double, footprint: Int, threads: Int, seconds: Double,
    limit: Roofline.Limit
  ) throws {
    let bound = try #require(
      Self.roofline.bound(flops: flops, bytes: bytes, footprint: footprint, threads: threads))
    #expect(abs(bound.seconds / seconds - 1) < 1e-12)
    #expect(bound.limit == limit)
  }

  @Test(arguments: [(1900.0, Roofline.Arithmetic.bf16), (4000.0, .int8)])
  func anArithmeticHasPeaksOfItsOwn(flops: Double, arithmetic: Roofline.Arithmetic) throws {
    let one = Self.roofline.bound(
      flops: flops, bytes: 0, footprint: 0, threads: 1, arithmetic: arithmetic)
    #expect(abs(try #require(one).seconds / 10e-9 - 1) < 1e-12)
    let two = Self.roofline.bound(
      flops: flops, bytes: 0, footprint: 0, threads: 2, arithmetic: arithmetic)
    #expect(two == nil)
  }

  @Test func noBoundWithoutACountOrAMeasurement() {
    #expect(Self.roofline.bound(flops: 0, bytes: 0, footprint: 0, threads: 1) == nil)
    #expect(Self.roofline.bound(flops: 1, bytes: 1, footprint: 1, threads: 3) == nil)
  }

  /// What a larger buffer reached, a smaller one can reach too: a disturbed sample does no harm.
  @Test func aFasterLargerBufferCounts() throws {
    var roofline = Self.roofline
    roofline.readings[0].bytesPerSecond = 1e9
    let bound = try #require(roofline.bound(flops: 0, bytes: 1000, footprint: 10, threads: 1))
    #expect(abs(bound.seconds / 100e-9 - 1) < 1e-12)
  }

  @Test func buffersEndBeyondTheLastCache() {
    let sizes = Roofline.bufferSizes(lastLevelCache: 32 << 20, available: 8 << 30)
    #expect(sizes.first == 16 << 10)
    #expect(sizes.last == 64 << 20)
    #expect(sizes == sizes.sorted())
    #expect(sizes.contains(32 << 20))
    #expect(Roofline.bufferSizes(lastLevelCache: 256 << 20, available: nil).last == 512 << 20)
    #expect(Roofline.bufferSizes(lastLevelCache: 256 << 20, available: 1 << 30).last == 256 << 20)
    #expect(Roofline.bufferSizes(lastLevelCache: 0, available: 100).last == 1 << 20)
  }

  @Test func json() throws {
    let json = Self.roofline.json
    #expect(json["fma_peak"]?[1]?["threads"]?.intValue == 2)
    #expect(json["fma_peak"]?[1]?["gflops"]?.doubleValue == 200)
    #expect(json["bf16_peak"]?[0]?["gflops"]?.doubleValue == 190)
    #expect(json["int8_peak"]?[0]?["gflops"]?.doubleValue == 400)
    #expect(json["streaming_read"]?[0]?["buffer_bytes"]?.intValue == 1000)
    #expect(json["streaming_read"]?[0]?["gb_per_second"]?.doubleValue == 50)
    #expect(json["rule"]?.stringValue?.isEmpty == false)
  }

  @Test func theMachineIsDescribed() throws {
    let compute = try Compute(threadCount: 2, backEnd: "scalar")
    let machine = MachineDescription.current(compute)
    #expect(machine.threads == 2)
    #expect(machine.backEnd == "scalar")
    #expect(!machine.compiler.isEmpty)
    #expect(machine.json["back_end"]?.stringValue == "scalar")
    #expect(machine.json["governor"] != nil)
  }
}
