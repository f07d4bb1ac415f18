// Where a measurement was made: without it a figure means nothing. What a system doesn't say is
// nil.

import CKernels

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
  /// The clock of the fastest processors at this moment.
  public var megahertz: Double?
  /// Temperature of the processor at this moment.
  public var celsius: Double?
  /// The C compiler that made the kernels.
  public var compiler: String
  /// False if the kernels were built for debugging: such figures say nothing.
  public var isOptimized: Bool

  /// Describes this machine as it is now.
  public static func current(_ compute: Compute) -> MachineDescription {
    let processors = Processors()
    let state = MachineSensors(searchPath: "").state(at: SystemInfo.seconds)
    return MachineDescription(
      processor: SystemInfo.processorName,
      processorCount: processors.allowed.count,
      backEnd: compute.backEnd,
      threads: compute.threadCount,
      governor: processors.governor,
      megahertz: state.megahertz,
      celsius: state.celsius,
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
