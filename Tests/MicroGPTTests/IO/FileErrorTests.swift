// The words for files that fail, where no real failure can be arranged in a test.
import Foundation
import Testing

@testable import MicroGPT

@Suite struct FileErrorTests {
  static let messages: [(error: FileError, code: ExitCode, text: String)] = [
    (
      .reading("a", EIO), .ioError,
      "a can't be read: input/output error. Check the disk, then try again."
    ),
    (
      .writing("a", EFBIG, wanted: 9), .ioError,
      "a can't be written: file too large. Nothing was overwritten; choose another place or check"
        + " the disk."
    ),
    (
      .creating("a", EROFS, wanted: 9), .cantCreate,
      "a can't be created: read-only file system. Choose another place."
    ),
    (
      .diskFull(path: "a", wanted: 900, available: nil), .ioError,
      "disk full: a can't be written. Found too few bytes free, expected 900. Nothing was"
        + " overwritten; free some space or choose another disk."
    ),
    (
      .twoWriters(path: "a"), .ioError,
      "a was not written: another process is writing it too. Nothing was overwritten; stop one of"
        + " the two."
    ),
    (
      .empty(path: "a\n\u{1B}[31m\u{202E}b"), .noInput,
      "a\\u{a}\\u{1b}[31m\\u{202e}b is empty. Found 0 bytes, expected some content. Name another"
        + " file."
    ),
  ]

  @Test(arguments: messages) func words(error: FileError, code: ExitCode, text: String) {
    #expect(error.description == text)
    #expect(error.exitCode == code)
  }

  @Test(arguments: [("a", "."), ("a/b", "a"), ("/a", "/"), ("/a/b", "/a"), ("a/", "a")])
  func parentDirectories(path: String, parent: String) {
    #expect(parentDirectory(of: path) == parent)
  }

  @Test func spaceIsKnownBeforeTheFileExists() throws {
    let folder = try TemporaryFolder()
    #expect((availableByteCount(at: folder.file("new")) ?? 0) > 0)
    #expect(availableByteCount(at: "/no/such/folder/file") == nil)
  }
}
