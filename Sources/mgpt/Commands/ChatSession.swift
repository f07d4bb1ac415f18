// The dialogue of `mgpt chat`: what a line of input leads to. It reads nothing by itself and knows
// the model only as something that continues tokens, so that tests need neither.

import MicroGPT

/// Continues tokens; the arguments are those of `TextGenerator.generate`.
typealias Continuation = (
  _ tokens: [Int32], _ options: GenerationOptions, _ sample: Int,
  _ onToken: (GeneratedToken) -> Void, _ emit: (UnsafeBufferPointer<UInt8>) -> Bool
) throws -> GenerationResult

/// A conversation with its settings, and the words for the person who has it.
final class ChatSession {
  /// Where text goes; each call is one piece.
  struct Output {
    /// The answers.
    var answer: (String) -> Void
    /// Everything else, in lines.
    var notice: (String) -> Void
  }

  private(set) var conversation: Conversation
  private(set) var options: GenerationOptions
  private let contextLength: Int
  private let output: Output
  private let generate: Continuation
  /// Whether the answer is to stop.
  private let isInterrupted: () -> Bool
  private var totals = ChatTotals()

  init(
    conversation: Conversation, contextLength: Int, options: GenerationOptions, output: Output,
    isInterrupted: @escaping () -> Bool, generate: @escaping Continuation
  ) {
    self.conversation = conversation
    self.contextLength = contextLength
    self.options = options
    self.options.stop = conversation.template.stop + options.stop
    self.output = output
    self.isInterrupted = isInterrupted
    self.generate = generate
  }

  /// Takes a line of input; false if the dialogue is over.
  ///
  /// *Throws* `GenerationError`: the model can't answer at all. Of other errors a notice is given.
  func handle(_ line: String) throws -> Bool {
    let text = Conversation.trimmed(line)
    do {
      switch try ChatCommand(text) {
      case .message(let message):
        if !message.isEmpty { try answer(message) }
      case .quit: return false
      case .help: notice(ChatCommand.helpText)
      case .reset:
        conversation.reset()
        notice("[new conversation]")
      case .showSystem:
        let system = conversation.system
        notice(system.isEmpty ? "[no system text]" : printableText(system))
      case .setSystem(let text):
        try conversation.setSystem(text)
        notice(text.isEmpty ? "[no system text]" : "[system text set]")
      case .showTemperature: notice("[temperature \(options.sampling.temperature)]")
      case .setTemperature(let value):
        options.sampling.temperature = value
        notice("[temperature \(value)]")
      case .save(let path):
        try saveConversation(conversation, to: path)
        notice("[\(counted(conversation.turns.count, "turn")) saved in \(path)]")
      case .load(let path): try load(path)
      case .statistics: notice(statistics)
      }
    } catch let error as GenerationError {
      throw error
    } catch {
      notice("chat: \(error)")
    }
    return true
  }

  /// Replaces the conversation by a saved one.
  func load(_ path: String) throws {
    try loadConversation(path, into: &conversation)
    notice("[\(counted(conversation.turns.count, "turn")) loaded from \(path)]")
  }

  private func notice(_ text: String) { output.notice(text + "\n") }

  // MARK: Answers

  private func answer(_ message: String) throws {
    let before = conversation
    let asked = try conversation.ask(message, maxTokens: options.maxTokens)
    if asked.forgotten > 0 {
      notice("[forgot the oldest \(counted(asked.forgotten, "turn")) to make room]")
    }
    var limited = options
    limited.maxTokens = min(options.maxTokens, contextLength - asked.tokens.count)
    var shown = ShownAnswer(output: output.answer)
    // What an error leaves behind ends with a line break too.
    defer { shown.finish() }
    var tokens: [Int32] = []
    let result = try generate(
      asked.tokens, limited, totals.answers, { tokens.append($0.token) },
      { piece in
        shown.append(piece)
        return !isInterrupted()
      })
    shown.finish()
    if result.end == .cancelled && tokens.isEmpty {
      conversation = before
      return notice("[stopped before the answer began: the conversation is as it was]")
    }
    if result.end == .endToken { tokens.removeLast() }
    try conversation.add(message: message, answer: shown.bytes, generated: tokens)
    totals.add(result)
    notice("[\(figures(result, limit: limited.maxTokens))]")
  }

  /// Why the answer ended, where that needs a word, and how fast it was.
  private func figures(_ result: GenerationResult, limit: Int) -> String {
    var parts: [String] = []
    switch result.end {
    case .cancelled: parts.append("stopped")
    case .maxTokens where limit < options.maxTokens:
      parts.append("cut off, the context of \(contextLength) tokens is full")
    case .maxTokens: parts.append("cut off after --max-tokens")
    case .endToken, .stopString: break
    }
    parts.append(counted(result.tokenCount, "token"))
    // The first token comes from the logits of the prompt.
    if result.tokenCount > 1 && result.decodeSeconds > 0 {
      let rate = Double(result.tokenCount - 1) / result.decodeSeconds
      parts.append("\(Format.rate(rate)) tokens/s")
    }
    parts.append(
      "\(result.promptTokenCount) of context in \(milliseconds(result.prefillSeconds))")
    return parts.joined(separator: ", ")
  }

  private var statistics: String {
    var lines = [
      "\(counted(conversation.turns.count, "turn")) remembered, \(conversation.tokenCount) of "
        + "\(contextLength) tokens of context",
      "\(counted(totals.answers, "answer")), \(counted(totals.tokens, "token"))",
    ]
    if totals.decodeSeconds > 0 && totals.tokens > totals.answers {
      let rate = Double(totals.tokens - totals.answers) / totals.decodeSeconds
      lines[1] += " at \(Format.rate(rate)) tokens/s"
    }
    lines.append("seed \(options.seed), template \(conversation.template.rawValue)")
    lines.append("memory at most \(Format.bytes(SystemInfo.ownPeakResidentByteCount))")
    return lines.joined(separator: "\n")
  }
}

/// Sums over all answers.
private struct ChatTotals {
  var answers = 0
  var tokens = 0
  var decodeSeconds = 0.0

  mutating func add(_ result: GenerationResult) {
    answers += 1
    tokens += result.tokenCount
    decodeSeconds += result.decodeSeconds
  }
}

/// An answer as it comes: without blanks at its beginning, without control characters, and with a
/// line break at its end.
private struct ShownAnswer {
  private let output: (String) -> Void
  /// The answer as the model gave it.
  private(set) var bytes: [UInt8] = []
  private var hasBegun = false
  private var endsLine = false

  init(output: @escaping (String) -> Void) { self.output = output }

  mutating func append(_ piece: UnsafeBufferPointer<UInt8>) {
    bytes += piece
    var text = printableText(String(decoding: piece, as: UTF8.self))[...]
    if !hasBegun { text = text.drop { $0.isWhitespace } }
    if text.isEmpty { return }
    hasBegun = true
    endsLine = text.last == "\n"
    output(String(text))
  }

  /// Ends the line; once more does nothing.
  mutating func finish() {
    if hasBegun && !endsLine { output("\n") }
    endsLine = true
  }
}
