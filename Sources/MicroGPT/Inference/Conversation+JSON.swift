// A conversation as JSON, to save it and to go on with it later. Files are the caller's business.

extension Conversation {
  static let format = "mgpt conversation"
  static let version = 1

  /// System text and turns, as messages of roles system, user and assistant.
  public var json: JSON {
    var messages: [JSON] = []
    func add(_ role: String, _ text: String) {
      messages.append(["role": .string(role), "content": .string(text)])
    }
    if !system.isEmpty { add("system", system) }
    for turn in turns {
      add("user", turn.message)
      add("assistant", turn.answer)
    }
    return [
      "format": .string(Conversation.format), "version": .integer(Conversation.version),
      "template": .string(template.rawValue), "messages": .array(messages),
    ]
  }

  /// Whether `json` says that it is a saved conversation, damaged or not.
  public static func isSaved(_ json: JSON) -> Bool {
    json["format"]?.stringValue == format
  }

  /// Replaces system text and turns by those of `json`; the template stays.
  ///
  /// *Throws* for anything but what `json` writes; then nothing is changed.
  public mutating func load(_ json: JSON) throws {
    guard Conversation.isSaved(json) else {
      throw ConversationError.damaged(
        what: "it has another format", found: describe(json["format"]),
        expected: "\"\(Conversation.format)\"")
    }
    guard json["version"] == .integer(Conversation.version) else {
      throw ConversationError.damaged(
        what: "it has another version", found: describe(json["version"]),
        expected: "\(Conversation.version)")
    }
    guard let messages = json["messages"]?.arrayValue else {
      throw ConversationError.damaged(
        what: "it has no messages", found: describe(json["messages"]), expected: "an array")
    }
    var loaded = self
    loaded.reset()
    try loaded.setSystem("")
    var expected = "user"
    var message = ""
    for (index, entry) in messages.enumerated() {
      guard let role = entry["role"]?.stringValue, let text = entry["content"]?.stringValue,
        role == expected || (index == 0 && role == "system")
      else {
        throw ConversationError.damaged(
          what: "message \(index + 1) has no role and content in turn",
          found: entry["role"]?.stringValue.map { $0.prefix(20).debugDescription }
            ?? describe(entry["role"]), expected: "\"\(expected)\"")
      }
      switch role {
      case "system": try loaded.setSystem(text)
      case "user": (message, expected) = (text, "assistant")
      default:
        try loaded.add(message: message, answer: text)
        expected = "user"
      }
    }
    if expected == "assistant" {
      throw ConversationError.damaged(
        what: "the last message has no answer", found: "\(messages.count) messages",
        expected: "one more")
    }
    self = loaded
  }
}
