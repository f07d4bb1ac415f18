// Temperature, clock and throttling of the machine at a moment. What a system doesn't say is nil; a
// reading that can't be true counts as none.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the machine's sensors said at one moment.
public struct MachineState: Sendable, Equatable {
  /// Temperature of the processor, the hottest of its zones.
  public var celsius: Double?
  /// Clock of the fastest cores.
  public var megahertz: Double?
  /// What the firmware of a Raspberry Pi says.
  public var throttling: Throttling?

  /// A state of these values.
  public init(celsius: Double? = nil, megahertz: Double? = nil, throttling: Throttling? = nil) {
    (self.celsius, self.megahertz, self.throttling) = (celsius, megahertz, throttling)
  }

  /// The gravest thing that slows the machine down at this moment, in words.
  public var warning: String? { throttling?.now.words.first }
}

/// The sensors of a machine, found once and read as often as wanted.
///
/// From one thread at a time. *Cost*: a file for each sensor. Nothing is allocated, but when the
/// firmware's command is started, at most twice a minute.
public final class MachineSensors {
  /// Seconds that a reading stays good for.
  public static let interval = 1.0

  private let zones: [SystemFile]
  private let clock: SystemFile?
  private let throttling: SystemFile?
  private let voltageAlarm: SystemFile?
  private let command: FirmwareCommand?
  private var latest = MachineState()
  private var readAt = -Double.infinity

  /// Finds the sensors in `tree`, and `vcgencmd` in the folders of `searchPath`.
  public init(
    _ tree: SystemTree = .current,
    searchPath: String = getenv("PATH").map { String(cString: $0) } ?? ""
  ) {
    zones = Self.thermalZones(tree)
    clock = tree.clockFolder.map { SystemFile("\($0)/scaling_cur_freq", in: tree) }
    // A Pi 4's; a Pi 5 has the same under another name, or none.
    let bits = SystemFile("/sys/devices/platform/soc/soc:firmware/get_throttled", in: tree)
    throttling = bits.integer(radix: 16) == nil ? nil : bits
    command = throttling == nil ? FirmwareCommand(searchPath: searchPath) : nil
    voltageAlarm = Self.voltageAlarm(tree)
  }

  /// Whether a temperature can be read at this moment.
  public var hasTemperature: Bool { celsius != nil }

  /// The state at the time `now`, which never goes back; at most `interval` old.
  public func state(at now: Double) -> MachineState {
    if now - readAt < Self.interval { return latest }
    readAt = now
    latest = MachineState(
      celsius: celsius, megahertz: megahertz, throttling: currentThrottling(at: now))
    return latest
  }

  /// The state with the firmware's answer, for which it waits up to `patience` seconds.
  public func completeState(patience: Double = 2) -> MachineState {
    let start = SystemInfo.seconds
    command?.askNow(at: start)
    while command?.isRunning == true, SystemInfo.seconds - start < patience {
      usleep(5000)
      command?.look(at: SystemInfo.seconds)
    }
    readAt = -.infinity
    return state(at: SystemInfo.seconds)
  }

  private var celsius: Double? {
    var hottest: Double?
    for index in zones.indices {
      // Thousandths of a degree. Zones without a sensor behind them say -274000 and the like.
      guard let value = zones[index].integer(), value >= -55_000, value <= 150_000 else { continue }
      hottest = max(hottest ?? -.infinity, Double(value) / 1000)
    }
    return hottest
  }

  private var megahertz: Double? {
    guard let kilohertz = clock?.integer(), kilohertz > 0 else { return nil }
    return Double(kilohertz) / 1000
  }

  /// The kernel's file, else the command's answer, else the kernel's alarm of the voltage.
  private func currentThrottling(at now: Double) -> Throttling? {
    // No function values: builds for debugging allocate for them.
    if let bits = throttling?.integer(radix: 16) {
      guard let value = UInt32(exactly: bits) else { return nil }
      return Throttling(rawValue: value)
    }
    command?.look(at: now)
    if let answer = command?.throttling { return answer }
    guard let alarm = voltageAlarm?.integer() else { return nil }
    return alarm == 0 ? nil : .underVoltage  // silence says nothing of heat, or of earlier
  }

  /// The zones of the processor by their names, or all zones where none is named after it.
  private static func thermalZones(_ tree: SystemTree) -> [SystemFile] {
    let folder = "/sys/class/thermal"
    let zones = tree.numbered("thermal_zone", in: folder)
    let own = zones.filter { zone in
      let type = tree.line("\(folder)/\(zone)/type")?.lowercased() ?? ""
      return ["cpu", "soc", "x86_pkg", "core"].contains { type.contains($0) }
    }
    return (own.isEmpty ? zones : own).map { SystemFile("\(folder)/\($0)/temp", in: tree) }
  }

  private static func voltageAlarm(_ tree: SystemTree) -> SystemFile? {
    let folder = "/sys/class/hwmon"
    let monitor = tree.numbered("hwmon", in: folder).first {
      tree.line("\(folder)/\($0)/name") == "rpi_volt"
    }
    return monitor.map { SystemFile("\(folder)/\($0)/in0_lcrit_alarm", in: tree) }
  }
}

extension SystemTree {
  /// The folder that describes the clock of the fastest cores; nil if the kernel doesn't set it.
  var clockFolder: String? {
    let folder = "/sys/devices/system/cpu/cpufreq"
    let policies = numbered("policy", in: folder).map { "\(folder)/\($0)" }
    func fastest(_ folder: String) -> Int { integer("\(folder)/cpuinfo_max_freq") ?? 0 }
    if let first = policies.first {
      return policies.dropFirst().reduce(first) { fastest($1) > fastest($0) ? $1 : $0 }
    }
    let old = "/sys/devices/system/cpu/cpu0/cpufreq"
    return integer("\(old)/scaling_cur_freq") == nil ? nil : old
  }
}
