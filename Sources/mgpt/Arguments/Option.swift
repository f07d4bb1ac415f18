// How an option is declared. One declaration drives parsing, help, error messages and completion
// scripts. Not here: the options themselves (TrainOptions.swift and its siblings).

/// Whether an argument may be left out.
enum Requirement: Equatable, Sendable {
  case optional
  case always
  /// Needed unless the option of this name is given.
  case unless(String)
}

/// Everything about an option except where its value goes: the part that needs no type.
struct OptionDescription: Equatable, Sendable {
  /// The name without dashes; for a positional argument the same as `valueName`.
  let name: String
  /// The placeholder of the value in the help, or nil for a flag.
  let valueName: String?
  /// One or two sentences for the help; the first one must stand alone in a completion menu.
  let help: String
  /// What holds when the option is not given, in words or as a value.
  let defaultText: String?
  /// A value that is accepted, for error messages.
  let exampleValue: String?
  /// Completes "expected …".
  let expectation: String
  let completion: Completion
  let requirement: Requirement
  var isPositional = false
  var isRepeatable = false
  /// Names without dashes that mean the same.
  var aliases: [String] = []
  /// Names of the same thing in other programs: not accepted, but they get a suggestion.
  var synonyms: [String] = []
  /// The option that this declaration is another form of, if any.
  var alternativeTo: String?
  /// Set if the declaration is only an older form of `alternativeTo`: it works, but menus and the
  /// main part of the help leave it out.
  var isOlderSpelling = false

  /// How the option is written: `--name`, or the placeholder of a positional argument.
  var label: String { isPositional ? name : "--\(name)" }

  /// How the option is written with its value: `--name VALUE`.
  var usage: String {
    guard let valueName, !isPositional else { return label }
    return "\(label) \(valueName)"
  }

  /// A correct use, such as `--heads 4`.
  var example: String {
    [isPositional ? nil : label, exampleValue].compactMap { $0 }.joined(separator: " ")
  }

  /// Two options with the same destination can't be given together.
  var destination: String { alternativeTo ?? name }

  /// The `--help` that every command has.
  static let help = OptionDescription(
    name: "help", valueName: nil, help: "Show this help", defaultText: nil, exampleValue: nil,
    expectation: "", completion: .text, requirement: .optional)

  /// The short form of `--help`, the only one-letter option.
  static let shortHelp = "-h"

  /// The `--version` that stands in place of a command.
  static let version = OptionDescription(
    name: "version", valueName: nil, help: "Print the version", defaultText: nil,
    exampleValue: nil, expectation: "", completion: .text, requirement: .optional)
}

/// An option of the command whose values are collected in `Root`.
struct Option<Root> {
  var description: OptionDescription
  /// Stores the value of a text in the structure; false if the text is not acceptable.
  let store: (inout Root, String) -> Bool

  /// An option without a value, off unless given.
  static func flag(_ name: String, into path: WritableKeyPath<Root, Bool>, help: String) -> Option {
    let description = OptionDescription(
      name: name, valueName: nil, help: help, defaultText: nil, exampleValue: nil,
      expectation: "", completion: .text, requirement: .optional)
    return Option(description: description) { root, _ in
      root[keyPath: path] = true
      return true
    }
  }

  /// An option whose absence matters; `defaultText` says what its absence means.
  static func value<Value>(
    _ name: String, _ valueName: String, _ type: ValueType<Value>,
    into path: WritableKeyPath<Root, Value?>, default defaultText: String? = nil,
    example: String, requirement: Requirement = .optional, help: String
  ) -> Option {
    let description = OptionDescription(
      name: name, valueName: valueName, help: help, defaultText: defaultText,
      exampleValue: example, expectation: type.expectation, completion: type.completion,
      requirement: requirement)
    return Option(description: description) { root, text in
      guard let value = type.parse(text) else { return false }
      root[keyPath: path] = value
      return true
    }
  }

  /// An option that may be given several times; the values are kept in order.
  static func list<Value>(
    _ name: String, _ valueName: String, _ type: ValueType<Value>,
    into path: WritableKeyPath<Root, [Value]>, example: String, help: String
  ) -> Option {
    var description = OptionDescription(
      name: name, valueName: valueName, help: help, defaultText: nil, exampleValue: example,
      expectation: type.expectation, completion: type.completion, requirement: .optional)
    description.isRepeatable = true
    return Option(description: description) { root, text in
      guard let value = type.parse(text) else { return false }
      root[keyPath: path].append(value)
      return true
    }
  }

  /// The same option, also under names that the field or older versions of mgpt use.
  ///
  /// `older` names are accepted; `suggestedFor` names only lead to a suggestion.
  func named(older: [String] = [], suggestedFor synonyms: [String] = []) -> Option {
    var option = self
    option.description.aliases = older
    option.description.synonyms = synonyms
    return option
  }

  /// The same option as an older spelling of another one that differs in its value.
  func asOlderSpelling(of name: String) -> Option {
    var option = self
    option.description.alternativeTo = name
    option.description.isOlderSpelling = true
    return option
  }

  /// The same option as a positional argument; `destination` is an option that means the same.
  func asPositional(alsoOption destination: String? = nil) -> Option {
    var option = self
    option.description.isPositional = true
    option.description.alternativeTo = destination
    return option
  }
}

extension Option where Root: CommandOptions {
  /// An option with a fixed default: the value that a new `Root` has.
  static func value<Value>(
    _ name: String, _ valueName: String, _ type: ValueType<Value>,
    into path: WritableKeyPath<Root, Value>, example: String? = nil, help: String
  ) -> Option {
    let defaultText = type.format(Root()[keyPath: path])
    let description = OptionDescription(
      name: name, valueName: valueName, help: help, defaultText: defaultText,
      exampleValue: example ?? defaultText, expectation: type.expectation,
      completion: type.completion,
      requirement: .optional)
    return Option(description: description) { root, text in
      guard let value = type.parse(text) else { return false }
      root[keyPath: path] = value
      return true
    }
  }
}
