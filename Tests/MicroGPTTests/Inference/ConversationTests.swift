// Conversations: what the model is given, word for word, what is forgotten when, and what a saved
// one must look like.
import Testing

@testable import MicroGPT

@Suite struct ConversationTests {
  /// A conversation in bytes, so that tokens can be read.
  private func conversation(
    _ template: ChatTemplate = .plain, context: Int = 200, layout: CorpusLayout = .stream
  ) -> Conversation {
    Conversation(
      template: template, tokenizer: ByteTokenizer(), layout: layout, contextLength: context)
  }

  private func text(_ tokens: [Int32]) -> String {
    String(decoding: tokens.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
  }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// As a model of bytes generates it.
  private func generated(_ text: String) -> [Int32] { text.utf8.map { Int32($0) } }

  @Test func plain() throws {
    var c = conversation()
    #expect(text(try c.ask("Hi", maxTokens: 9).tokens) == "User: Hi\nAssistant:")
    try c.setSystem("Be kind.")
    try c.add(message: "Hi", answer: bytes(" Hello."), generated: generated(" Hello.\nUser:"))
    #expect(c.turns.map(\.answer) == ["Hello."])
    let expected = "Be kind.\n\nUser: Hi\nAssistant: Hello.\n"
    #expect(c.tokenCount == expected.utf8.count)
    #expect(text(try c.ask("Well?", maxTokens: 9).tokens) == expected + "User: Well?\nAssistant:")
    try c.setSystem("")
    #expect(text(try c.ask("A", maxTokens: 9).tokens).hasPrefix("User: Hi\nAssistant: Hello.\n"))
  }

  @Test func chatml() throws {
    var c = conversation(.chatml)
    try c.setSystem("Be kind.")
    try c.add(message: "Hi", answer: "Hello.")
    let expected = """
      <|im_start|>system
      Be kind.<|im_end|>
      <|im_start|>user
      Hi<|im_end|>
      <|im_start|>assistant
      Hello.<|im_end|>
      <|im_start|>user
      Well?<|im_end|>
      <|im_start|>assistant

      """
    #expect(text(try c.ask("Well?", maxTokens: 9).tokens) == expected)
  }

  /// What the model has just generated comes back token by token, so that its keys and values in
  /// the cache count; and an answer from a file is written as the model would.
  @Test(arguments: ChatTemplate.allCases) func eachPromptBeginsWithTheOneBefore(
    _ template: ChatTemplate
  ) throws {
    var c = conversation(template)
    let answer = template == .plain ? " No é." : "No é."
    let first = try c.ask("A", maxTokens: 9).tokens
    var other = c
    try c.add(message: "A", answer: bytes(answer), generated: generated(answer + template.stop[0]))
    let second = try c.ask("B", maxTokens: 9).tokens
    #expect(Array(second.prefix(first.count)) == first)
    #expect(text(Array(second[first.count...])).hasPrefix(answer + template.answerEnd))
    try other.add(message: "A", answer: "No é.")
    let same = try other.ask("B", maxTokens: 9).tokens
    #expect(same == second)
  }

  /// A stop string may begin within a token, and ill-formed bytes were shown as U+FFFD.
  @Test func answersThatEndWithinAToken() throws {
    var c = conversation()
    try c.add(message: "A", answer: bytes(" x\u{FFFD}"), generated: [32, 120, 0xE9, 10, 85])
    #expect(text(try c.ask("B", maxTokens: 9).tokens).contains("Assistant: x\u{FFFD}\nUser: B"))
    try c.add(message: "C", answer: [], generated: generated("\nUser:"))
    #expect(
      c.turns.last == .init(message: "C", answer: "", tokens: generated("User: C\nAssistant:\n")))
  }

  @Test func documentsBeginWithTheirToken() throws {
    var c = conversation(layout: .documents)
    #expect(try c.ask("A", maxTokens: 9).tokens.first == 256)
    try c.setSystem("S")
    #expect(try Array(c.ask("A", maxTokens: 9).tokens.prefix(3)) == [256, 83, 10])
  }

  /// Turns of 21 bytes, a system text of 10: a context of 100 keeps 25 free.
  @Test func theOldestTurnsAreForgotten() throws {
    var c = conversation(context: 100)
    try c.setSystem("12345678")
    for turn in 0..<2 { try c.add(message: "\(turn)", answer: "x") }
    #expect(c.tokenCount == 52)
    let fits = try c.ask("abcdef", maxTokens: 50)
    #expect(fits.tokens.count == 75 && fits.forgotten == 0)
    let tight = try c.ask("abcdefg", maxTokens: 50)
    #expect(tight.forgotten == 2 && c.turns.isEmpty)
    #expect(text(tight.tokens) == "12345678\n\nUser: abcdefg\nAssistant:")
  }

  /// Half of the context is free afterwards, not just enough.
  @Test func forgettingMakesRoomForSeveralTurns() throws {
    var c = conversation(context: 200)
    for turn in 0..<7 { try c.add(message: "\(turn)", answer: "x") }  // 20 bytes each
    #expect(c.tokenCount == 147)
    let asked = try c.ask("abc", maxTokens: 1000)
    #expect(asked.forgotten == 4 && c.turns.map(\.message) == ["4", "5", "6"])
    #expect(asked.tokens.count <= 100)
    // An answer of one token needs but one.
    #expect(c.reserve(1) == 1 && c.reserve(1000) == 50)
  }

  @Test func whatIsTooLongIsRefused() throws {
    var c = conversation(context: 100)
    try c.setSystem("S")
    try c.add(message: "m", answer: "a")
    let long = String(repeating: "x", count: 56)
    do {
      _ = try c.ask(long, maxTokens: 50)
      Issue.record("no error")
    } catch let error as ConversationError {
      #expect(
        error.description == "the message is too long. Found 73 tokens, expected at most 72 of a "
          + "context of 100. Shorten it, or the system text.")
    }
    do {
      try c.setSystem(long)
      Issue.record("no error")
    } catch let error as ConversationError {
      #expect(
        error.description == "the system text is too long. Found 58 tokens, expected at most 50, "
          + "half of the context. Shorten it.")
      #expect(error.exitCode == .data)
    }
    #expect(c.turns.count == 1 && c.system == "S")
    #expect(throws: Never.self) { try c.ask(String(long.dropLast()), maxTokens: 50) }
  }

  // MARK: Saved

  @Test(arguments: ChatTemplate.allCases) func savedAndLoaded(_ template: ChatTemplate) throws {
    var c = conversation(template)
    try c.setSystem("Be \"kind\".\n")
    try c.add(message: "A\nb", answer: bytes(" \t é\n"), generated: generated(" \t é\n"))
    try c.add(message: "日本", answer: "")
    var other = conversation(.plain)
    try other.add(message: "gone", answer: "gone")
    try other.load(try JSON.parse(c.json.utf8Bytes))
    #expect(other.system == c.system)
    #expect(other.turns.map(\.message) == ["A\nb", "日本"])
    #expect(other.turns.map(\.answer) == ["é", ""])
    #expect(other.json["messages"] == c.json["messages"])
  }

  static let damaged = [
    (#"{}"#, #"it has another format. Found nothing, expected "mgpt conversation""#),
    (#"[1]"#, #"it has another format. Found nothing, expected "mgpt conversation""#),
    (
      #"{"format":"mgpt conversation","version":2}"#,
      "it has another version. Found 2, expected 1"
    ),
    (
      #"{"format":"mgpt conversation","version":1,"messages":{}}"#,
      "it has no messages. Found an object, expected an array"
    ),
    (
      message(#"{"role":"assistant","content":"a"}"#),
      #"message 1 has no role and content in turn. Found "assistant", expected "user""#
    ),
    (
      message(#"{"role":"user","content":"a"},{"role":"system","content":"b"}"#),
      #"message 2 has no role and content in turn. Found "system", expected "assistant""#
    ),
    (
      message(#"{"role":"user","content":5}"#),
      #"message 1 has no role and content in turn. Found "user", expected "user""#
    ),
    (message("7"), #"message 1 has no role and content in turn. Found nothing, expected "user""#),
    (
      message(#"{"role":"user","content":"a"}"#),
      "the last message has no answer. Found 1 messages, expected one more"
    ),
  ]

  private static func message(_ text: String) -> String {
    #"{"format":"mgpt conversation","version":1,"messages":["# + text + "]}"
  }

  @Test(arguments: damaged) func damagedFilesChangeNothing(_ text: String, _ words: String) throws {
    var c = conversation()
    try c.setSystem("S")
    try c.add(message: "m", answer: "a")
    let before = c.json
    do {
      try c.load(try JSON.parse(Array(text.utf8)))
      Issue.record("no error")
    } catch let error as ConversationError {
      #expect(error.description == "no saved conversation: \(words). Use a file of /save.")
    }
    #expect(c.json == before)
  }
}
