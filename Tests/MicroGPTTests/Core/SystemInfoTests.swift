// The system's answers against files and pipes of our own; serialized, because signal handlers
// belong to the whole process.

import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("SystemInfo", .serialized) struct SystemInfoTests {
  /// Writes `text` to a new file; the path of the file.
  private func file(_ text: String) throws -> String {
    var template = Array("/tmp/mgpt-system-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var text = text
    let failure = text.withUTF8 {
      SystemInfo.writeAll(UnsafeRawBufferPointer($0), to: descriptor)
    }
    try #require(failure == 0)
    return template.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
  }

  @Test func theMachineAnswers() {
    #expect(SystemInfo.processorCount >= 1)
    #expect(SystemInfo.peakResidentByteCount > 1_000_000)
    #expect(SystemInfo.peakResidentByteCount < 1 << 40)
    // The system updates the two at different moments, some pages apart.
    #expect(SystemInfo.ownPeakResidentByteCount > 1_000_000)
    #expect(SystemInfo.ownPeakResidentByteCount <= SystemInfo.peakResidentByteCount + 1 << 20)
    #expect((SystemInfo.availableMemoryByteCount ?? 0) > 1_000_000)
    let start = SystemInfo.seconds
    #expect(SystemInfo.seconds >= start)
  }

  @Test(arguments: [
    ("MemTotal:  100 kB\nMemFree:  7 kB\nMemAvailable:   4123 kB\nBuffers: 1 kB\n", 4123 * 1024),
    ("MemTotal:  100 kB\nMemFree:  7 kB\n", 7 * 1024),
    ("MemAvailable:5", 5 * 1024),
    ("MemAvailable:   99999999999999999999999 kB\n", nil),
    ("MemAvailable: lots\n", nil),
    ("NotMemAvailable: 3 kB\n", nil),
    ("", nil),
  ])
  func availableMemory(meminfo: String, expected: Int?) throws {
    let path = try file(meminfo)
    defer { unlink(path) }
    #expect(SystemInfo.availableMemory(meminfoPath: path) == expected)
  }

  @Test func availableMemoryWithoutFile() {
    #expect(SystemInfo.availableMemory(meminfoPath: "/nowhere/meminfo") == nil)
  }

  @Test(
    arguments: [
      (
        "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Some CPU @ 3 GHz \nflags: x\n", "Board",
        "Some CPU @ 3 GHz"
      ),
      (
        "processor\t: 0\nBogoMIPS\t: 108.00\n", "Raspberry Pi 5 Model B Rev 1.0\0",
        "Raspberry Pi 5 Model B Rev 1.0"
      ),
      ("", "", nil),
      (
        "model name : " + String(repeating: "x", count: 400), "", String(repeating: "x", count: 255)
      ),
    ] as [(String, String, String?)])
  func processorName(cpuinfo: String, deviceTree: String, expected: String?) throws {
    let (cpuPath, treePath) = (try file(cpuinfo), try file(deviceTree))
    defer {
      unlink(cpuPath)
      unlink(treePath)
    }
    #expect(
      SystemInfo.processorName(cpuinfoPath: cpuPath, deviceTreePath: treePath) == expected)
  }

  @Test func aPipeIsNoTerminal() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { ends.forEach { close($0) } }
    #expect(!SystemInfo.isTerminal(ends[0]))
    #expect(SystemInfo.terminalColumns(ends[0]) == nil)
    #expect(!SystemInfo.isTerminal(-1))
  }

  @Test func aPseudoTerminalSaysItsColumns() throws {
    let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    guard terminal >= 0 else { return }
    defer { close(terminal) }
    var size = winsize(ws_row: 24, ws_col: 57, ws_xpixel: 0, ws_ypixel: 0)
    try #require(ioctl(terminal, UInt(TIOCSWINSZ), &size) == 0)
    #expect(SystemInfo.isTerminal(terminal))
    #expect(SystemInfo.terminalColumns(terminal) == 57)
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func theFirstSignalIsRemembered(signal: Int32) {
    Signals.install()
    defer { Signals.reset() }
    #expect(Signals.received == nil)
    // To the process, not with raise(): test threads block signals, the main thread takes it.
    kill(getpid(), signal)
    for _ in 0..<2000 where Signals.received == nil { usleep(1000) }
    #expect(Signals.received == signal)
    Signals.reset()
    #expect(Signals.received == nil)
  }

  @Test func aClosedPipeIsAnErrorNumber() throws {
    Signals.install()
    defer { Signals.reset() }
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    close(ends[0])
    defer { close(ends[1]) }
    let bytes: [UInt8] = [1, 2, 3]
    #expect(bytes.withUnsafeBytes { SystemInfo.writeAll($0, to: ends[1]) } == EPIPE)
    #expect(bytes.withUnsafeBytes { SystemInfo.writeAll($0, to: -1) } == EBADF)
    let nothing: [UInt8] = []
    #expect(nothing.withUnsafeBytes { SystemInfo.writeAll($0, to: ends[1]) } == 0)
  }
}
