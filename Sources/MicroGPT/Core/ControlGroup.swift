// The limits that a container or a systemd unit sets for this process: processor time and memory,
// in both versions of the kernel's control groups.

/// The control groups of this process, each with those above it.
struct ControlGroup {
  private let tree: SystemTree
  /// The process's folder per controller, from /proc/self/cgroup; "" is version 2.
  private var paths: [String: String] = [:]
  private static let mount = "/sys/fs/cgroup"

  init(_ tree: SystemTree) {
    self.tree = tree
    for line in (tree.text("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      for controller in fields[1].split(separator: ",", omittingEmptySubsequences: false) {
        paths[String(controller)] = String(fields[2])
      }
    }
  }

  /// Processors' worth of time that may be used, the least of all levels; nil without a limit.
  var processorQuota: Double? {
    let new = levels("", mount: Self.mount).compactMap { folder -> Double? in
      let words = tree.line("\(folder)/cpu.max")?.split(separator: " ") ?? []
      guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]) else {
        return nil
      }
      return quota / period
    }
    let old = levels("cpu", mount: Self.mount + "/cpu").compactMap { folder -> Double? in
      guard let quota = tree.integer("\(folder)/cpu.cfs_quota_us"), quota > 0,
        let period = tree.integer("\(folder)/cpu.cfs_period_us")
      else { return nil }
      return Double(quota) / Double(period)
    }
    return (new + old).filter { $0.isFinite && $0 > 0 }.min()
  }

  /// The level that leaves the least memory: what is left there, and its limit; nil without one.
  var memory: (available: Int, limit: Int)? {
    let new = levels("", mount: Self.mount).compactMap { folder in
      // Above `high` the kernel slows the process down to a crawl, which is no use either.
      let limits = ["memory.max", "memory.high"].compactMap { tree.integer("\(folder)/\($0)") }
      return left(
        limits.min(), "\(folder)/memory.current", folder, ["inactive_file", "active_file"])
    }
    let old = levels("memory", mount: Self.mount + "/memory").compactMap { folder in
      left(
        tree.integer("\(folder)/memory.limit_in_bytes"), "\(folder)/memory.usage_in_bytes", folder,
        ["total_inactive_file", "total_active_file"])
    }
    return (new + old).min { $0.available < $1.available }
  }

  /// What is left of `limit`: pages of files count as free, as they do in `MemAvailable`.
  private func left(
    _ limit: Int?, _ usage: String, _ folder: String, _ reclaimable: [String]
  ) -> (available: Int, limit: Int)? {
    // Without a limit version 1 says 2^63, rounded down to a page.
    guard let limit, limit < 1 << 60, let used = tree.integer(usage) else { return nil }
    var cache = 0
    for line in (tree.text("\(folder)/memory.stat") ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, reclaimable.contains(String(words[0])) {
        cache += min(Int(words[1]) ?? 0, used)
      }
    }
    return (max(0, limit - used + min(cache, used)), limit)
  }

  /// The folders of a controller from the process's own up to the mount itself.
  ///
  /// In a container the path may be that of the host, which isn't there; what is, counts.
  private func levels(_ controller: String, mount: String) -> [String] {
    guard let path = paths[controller] else { return [] }
    var parts = path.split(separator: "/")
    var folders: [String] = []
    while !parts.isEmpty {
      folders.append(mount + "/" + parts.joined(separator: "/"))
      parts.removeLast()
    }
    return folders + [mount]
  }
}
