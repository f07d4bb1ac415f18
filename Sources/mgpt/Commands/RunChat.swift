// `mgpt chat`: connects the dialogue with a model, a keyboard and a screen.

import MicroGPT

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Talks until the person has had enough; returns the code to exit with.
func runChat(_ asked: ChatOptions) throws -> Int32 {
  let saved = try ModelFile(path: try requireModel(asked.model), for: .inference)
  let context = saved.model.configuration.contextLength
  var conversation = Conversation(
    template: asked.template, tokenizer: saved.tokenizer, layout: saved.layout,
    contextLength: context)
  if let path = asked.load { try loadConversation(path, into: &conversation) }
  if let system = asked.system { try conversation.setSystem(system) }
  let options = try asked.generation(saved.tokenizer)
  let generator = try asked.generator(saved)
  DialogueTerminal.begin()
  let session = ChatSession(
    conversation: conversation, contextLength: context, options: options,
    output: .init(answer: Terminal.output.write, notice: Terminal.error.write),
    isInterrupted: { DialogueTerminal.isInterrupted },
    generate: { tokens, options, sample, onToken, emit in
      try generator.generate(
        tokens: tokens, layout: saved.layout, options: options, sample: sample,
        continues: true, clock: { SystemInfo.seconds },
        shouldStop: { DialogueTerminal.isInterrupted }, onToken: onToken, emit: emit)
    })
  let reader: any LineReader =
    EditingLineReader(
      prompt: chatPrompt, output: .output,
      environment: { name in getenv(name).map { String(cString: $0) } })
    ?? PlainLineReader(prompt: chatPrompt, isTerminal: SystemInfo.isTerminal(0))
  if SystemInfo.isTerminal(0) {
    Terminal.error.write(greeting(saved.model, conversation, context))
  }
  return try converse(session, reader)
}

private let chatPrompt = "> "

/// Lines in, answers out, until the end of input or the second Ctrl-C in a row.
///
/// *Throws* what no further line would change.
func converse(_ session: ChatSession, _ reader: any LineReader) throws -> Int32 {
  var wasInterrupted = false
  while true {
    switch reader.next() {
    case .end: return 0
    case .interrupt(let hadText):
      if wasInterrupted && !hadText { return 0 }
      wasInterrupted = true
      if !hadText { Terminal.error.write("[Ctrl-C once more, Ctrl-D or /quit ends]\n") }
    case .line(let line):
      wasInterrupted = false
      reader.remember(line)
      DialogueTerminal.forgetInterrupt()
      if try !session.handle(line) { return 0 }
      DialogueTerminal.forgetInterrupt()
    }
  }
}

private func greeting(_ model: GPT, _ conversation: Conversation, _ context: Int) -> String {
  var text = "\(Format.count(model.parameterCount)) weights, context of \(context) tokens"
  if !conversation.turns.isEmpty {
    text += ", \(counted(conversation.turns.count, "turn")) loaded"
  }
  return text + ". /help lists the commands.\n"
}
