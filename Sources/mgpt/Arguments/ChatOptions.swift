// The options of `mgpt chat`. Not here: the dialogue itself.

import MicroGPT

/// What `mgpt chat` was asked to do.
struct ChatOptions: WritingOptions {
  /// Checkpoint; always given.
  var model: String?
  var template = ChatTemplate.plain
  /// Text before the conversation; nil for none.
  var system: String?
  /// A saved conversation to go on with.
  var load: String?
  var maxTokens = 512
  /// Each ends an answer where it appears, beside those of the template; never empty texts.
  var stop: [String] = []
  var sampling = SamplingOptions()
  var logitBias: [LogitBiasArgument] = []
  /// nil asks for a new seed in each run.
  var seed: UInt64?
  var threads: Int?
  var keyValueCache = KeyValueFormat.float32
  var depth = DepthArguments()

  func invocation() -> Invocation { .chat(self) }
}

extension ChatOptions {
  static var name: String { "chat" }
  static var summary: String { "Talk with a trained model" }
  static var examples: [String] {
    [
      "mgpt chat --model runs/dialogue",
      "mgpt chat --model runs/dialogue --template chatml --temperature 0.7",
    ]
  }

  static var notes: [String] {
    [
      "While it runs, /help lists the commands. Ctrl-C stops an answer; at the prompt it clears the "
        + "line, and on an empty line a second one ends the program, as Ctrl-D does.",
      "When conversation, message and a quarter of the context for the answer no longer fit into "
        + "the context, the oldest turns are forgotten until half of it is free; the system text "
        + "stays. A message that is too long by itself is refused.",
      samplingOrder,
    ]
  }

  static var sections: [OptionSection<ChatOptions>] {
    [
      OptionSection("Model and conversation", conversationOptions),
      OptionSection("Sampling", Option.samplingOptions),
      OptionSection(
        "Running", [.seed(default: "a new one in each run"), .threads, .keyValueCache]),
      OptionSection("Recursive models", Option.depthOptions),
    ]
  }

  private static var conversationOptions: [Option<ChatOptions>] {
    [
      .model(.always),
      .value(
        "template", "NAME", .choice, into: \.template,
        help: "How turns are written: lines of User: and Assistant:, or messages between "
          + "<|im_start|> and <|im_end|>"
      ).named(suggestedFor: ["chat-template"]),
      .value(
        "system", "TEXT", .text, into: \.system, default: "none", example: "\"Answer briefly.\"",
        help: "Text before the conversation, which is never forgotten"
      ).named(suggestedFor: ["system-prompt"]),
      .value(
        "load", "FILE", .file, into: \.load, default: "a new conversation", example: "chat.json",
        help: "Go on with a conversation that /save has written"),
      .value(
        "max-tokens", "N", .integer(1...1_000_000_000), into: \.maxTokens,
        help: "Longest answer; it ends in any case when the context is full"
      ).named(suggestedFor: ["length", "num-tokens", "n-predict", "max-new-tokens"]),
      .list(
        "stop", "TEXT", .name("a text of at least one character"), into: \.stop, example: "END",
        help: "End an answer before this text. May be given several times"),
    ]
  }
}
