// Turns declarations into completion scripts for shells. The scripts need nothing but the shell.

/// The completion script of a shell.
func completionScript(for shell: Shell) -> String {
  let commands = CommandDescription.all
  return switch shell {
  case .bash: bashScript(commands)
  case .zsh: zshScript(commands)
  case .fish: fishScript(commands)
  }
}

extension CommandDescription {
  /// What is offered: every present spelling, and `--help`.
  fileprivate var offeredOptions: [OptionDescription] {
    options.filter { !$0.isOlderSpelling } + [.help]
  }
}

extension OptionDescription {
  /// The first sentence of the help; a dot inside a word does not end it.
  fileprivate var menuText: String {
    var words: [Substring] = []
    for word in help.split(separator: " ") {
      words.append(word)
      if word.hasSuffix(".") { return words.joined(separator: " ").dropLast().description }
    }
    return help
  }
}

/// What stands in the place of a command.
private let optionsBeforeCommand = [OptionDescription.help, .version]

// MARK: bash

/// The script for bash 3.2 (macOS) and later.
///
/// Bash splits words at `=`, hence the two special cases.
private func bashScript(_ commands: [CommandDescription]) -> String {
  let first = commands.map(\.name) + optionsBeforeCommand.map(\.label)
  var lines = [
    "# bash completion for mgpt. Load it with: source <(mgpt completions bash)",
    "_mgpt() {",
    "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"",
    "  local words=\"\"",
    "  if [[ $current == '=' ]]; then",
    "    current=\"\"",
    "  elif [[ $previous == '=' ]]; then",
    "    previous=\"${COMP_WORDS[COMP_CWORD-2]}\"",
    "  fi",
    "  COMPREPLY=()",
    "  if (( COMP_CWORD == 1 )); then",
    "    COMPREPLY=($(compgen -W '\(first.joined(separator: " "))' -- \"$current\"))",
    "    return",
    "  fi",
    "  case \"${COMP_WORDS[1]} $previous\" in",
  ]
  for command in commands {
    var patterns: [(action: String, labels: [String])] = []
    for option in command.offeredOptions where option.valueName != nil {
      let action = bashAction(option.completion)
      let label = "'\(command.name) \(option.label)'"
      if let index = patterns.firstIndex(where: { $0.action == action }) {
        patterns[index].labels.append(label)
      } else {
        patterns.append((action, [label]))
      }
    }
    for pattern in patterns {
      lines.append("    \(pattern.labels.joined(separator: " | "))) \(pattern.action) ;;")
    }
  }
  lines += ["    *)", "      case \"${COMP_WORDS[1]}\" in"]
  for command in commands {
    var words = command.offeredOptions.map(\.label)
    var files = ""
    switch command.positional?.completion {
    case .words(let choices): words = choices + words
    case .files, .folders: files = "[[ $current == -* ]] || { \(bashAction(.files)); }; "
    case .number, .text, nil: break
    }
    lines.append("        \(command.name)) \(files)words='\(words.joined(separator: " "))' ;;")
  }
  lines += [
    "      esac ;;",
    "  esac",
    "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))",
    "}",
    "complete -F _mgpt mgpt",
  ]
  return lines.joined(separator: "\n") + "\n"
}

/// An empty answer with `compopt` lets readline complete paths itself, quoting included.
private func bashAction(_ completion: Completion) -> String {
  switch completion {
  case .number, .text: "return"
  case .words(let words): "words='\(words.joined(separator: " "))'"
  case .files: "compopt -o default 2>/dev/null; return"
  case .folders: "compopt -o dirnames 2>/dev/null; return"
  }
}

// MARK: zsh

private func zshScript(_ commands: [CommandDescription]) -> String {
  var lines = [
    "#compdef mgpt",
    "# zsh completion for mgpt. Write it to a folder of $fpath as _mgpt, or load it with:",
    "# source <(mgpt completions zsh)",
    "_mgpt() {",
    "  local -a commands",
    "  commands=(",
  ]
  for command in commands {
    lines.append("    " + shellQuoted("\(command.name):\(command.summary)"))
  }
  lines += [
    "  )",
    "  if (( CURRENT == 2 )); then",
    "    _describe -t commands command commands",
    "    _arguments \(optionsBeforeCommand.map { zshOption($0) }.joined(separator: " "))",
    "    return",
    "  fi",
    "  local command=$words[2]",
    "  shift words",
    "  (( CURRENT-- ))",
    "  case $command in",
  ]
  for command in commands {
    lines += ["    \(command.name))", "      _arguments \\"]
    var arguments = command.offeredOptions.map(zshOption)
    if let positional = command.positional {
      arguments.append(shellQuoted("1:\(positional.label):\(zshAction(positional.completion))"))
    }
    lines.append(arguments.map { "        \($0)" }.joined(separator: " \\\n"))
    lines.append("      ;;")
  }
  lines += [
    "  esac",
    "}",
    "if [[ $funcstack[1] == _mgpt ]]; then _mgpt \"$@\"; else compdef _mgpt mgpt; fi",
  ]
  return lines.joined(separator: "\n") + "\n"
}

private func zshOption(_ option: OptionDescription) -> String {
  let repeatable = option.isRepeatable ? "*" : ""
  let text = option.menuText.filter { $0 != "[" && $0 != "]" }.split(separator: ":")
    .joined(separator: "\\:")
  guard let valueName = option.valueName else {
    return shellQuoted("\(option.label)[\(text)]")
  }
  let value = "\(valueName):\(zshAction(option.completion))"
  return shellQuoted("\(repeatable)\(option.label)=[\(text)]:\(value)")
}

private func zshAction(_ completion: Completion) -> String {
  switch completion {
  case .number, .text: " "
  case .words(let words): "(\(words.joined(separator: " ")))"
  case .files: "_files"
  case .folders: "_files -/"
  }
}

// MARK: fish

private func fishScript(_ commands: [CommandDescription]) -> String {
  var lines = [
    "# fish completion for mgpt. Write it to ~/.config/fish/completions/mgpt.fish, or load it with:",
    "# mgpt completions fish | source",
    "complete -c mgpt -f",
  ]
  for command in commands {
    let text = shellQuoted(command.summary)
    lines.append("complete -c mgpt -n __fish_use_subcommand -a \(command.name) -d \(text)")
  }
  for option in optionsBeforeCommand {
    lines.append(fishLine("__fish_use_subcommand", option))
  }
  for command in commands {
    let condition = "'__fish_seen_subcommand_from \(command.name)'"
    if let positional = command.positional {
      lines.append(
        "complete -c mgpt -n \(condition)\(fishAction(positional.completion, after: ""))")
    }
    lines += command.offeredOptions.map { fishLine(condition, $0) }
  }
  return lines.joined(separator: "\n") + "\n"
}

private func fishLine(_ condition: String, _ option: OptionDescription) -> String {
  let action = option.valueName == nil ? "" : fishAction(option.completion, after: " -r")
  return "complete -c mgpt -n \(condition) -l \(option.name)\(action) "
    + "-d \(shellQuoted(option.menuText))"
}

/// `required` is ` -r` for an option that takes a value.
private func fishAction(_ completion: Completion, after required: String) -> String {
  switch completion {
  case .number, .text: "\(required) -f"
  case .words(let words): "\(required) -f -a '\(words.joined(separator: " "))'"
  case .files: "\(required) -F"
  case .folders: "\(required) -f -a '(__fish_complete_directories)'"
  }
}

/// A word in single quotation marks, for all three shells.
private func shellQuoted(_ text: String) -> String {
  "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
    + "'"
}
