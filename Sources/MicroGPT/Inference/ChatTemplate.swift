// How a conversation is written down for a model: the words around each message.

/// A form of conversations.
public enum ChatTemplate: String, CaseIterable, Sendable {
  /// Lines of "User: …" and "Assistant: …", for any model of text.
  case plain
  /// Messages between `<|im_start|>` and `<|im_end|>`, which a model must have been trained on.
  case chatml

  /// The system text as it stands before everything else; nothing for no text.
  public func system(_ text: String) -> String {
    if text.isEmpty { return "" }
    return switch self {
    case .plain: "\(text)\n\n"
    case .chatml: "<|im_start|>system\n\(text)<|im_end|>\n"
    }
  }

  /// A message, up to where the answer begins.
  ///
  /// No blank after the colon: to most tokenizers it belongs to the word that follows.
  public func user(_ text: String) -> String {
    switch self {
    case .plain: "User: \(text)\nAssistant:"
    case .chatml: "<|im_start|>user\n\(text)<|im_end|>\n<|im_start|>assistant\n"
    }
  }

  /// An answer that a person wrote or a file holds, as it stands after `user`.
  public func answer(_ text: String) -> String {
    switch self {
    case .plain: text.isEmpty ? "" : " \(text)"
    case .chatml: text
    }
  }

  /// What ends an answer.
  public var answerEnd: String {
    switch self {
    case .plain: "\n"
    case .chatml: "<|im_end|>\n"
    }
  }

  /// Texts with which the model shows that its answer is over.
  public var stop: [String] {
    switch self {
    case .plain: ["\nUser:"]
    case .chatml: ["<|im_end|>"]
    }
  }
}
