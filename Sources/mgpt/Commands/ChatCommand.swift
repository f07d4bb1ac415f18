// What a line in a chat is: a message, or a command that begins with a slash.

import MicroGPT

/// A line of input, understood.
enum ChatCommand: Equatable {
  case message(String)
  case quit, help, reset, statistics
  case showSystem, setSystem(String)
  case showTemperature, setTemperature(Double)
  case save(String), load(String)

  /// Reads a line without blanks around it.
  ///
  /// Two slashes begin a message with one.
  init(_ line: String) throws(ChatCommandError) {
    guard line.hasPrefix("/") else {
      self = .message(line)
      return
    }
    if line.hasPrefix("//") {
      self = .message(String(line.dropFirst()))
      return
    }
    let end = line.firstIndex { $0.isWhitespace } ?? line.endIndex
    let name = String(line[..<end])
    let value = String(line[end...].drop { $0.isWhitespace })
    self = try ChatCommand.named(name, value)
    let takesNone: [ChatCommand] = [.quit, .help, .reset, .statistics]
    if !value.isEmpty && takesNone.contains(self) {
      throw .unexpectedValue(name: name, found: value)
    }
  }

  private static func named(
    _ name: String, _ value: String
  ) throws(ChatCommandError) -> ChatCommand {
    switch name {
    case "/quit", "/exit": return .quit
    case "/help": return .help
    case "/reset": return .reset
    case "/stats": return .statistics
    case "/system": return value.isEmpty ? .showSystem : .setSystem(value == "\"\"" ? "" : value)
    case "/temp":
      if value.isEmpty { return .showTemperature }
      let type = ValueType<Double>.real(.including(0), .including(100))
      guard let number = type.parse(value) else {
        throw .badValue(name: name, found: value, expected: type.expectation)
      }
      return .setTemperature(number)
    case "/save", "/load":
      if value.isEmpty { throw .missingFile(name: name) }
      return name == "/save" ? .save(value) : .load(value)
    default:
      throw .unknown(found: name, suggestion: suggestion(for: name, among: names))
    }
  }

  private static let names = [
    "/quit", "/exit", "/reset", "/system", "/temp", "/save", "/load", "/stats", "/help",
  ]

  /// The text of `/help`.
  static let helpText = """
    /reset           begin a new conversation; the system text stays
    /system [TEXT]   show or set the system text ("" for none)
    /temp [X]        show or set the temperature
    /save FILE       write the conversation to a file
    /load FILE       go on with a conversation from a file
    /stats           context, speed, memory
    /quit, /exit     end, as Ctrl-D does
    //TEXT           send a message that begins with a slash
    Ctrl-C stops an answer. Alt-Enter begins a new line of a message.
    """
}

/// A command that can't be done; the dialogue goes on.
enum ChatCommandError: UserFacingError, Equatable {
  case unknown(found: String, suggestion: String?)
  case unexpectedValue(name: String, found: String)
  case badValue(name: String, found: String, expected: String)
  case missingFile(name: String)
  case noConversation(path: String)
  case badConversation(path: String, ConversationError)
  case otherFile(path: String)

  var exitCode: ExitCode { .data }

  var description: String {
    switch self {
    case .unknown(let found, let suggestion):
      "unknown command \(quotedIfNeeded(found)). "
        + (suggestion.map { "Did you mean \($0)?" } ?? "See /help, or begin a message with //.")
    case .unexpectedValue(let name, let found):
      "\(name) takes no value. Found \(quoted(found)), expected \(name) alone."
    case .badValue(let name, let found, let expected):
      "bad value for \(name). Found \(quoted(found)), expected \(expected). Example: \(name) 0.7"
    case .missingFile(let name):
      "\(name) needs the name of a file. Example: \(name) chat.json"
    case .noConversation(let path):
      "\(path) is no saved conversation. Expected a file of /save, of at most 64 MB. Use another."
    case .badConversation(let path, let error):
      "\(path): \(error)"
    case .otherFile(let path):
      "\(path) is in the way. Found a file that is no conversation, expected none. Use another name."
    }
  }
}
