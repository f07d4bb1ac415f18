// Asks `vcgencmd get_throttled` where the kernel has no file that says the same. Rarely, and
// without waiting: the command is started at one look and its answer taken at a later one.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The command of the Raspberry Pi's firmware, running now and then in the background.
final class FirmwareCommand {
  /// Seconds from one start to the next: what happens in between stays in the bits "since boot".
  static let interval = 30.0
  /// Seconds after which a command that has not ended is killed.
  static let patience = 5.0

  /// The newest answer; nil before the first one, and after a failure.
  private(set) var throttling: Throttling?
  /// Whether an answer is awaited.
  var isRunning: Bool { process > 0 }

  private let path: String
  private let searchPath: String
  private var process: pid_t = 0
  /// A command that was killed and has not been seen to end: it may be stuck in the kernel.
  private(set) var abandoned: pid_t = 0
  private var descriptor: Int32 = -1
  private var started = -Double.infinity
  private var answer: ContiguousArray<UInt8> = []
  /// A command that failed once is not asked again.
  private var isBroken = false

  /// The command, if a folder of `searchPath` (folders between colons) has it.
  init?(searchPath: String) {
    let candidates = searchPath.split(separator: ":").map { "\($0)/vcgencmd" }
    guard let path = candidates.first(where: { access($0, X_OK) == 0 }) else { return nil }
    (self.path, self.searchPath) = (path, searchPath)
  }

  deinit { stop() }

  /// Starts the command if it is time to, or takes its answer if it is there; never waits.
  func look(at now: Double) {
    reap()
    if isBroken { return }
    if !isRunning {
      if now - started >= Self.interval { start(at: now) }
      return
    }
    readAnswer()
    var status: Int32 = 0
    switch waitpid(process, &status, WNOHANG) {
    case 0:
      if now - started >= Self.patience { fail() }
    case process:
      process = 0
      readAnswer()
      closeDescriptor()
      let answer = status == 0 ? Throttling(commandOutput: answer) : nil
      if let answer { throttling = answer } else { fail() }
    default:
      process = 0
      fail()
    }
  }

  /// Starts the command unless it is running, however recent the last answer is.
  func askNow(at now: Double) {
    if !isBroken && !isRunning { start(at: now) }
  }

  private func start(at now: Double) {
    started = now
    answer.removeAll(keepingCapacity: true)
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return fail() }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    descriptor = ends[0]
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
    #else
      var actions = posix_spawn_file_actions_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(path), strdup("get_throttled"), nil]
    var environment: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=\(searchPath)"), nil]
    defer { for text in arguments + environment { free(text) } }
    let code = posix_spawn(&process, path, &actions, nil, &arguments, &environment)
    close(ends[1])
    if code != 0 {
      process = 0
      fail()
    }
  }

  private func readAnswer() {
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
      // More than a line is no answer; the rest makes the command wait until it is killed.
      while answer.count <= buffer.count {
        let count = read(descriptor, buffer.baseAddress, buffer.count)
        if count <= 0 { return }
        answer.append(contentsOf: buffer[..<count])
      }
    }
  }

  private func fail() {
    stop()
    isBroken = true
    throttling = nil
  }

  /// Kills the command and goes on: one that waits for the firmware in the kernel ends when that
  /// answers, or never.
  private func stop() {
    if isRunning {
      kill(process, SIGKILL)
      (abandoned, process) = (process, 0)
      reap()
    }
    closeDescriptor()
  }

  private func reap() {
    var status: Int32 = 0
    if abandoned > 0 && waitpid(abandoned, &status, WNOHANG) != 0 { abandoned = 0 }
  }

  private func closeDescriptor() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
  }
}
