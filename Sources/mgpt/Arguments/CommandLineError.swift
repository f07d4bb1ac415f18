// Everything that can be wrong with a command line, and the one place that turns it into words.

import MicroGPT

/// A mistake on the command line.
///
/// The description is the whole line to print: it starts with `mgpt COMMAND:`.
enum CommandLineError: UserFacingError, Equatable {
  /// The first word is no command.
  case unknownCommand(found: String, suggestion: String?)
  /// The first argument is an option of the commands `owners`, so the command is missing.
  case missingCommand(option: String, owners: [String])
  /// Both older modes, `--train` and `--generate`, were given.
  case twoModes(first: String, second: String)
  /// The command has no such option; `owners` are the commands that do.
  case unknownOption(command: String, found: String, suggestion: String?, owners: [String])
  /// An option is followed by another option, `next`, or by nothing.
  case missingValue(command: String, spelling: String, option: OptionDescription, next: String?)
  /// A flag was given a value.
  case unexpectedValue(command: String, spelling: String, found: String)
  /// The value does not meet the option's expectation.
  case invalidValue(command: String, spelling: String, option: OptionDescription, found: String)
  /// An option with one value was given two.
  case repeated(command: String, option: OptionDescription, first: String, second: String)
  /// An argument that the command can't do without is missing.
  case missingArgument(command: String, option: OptionDescription)
  /// A word that is neither an option nor the value of one.
  case unexpectedArgument(command: String, found: String, suggestion: String?)

  var exitCode: ExitCode { .usage }

  var description: String { "mgpt\(command.map { " \($0)" } ?? ""): \(message)" }

  /// The command that was being read, if it was known by then.
  var command: String? {
    switch self {
    case .unknownCommand, .missingCommand, .twoModes: nil
    case .unknownOption(let command, _, _, _), .missingValue(let command, _, _, _),
      .unexpectedValue(let command, _, _), .invalidValue(let command, _, _, _),
      .repeated(let command, _, _, _), .missingArgument(let command, _),
      .unexpectedArgument(let command, _, _):
      command
    }
  }

  private var message: String {
    switch self {
    case .unknownCommand(let found, let suggestion):
      return "unknown command \(quoted(found)). "
        + (suggestion.map { "Did you mean \($0)?" }
          ?? "Expected \(listing(CommandDescription.all.map(\.name), "or")). \(advice)")
    case .missingCommand(let option, let owners):
      let expected = owners.isEmpty ? "a command" : listing(owners, "or")
      return "no command given. Found \(quoted(option)) first, expected \(expected). \(advice)"
    case .twoModes(let first, let second):
      return "two modes given. Found \(first) and \(second), expected one. Remove one of them"
    case .unknownOption(_, let found, let suggestion, let owners):
      return "unknown option \(quotedIfNeeded(found)). "
        + unknownOptionAdvice(suggestion: suggestion, owners: owners)
    case .missingValue(_, let spelling, let option, let next):
      return "\(quotedIfNeeded(spelling)) needs a value. Found "
        + (next.map { "\(quotedIfNeeded($0)) after it" } ?? "nothing after it")
        + ", expected \(option.expectation). "
        + missingValueAdvice(option, next: next)
    case .unexpectedValue(_, let spelling, let found):
      return "\(spelling) takes no value. Found \(quoted(found)), expected \(spelling) alone. "
        + "Remove the value"
    case .invalidValue(_, let spelling, let option, let found):
      return "bad value for \(spelling). Found \(quoted(found)), expected \(option.expectation). "
        + "Example: \(exampleUse(of: option))"
    case .repeated(_, let option, let first, let second):
      return "two values for \(option.destinationLabel). Found \(first) and \(second), "
        + "expected one. Remove one of them"
    case .missingArgument(_, let option):
      var expected = option.expectation
      if case .unless(let other) = option.requirement { expected += ", or --\(other)" }
      return "\(option.label) is missing. Expected \(expected). "
        + "Example: \(exampleUse(of: option))"
    case .unexpectedArgument(_, let found, let suggestion):
      return "unexpected argument. Found \(quoted(found)), expected an option. "
        + (suggestion.map { "Did you mean \($0)?" } ?? advice)
    }
  }

  private func unknownOptionAdvice(suggestion: String?, owners: [String]) -> String {
    if let suggestion { return "Did you mean \(suggestion)?" }
    if owners.isEmpty { return advice }
    return "It belongs to mgpt \(listing(owners, "and")). \(advice)"
  }

  private func missingValueAdvice(_ option: OptionDescription, next: String?) -> String {
    guard let next, option.completion == .text else { return "Example: \(option.example)" }
    return "Write \(option.label)=\(quotedIfNeeded(next)) if that is the value"
  }

  private var advice: String { "See \(commandLine) --help" }

  private var commandLine: String { "mgpt\(command.map { " \($0)" } ?? "")" }

  /// A positional argument means nothing without its command.
  private func exampleUse(of option: OptionDescription) -> String {
    option.isPositional ? "\(commandLine) \(option.example)" : option.example
  }
}

extension OptionDescription {
  /// The option that the value is for, however it was spelt.
  fileprivate var destinationLabel: String { alternativeTo.map { "--\($0)" } ?? label }
}

/// A text as one line in quotation marks: control characters escaped, long texts cut.
func quoted(_ text: String) -> String {
  let limit = 60
  return (text.count > limit ? text.prefix(limit) + "..." : text[...]).debugDescription
}

/// A text without blanks, control characters and letters beyond ASCII as it is, any other quoted.
func quotedIfNeeded(_ text: String) -> String {
  let isPlain = text.utf8.allSatisfy { byte in byte > 0x20 && byte < 0x7f }
  return isPlain && text.utf8.count <= 60 ? text : quoted(text)
}
