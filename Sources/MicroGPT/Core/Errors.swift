// What every error that a person can cause has in common: one line of words and an exit code.
// The facts live in one enum per area (`ConfigurationError`, `CheckpointError`, …); programmer
// errors are preconditions, not members of these enums.

/// Process exit codes, after BSD's `sysexits.h`.
public enum ExitCode: Int32, Sendable {
  /// Everything went well.
  case success = 0
  /// Stopped for a reason of the run itself, such as a loss that is not a number.
  case failure = 1
  /// The command line was wrong.
  case usage = 64
  /// Input data was wrong: damaged, truncated, of another kind.
  case data = 65
  /// An input file does not exist or can't be read.
  case noInput = 66
  /// A bug of this program.
  case software = 70
  /// The machine lacks a resource: memory, an instruction set.
  case unavailable = 69
  /// An output file can't be created.
  case cantCreate = 73
  /// Reading or writing failed half-way, for example on a full disk.
  case ioError = 74
  /// The configuration was wrong: impossible sizes, settings that contradict each other.
  case config = 78
}

/// An error with a message for the person at the terminal.
///
/// `description` is one line of the form *what is wrong. Found X, expected Y. What to do next.*
public protocol UserFacingError: Error, CustomStringConvertible, Sendable {
  /// The code the process exits with.
  var exitCode: ExitCode { get }
}
