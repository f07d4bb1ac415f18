// The facts of a report, word for word, of machines that are files.
import Testing

@testable import MicroGPT

@Suite struct MachineReportTests {
  private func facts(
    _ files: [String: String], before: MachineState = MachineState(),
    after: MachineState = MachineState()
  ) throws -> [String: String] {
    let report = try FakeMachine.read(files) { tree in
      MachineReport(
        tree, processors: Processors(tree), threads: 4, backEnd: "neon_dotprod", before: before,
        after: after)
    }
    return Dictionary(uniqueKeysWithValues: report.facts.map { ($0.name, $0.value) })
  }

  @Test func aRaspberryPi() throws {
    let files = FakeMachine.raspberryPi.merging([
      "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
      "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n",
      "etc/os-release": "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n",
      "proc/sys/kernel/osrelease": "6.12.25+rpt-rpi-2712\n",
      "proc/swaps": "Filename\n/dev/zram0 partition 2097136 0 100\n",
    ]) { $1 }
    let facts = try facts(
      files, before: MachineState(celsius: 51.4, megahertz: 1500),
      after: MachineState(celsius: 68.6, megahertz: 2400, throttling: Throttling(rawValue: 0x50005))
    )
    #expect(facts["board"] == "Raspberry Pi 5 Model B Rev 1.0")
    #expect(facts["CPU"] == "Cortex-A76")
    #expect(facts["cores"] == "4, 4 in use, back end neon_dotprod")
    #expect(
      facts["clock"] == "1500 MHz before, 2400 MHz after, 2400 MHz at most, governor ondemand")
    #expect(facts["temperature"] == "51 °C before, 69 °C after")
    #expect(
      facts["throttling"]
        == "0x50005: now under-voltage, throttled; since boot under-voltage, throttled")
    #expect(
      facts["memory"] == "6144 MiB available; 2048 MiB of swap on zram don't count, they are "
        + "compressed memory")
    #expect(
      facts["system"]?.hasPrefix("Debian GNU/Linux 13 (trixie), kernel 6.12.25+rpt-rpi-2712, ")
        == true)
    #expect(facts["compiler"]?.isEmpty == false && facts["commit"]?.isEmpty == false)
  }

  /// Nothing is made up where nothing is known.
  @Test func aSilentMachine() throws {
    let facts = try facts([:])
    for name in ["board", "CPU", "clock", "temperature", "throttling", "memory"] {
      #expect(facts[name] == "unknown", "\(name)")
    }
  }

  static let processors: [(cpuinfo: String, expected: String)] = [
    ("processor : 0\nmodel name\t: AMD  EPYC\n", "AMD EPYC"),
    ("CPU implementer : 0x41\nCPU part : 0xfff\n", "implementer 0x41, part 0xfff"),
    ("CPU implementer : 0x61\nCPU part : 0xd0b\n", "implementer 0x61, part 0xd0b"),
    ("CPU implementer : 0x41\n", "unknown"), ("rubbish", "unknown"),
  ]

  @Test(arguments: processors) func processor(
    _ example: (cpuinfo: String, expected: String)
  ) throws {
    #expect(try facts(["proc/cpuinfo": example.cpuinfo])["CPU"] == example.expected)
  }

  @Test func throttlingInWords() throws {
    let none = MachineState(throttling: [])
    #expect(
      try facts([:], before: none)["throttling"] == "0x0: now nothing; since boot nothing")
  }
}
