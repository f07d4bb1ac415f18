// Where a measurement was made: without it a figure means nothing. Linux tells the most, through
// /sys; what a system doesn't say is nil.

import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The machine and the program of a measurement.
public struct MachineDescription: Equatable, Sendable {
  /// Name of the processor or board.
  public var processor: String?
  /// Processors that this process may use.
  public var processorCount: Int
  /// The name of the back end.
  public var backEnd: String
  /// Workers, the calling thread included.
  public var threads: Int
  /// The policy that sets the clock, such as "ondemand" or "performance".
  public var governor: String?
  /// The clock of the first processor at this moment.
  public var megahertz: Double?
  /// Temperature of the first thermal zone at this moment.
  public var celsius: Double?
  /// The C compiler that made the kernels.
  public var compiler: String
  /// False if the kernels were built for debugging: such figures say nothing.
  public var isOptimized: Bool

  /// Describes this machine as it is now.
  public static func current(_ compute: Compute) -> MachineDescription {
    let clock = "/sys/devices/system/cpu/cpu0/cpufreq"
    return MachineDescription(
      processor: SystemInfo.processorName,
      processorCount: SystemInfo.processorCount,
      backEnd: compute.backEnd,
      threads: compute.threadCount,
      governor: readSystemLine("\(clock)/scaling_governor"),
      megahertz: readSystemNumber("\(clock)/scaling_cur_freq").map { $0 / 1000 },
      celsius: readSystemNumber("/sys/class/thermal/thermal_zone0/temp").map { $0 / 1000 },
      compiler: String(cString: mg_bench_compiler()),
      isOptimized: mg_bench_optimized() == 1)
  }

  /// The object that reports have under "machine".
  public var json: JSON {
    [
      "processor": processor.map(JSON.string) ?? .null,
      "processors": .integer(processorCount),
      "back_end": .string(backEnd),
      "threads": .integer(threads),
      "governor": governor.map(JSON.string) ?? .null,
      "clock_mhz": megahertz.map(JSON.number) ?? .null,
      "temperature_celsius": celsius.map(JSON.number) ?? .null,
      "compiler": .string(compiler),
      "optimized": .bool(isOptimized),
    ]
  }
}

/// The first line of a small file such as those in /sys, without blanks around it; nil if there is
/// no such file, or nothing in it.
func readSystemLine(_ path: String) -> String? {
  let descriptor = open(path, O_RDONLY)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { buffer in
    let count = read(descriptor, buffer.baseAddress, buffer.count)
    guard count > 0 else { return nil }
    let line = buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }
    let text = String(decoding: line, as: UTF8.self)
    let words = text.split(separator: " ").joined(separator: " ")
    return words.isEmpty ? nil : words
  }
}

private func readSystemNumber(_ path: String) -> Double? {
  readSystemLine(path).flatMap(Double.init)
}
