// Reads a command line: finds the command, splits the rest into options and values, stores them.
// Start at `parseCommandLine`. Not here: which commands and options exist (CommandOptions.swift).

/// What the arguments ask for; `arguments` does not contain the program's own name.
///
/// *Throws* a `CommandLineError` for the first thing that is wrong.
func parseCommandLine(_ arguments: [String]) throws(CommandLineError) -> Invocation {
  guard let first = arguments.first else { return DemoOptions().invocation() }
  guard first.hasPrefix("-") else {
    guard let type = commandTypes.first(where: { $0.name == first }) else {
      let suggested = suggestion(for: first, among: commandTypes.map { $0.name })
      throw .unknownCommand(found: first, suggestion: suggested)
    }
    return try invocation(of: type, arguments.dropFirst())
  }
  if let mode = try takeOlderMode(arguments) {
    return try invocation(of: mode.type, mode.rest[...])
  }
  if asksForHelp(arguments[...]) { return .help(overviewHelp()) }
  if optionName(first) == OptionDescription.version.name { return .version }
  let name = optionName(first)
  let owners = name.map { commands(withOption: $0) } ?? []
  throw .missingCommand(option: first, owners: owners)
}

/// The older spelling of a command: `--train` or `--generate` anywhere among the options.
private func takeOlderMode(
  _ arguments: [String]
) throws(CommandLineError) -> (type: any CommandOptions.Type, rest: [String])? {
  let modes: [any CommandOptions.Type] = [TrainOptions.self, GenerateOptions.self]
  let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
  var found: (any CommandOptions.Type)?
  var rest: [String] = []
  for (index, argument) in arguments.enumerated() {
    guard index < end, let mode = modes.first(where: { "--\($0.name)" == argument }) else {
      rest.append(argument)
      continue
    }
    if let found, found.name != mode.name {
      throw .twoModes(first: "--\(found.name)", second: argument)
    }
    found = mode
  }
  return found.map { ($0, rest) }
}

private func invocation(
  of type: any CommandOptions.Type, _ arguments: ArraySlice<String>
) throws(CommandLineError) -> Invocation {
  if asksForHelp(arguments) { return .help(help(for: type.description)) }
  return try parse(type, arguments)
}

/// Whether `--help` or `-h` stands anywhere before `--`; it wins over all other arguments.
private func asksForHelp(_ arguments: ArraySlice<String>) -> Bool {
  arguments.prefix { $0 != "--" }.contains {
    $0 == OptionDescription.help.label || $0 == OptionDescription.shortHelp
  }
}

/// One argument, or one option with its value.
private struct Occurrence {
  let option: OptionDescription
  /// As typed, with dashes; the placeholder for a positional argument.
  let spelling: String
  let value: String?

  /// As typed, with the value in quotation marks where it needs them.
  var text: String {
    let value = value.map(quotedIfNeeded)
    return [option.isPositional ? nil : spelling, value].compactMap { $0 }.joined(separator: " ")
  }
}

private func parse<Root: CommandOptions>(
  _ type: Root.Type, _ arguments: ArraySlice<String>
) throws(CommandLineError) -> Invocation {
  let command = type.description
  let occurrences = try scan(command, arguments)
  try checkRepetition(command, occurrences)
  var declared = type.sections.flatMap(\.options)
  if let positional = type.positional { declared.append(positional) }
  var root = Root()
  for occurrence in occurrences {
    for option in declared where option.description == occurrence.option {
      guard option.store(&root, occurrence.value ?? "") else {
        throw .invalidValue(
          command: command.name, spelling: occurrence.spelling, option: option.description,
          found: occurrence.value ?? "")
      }
    }
  }
  try checkRequirements(command, occurrences)
  return root.invocation()
}

/// Splits arguments into options with their values and positional arguments.
private func scan(
  _ command: CommandDescription, _ arguments: ArraySlice<String>
) throws(CommandLineError) -> [Occurrence] {
  var occurrences: [Occurrence] = []
  var rest = arguments
  var optionsEnded = false
  while let argument = rest.popFirst() {
    if !optionsEnded, argument == "--" {
      optionsEnded = true
    } else if optionsEnded || !argument.hasPrefix("-") || argument == "-" {
      occurrences.append(try positional(command, argument, after: occurrences))
    } else {
      occurrences.append(try option(command, argument, &rest))
    }
  }
  return occurrences
}

private func positional(
  _ command: CommandDescription, _ argument: String, after occurrences: [Occurrence]
) throws(CommandLineError) -> Occurrence {
  if let option = command.positional {
    return Occurrence(option: option, spelling: option.label, value: argument)
  }
  let missing = command.options.first { option in
    option.requirement != .optional && !occurrences.contains { $0.option == option }
  }
  let suggested =
    argument.hasPrefix("-") ? nil : missing.map { "\($0.label) \(quotedIfNeeded(argument))" }
  throw .unexpectedArgument(command: command.name, found: argument, suggestion: suggested)
}

private func option(
  _ command: CommandDescription, _ argument: String, _ rest: inout ArraySlice<String>
) throws(CommandLineError) -> Occurrence {
  let (spelling, attached) = splitAtEquals(argument)
  guard let name = optionName(spelling),
    let option = command.options.first(where: { $0.name == name || $0.aliases.contains(name) })
  else { throw unknownOption(command, spelling) }
  guard option.valueName != nil else {
    if let attached {
      throw .unexpectedValue(command: command.name, spelling: spelling, found: attached)
    }
    return Occurrence(option: option, spelling: spelling, value: nil)
  }
  if let attached { return Occurrence(option: option, spelling: spelling, value: attached) }
  guard let next = rest.first, !looksLikeOption(next) else {
    throw .missingValue(
      command: command.name, spelling: spelling, option: option, next: rest.first)
  }
  rest.removeFirst()
  return Occurrence(option: option, spelling: spelling, value: next)
}

/// Whether a text can be a value only when it is attached with `=`.
///
/// Otherwise an option whose value was forgotten would swallow the next option. Negative numbers
/// and texts such as "-- he said" are values.
private func looksLikeOption(_ text: String) -> Bool {
  if text == "--" { return true }
  guard text.hasPrefix("--") else { return false }
  let name = splitAtEquals(text).spelling.unicodeScalars.dropFirst(2)
  return name.first?.properties.isAlphabetic == true
    && name.allSatisfy { $0.properties.isAlphabetic || "0123456789-_".unicodeScalars.contains($0) }
}

private func splitAtEquals(_ argument: String) -> (spelling: String, value: String?) {
  guard let equals = argument.firstIndex(of: "=") else { return (argument, nil) }
  return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
}

/// The name of `--a_name` in today's spelling, `a-name`; nil for anything else.
private func optionName(_ spelling: String) -> String? {
  guard spelling.hasPrefix("--"), spelling.utf8.count > 2 else { return nil }
  return String(spelling.dropFirst(2).map { $0 == "_" ? "-" : $0 })
}

private func commands(withOption name: String) -> [String] {
  CommandDescription.all.filter { command in
    command.options.contains { $0.name == name || $0.aliases.contains(name) }
  }.map(\.name)
}

private func unknownOption(_ command: CommandDescription, _ spelling: String) -> CommandLineError {
  let dashes = spelling.prefix { $0 == "-" }
  let name = optionName("--" + spelling.dropFirst(dashes.count)) ?? ""
  var owners = commands(withOption: name)
  var suggested: String?
  if owners.contains(command.name) {
    owners = []
    suggested = name
  } else if owners.isEmpty {
    let current = command.options.filter { !$0.isOlderSpelling }
    let names = current.map(\.name) + [OptionDescription.help.name]
    let synonym = current.first { $0.synonyms.contains(name) || $0.aliases.contains(name) }
    suggested = synonym?.name ?? suggestion(for: name, among: names)
  }
  return .unknownOption(
    command: command.name, found: spelling, suggestion: suggested.map { "--\($0)" },
    owners: owners)
}

/// Two values for one place, under the same or another name, are a mistake; a repeated flag is not.
private func checkRepetition(
  _ command: CommandDescription, _ occurrences: [Occurrence]
) throws(CommandLineError) {
  for (index, second) in occurrences.enumerated() {
    guard second.option.valueName != nil, !second.option.isRepeatable else { continue }
    let earlier = occurrences[..<index].first {
      $0.option.destination == second.option.destination
    }
    if let earlier {
      throw .repeated(
        command: command.name, option: second.option, first: earlier.text, second: second.text)
    }
  }
}

private func checkRequirements(
  _ command: CommandDescription, _ occurrences: [Occurrence]
) throws(CommandLineError) {
  let given = Set(occurrences.map(\.option.destination))
  let declared = command.options + [command.positional].compactMap { $0 }
  for option in declared where !given.contains(option.destination) {
    switch option.requirement {
    case .optional: continue
    case .unless(let other) where given.contains(other): continue
    case .always, .unless: throw .missingArgument(command: command.name, option: option)
    }
  }
}
