// What the tests of files share: a folder that disappears, and errors as text.
import Foundation
import Testing

@testable import MicroGPT

/// A new folder that is removed with this object.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent(
      "mgpt-test-" + UUID().uuidString)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The path of `name` in this folder.
  func file(_ name: String) -> String { path + "/" + name }

  /// Creates or replaces the file `name` without the code under test; returns its path.
  @discardableResult func put(_ name: String, _ bytes: [UInt8]) throws -> String {
    // Thousands of files in the damage tests: not with `Data.write`, which syncs, nor by
    // truncating the old file, which makes some file systems sync.
    unlink(file(name))
    let stream = try #require(fopen(file(name), "wb"))
    let count = fwrite(bytes, 1, bytes.count, stream)
    try #require(fclose(stream) == 0 && count == bytes.count)
    return file(name)
  }

  func content(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name))))
  }

  /// The names in this folder, hidden ones included, sorted.
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  /// Exit code and message of the error that `body` throws, with `DIR` for this folder.
  func failure(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch let error as any UserFacingError {
      let text = error.description.replacingOccurrences(of: path, with: "DIR")
      return "\(error.exitCode.rawValue) \(text)"
    } catch {
      return "not for users: \(error)"
    }
  }
}

/// Runs a command without its output; returns its exit status, -1 if it can't be started.
///
/// Foundation's `Process` waits on a thread of its own, which is one more thing that may hang.
func run(_ command: String, _ arguments: String...) -> Int32 {
  #if canImport(Darwin)
    var actions: posix_spawn_file_actions_t?
  #else
    var actions = posix_spawn_file_actions_t()
  #endif
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  for stream in [STDOUT_FILENO, STDERR_FILENO] {
    posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_WRONLY, 0)
  }
  var argv = ([command] + arguments).map { strdup($0) } + [nil]
  defer { for text in argv { free(text) } }
  var environment: [UnsafeMutablePointer<CChar>?] = [nil]
  var process: pid_t = 0
  guard posix_spawn(&process, command, &actions, nil, &argv, &environment) == 0 else { return -1 }
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0 { if errno != EINTR { return -1 } }
  return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
}
