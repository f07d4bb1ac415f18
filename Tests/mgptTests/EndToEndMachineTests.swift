// The program on a machine of files: heat, checkpoints by time, cores, memory. MGPT_SYSTEM_ROOT
// brings the kernel's folders, PATH the firmware's command.

import MicroGPT
import Testing

@testable import mgpt

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct EndToEndMachineTests {
  private static let zone = "fake/sys/class/thermal/thermal_zone0"
  private static let policy = "fake/sys/devices/system/cpu/cpufreq/policy0"

  /// A workspace with a Raspberry Pi in the folder `fake`.
  private func workspace(celsius: Int = 61) throws -> Workspace {
    let here = try Workspace()
    let folders = [
      Self.zone, Self.policy, "fake/proc/self", "fake/commands", "fake/sys/devices/system/cpu",
    ]
    #expect(try here.shell("mkdir -p " + folders.joined(separator: " ")).code == 0)
    here.write("cpu-thermal\n", to: Self.zone + "/type")
    here.write("\(celsius)000\n", to: Self.zone + "/temp")
    for (name, text) in [
      ("scaling_cur_freq", "1500000"), ("cpuinfo_max_freq", "2400000"),
      ("scaling_governor", "powersave"),
    ] { here.write(text + "\n", to: "\(Self.policy)/\(name)") }
    here.write("0-1\n", to: "fake/sys/devices/system/cpu/online")
    here.write("Cpus_allowed_list:\t0-1\n", to: "fake/proc/self/status")
    here.write("MemAvailable: 2097152 kB\n", to: "fake/proc/meminfo")
    here.write("x\n/dev/zram0 partition 1048576 0 100\n", to: "fake/proc/swaps")
    return here
  }

  private static let environment = [
    "MGPT_SYSTEM_ROOT": "fake", "PATH": "fake/commands:/bin:/usr/bin",
  ]

  @Test func tellsWhatItKnows() throws {
    let here = try workspace()
    here.write("#!/bin/sh\necho throttled=0x50005\n", to: "fake/commands/vcgencmd")
    #expect(try here.shell("chmod +x fake/commands/vcgencmd").code == 0)
    let run = try here.mgpt(
      "train --data text.txt --out run \(tiny) --steps 30 --sample-tokens 0 --max-temp 75",
      environment: Self.environment)
    #expect(run.code == 0, "\(run.error)")
    let machine = try #require(run.lines.first { $0.hasPrefix("machine  ") })
    #expect(machine.hasPrefix("machine  2 threads on 2 cores, "))
    #expect(machine.contains(", governor powersave, measured peak "))
    #expect(
      run.lines.contains(
        "note     the governor powersave keeps the clock low; for full speed: echo performance | "
          + "sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor"))
    #expect(run.lines.contains("cooling  pauses above 75 °C, goes on 5 °C below"))
    #expect(
      run.output.contains(
        " needed, 2.1 GB available (1024 MiB of swap on zram don't count, they are compressed "
          + "memory)\n"))
    let steps = run.lines.filter { $0.contains("  tok/s") || $0.contains(" tok/s  ") }
    #expect(!steps.isEmpty && steps.allSatisfy { $0.contains("  61 °C 1.5 GHz  ") })
    let first = try #require(here.text("run/metrics.jsonl").split(separator: "\n").first)
    let json = try JSON.parse(Array(first.utf8))
    #expect(json["temperature_celsius"]?.doubleValue == 61)
    #expect(json["clock_mhz"]?.doubleValue == 1500 && json["paused_seconds"]?.doubleValue == 0)
  }

  @Test func nothingIsShownWithoutSensors() throws {
    let here = try Workspace()
    let run = try here.mgpt(
      "train --data text.txt --out run \(tiny) --steps 30 --sample-tokens 0",
      environment: ["MGPT_SYSTEM_ROOT": "empty", "PATH": "/nowhere"])
    #expect(run.code == 0, "\(run.error)")
    for word in ["°C", "GHz", "governor", "cooling"] { #expect(!run.output.contains(word)) }
    #expect(!here.text("run/metrics.jsonl").contains("celsius"))
    #expect(!here.text("run/metrics.jsonl").contains("clock_mhz"))
  }

  @Test func aLimitNeedsASensor() throws {
    let here = try Workspace()
    let run = try here.mgpt(
      "train --data none.txt --out run --max-temp 75", environment: ["MGPT_SYSTEM_ROOT": "empty"])
    #expect(run.code == 69 && run.output == "")
    #expect(
      run.error == "mgpt: --max-temp needs a temperature sensor. Found none that answers below "
        + "/sys/class/thermal, expected thermal_zone0/temp or another zone's. Leave --max-temp "
        + "out.\n")
    #expect(here.list(".") == ["names.txt", "text.txt"])
  }

  @Test func pausesAndGoesOn() throws {
    let here = try workspace(celsius: 90)
    let child = try here.start(
      "train --data text.txt --out run \(tiny) --steps 40 --sample-tokens 0 --max-temp 75".words,
      environment: Self.environment)
    #expect(child.waits { child.output.contains("step  0/40  paused at 90 °C to cool to 70 °C\n") })
    #expect(!child.output.contains("step  1/40"))
    here.write("69500\n", to: Self.zone + "/temp")
    let end = child.wait()
    #expect(end.code == 0 && end.error == "")
    #expect(end.output.contains("step  0/40  goes on at 70 °C after "))
    #expect(end.output.contains("step 40/40  loss "))
    let last = try #require(
      here.text("run/metrics.jsonl").split(separator: "\n").last { $0.contains("step_ms") })
    let json = try JSON.parse(Array(last.utf8))
    #expect((json["paused_seconds"]?.doubleValue ?? 0) > 0.5)
  }

  /// Signals while it is paused: saved as usual, and the rest of the run has the same bits.
  @Test(arguments: [SIGINT, SIGTERM]) func stopsWhileItPauses(_ signal: Int32) throws {
    let here = try workspace(celsius: 60)
    let line = "train --data text.txt \(tiny) --steps 40 --sample-tokens 0 --log-every 1 --out "
    #expect(try here.mgpt(line + "whole --quiet").code == 0)
    here.write("90000\n", to: Self.zone + "/temp")
    let child = try here.start(
      (line + "run --max-temp 75").words, environment: Self.environment)
    #expect(child.waits { child.output.contains("  paused at 90 °C") })
    child.send(signal)
    let end = child.wait()
    #expect(end.code == 128 + signal && end.error == "")
    #expect(
      end.lines.last == "stopped after step 0 and saved. Go on with: mgpt train --resume "
        + "run/last.safetensors")
    #expect(try here.mgpt("train --resume run --sample-tokens 0 --quiet").code == 0)
    let isSame = here.bytes("run/last.safetensors") == here.bytes("whole/last.safetensors")
    #expect(isSame)
  }

  /// The last checkpoint is written by the clock, not at every evaluation; `--resume` keeps that.
  @Test func savesByTime() throws {
    let here = try Workspace()
    let child = try here.start(
      "train --data text.txt --out run \(tiny) --steps 10000000 --eval-every 20 --sample-tokens 0 "
        .words + ["--save-every", "2s", "--log-every", "20"])
    #expect(child.waits { child.output.contains("step       20/10000000  validation loss") })
    // The first one at once: without it there would be nothing to resume.
    #expect(child.waits { here.list("run").contains("last.safetensors") })
    child.send(SIGTERM)
    #expect(child.wait().code == 143)
    let file = try SafeTensors(path: here.path + "/run/last.safetensors")
    #expect(try TrainingCheckpoint.progress(of: file).saveEvery == .seconds(2))
  }
}
