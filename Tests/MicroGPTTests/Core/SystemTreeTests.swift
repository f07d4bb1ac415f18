// Files of the kernel, whole and damaged, in a folder of the test's own.
import Testing

@testable import MicroGPT

@Suite struct SystemTreeTests {
  static let numberTable: [(text: String, radix: Int, expected: Int?)] = [
    ("61200\n", 10, 61200), ("0", 10, 0), ("-5000\n", 10, -5000), ("7 \t\r\n", 10, 7),
    ("50005\n", 16, 0x50005), ("0x50005\n", 16, 0x50005), ("aF", 16, 0xAF), ("0x", 16, nil),
    ("+5", 10, nil), ("0x5", 10, nil),
    ("", 10, nil), ("\n", 10, nil), ("-", 10, nil), ("--3", 10, nil), ("3-", 10, nil),
    ("12a", 10, nil), ("a", 10, nil), ("1 2", 10, nil), (" 5", 10, nil), ("5.5", 10, nil),
    ("99999999999999999999999999", 10, nil), ("\0\0", 10, nil), ("١", 10, nil),
  ]

  @Test(arguments: numberTable) func integers(
    _ example: (text: String, radix: Int, expected: Int?)
  ) throws {
    let machine = try FakeMachine(["number": example.text])
    let file = SystemFile("/number", in: machine.tree)
    #expect(file.integer(radix: example.radix) == example.expected)
    try machine.remove("number")
    #expect(file.integer() == nil)
  }

  static let listTable: [(text: String, expected: [Int]?)] = [
    ("0-3", [0, 1, 2, 3]), ("0", [0]), ("4-5,9", [4, 5, 9]), ("", nil), ("3-1", nil),
    ("0-", nil), ("-1", nil), ("a", nil), ("0-99999999", nil), ("1-2-3", nil),
  ]

  @Test(arguments: listTable) func lists(_ example: (text: String, expected: [Int]?)) {
    #expect(SystemTree.numbers(ofList: example.text) == example.expected)
  }

  @Test func lines() throws {
    let machine = try FakeMachine([
      "a": "  two  words \nmore\n", "empty": "", "blank": " \n", "board": "Pi 5\0",
      "bad": "\u{FF}x",
    ])
    #expect(machine.tree.line("/a") == "two words")
    #expect(machine.tree.line("/board") == "Pi 5")
    #expect(machine.tree.line("/empty") == nil && machine.tree.line("/blank") == nil)
    #expect(machine.tree.line("/none") == nil && machine.tree.line("/") == nil)
    #expect(machine.tree.text("/a") == "  two  words \nmore\n")
    #expect(SystemTree().line("/dev/null") == nil)
    #expect(SystemTree(root: "/x/").path("/proc") == "/x/proc")
  }

  @Test func numberedNames() throws {
    let machine = try FakeMachine([
      "sys/zone10/a": "", "sys/zone2/a": "", "sys/zone/a": "", "sys/zonex/a": "",
      "sys/other1/a": "",
    ])
    #expect(machine.tree.numbered("zone", in: "/sys") == ["zone2", "zone10"])
    #expect(machine.tree.numbered("zone", in: "/none") == [])
  }
}
