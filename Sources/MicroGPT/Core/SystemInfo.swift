// What the operating system says about this process and this machine, and the signals that ask a
// run to stop. Thin wrappers over mg_system.h, so that the command line needs no C. Not here: CPU
// features and back ends (mg_cpu.h), reading and replacing files (IO).

import CKernels

/// Questions to the operating system: clock, memory, processors, terminals.
public enum SystemInfo {
  /// Seconds of the monotonic clock; only differences mean anything.
  public static var seconds: Double { mg_seconds() }

  /// Largest resident memory of this process so far, in bytes; 0 if unknown.
  ///
  /// On Linux at least that of the program that started it, which may be a large script.
  public static var peakResidentByteCount: Int { Int(clamping: mg_peak_resident_bytes()) }

  /// The same of this program alone; takes longer, so not for every step.
  public static var ownPeakResidentByteCount: Int { Int(clamping: mg_own_peak_resident_bytes()) }

  /// Begins `ownPeakResidentByteCount` anew from what is resident now.
  ///
  /// Returns false where the system can't; the peak then stays that of the process so far.
  @discardableResult public static func resetOwnPeakResident() -> Bool {
    mg_reset_own_peak_resident() == 1
  }

  /// Memory that can be had without swapping, in bytes; nil if the system doesn't say.
  ///
  /// On Darwin it is all physical memory. No more than the limit of a control group; why, and what
  /// doesn't count, says `MemorySupply`.
  public static var availableMemoryByteCount: Int? { MemorySupply().byteCount }

  /// Processors that this process may run on, at least 1.
  public static var processorCount: Int { Int(mg_processor_count()) }

  /// The processor's or board's name for reports of measurements; nil if the system doesn't say.
  public static var processorName: String? {
    processorName(cpuinfoPath: nil, deviceTreePath: nil)
  }

  /// Waits for so many seconds, at most an hour, or less if a signal comes.
  public static func sleep(_ seconds: Double) { mg_sleep(seconds) }

  /// Whether the file descriptor is a terminal.
  public static func isTerminal(_ descriptor: Int32) -> Bool { mg_is_terminal(descriptor) == 1 }

  /// Columns of the terminal at `descriptor` at this moment; nil if it is none or doesn't say.
  public static func terminalColumns(_ descriptor: Int32) -> Int? {
    let columns = Int(mg_terminal_columns(descriptor))
    return columns > 0 ? columns : nil
  }

  /// Writes all of `bytes` to a file descriptor, going on after interruptions.
  ///
  /// Returns 0, or the `errno` of the failure; then an unknown part was written.
  public static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
    mg_write_all(descriptor, bytes.baseAddress, bytes.count)
  }

  /// As `availableMemoryByteCount`, read from another file of the form of `/proc/meminfo`.
  static func availableMemory(meminfoPath: String?) -> Int? {
    let byteCount = Int(clamping: mg_available_memory_bytes(meminfoPath))
    return byteCount > 0 ? byteCount : nil
  }

  /// As `processorName`, read from other files of the form of `/proc/cpuinfo` and of the device
  /// tree's `model`.
  static func processorName(cpuinfoPath: String?, deviceTreePath: String?) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let start = buffer.baseAddress else { return nil }
      let length = mg_processor_name(start, buffer.count, cpuinfoPath, deviceTreePath)
      if length == 0 { return nil }
      return String(decoding: UnsafeRawBufferPointer(start: start, count: length), as: UTF8.self)
    }
  }
}

/// The polite end of a run: SIGINT and SIGTERM are remembered, and the run stops where it is safe.
public enum Signals {
  /// Remembers the first SIGINT or SIGTERM from now on; a second one exits at once.
  ///
  /// A second signal ends the terminal's current line and exits with 128 + its number. SIGPIPE is
  /// ignored, so that writing to a closed pipe fails with `EPIPE`. System calls restart.
  public static func install() { mg_signals_install() }

  /// The number of the remembered signal, or nil.
  public static var received: Int32? {
    let number = mg_signal_received()
    return number == 0 ? nil : number
  }

  /// Forgets the remembered signal and restores what `install()` replaced.
  public static func reset() { mg_signals_reset() }
}
