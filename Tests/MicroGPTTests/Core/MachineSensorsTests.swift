// Sensors of machines that are files: several zones, none, rubbish, and the firmware's command.
import Testing

@testable import MicroGPT

@Suite struct MachineSensorsTests {
  private typealias Fake = FakeMachine

  private func state(_ files: [String: String]) throws -> MachineState {
    try FakeMachine.read(files) { MachineSensors($0, searchPath: "").state(at: 0) }
  }

  @Test func aRaspberryPi() throws {
    #expect(try state(Fake.raspberryPi) == MachineState(celsius: 61.2, megahertz: 2400))
    var files = Fake.raspberryPi
    files[Fake.throttled] = "50005\n"
    let state = try state(files)
    #expect(state.throttling == Throttling(rawValue: 0x50005))
    #expect(state.warning == "under-voltage")
  }

  @Test func aMachineWithoutSensors() throws {
    let sensors = MachineSensors(try FakeMachine().tree, searchPath: "/nowhere:")
    #expect(!sensors.hasTemperature)
    #expect(sensors.state(at: 0) == MachineState())
    #expect(sensors.completeState() == MachineState())
  }

  /// The zones named after the processor, the hottest of them; all zones where none is.
  static let zones: [(zones: [(type: String, celsius: String)], expected: Double?)] = [
    ([("wifi", "90000"), ("cpu-thermal", "50000"), ("CPU1-thermal", "52500")], 52.5),
    ([("x86_pkg_temp", "48000"), ("acpitz", "99000")], 48),
    ([("acpitz", "27800"), ("pch", "41000")], 41),
    ([("cpu-thermal", "rubbish"), ("cpu-thermal", "40000")], 40),
    ([("cpu-thermal", "-274000")], nil), ([("cpu-thermal", "999999")], nil),
    ([("cpu-thermal", "")], nil), ([("cpu-thermal", "61.2")], nil),
    ([("", "30000")], 30), ([("soc-thermal", "-5500")], -5.5),
  ]

  @Test(arguments: zones.indices) func thermalZones(_ index: Int) throws {
    var files: [String: String] = [:]
    for (number, zone) in Self.zones[index].zones.enumerated() {
      files[Fake.zone + "\(number)/type"] = zone.type + "\n"
      files[Fake.zone + "\(number)/temp"] = zone.celsius + "\n"
    }
    #expect(try state(files).celsius == Self.zones[index].expected)
  }

  @Test func theClockIsThatOfTheFastestCores() throws {
    var files = [
      Fake.policy + "0/cpuinfo_max_freq": "1800000", Fake.policy + "0/scaling_cur_freq": "408000",
      Fake.policy + "4/cpuinfo_max_freq": "2400000", Fake.policy + "4/scaling_cur_freq": "2256000",
      Fake.policy + "6/cpuinfo_max_freq": "rubbish", Fake.policy + "6/scaling_cur_freq": "1",
    ]
    #expect(try state(files).megahertz == 2256)
    files[Fake.policy + "4/scaling_cur_freq"] = "<unknown>\n"
    #expect(try state(files).megahertz == nil)
    let old = "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
    #expect(try state([old: "600000\n"]).megahertz == 600)
  }

  @Test func rubbishFromTheFirmware() throws {
    for text in ["", "throttled", "123456789abcdef", "-1"] {
      #expect(try state([Fake.throttled: text]).throttling == nil, "\(text)")
    }
    let alarm = ["sys/class/hwmon/hwmon1/name": "rpi_volt\n", "sys/class/hwmon/hwmon0/name": "x\n"]
    let file = "sys/class/hwmon/hwmon1/in0_lcrit_alarm"
    #expect(try state(alarm.merging([file: "1\n"]) { $1 }).throttling == .underVoltage)
    #expect(try state(alarm.merging([file: "0\n"]) { $1 }).throttling == nil)
    #expect(try state(alarm).throttling == nil)
  }

  @Test func readAtMostOnceASecond() throws {
    let machine = try FakeMachine(Fake.raspberryPi)
    let sensors = MachineSensors(machine.tree, searchPath: "")
    #expect(sensors.state(at: 5).celsius == 61.2)
    try machine.put(Fake.zone + "0/temp", "70000\n")
    #expect(sensors.state(at: 5.9).celsius == 61.2)
    #expect(sensors.state(at: 6).celsius == 70)
    try machine.remove(Fake.zone + "0/temp")
    #expect(sensors.state(at: 7).celsius == nil && !sensors.hasTemperature)
  }

  @Test func readingAllocatesNothing() throws {
    var files = Fake.raspberryPi
    files[Fake.throttled] = "50005\n"
    let machine = try FakeMachine(files)
    let sensors = MachineSensors(machine.tree, searchPath: "")
    // The first time, the runtime makes descriptions of the types that it meets.
    var hottest = sensors.state(at: -10).celsius ?? 0
    let count = try allocations(on: Compute(threadCount: 1)) {
      for second in 0..<20 {
        hottest = max(hottest, sensors.state(at: Double(second)).celsius ?? 0)
      }
    }
    #expect(count ?? 0 == 0 && hottest == 61.2)
  }

  // MARK: Throttling

  static let bits: [(bits: UInt32, now: [String], before: [String])] = [
    (0, [], []), (0x1, ["under-voltage"], []), (0x2, ["clock capped"], []),
    (0x4, ["throttled"], []),
    (0x8, ["soft temperature limit"], []), (0x50000, [], ["under-voltage", "throttled"]),
    (0xE0008, ["soft temperature limit"], ["throttled", "clock capped", "soft temperature limit"]),
    (0x5_0005, ["under-voltage", "throttled"], ["under-voltage", "throttled"]),
  ]

  @Test(arguments: bits) func words(_ example: (bits: UInt32, now: [String], before: [String])) {
    let throttling = Throttling(rawValue: example.bits)
    #expect(throttling.now.words == example.now)
    #expect(throttling.sinceBoot.words == example.before)
  }

  // MARK: The command

  static let answers: [(script: String, expected: UInt32?)] = [
    ("test \"$1\" = get_throttled && echo throttled=0x50005", 0x50005),
    ("printf throttled=0x0", 0), ("echo throttled=0xzz", nil), ("echo", nil), ("exit 1", nil),
    ("echo throttled=0x1; exit 3", nil), ("kill -9 $$", nil), ("echo throttled=0x1 more", nil),
    ("yes throttled=0x1 | head -c 1000", nil),
  ]

  @Test(arguments: answers) func command(_ example: (script: String, expected: UInt32?)) throws {
    let machine = try FakeMachine()
    try machine.putCommand(example.script)
    let sensors = MachineSensors(
      machine.tree, searchPath: "/nowhere:\(machine.commands):/bin:/usr/bin")
    // At first it is only started.
    #expect(sensors.state(at: SystemInfo.seconds).throttling == nil)
    #expect(sensors.completeState(patience: 20).throttling?.rawValue == example.expected)
  }

  /// It never waits, kills what hangs, and asks nobody twice who failed.
  @Test func aCommandThatHangs() throws {
    let machine = try FakeMachine()
    try machine.putCommand("echo >> \(machine.commands)/started; exec sleep 1000")
    let command = try #require(FirmwareCommand(searchPath: "\(machine.commands):/bin:/usr/bin"))
    let start = SystemInfo.seconds
    command.look(at: 100)
    command.look(at: 104)
    #expect(command.isRunning)
    for _ in 0..<2000 where machine.content("commands/started") == nil { SystemInfo.sleep(0.01) }
    command.look(at: 106)
    #expect(!command.isRunning && command.throttling == nil)
    command.look(at: 200)
    #expect(!command.isRunning && machine.content("commands/started") == "\n")
    // Nobody waits for its end, and no later look leaves it behind.
    for _ in 0..<2000 where command.abandoned > 0 {
      SystemInfo.sleep(0.01)
      command.look(at: 200)
    }
    #expect(command.abandoned == 0)
    #expect(SystemInfo.seconds - start < 30)
  }

  @Test func theCommandIsAskedTwiceAMinute() throws {
    let machine = try FakeMachine()
    try machine.putCommand("echo throttled=0x$(cat \(machine.commands)/bits)")
    try machine.put("commands/bits", "4")
    let command = try #require(FirmwareCommand(searchPath: "\(machine.commands):/bin:/usr/bin"))
    func answer(at now: Double) -> Throttling? {
      command.look(at: now)
      for _ in 0..<4000 where command.isRunning {
        SystemInfo.sleep(0.005)
        command.look(at: now)
      }
      return command.throttling
    }
    #expect(answer(at: 0) == .throttled)
    try machine.put("commands/bits", "0")
    #expect(answer(at: 29) == .throttled)
    #expect(answer(at: 30) == [])
  }

  /// A report after a measurement shows what happened meanwhile.
  @Test func aCompleteStateIsNew() throws {
    let machine = try FakeMachine()
    try machine.putCommand("echo throttled=0x$(cat \(machine.commands)/bits)")
    try machine.put("commands/bits", "0")
    let sensors = MachineSensors(machine.tree, searchPath: "\(machine.commands):/bin:/usr/bin")
    #expect(sensors.completeState(patience: 20).throttling == [])
    try machine.put("commands/bits", "4")
    #expect(sensors.completeState(patience: 20).throttling == .throttled)
  }

  /// Where the kernel has the file, nothing is started.
  @Test func theFileComesFirst() throws {
    let machine = try FakeMachine([Fake.throttled: "0\n"])
    try machine.putCommand("touch \(machine.commands)/started; echo throttled=0x4")
    let sensors = MachineSensors(machine.tree, searchPath: "\(machine.commands):/bin:/usr/bin")
    #expect(sensors.completeState().throttling == [])
    #expect(machine.content("commands/started") == nil)
  }
}
