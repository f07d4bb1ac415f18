// Threads and processors of a command, and the words for the state of the machine.

import MicroGPT

/// The threads asked for, or one per fast processor, kept off the slow ones.
func makeCompute(threads: Int?, _ processors: Processors = Processors()) throws -> Compute {
  let count = threads ?? processors.defaultThreadCount
  // Before the threads are started, which inherit it. More of them than fast processors need all.
  if count <= processors.fast.count { processors.useFastOnes() }
  return try Compute(threadCount: count)
}

/// What a run says of its processors.
enum MachineWords {
  /// "4 threads on 4 of 8 cores (4-7)", "2 threads on 2 cores".
  static func threads(_ count: Int, on processors: Processors) -> String {
    let (fast, allowed) = (processors.fast, processors.allowed)
    var words = counted(count, "thread") + " on "
    if fast.count < allowed.count && count <= fast.count {
      words += "\(fast.count) of \(counted(allowed.count, "core")), the fast ones (\(list(fast)))"
    } else {
      words += counted(allowed.count, "core")
    }
    if let quota = processors.quota, quota < Double(allowed.count) {
      words += ", \(Format.fixed(quota, decimals: 1)) by the control group"
    }
    return words
  }

  /// What to do about a governor that keeps the clock low; nil if it doesn't.
  static func hint(_ processors: Processors) -> String? {
    guard processors.isHeldSlow else { return nil }
    return "the governor powersave keeps the clock low; for full speed: echo performance | sudo "
      + "tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
  }

  /// The numbers as a kernel's list: "0-3,8".
  static func list(_ numbers: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = ranges.last, last.upperBound + 1 == number {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges.map { range in
      range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }.joined(separator: ",")
  }
}
