// Which processors this process should compute on, and with how many threads.

import CKernels

/// The processors of this process.
public struct Processors: Sendable, Equatable {
  /// Those that it may run on (its affinity mask), by number.
  public var allowed: [Int]
  /// The fast ones of them; all, where they are alike or the system doesn't say.
  public var fast: [Int]
  /// Processors' worth of time that a control group grants, if it limits it.
  public var quota: Double?
  /// The policy that sets the clock, such as "ondemand" or "performance".
  public var governor: String?
  /// What sets the clock on behalf of the policy, such as "intel_pstate".
  public var clockDriver: String?
  /// The highest clock of the fastest ones.
  public var highestMegahertz: Double?

  /// Asks the system.
  public init(_ tree: SystemTree = .current) {
    allowed = Self.allowed(tree)
    fast = Self.fast(of: allowed, tree)
    quota = ControlGroup(tree).processorQuota
    if let folder = tree.clockFolder {
      governor = tree.line("\(folder)/scaling_governor")
      clockDriver = tree.line("\(folder)/scaling_driver")
      highestMegahertz = tree.integer("\(folder)/cpuinfo_max_freq").map { Double($0) / 1000 }
    }
  }

  /// One thread per fast processor, but no more than the time of a container is enough for: all
  /// would wait for one that is held back.
  public var defaultThreadCount: Int {
    let granted = quota.map { max(1, Int(min($0, 1e6))) } ?? fast.count
    return max(1, min(fast.count, granted))
  }

  /// Whether the governor keeps the clock low whatever there is to do.
  ///
  /// The drivers of newer x86 processors call a policy "powersave" that raises it as needed.
  public var isHeldSlow: Bool {
    guard governor == "powersave" else { return false }
    return !["intel_pstate", "amd-pstate-epp", "amd_pstate_epp"].contains(clockDriver)
  }

  /// Keeps this process, and threads that it starts from now on, off the slow processors.
  ///
  /// All threads get equal shares of the work, so one on a slow processor holds up all others, and
  /// threads that sleep between jobs are what a scheduler puts there.
  ///
  /// - Parameter tree: where the numbers are from; those of another machine mean nothing here.
  public func useFastOnes(_ tree: SystemTree = .current) {
    guard tree.isOwn, fast.count < allowed.count, let last = fast.last else { return }
    var isUsed = [UInt8](repeating: 0, count: last + 1)
    for number in fast { isUsed[number] = 1 }
    mg_run_on_processors(isUsed, isUsed.count)
  }

  private static func allowed(_ tree: SystemTree) -> [Int] {
    let status = (tree.text("/proc/self/status") ?? "").split(separator: "\n")
    let key = "Cpus_allowed_list:"
    let list = status.first { $0.hasPrefix(key) }.flatMap { line in
      SystemTree.numbers(ofList: line.dropFirst(key.count).filter { !$0.isWhitespace })
    }
    let online = tree.line("/sys/devices/system/cpu/online").flatMap(SystemTree.numbers(ofList:))
    let both = list.map { list in online.map { list.filter(Set($0).contains) } ?? list }
    if let both, !both.isEmpty { return both }
    return online ?? Array(0..<SystemInfo.processorCount)
  }

  /// Those with at least three quarters of the largest capacity.
  ///
  /// Cores of one kind differ by some percent of clock, kinds by a factor of two and more.
  private static func fast(of allowed: [Int], _ tree: SystemTree) -> [Int] {
    let folder = "/sys/devices/system/cpu/cpu"
    var speeds = allowed.map { tree.integer("\(folder)\($0)/cpu_capacity") }
    #if !(arch(x86_64) || arch(i386))
      // On x86 the highest clocks of equal cores differ, and two of these processors share a core.
      if speeds.contains(nil) {
        speeds = allowed.map { tree.integer("\(folder)\($0)/cpufreq/cpuinfo_max_freq") }
      }
    #endif
    let known = speeds.compactMap { $0 }.filter { $0 > 0 }
    guard known.count == allowed.count, let largest = known.max() else { return allowed }
    return zip(allowed, known).filter { 4 * $0.1 >= 3 * largest }.map(\.0)
  }
}
