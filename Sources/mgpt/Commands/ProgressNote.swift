// What commands without a run show of their progress, and how they measure it.

import MicroGPT

/// A line on standard error that each step replaces, where a person watches.
struct ProgressNote {
  let isShown = Terminal.error.isTerminal

  func show(_ text: String) {
    if isShown { Terminal.error.write("\r\(text)\u{1B}[K") }
  }

  func clear() { show("") }
}

extension Duration {
  /// As a number, to a microsecond.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds / 1_000_000_000_000) / 1e6
  }
}
