// Runs the built program as a process in a temporary folder of its own. Through /bin/sh, which does
// the redirections; every path in the tests is relative to that folder, so messages can be compared
// word for word.

import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How a process ended, and what it printed.
struct Outcome {
  /// The exit code, or 128 + the signal that killed it.
  var code: Int32
  var output: String
  var error: String
  var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// A temporary folder, removed with this value.
final class Workspace {
  /// Where the program runs; what it prints goes to files beside it.
  let path: String
  private let root: String
  private var count = 0

  init() throws {
    var template = Array("\(environmentValue("TMPDIR") ?? "/tmp")/mgpt-e2e-XXXXXX".utf8CString)
    let made = mkdtemp(&template) != nil
    try #require(made)
    root = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    path = root + "/here"
    mkdir(path, 0o755)
    chmod(root, 0o755)
    write(prose, to: "text.txt")
    write(names, to: "names.txt")
  }

  deinit { spawn("/bin/rm", ["-rf", root]).map { _ = reap($0) } }

  /// Starts `mgpt`, or another program, with `arguments`.
  func start(
    _ arguments: [String], program: String = program, environment: [String: String] = [:]
  ) throws -> Child {
    try startShell("exec " + ([program] + arguments).map(quote).joined(separator: " "), environment)
  }

  /// Runs `mgpt` with `arguments` to its end.
  func mgpt(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
    try start(arguments, environment: environment).wait()
  }

  /// Runs `mgpt` with arguments separated by blanks.
  func mgpt(_ line: String, environment: [String: String] = [:]) throws -> Outcome {
    try mgpt(line.split(separator: " ").map(String.init), environment: environment)
  }

  /// Runs a script for /bin/sh, in which `$MGPT` is the program.
  func shell(_ script: String) throws -> Outcome {
    try startShell(script, ["MGPT": program]).wait()
  }

  private func startShell(_ script: String, _ environment: [String: String]) throws -> Child {
    count += 1
    let (output, error) = ("\(root)/out-\(count)", "\(root)/err-\(count)")
    let settings = environment.map { "export \($0)=\(quote($1));" }.joined()
    let redirected =
      "cd \(quote(path)) && exec </dev/null >\(quote(output)) 2>\(quote(error)); \(settings) \(script)"
    let process = try #require(spawn("/bin/sh", ["-c", redirected]))
    return Child(process: process, outputPath: output, errorPath: error)
  }

  // MARK: Files

  func write(_ bytes: [UInt8], to name: String) {
    guard let file = fopen("\(path)/\(name)", "w") else {
      Issue.record("\(name) can't be created")
      return
    }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  func write(_ text: String, to name: String) { write(Array(text.utf8), to: name) }

  func bytes(_ name: String) -> [UInt8]? { readAll("\(path)/\(name)") }

  func text(_ name: String) -> String { String(decoding: bytes(name) ?? [], as: UTF8.self) }

  /// The names in a folder, hidden ones included, sorted.
  func list(_ folder: String) -> [String] {
    guard let stream = opendir("\(path)/\(folder)") else { return [] }
    defer { closedir(stream) }
    var found: [String] = []
    while let entry = readdir(stream) {
      let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
      let start = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
      found.append(String(cString: start))
    }
    return found.filter { $0 != "." && $0 != ".." }.sorted()
  }

  /// Names and contents of the files of a folder.
  func contents(_ folder: String) -> [String: [UInt8]] {
    Dictionary(uniqueKeysWithValues: list(folder).map { ($0, bytes("\(folder)/\($0)") ?? []) })
  }
}

/// A running process.
final class Child {
  let process: pid_t
  private let outputPath: String
  private let errorPath: String
  private var ended: Int32?

  init(process: pid_t, outputPath: String, errorPath: String) {
    (self.process, self.outputPath, self.errorPath) = (process, outputPath, errorPath)
  }

  /// A test that failed leaves nothing behind.
  deinit {
    if isRunning {
      kill(process, SIGKILL)
      _ = reap(process)
    }
  }

  func send(_ signal: Int32) { kill(process, signal) }

  /// What it has printed so far.
  var output: String { String(decoding: readAll(outputPath) ?? [], as: UTF8.self) }

  var isRunning: Bool {
    if ended == nil { ended = poll(process) }
    return ended == nil
  }

  /// Waits until `condition` holds; false if the process ended before that, or after 60 s (ten
  /// minutes if it is emulated).
  func waits(until condition: () -> Bool) -> Bool {
    // Looking costs an emulated test as much as the program gets done meanwhile.
    let (pause, count) = isEmulated ? (20_000, 30_000) : (3000, 20_000)
    for _ in 0..<count {
      if condition() { return true }
      if !isRunning { return condition() }
      usleep(UInt32(pause))
    }
    return false
  }

  /// Waits for the end; kills what takes longer than that.
  func wait() -> Outcome {
    if waits(until: { false }) || isRunning { kill(process, SIGKILL) }
    let code = ended ?? reap(process)
    ended = code
    return Outcome(
      code: code, output: output, error: String(decoding: readAll(errorPath) ?? [], as: UTF8.self))
  }
}

/// Options of a model that trains in milliseconds.
let tiny = "--layers 1 --embed-dim 16 --heads 2 --context 8"

/// 20 KB of text in paragraphs: read as one stream.
private let prose = (0..<200).map {
  "The cat number \($0) sat on the mat and looked at the quick brown fox, which was jumping.\n\n"
}.joined()

/// 120 lines of one name: read as documents.
private let names = (0..<120).map {
  ["anna", "ben", "carla", "dora", "emil", "fritz"][$0 % 6] + ["", "a", "ina", "o", "us"][$0 % 5]
}.joined(separator: "\n")

// MARK: - The system

/// Whether tests and program run under QEMU (tools/arm/test.sh), where time is long.
let isEmulated = environmentValue("MGPT_EMULATED") != nil

/// The commit that the build was told, by the environment that the tests run in too.
let builtFrom = environmentValue("MGPT_COMMIT").flatMap { $0.isEmpty ? nil : $0 } ?? "unknown"

/// The built executable: `MGPT_PROGRAM`, or the one beside the test bundle.
let program: String = {
  if let named = environmentValue("MGPT_PROGRAM") { return named }
  var folder = CommandLine.arguments[0]
  #if canImport(Darwin)
    var info = Dl_info()
    if dladdr(#dsohandle, &info) != 0, let name = info.dli_fname { folder = String(cString: name) }
  #else
    if let full = realpath("/proc/self/exe", nil) {
      folder = String(cString: full)
      free(full)
    }
  #endif
  // On macOS the bundle is a folder with the tests some levels down.
  for _ in 0..<6 {
    folder = folder.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/")
    let candidate = (folder.isEmpty ? "." : folder) + "/mgpt"
    if access(candidate, X_OK) == 0, let full = realpath(candidate, nil) {
      defer { free(full) }
      return String(cString: full)
    }
  }
  return "mgpt"
}()

func environmentValue(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

func quote(_ text: String) -> String {
  "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
    + "'"
}

private func readAll(_ path: String) -> [UInt8]? {
  guard let file = fopen(path, "r") else { return nil }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = fread(&buffer, 1, buffer.count, file)
    if count == 0 { return bytes }
    bytes += buffer[..<count]
  }
}

/// Starts a program with a small environment: no TERM, no MGPT_ISA, no locale.
private func spawn(_ path: String, _ arguments: [String]) -> pid_t? {
  let kept = ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "ASAN_OPTIONS", "TSAN_OPTIONS"]
  let settings = kept.compactMap { name in environmentValue(name).map { "\(name)=\($0)" } }
  var argv = ([path] + arguments).map { strdup($0) } + [nil]
  var envp = settings.map { strdup($0) } + [nil]
  defer { for text in argv + envp { free(text) } }
  // Tests run on threads that block signals, and a child inherits that.
  #if canImport(Darwin)
    var attributes: posix_spawnattr_t?
  #else
    var attributes = posix_spawnattr_t()
  #endif
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var (none, all) = (sigset_t(), sigset_t())
  sigemptyset(&none)
  sigemptyset(&all)
  for signal in [SIGINT, SIGTERM, SIGPIPE] { sigaddset(&all, signal) }
  posix_spawnattr_setsigmask(&attributes, &none)
  posix_spawnattr_setsigdefault(&attributes, &all)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
  var process: pid_t = 0
  return posix_spawn(&process, path, nil, &attributes, &argv, &envp) == 0 ? process : nil
}

/// The exit code of a process that has ended; nil while it runs.
private func poll(_ process: pid_t) -> Int32? {
  var status: Int32 = 0
  return waitpid(process, &status, WNOHANG) == process ? exitCode(status) : nil
}

private func reap(_ process: pid_t) -> Int32 {
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0 && errno == EINTR {}
  return exitCode(status)
}

/// As a shell has it: the code, or 128 + signal.
private func exitCode(_ status: Int32) -> Int32 {
  status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
}
