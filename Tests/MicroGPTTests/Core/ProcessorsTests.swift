// Cores, threads and memory of machines that are files.
import Testing

@testable import MicroGPT

@Suite struct ProcessorsTests {
  private static let cpu = "sys/devices/system/cpu/cpu"

  private func processors(
    allowed: String = "0-7", online: String = "0-7", _ files: [String: String]
  ) throws -> Processors {
    var files = files
    files["proc/self/status"] = "Name:\tmgpt\nCpus_allowed_list:\t\(allowed)\n"
    files["sys/devices/system/cpu/online"] = online + "\n"
    return try FakeMachine.read(files) { Processors($0) }
  }

  /// Four small cores, three big ones and a larger one.
  private static let bigLittle = Dictionary(
    uniqueKeysWithValues: [430, 430, 430, 430, 870, 870, 870, 1024].enumerated().map {
      ("\(cpu)\($0)/cpu_capacity", "\($1)\n")
    })

  @Test func bigAndLittleCores() throws {
    let all = try processors(Self.bigLittle)
    #expect(all.allowed == Array(0...7) && all.fast == [4, 5, 6, 7])
    #expect(all.defaultThreadCount == 4)
    #expect(try processors(allowed: "0-4", Self.bigLittle).fast == [4])
    #expect(try processors(allowed: "0-3", Self.bigLittle).fast == [0, 1, 2, 3])
    #expect(try processors(online: "0-5", Self.bigLittle).fast == [4, 5])
    var damaged = Self.bigLittle
    damaged["\(Self.cpu)3/cpu_capacity"] = "rubbish\n"
    #expect(try processors(damaged).defaultThreadCount == 8)
  }

  /// Of two clocks the higher one, except on x86, where equal cores differ.
  @Test func clocksInPlaceOfCapacities() throws {
    let files = Dictionary(
      uniqueKeysWithValues: (0..<8).map {
        ("\(Self.cpu)\($0)/cpufreq/cpuinfo_max_freq", $0 < 4 ? "1400000\n" : "2000000\n")
      })
    #if arch(x86_64)
      #expect(try processors(files).fast == Array(0...7))
    #else
      #expect(try processors(files).fast == [4, 5, 6, 7])
    #endif
  }

  @Test func equalCores() throws {
    let pi = try FakeMachine.read(FakeMachine.raspberryPi) { Processors($0) }
    #expect(pi.fast == [0, 1, 2, 3] && pi.allowed == pi.fast && pi.defaultThreadCount == 4)
    #expect(pi.governor == "ondemand" && pi.highestMegahertz == 2400 && !pi.isHeldSlow)
    // A machine that says nothing has the processors of this one.
    let silent = try FakeMachine.read { Processors($0) }
    #expect(silent.defaultThreadCount == SystemInfo.processorCount && silent.quota == nil)
    #expect(Processors(SystemTree()).allowed.count == SystemInfo.processorCount)
  }

  @Test func governors() throws {
    var files = FakeMachine.raspberryPi
    files[FakeMachine.policy + "0/scaling_governor"] = "powersave\n"
    #expect(try FakeMachine.read(files) { Processors($0) }.isHeldSlow)
    files[FakeMachine.policy + "0/scaling_driver"] = "intel_pstate\n"
    #expect(try !FakeMachine.read(files) { Processors($0) }.isHeldSlow)
  }

  static let quotas: [(cpuMax: [String], threads: Int, quota: Double?)] = [
    (["max 100000"], 8, nil), (["150000 100000"], 1, 1.5), (["200000 100000"], 2, 2),
    (["10000 100000"], 1, 0.1), (["max 100000", "300000 100000"], 3, 3),
    (["400000 100000", "200000 100000"], 2, 2), (["rubbish"], 8, nil), (["0 0"], 8, nil),
    (["100000000000000000000 1"], 8, 1e20),
  ]

  @Test(arguments: quotas.indices) func quota(_ index: Int) throws {
    let example = Self.quotas[index]
    var files = ["proc/self/cgroup": "0::/a/b\n"]
    for (folder, line) in zip(["a/b", "a"], example.cpuMax) {
      files["sys/fs/cgroup/\(folder)/cpu.max"] = line + "\n"
    }
    let processors = try processors(files)
    #expect(processors.quota == example.quota)
    #expect(processors.defaultThreadCount == example.threads)
  }

  /// Version 1, in a container that sees the path of the host.
  @Test func olderControlGroups() throws {
    let files = [
      "proc/self/cgroup": "4:memory:/docker/x\n2:cpu,cpuacct:/docker/x\n0::/\nrubbish\n",
      "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
      "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    ]
    #expect(try processors(files).quota == 2.5)
    #expect(
      try processors(files.merging(["sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"]) { $1 }).quota
        == nil)
  }
}

@Suite struct MemorySupplyTests {
  private static let meminfo = ["proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  6291456 kB\n"]
  private static let group = "sys/fs/cgroup/unit/memory"

  private func supply(_ files: [String: String]) throws -> MemorySupply {
    try FakeMachine.read(Self.meminfo.merging(files) { $1 }) { MemorySupply($0) }
  }

  @Test func withoutLimits() throws {
    let supply = try supply([:])
    #expect(supply.byteCount == 6 << 30 && supply.note == "" && supply.groupLimit == nil)
    #expect(try FakeMachine.read { MemorySupply($0) }.byteCount == nil)
  }

  static let swaps: [(lines: String, note: String)] = [
    (
      "/dev/zram0 partition 2097136 0 100\n",
      "2048 MiB of swap on zram don't count, they are compressed memory"
    ),
    (
      "/var/swap\tfile\t102396 0 -2\n",
      "100 MiB of swap on disk don't count, they are too slow"
    ),
    (
      "/dev/zram0 partition 1048576 0 100\n/dev/zram1 partition 1048576 5 100\n/var/swap file 1024 0 1",
      "2048 MiB of swap on zram don't count, they are compressed memory; "
        + "1 MiB of swap on disk don't count, they are too slow"
    ),
    ("rubbish\n/dev/zram0 partition lots\n/dev/zram0 partition -5 0\n", ""), ("", ""),
  ]

  @Test(arguments: swaps) func swap(_ example: (lines: String, note: String)) throws {
    let supply = try supply([
      "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n" + example.lines
    ])
    #expect(supply.note == example.note)
    #expect(supply.byteCount == 6 << 30)
  }

  /// The limit of a systemd unit; the cache of files can be had.
  @Test func controlGroups() throws {
    var files = [
      "proc/self/cgroup": "0::/unit\n", Self.group + ".max": "2147483648\n",
      Self.group + ".high": "max\n", Self.group + ".current": "536870912\n",
      Self.group + ".stat": "anon 5\ninactive_file 268435450\nactive_file 6\n",
    ]
    let supply = try supply(files)
    #expect(supply.byteCount == (2 << 30) - (256 << 20))
    #expect(supply.note == "the control group's limit is 2048 MiB")
    files[Self.group + ".high"] = "1073741824\n"
    #expect(try self.supply(files).byteCount == (1 << 30) - (256 << 20))
    files[Self.group + ".current"] = "99999999999\n"
    #expect(try self.supply(files).byteCount == 0)
    files[Self.group + ".current"] = "rubbish\n"
    #expect(try self.supply(files).byteCount == 6 << 30)
    let large = files.merging([Self.group + ".max": "99999999999999\n"]) { $1 }
    #expect(try self.supply(large).groupLimit == nil)
  }

  @Test func olderControlGroups() throws {
    let folder = "sys/fs/cgroup/memory/"
    var files = [
      "proc/self/cgroup": "4:memory:/\n", folder + "memory.limit_in_bytes": "1073741824\n",
      folder + "memory.usage_in_bytes": "1048576\n",
      folder + "memory.stat": "inactive_file 9\ntotal_inactive_file 524280\ntotal_active_file 8\n",
    ]
    #expect(try supply(files).byteCount == (1 << 30) - (512 << 10))
    files[folder + "memory.limit_in_bytes"] = "9223372036854771712\n"
    #expect(try supply(files).byteCount == 6 << 30)
  }

  @Test func theMessageHasTheFigures() throws {
    let note = try supply(["proc/swaps": "x\n/dev/zram0 partition 2097136 0 100\n"]).note
    let error = MemoryError.doesNotFit(needed: 7 << 30, available: 6 << 30, note: note)
    #expect(
      error.description
        == "not enough memory: 7168 MiB needed, 6144 MiB available (2048 MiB of swap "
        + "on zram don't count, they are compressed memory). Use --recompute, --optimizer-state "
        + "int8, --precision bf16, a smaller --batch-size with --grad-accum, a smaller --context or "
        + "--embed-dim; mgpt train --force tries anyway.")
  }
}
