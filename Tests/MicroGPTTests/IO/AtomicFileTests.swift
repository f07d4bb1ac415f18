// Replacing files: all or nothing, through errors, interruptions and full disks.
import Foundation
import Testing

@testable import MicroGPT

@Suite struct AtomicFileTests {
  @Test func commitReplaces() throws {
    let folder = try TemporaryFolder()
    try folder.put("a", [1])
    var file = try AtomicFile(path: folder.file("a"), expectedByteCount: 5)
    try file.write([1, 2, 3])
    try file.write([4, 5])
    try file.overwrite([9], at: 2)
    try file.write([])
    #expect(file.byteCount == 5)
    #expect(try folder.content("a") == [1])
    try file.commit()
    #expect(try folder.content("a") == [1, 2, 9, 4, 5])
    #expect(folder.names == ["a"])
  }

  @Test func keepsTheModeOfTheFileItReplaces() throws {
    let folder = try TemporaryFolder()
    let path = try folder.put("a", [1])
    chmod(path, 0o640)
    try AtomicFile.replace(path, with: [2])
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o640)
  }

  @Test func withoutCommitNothingHappened() throws {
    let folder = try TemporaryFolder()
    try folder.put("a", [1])
    try Self.writeAndForget(folder.file("a"))
    try Self.writeAndForget(folder.file("new"))
    #expect(try folder.content("a") == [1])
    #expect(folder.names == ["a"])
  }

  static func writeAndForget(_ path: String) throws {
    var file = try AtomicFile(path: path)
    try file.write([1, 2, 3])
  }

  @Test func removesOnlyWhatDeadWritersLeft() throws {
    let folder = try TemporaryFolder()
    let parent = getppid()
    // Ids beyond the kernel's limit of 2^22 belong to nobody.
    let dead = ".a.tmp-99999999"
    let own = ".a.tmp-\(getpid())"
    let kept = [
      ".a.tmp-", ".a.tmp-+99999999", ".a.tmp-0", ".a.tmp-9x", ".a.tmp-\(parent)",
      ".aa.tmp-99999999", "a.tmp-99999999",
    ]
    for name in kept + [dead, own] { try folder.put(name, [0]) }
    try AtomicFile.replace(folder.file("a"), with: [7])
    #expect(folder.names == (kept + ["a"]).sorted())
    #expect(try folder.content("a") == [7])
  }

  @Test func twoWritersOfOneFile() throws {
    let folder = try TemporaryFolder()
    var first = try AtomicFile(path: folder.file("a"))
    try first.write([1])
    var second = try AtomicFile(path: folder.file("a"))
    try second.write([2])
    var message = ""
    do { try first.commit() } catch { message = error.description }
    #expect(
      message.hasSuffix(
        "another process is writing it too. Nothing was overwritten; stop one of the two."))
    try second.commit()
    #expect(try folder.content("a") == [2])
    #expect(folder.names == ["a"])
  }

  @Test func refuses() throws {
    let folder = try TemporaryFolder()
    let cases = [
      ("", "66 DIR/ is a folder, expected a file. Name a file inside it."),
      (
        "none/a",
        "73 DIR/none/a can't be created: there is no folder DIR/none. Create it with mkdir -p."
      ),
    ]
    for (name, message) in cases {
      #expect(folder.failure { try AtomicFile.replace(folder.file(name), with: [1]) } == message)
    }
  }

  @Test func refusesWhatCannotFit() throws {
    let folder = try TemporaryFolder()
    try folder.put("a", [1])
    let wanted = Int.max
    let message = folder.failure {
      _ = try AtomicFile(path: folder.file("a"), expectedByteCount: wanted)
    }
    #expect(message.hasPrefix("74 disk full: DIR/a can't be written. Found "))
    #expect(
      message.hasSuffix(
        " bytes free, expected \(wanted). Nothing was overwritten; free some space or choose"
          + " another disk."))
    #expect(folder.names == ["a"])
  }

  // MARK: Full disks

  @Test(.enabled(if: access("/dev/full", W_OK) == 0, "this system has no /dev/full"))
  func theSystemsWordOnAFullDisk() {
    let descriptor = open("/dev/full", O_WRONLY)
    defer { close(descriptor) }
    let code = [UInt8](repeating: 1, count: 10).withUnsafeBytes {
      writeAll($0, to: descriptor, at: nil)
    }
    #expect(code == ENOSPC)
  }

  /// A real disk of 64 KB that fills up while a file of unknown size is written.
  @Test(.enabled(if: getuid() == 0, "needs root, to mount a small file system"))
  func aDiskThatFillsUp() throws {
    let folder = try TemporaryFolder()
    guard run("/usr/bin/mount", "-t", "tmpfs", "-o", "size=64k", "none", folder.path) == 0 else {
      print("skipped: mounting a small file system is not allowed here")
      return
    }
    defer { _ = run("/usr/bin/umount", folder.path) }
    try folder.put("a", [1])
    let message = folder.failure {
      var file = try AtomicFile(path: folder.file("a"))
      let piece = [UInt8](repeating: 7, count: 10_000)
      while true { try file.write(piece) }
    }
    // 15 of 16 pages were free; the seventh piece does not fit.
    #expect(
      message.hasPrefix("74 disk full: DIR/a can't be written. Found ")
        && message.hasSuffix(
          " bytes free, expected 70000. Nothing was overwritten; free some space or choose another"
            + " disk."),
      "\(message)")
    #expect(folder.names == ["a"])
    #expect(try folder.content("a") == [1])

    let known = folder.failure {
      _ = try AtomicFile(path: folder.file("a"), expectedByteCount: 70_000)
    }
    #expect(
      known == "74 disk full: DIR/a can't be written. Found 61440 bytes free, expected 70000."
        + " Nothing was overwritten; free some space or choose another disk.")
    try AtomicFile.replace(folder.file("a"), with: [UInt8](repeating: 2, count: 50_000))
    #expect(try folder.content("a").count == 50_000)
  }
}
