// Turns declarations into help texts of at most 80 columns. Not here: any option's own words.

/// Columns of a terminal that every help text fits into.
private let lineWidth = 80

/// Column at which explanations begin; longer labels get a line of their own.
private let explanationColumn = 26

/// The text of `mgpt --help`.
func overviewHelp() -> String {
  var lines = ["mgpt trains and runs small GPT models on the CPU.", ""]
  lines += ["Usage: mgpt [COMMAND] [OPTIONS]", "", "Commands:"]
  for command in CommandDescription.all {
    lines += entry(command.name, command.summary)
  }
  lines += ["", "Options:"]
  lines += entry(helpLabel, OptionDescription.help.help)
  lines += entry(OptionDescription.version.label, OptionDescription.version.help)
  lines += [""]
  lines += wrapped(
    "Without a command, mgpt runs the \(DemoOptions.name). "
      + "mgpt COMMAND \(OptionDescription.help.label) explains a command, its options and their "
      + "defaults.", to: lineWidth)
  return lines.joined(separator: "\n") + "\n"
}

/// The text of `mgpt COMMAND --help`.
func help(for command: CommandDescription) -> String {
  var lines = ["mgpt \(command.name): \(command.summary)", "", "Usage: \(usage(of: command))"]
  if let positional = command.positional {
    lines += ["", "Argument:"] + entry(positional.label, explanation(of: positional))
  }
  let sections =
    command.sections.isEmpty
    ? [CommandDescription.Section(title: "Options", options: [])] : command.sections
  for (index, section) in sections.enumerated() {
    lines += ["", "\(section.title):"]
    for option in section.options where !option.isOlderSpelling {
      lines += entry(option.usage, explanation(of: option))
    }
    if index == sections.count - 1 { lines += entry(helpLabel, OptionDescription.help.help) }
  }
  let older = olderSpellings(of: command)
  if !older.isEmpty { lines += ["", "Older spellings, also with _ for -:"] + older }
  for note in command.notes { lines += [""] + wrapped(note, to: lineWidth) }
  lines += ["", command.examples.count == 1 ? "Example:" : "Examples:"]
  lines += command.examples.map { "  \($0)" }
  return lines.joined(separator: "\n") + "\n"
}

/// One line such as `mgpt eval --model FILE --data FILE [OPTIONS]`.
func usage(of command: CommandDescription) -> String {
  var words = ["mgpt", command.name]
  words += command.options.filter { $0.requirement != .optional }.map(\.usage)
  if let positional = command.positional {
    words.append(positional.requirement == .optional ? "[\(positional.label)]" : positional.label)
  }
  if !command.options.isEmpty { words.append("[OPTIONS]") }
  return words.joined(separator: " ")
}

private var helpLabel: String {
  "\(OptionDescription.shortHelp), \(OptionDescription.help.label)"
}

/// The help text with what else the declaration says: choices, default, whether it is needed.
private func explanation(of option: OptionDescription) -> String {
  var text = option.help
  if case .words = option.completion, option.usage.contains("|") == false {
    text += ": \(option.expectation)"
  }
  switch option.requirement {
  case .optional: break
  case .always: text += " (required)"
  case .unless(let other): text += " (required unless --\(other) is given)"
  }
  if let defaultText = option.defaultText { text += " [default: \(defaultText)]" }
  return text
}

private func olderSpellings(of command: CommandDescription) -> [String] {
  command.options.flatMap { option in
    if let current = option.alternativeTo, option.isOlderSpelling {
      return entry(option.usage, "--\(current); \(option.help)")
    }
    return option.aliases.flatMap { entry("--\($0)", option.label) }
  }
}

/// A label and its explanation in two columns.
private func entry(_ label: String, _ explanation: String) -> [String] {
  let margin = String(repeating: " ", count: explanationColumn)
  let label = "  \(label)"
  var lines = wrapped(explanation, to: lineWidth - explanationColumn).map { margin + $0 }
  // Two blanks at least separate the columns.
  guard label.count + 2 <= explanationColumn, let first = lines.first else {
    return [label] + lines
  }
  lines[0] = label + first.dropFirst(label.count)
  return lines
}

/// Breaks a text at blanks; a word longer than the line stays whole.
private func wrapped(_ text: String, to width: Int) -> [String] {
  var lines: [String] = []
  for word in text.split(separator: " ") {
    if let last = lines.last, last.count + 1 + word.count <= width {
      lines[lines.count - 1] += " \(word)"
    } else {
      lines.append(String(word))
    }
  }
  return lines
}
