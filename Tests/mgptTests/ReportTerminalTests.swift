// Writing to a stream that is no terminal. What ends the process is tried end to end.

import Testing

@testable import mgpt

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("Terminal") struct ReportTerminalTests {
  @Test func aPipeTakesEverything() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { ends.forEach { close($0) } }
    let stream = Terminal(descriptor: ends[1])
    #expect(!stream.isTerminal)
    #expect(stream.width == 80)
    stream.write("naïve\n")
    var bytes = [UInt8](repeating: 0, count: 16)
    #expect(read(ends[0], &bytes, bytes.count) == 7)
    #expect(Array(bytes[0..<7]) == Array("naïve\n".utf8))
  }

  @Test func failuresAreNumbersWithWords() {
    #expect(Terminal(descriptor: -1).attempt("x") == EBADF)
    #expect(describe(systemError: ENOSPC) == "No space left on device")
  }
}
