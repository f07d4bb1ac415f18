// What the machine could do at best, measured in the same run as what it is compared with.
//
// The model is that of Williams et al. 2009, "Roofline: an insightful visual performance model",
// doi 10.1145/1498765.1498785: a run of F floating-point operations on M bytes takes at least
//
//     max(F / peak, M / bandwidth)
//
// peak: multiply-adds in registers of float32, bf16 or 8-bit integers (on back end scalar, the tile
// of the matrix multiply if a compiler made that faster). bandwidth: reading, with sum_f32, a
// buffer that is not smaller than the operands together, the fastest of those measured: usually the
// next larger one, so data that fits in a cache is held against that cache. The last buffer is
// larger than every cache; larger operands are compared with that one.
//
// Two things keep the share of the bound from being exact. Kernels that do other than multiply-adds
// can't reach the peak: an addition takes the place of two operations. Kernels that write as well
// as read can exceed the bandwidth in a cache, whose writes travel beside its reads, and stay below
// it in memory, where a line that is written is read first.

import CKernels

/// The measured limits of a machine.
public struct Roofline: Equatable, Sendable {
  /// Which limit a run meets first.
  public enum Limit: String, Sendable {
    case compute, memory
  }

  /// What multiply-adds are done with.
  public enum Arithmetic: String, Sendable {
    case float32, bf16, int8
  }

  /// The rate of reading a buffer again and again.
  public struct Reading: Equatable, Sendable {
    /// Threads that shared the buffer.
    public var threads: Int
    /// Size of the buffer.
    public var byteCount: Int
    /// Of all threads together.
    public var bytesPerSecond: Double
  }

  /// FLOP/s by number of threads.
  public var peaks: [Int: Double]
  /// The same in bf16 arithmetic; empty where it was not measured.
  public var bf16Peaks: [Int: Double] = [:]
  /// The same of 8-bit integers.
  public var int8Peaks: [Int: Double] = [:]
  /// Ascending in `byteCount` for each number of threads; the last one is main memory.
  public var readings: [Reading]

  /// The shortest time in which `threads` threads could do it, and why; nil where neither
  /// operations nor bytes are counted, or where nothing was measured for so many threads.
  public func bound(
    flops: Double, bytes: Double, footprint: Int, threads: Int,
    arithmetic: Arithmetic = .float32
  ) -> (seconds: Double, limit: Limit)? {
    let rates = readings.filter { $0.threads == threads }
    let holding = rates.filter { $0.byteCount >= footprint }
    guard
      flops > 0 || bytes > 0, let peak = peaks(of: arithmetic)[threads],
      let bandwidth = holding.map(\.bytesPerSecond).max() ?? rates.last?.bytesPerSecond
    else { return nil }
    let compute = flops / peak
    let memory = bytes / bandwidth
    return compute >= memory ? (compute, .compute) : (memory, .memory)
  }

  private func peaks(of arithmetic: Arithmetic) -> [Int: Double] {
    switch arithmetic {
    case .float32: peaks
    case .bf16: bf16Peaks
    case .int8: int8Peaks
    }
  }
}

// MARK: - Measuring

extension Roofline {
  /// Measures one thread and all threads of `compute`; takes about a second, or a third if `quick`.
  public static func measure(_ compute: Compute, quick: Bool = false) -> Roofline {
    var roofline = Roofline(peaks: [:], readings: [])
    for threads in Set([1, compute.threadCount]).sorted() {
      var context = compute.context(threads: threads)
      roofline.peaks[threads] = mg_bench_peak(&context, MG_F32, quick ? 0.02 : 0.1)
      roofline.bf16Peaks[threads] = mg_bench_peak(&context, MG_BF16, quick ? 0.02 : 0.1)
      roofline.int8Peaks[threads] = mg_bench_peak(&context, MG_Q8, quick ? 0.02 : 0.1)
      for byteCount in bufferSizes(
        lastLevelCache: Caches(ofProcessor: 0, SystemTree()).largestByteCount ?? 0,
        available: SystemInfo.availableMemoryByteCount)
      {
        let rate = mg_bench_read(&context, byteCount, quick ? 0.002 : 0.02)
        guard rate > 0 else { continue }
        roofline.readings.append(
          Reading(threads: threads, byteCount: byteCount, bytesPerSecond: rate))
      }
    }
    return roofline
  }

  /// Buffers by factors of 2 from half a first-level cache to the last level, then one that no
  /// cache holds: twice the last level and at least 64 MiB, but at most a quarter of the memory.
  static func bufferSizes(lastLevelCache: Int, available: Int?) -> [Int] {
    let wanted = max(64 << 20, 2 * lastLevelCache)
    let memory = min(wanted, max((available ?? wanted * 4) / 4, 1 << 20)) / 4096 * 4096
    var sizes: [Int] = []
    var size = 16 << 10
    while size < memory && size <= max(16 << 20, lastLevelCache) {
      sizes.append(size)
      size *= 2
    }
    return sizes + [memory]
  }
}

extension Compute {
  /// Measures the multiply-add rate of all threads together, in FLOP/s.
  ///
  /// Takes about `seconds` and allocates a little. Not during a run.
  public func measurePeakFlops(seconds: Double = 0.05) -> Double {
    mg_bench_peak(context, MG_F32, seconds)
  }

  /// Measures how fast all threads together read memory that no cache holds, in bytes per second; 0
  /// where there is not enough of it.
  ///
  /// Takes about `seconds`, and the memory of four times the largest buffer of a roofline: caches
  /// that don't evict in order keep part of one only twice their size.
  public func measureReadBandwidth(seconds: Double = 0.1) -> Double {
    mg_bench_read(context, Self.uncachedByteCount, seconds)
  }

  /// Measures how fast all threads together read `memory` again and again, in bytes per second: the
  /// mean of as many passes as `seconds` are long, at least one.
  func measureReadBandwidth(of memory: Arena, seconds: Double) -> Double {
    mg_bench_read_again(context, memory.floats.count, memory.floats.baseAddress, seconds)
  }

  /// The size of a buffer that no cache holds.
  static var uncachedByteCount: Int {
    let sizes = Roofline.bufferSizes(
      lastLevelCache: 4 * (Caches(ofProcessor: 0, SystemTree()).largestByteCount ?? 0),
      available: SystemInfo.availableMemoryByteCount)
    return sizes.last ?? 0
  }

  /// What operations are given, with the pool or, for one thread, without; valid while `self` is.
  func context(threads: Int) -> mg_context {
    var context = self.context.pointee
    if threads == 1 { context.pool = nil }
    return context
  }
}

extension Roofline {
  /// The object that reports have under "roofline".
  public var json: JSON {
    func list(_ peaks: [Int: Double]) -> [JSON] {
      peaks.sorted { $0.key < $1.key }.map { threads, flops in
        ["threads": .integer(threads), "gflops": .number(flops / 1e9)]
      }
    }
    let readingList = readings.map { reading -> JSON in
      [
        "threads": .integer(reading.threads), "buffer_bytes": .integer(reading.byteCount),
        "gb_per_second": .number(reading.bytesPerSecond / 1e9),
      ]
    }
    return [
      "fma_peak": .array(list(peaks)), "bf16_peak": .array(list(bf16Peaks)),
      "int8_peak": .array(list(int8Peaks)),
      "streaming_read": .array(readingList),
      "rule": .string(
        "time >= max(flops / peak of the arithmetic, bytes / fastest streaming_read of a buffer "
          + "that holds the operands)"),
    ]
  }
}
