// A machine of files: what the kernel would say below /sys and /proc, written by a test.
import Foundation
import Testing

@testable import MicroGPT

/// A folder that stands for "/"; removed with this object.
final class FakeMachine {
  private let folder: TemporaryFolder
  let tree: SystemTree
  /// A folder for commands, such as `vcgencmd`.
  let commands: String

  /// A machine with these files, paths without the slash at the beginning.
  init(_ files: [String: String] = [:]) throws {
    folder = try TemporaryFolder()
    tree = SystemTree(root: folder.path)
    commands = folder.file("commands")
    for (path, text) in files { try put(path, text) }
  }

  /// What `body` makes of a machine with these files, which is there until then.
  static func read<Result>(
    _ files: [String: String] = [:], _ body: (SystemTree) throws -> Result
  ) throws -> Result {
    let machine = try FakeMachine(files)
    return try withExtendedLifetime(machine) { try body(machine.tree) }
  }

  func put(_ path: String, _ text: String) throws {
    let parent = URL(fileURLWithPath: folder.file(path)).deletingLastPathComponent()
    try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
    try folder.put(path, Array(text.utf8))
  }

  func remove(_ path: String) throws {
    try FileManager.default.removeItem(atPath: folder.file(path))
  }

  /// Puts a `vcgencmd` into `commands` that runs this script.
  func putCommand(_ script: String) throws {
    try put("commands/vcgencmd", "#!/bin/sh\n\(script)\n")
    try #require(chmod(commands + "/vcgencmd", 0o755) == 0)
  }

  func content(_ path: String) -> String? {
    (try? folder.content(path)).map { String(decoding: $0, as: UTF8.self) }
  }

  static let zone = "sys/class/thermal/thermal_zone"
  static let policy = "sys/devices/system/cpu/cpufreq/policy"
  static let throttled = "sys/devices/platform/soc/soc:firmware/get_throttled"

  /// The files of a Raspberry Pi 5 at 61.2 degrees.
  static let raspberryPi = [
    zone + "0/type": "cpu-thermal\n", zone + "0/temp": "61200\n",
    policy + "0/scaling_cur_freq": "2400000\n", policy + "0/cpuinfo_max_freq": "2400000\n",
    policy + "0/scaling_governor": "ondemand\n", policy + "0/scaling_driver": "cpufreq-dt\n",
    "sys/devices/system/cpu/online": "0-3\n",
    "proc/self/status": "Name:\tmgpt\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n",
    "proc/meminfo": "MemTotal:  8000000 kB\nMemAvailable:  6291456 kB\n",
  ]
}
