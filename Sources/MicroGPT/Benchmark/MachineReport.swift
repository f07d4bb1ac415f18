// What someone who reads a measurement from afar must know of the machine, as lines of text: board,
// cores, clock, heat, throttling, memory, system. Facts only, no figures of speed.

import CKernels

/// The facts about a machine, each with its name, in the order of a report.
public struct MachineReport: Equatable, Sendable {
  /// One line.
  public struct Fact: Equatable, Sendable {
    /// What it is.
    public var name: String
    /// What the system says, or "unknown".
    public var value: String
  }

  /// All lines.
  public var facts: [Fact]

  /// The commit that the program was built from; "unknown" if it was not built by make.
  public static var commit: String { String(cString: mg_bench_commit()) }

  /// Describes the machine of `tree` with its state before and after the measurements.
  public init(
    _ tree: SystemTree = .current, processors: Processors, threads: Int, backEnd: String,
    before: MachineState, after: MachineState
  ) {
    let memory = MemorySupply(tree)
    let lines: [(String, String?)] = [
      ("board", tree.line("/proc/device-tree/model") ?? tree.line(Self.productName)),
      ("CPU", Self.processor(tree)),
      ("cores", Self.cores(processors) + ", \(threads) in use, back end \(backEnd)"),
      ("clock", Self.clock(processors, before, after)),
      ("temperature", Self.temperature(before, after)),
      ("throttling", (after.throttling ?? before.throttling).map(Self.words)),
      ("memory", Self.memory(tree, memory)),
      ("system", Self.system(tree)),
      ("compiler", String(cString: mg_bench_compiler())),
      ("commit", Self.commit),
    ]
    facts = lines.map { Fact(name: $0.0, value: $0.1 ?? "unknown") }
  }

  private static let productName = "/sys/devices/virtual/dmi/id/product_name"

  /// The name of x86 processors; of Arm's the core, which Linux gives as two numbers.
  private static func processor(_ tree: SystemTree) -> String? {
    let text = tree.text("/proc/cpuinfo") ?? ""
    func value(_ key: String) -> String? {
      for line in text.split(separator: "\n") {
        let parts = line.split(separator: ":", maxSplits: 1).map { part in
          part.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        if parts.count == 2, parts[0] == key { return parts[1] }
      }
      return nil
    }
    if let name = value("model name") { return name }
    guard let implementer = value("CPU implementer"), let part = value("CPU part") else {
      return nil
    }
    let names = [
      "0xd03": "Cortex-A53", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72",
      "0xd0b": "Cortex-A76", "0xd0c": "Neoverse N1",
    ]
    let name = implementer == "0x41" ? names[part] : nil
    return name ?? "implementer \(implementer), part \(part)"
  }

  private static func cores(_ processors: Processors) -> String {
    let (fast, allowed) = (processors.fast.count, processors.allowed.count)
    return (fast < allowed ? "\(allowed), \(fast) of them fast" : "\(allowed)")
      + (processors.quota.map { ", \($0) by the control group" } ?? "")
  }

  private static func clock(
    _ processors: Processors, _ before: MachineState, _ after: MachineState
  ) -> String? {
    func megahertz(_ value: Double?) -> String? { value.map { "\(Int($0.rounded())) MHz" } }
    let parts = [
      megahertz(before.megahertz).map { "\($0) before" },
      megahertz(after.megahertz).map { "\($0) after" },
      megahertz(processors.highestMegahertz).map { "\($0) at most" },
      processors.governor.map { "governor \($0)" },
    ].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  private static func temperature(_ before: MachineState, _ after: MachineState) -> String? {
    let parts = [(before.celsius, "before"), (after.celsius, "after")].compactMap { value, word in
      value.map { "\(Int($0.rounded())) °C \(word)" }
    }
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  /// "0x50005: now under-voltage, throttled; since boot under-voltage, throttled".
  private static func words(_ throttling: Throttling) -> String {
    func list(_ words: [String]) -> String {
      words.isEmpty ? "nothing" : words.joined(separator: ", ")
    }
    return "0x\(String(throttling.rawValue, radix: 16)): now \(list(throttling.now.words)); since "
      + "boot \(list(throttling.sinceBoot.words))"
  }

  private static func memory(_ tree: SystemTree, _ supply: MemorySupply) -> String? {
    guard let available = supply.byteCount else { return nil }
    return "\(mebibytes(available)) MiB available" + (supply.note.isEmpty ? "" : "; \(supply.note)")
  }

  private static func system(_ tree: SystemTree) -> String? {
    let key = "PRETTY_NAME="
    let release = (tree.text("/etc/os-release") ?? "").split(separator: "\n")
      .first { $0.hasPrefix(key) }.map { $0.dropFirst(key.count).filter { $0 != "\"" } }
    #if arch(arm64)
      let architecture = "aarch64"
    #elseif arch(x86_64)
      let architecture = "x86-64"
    #else
      let architecture = "another architecture"
    #endif
    let kernel = tree.line("/proc/sys/kernel/osrelease").map { "kernel \($0)" }
    return [release, kernel, architecture].compactMap { $0 }.joined(separator: ", ")
  }
}
