// The terminal of a dialogue: its modes, its keys, and Ctrl-C as a question instead of the end.
// Thin wrappers over mg_terminal.h, so that the command line needs no C. Not here: what keys mean.

import CKernels

/// Standard input as a terminal that a person types at.
public enum DialogueTerminal {
  /// How the terminal treats keys.
  public enum Mode: Sendable {
    /// As it was found.
    case original
    /// Every key comes as it is, unseen; pasted text comes in brackets.
    case editing
    /// Keys wait, unseen, for the next line; Ctrl-C and Ctrl-Z are signals.
    case answering
  }

  /// What waiting for input led to.
  public enum Input: Equatable, Sendable {
    /// So many bytes were read.
    case bytes(Int)
    /// Nothing came in time.
    case timeout
    /// SIGINT, or another size of the terminal.
    case signal
    /// The process was stopped and goes on; others may have written to the terminal.
    case continued
    /// Nothing will come any more.
    case end
  }

  /// From now on SIGINT is only remembered, and whatever else ends the process restores the
  /// terminal first.
  public static func begin() { mg_dialogue_begin() }

  /// Sets the mode; false if standard input can't have it.
  ///
  /// *Requires*: `begin()`.
  @discardableResult
  public static func set(_ mode: Mode) -> Bool {
    let wanted =
      switch mode {
      case .original: MG_TERMINAL_ORIGINAL
      case .editing: MG_TERMINAL_EDITING
      case .answering: MG_TERMINAL_ANSWERING
      }
    return mg_terminal_set(wanted) == 0
  }

  /// Rows of the terminal at `descriptor` at this moment; nil if it is none or doesn't say.
  public static func rows(_ descriptor: Int32) -> Int? {
    let rows = Int(mg_terminal_rows(descriptor))
    return rows > 0 ? rows : nil
  }

  /// Whether there was a SIGINT since `forgetInterrupt`.
  public static var isInterrupted: Bool { mg_interrupted() != 0 }

  /// Forgets SIGINT.
  public static func forgetInterrupt() { mg_interrupt_forget() }

  /// Stops the process as Ctrl-Z does; returns when it is continued.
  public static func suspend() { mg_suspend() }

  /// Waits for bytes of standard input, at most so many milliseconds if that is not nil.
  public static func read(into buffer: inout [UInt8], timeout: Int?) -> Input {
    let count = buffer.withUnsafeMutableBytes {
      mg_input_read(0, $0.baseAddress, $0.count, timeout.map { Int32(clamping: $0) } ?? -1)
    }
    switch count {
    case Int(MG_INPUT_TIMEOUT): return .timeout
    case Int(MG_INPUT_SIGNAL): return .signal
    case Int(MG_INPUT_CONTINUED): return .continued
    case 1...: return .bytes(count)
    default: return .end
    }
  }
}
