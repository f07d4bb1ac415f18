// Mapping files, and the words for those that can't be mapped.
import Foundation
import Testing

@testable import MicroGPT

@Suite struct MappedFileTests {
  @Test func mapsTheWholeFile() throws {
    let folder = try TemporaryFolder()
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
    let file = try MappedFile(path: folder.put("a", bytes))
    #expect(file.byteCount == bytes.count)
    #expect(file.withBytes { $0.elementsEqual(bytes) })
  }

  @Test func aMapOutlivesItsName() throws {
    let folder = try TemporaryFolder()
    let file = try MappedFile(path: folder.put("a", [1, 2, 3]))
    try AtomicFile.replace(folder.file("a"), with: [9])
    #expect(file.withBytes { Array($0) } == [1, 2, 3])
  }

  @Test func refuses() throws {
    let folder = try TemporaryFolder()
    try folder.put("empty", [])
    #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
    let cases = [
      ("none", "66 DIR/none does not exist. Check the path; it is relative to the current folder."),
      (
        "empty/x",
        "66 DIR/empty/x does not exist. Check the path; it is relative to the current folder."
      ),
      ("", "66 DIR/ is a folder, expected a file. Name a file inside it."),
      ("pipe", "66 DIR/pipe is a pipe or a device, expected a file. Copy its content into a file."),
      (
        "empty",
        "66 DIR/empty is empty. Found 0 bytes, expected some content. Name another file."
      ),
    ]
    for (name, message) in cases {
      #expect(folder.failure { _ = try MappedFile(path: folder.file(name)) } == message)
    }
  }

  @Test func refusesWithoutPermission() throws {
    let folder = try TemporaryFolder()
    let path = try folder.put("secret", [1])
    #expect(chmod(path, 0) == 0)
    let message =
      "66 DIR/secret can't be read: permission denied. Check its owner and mode with ls -l."
    if getuid() == 0 {
      // Root may read everything: only the words can be checked.
      #expect(folder.failure { throw FileError.reading(path, EACCES) } == message)
    } else {
      #expect(folder.failure { _ = try MappedFile(path: path) } == message)
    }
  }
}
