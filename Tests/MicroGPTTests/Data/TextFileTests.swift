// Reading files: whole content, and every way in which it can fail that a test can cause.
import Testing

@testable import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct TextFileTests {
  @Test(arguments: [1, 4095, 4096, 4097, 300_000])
  func readsAllBytes(_ count: Int) throws {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let path = try temporaryFile(bytes)
    defer { unlink(path) }
    #expect(try readFile(path) == bytes)
  }

  /// A pipe reports no size, so the buffer has to grow.
  ///
  /// 60,000 bytes fit into a pipe unread.
  @Test func readsAPipe() throws {
    var ends: [Int32] = [0, 0]
    try #require(pipe(&ends) == 0)
    defer { close(ends[0]) }
    let bytes = [UInt8](repeating: 65, count: 60_000)
    #expect(write(ends[1], bytes, bytes.count) == bytes.count)
    close(ends[1])
    #expect(try readFile("/dev/fd/\(ends[0])") == bytes)
  }

  @Test func failures() throws {
    let path = try temporaryFile([])
    defer { unlink(path) }
    #expect(throws: DataError.empty(path: path)) { try readFile(path) }
    #expect(throws: DataError.missing(path: path + ".no")) { try readFile(path + ".no") }
    #expect(throws: DataError.missing(path: path + "/no")) { try readFile(path + "/no") }
    #expect(throws: DataError.directory(path: "/tmp")) { try readFile("/tmp") }
    let long = "/tmp/" + String(repeating: "x", count: 300)
    #expect(throws: DataError.unreadable(path: long, code: ENAMETOOLONG)) { try readFile(long) }
  }

  /// Skipped as root, to whom everything is readable; the words are in `DataErrorTests`.
  @Test(.enabled(if: getuid() != 0, "root may read every file"))
  func unreadable() throws {
    let path = try temporaryFile([65])
    defer { unlink(path) }
    chmod(path, 0)
    #expect(throws: DataError.unreadable(path: path, code: EACCES)) { try readFile(path) }
  }

  private func temporaryFile(_ bytes: [UInt8]) throws -> String {
    var name = Array("/tmp/mgpt-text-file-XXXXXX".utf8CString)
    let descriptor = mkstemp(&name)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    try #require(write(descriptor, bytes, bytes.count) == bytes.count)
    return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
