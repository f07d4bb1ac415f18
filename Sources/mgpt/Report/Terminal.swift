// Standard output and standard error: whole writes, and whether a person watches. It knows bytes
// and columns only; what is shown is decided in ProgressLine.swift and the commands.

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// One of the process's standard streams.
struct Terminal: Sendable {
  /// Its file descriptor.
  let descriptor: Int32

  static let output = Terminal(descriptor: 1)
  static let error = Terminal(descriptor: 2)

  /// Whether the stream is a terminal rather than a file or a pipe.
  var isTerminal: Bool { SystemInfo.isTerminal(descriptor) }

  /// Columns at this moment; 80 where the stream doesn't say.
  var width: Int { SystemInfo.terminalColumns(descriptor) ?? 80 }

  /// Writes `text` at once, and ends the process if standard output can't take it.
  ///
  /// A reader that has gone (`mgpt generate | head`) ends it without a word, with the 141 that
  /// other programs leave there; a full disk ends it with a message. A command that must save
  /// something first uses `attempt`. Failures of standard error are ignored: nobody can be told.
  func write(_ text: String) {
    let failure = attempt(text)
    if failure == 0 || descriptor == Terminal.error.descriptor { return }
    exitBecauseOf(failure)
  }

  /// Ends the process as `write` does after `failure`, an `errno`.
  func exitBecauseOf(_ failure: Int32) -> Never {
    if failure == EPIPE { exit(128 + SIGPIPE) }
    _ = Terminal.error.attempt(
      "mgpt: can't write to standard output: \(describe(systemError: failure)). "
        + "Make room or choose another output.\n")
    exit(ExitCode.ioError.rawValue)
  }

  /// Writes bytes that need not be text, and ends the process as `write` does.
  func write(bytes: [UInt8]) {
    let failure = bytes.withUnsafeBytes { SystemInfo.writeAll($0, to: descriptor) }
    if failure != 0 { exitBecauseOf(failure) }
  }

  /// Writes `text` at once; 0, or the `errno` of the failure.
  ///
  /// `EPIPE` is only ever returned after `Signals.install()` or where SIGPIPE is ignored;
  /// otherwise the signal ends the process, as quietly.
  func attempt(_ text: String) -> Int32 {
    var text = text
    return text.withUTF8 { SystemInfo.writeAll(UnsafeRawBufferPointer($0), to: descriptor) }
  }
}

/// The system's words for an `errno`, such as "No space left on device".
func describe(systemError number: Int32) -> String {
  guard let words = strerror(number) else { return "error \(number)" }
  return String(cString: words)
}
