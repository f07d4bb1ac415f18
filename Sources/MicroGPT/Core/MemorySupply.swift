// The memory that can be had: what the kernel estimates, a container's limit, and why swap does not
// count.

/// The memory that is left for this process, and what does not count.
public struct MemorySupply: Sendable, Equatable {
  /// Bytes that can be had without swapping; nil if the system doesn't say.
  public var byteCount: Int?
  /// The limit of a control group, if that is what leaves so little.
  public var groupLimit: Int?
  /// Swap on zram: compressed memory, which adds none where numbers hardly compress.
  public var compressedSwap = 0
  /// Swap on a disk or an SD card.
  public var diskSwap = 0

  /// Asks the system.
  public init(_ tree: SystemTree = .current) {
    byteCount = SystemInfo.availableMemory(
      meminfoPath: tree.isOwn ? nil : tree.path("/proc/meminfo"))
    if let group = ControlGroup(tree).memory, group.available < byteCount ?? .max {
      (byteCount, groupLimit) = (group.available, group.limit)
    }
    for line in (tree.text("/proc/swaps") ?? "").split(separator: "\n").dropFirst() {
      // Name, type, size and used in KiB, priority.
      let fields = line.split { $0 == " " || $0 == "\t" }
      guard fields.count >= 3, let kibibytes = Int(fields[2]), (0..<1 << 50).contains(kibibytes)
      else { continue }
      if fields[0].contains("/zram") {
        compressedSwap += kibibytes * 1024
      } else {
        diskSwap += kibibytes * 1024
      }
    }
  }

  /// What belongs behind "available", with figures; empty if there is nothing to say.
  public var note: String {
    var parts: [String] = []
    if let groupLimit { parts.append("the control group's limit is \(mebibytes(groupLimit)) MiB") }
    if compressedSwap > 0 {
      parts.append(
        "\(mebibytes(compressedSwap)) MiB of swap on zram don't count, they are compressed memory")
    }
    if diskSwap > 0 {
      parts.append("\(mebibytes(diskSwap)) MiB of swap on disk don't count, they are too slow")
    }
    return parts.joined(separator: "; ")
  }
}
