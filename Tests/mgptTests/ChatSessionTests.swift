// The dialogue of `mgpt chat` with a model that says what the test wants: commands, words, files.

import Testing

@testable import MicroGPT
@testable import mgpt

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A model that reads its answers from a list, and the screen.
private final class Script {
  var answers: [String] = []
  /// What the model was given, and how.
  private(set) var prompts: [String] = []
  private(set) var options: [GenerationOptions] = []
  private(set) var samples: [Int] = []
  var shown = ""
  var notices: [String] = []
  var end = GenerationResult.End.stopString
  var interruptAfter = Int.max
  /// What ends the answer in its middle.
  var failure: GenerationError?
  private(set) var pieces = 0

  func run(
    _ tokens: [Int32], _ options: GenerationOptions, _ sample: Int,
    _ onToken: (GeneratedToken) -> Void, _ emit: (UnsafeBufferPointer<UInt8>) -> Bool
  ) throws(GenerationError) -> GenerationResult {
    prompts.append(String(decoding: tokens.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self))
    self.options.append(options)
    samples.append(sample)
    var result = GenerationResult(
      end: end, promptTokenCount: tokens.count, tokenCount: 0, prefillSeconds: 0.0123,
      decodeSeconds: 0.5)
    for byte in answers.removeFirst().utf8 {
      onToken(GeneratedToken(token: Int32(byte)))
      result.tokenCount += 1
      pieces += 1
      let goesOn = withUnsafePointer(to: byte) {
        emit(UnsafeBufferPointer(start: $0, count: 1))
      }
      if !goesOn {
        result.end = .cancelled
        return result
      }
    }
    if let failure { throw failure }
    return result
  }
}

/// A session with such a model.
@dynamicMemberLookup
private struct Dialogue {
  let script = Script()
  let session: ChatSession

  subscript<Value>(dynamicMember path: ReferenceWritableKeyPath<Script, Value>) -> Value {
    get { script[keyPath: path] }
    nonmutating set { script[keyPath: path] = newValue }
  }

  subscript<Value>(dynamicMember path: KeyPath<Script, Value>) -> Value { script[keyPath: path] }

  init(
    context: Int = 200, system: String = "", template: ChatTemplate = .plain,
    _ change: (inout GenerationOptions) -> Void = { _ in }
  ) throws {
    var conversation = Conversation(
      template: template, tokenizer: ByteTokenizer(), layout: .stream, contextLength: context)
    try conversation.setSystem(system)
    var options = GenerationOptions()
    options.seed = 7
    change(&options)
    let script = script
    session = ChatSession(
      conversation: conversation, contextLength: context, options: options,
      output: .init(
        answer: { script.shown += $0 }, notice: { script.notices.append(String($0.dropLast())) }),
      isInterrupted: { script.pieces >= script.interruptAfter },
      generate: { try script.run($0, $1, $2, $3, $4) })
  }

  /// The notices of a line.
  func say(_ line: String) -> [String] {
    script.notices = []
    script.shown = ""
    _ = try? session.handle(line)
    return script.notices
  }
}

@Suite("Chat") struct ChatSessionTests {
  @Test func aConversation() throws {
    let dialogue = try Dialogue(system: "S")
    dialogue.answers = [" Hello there", " Fine\n"]
    #expect(dialogue.say(" Hi ") == ["[12 tokens, 22 tokens/s, 22 of context in 12 ms]"])
    #expect(dialogue.shown == "Hello there\n")
    _ = dialogue.say("And?")
    #expect(dialogue.shown == "Fine\n")
    #expect(
      dialogue.prompts == [
        "S\n\nUser: Hi\nAssistant:",
        "S\n\nUser: Hi\nAssistant: Hello there\nUser: And?\nAssistant:",
      ])
    // Each answer has random numbers of its own.
    #expect(dialogue.samples == [0, 1] && dialogue.options.allSatisfy { $0.seed == 7 })
    #expect(dialogue.options[0].stop == ["\nUser:"])
    #expect(dialogue.session.conversation.turns.map(\.answer) == ["Hello there", "Fine"])
  }

  /// The dialogue ends where the model can't go on; what it said before stays.
  @Test func aModelWithoutPredictions() throws {
    let dialogue = try Dialogue()
    dialogue.answers = [" Hel"]
    let failure = GenerationError.noNumber(promptTokens: 16, tokens: 4)
    dialogue.failure = failure
    #expect(throws: failure) { try dialogue.session.handle("Hi") }
    #expect(dialogue.shown == "Hel\n" && dialogue.notices.isEmpty)
    #expect(dialogue.session.conversation.turns.isEmpty)
  }

  @Test(arguments: ["", "   ", "\t\n"]) func nothingIsIgnored(_ line: String) throws {
    let dialogue = try Dialogue()
    #expect(dialogue.say(line).isEmpty && dialogue.prompts.isEmpty)
  }

  @Test func endsOfAnswers() throws {
    let dialogue = try Dialogue(context: 60) { $0.maxTokens = 30 }
    dialogue.answers = [" abc"]
    dialogue.end = .maxTokens
    #expect(
      dialogue.say("x") == [
        "[cut off after --max-tokens, 4 tokens, 6.0 tokens/s, 18 of context in 12 ms]"
      ])
    dialogue.answers = [" abc"]
    #expect(
      dialogue.say("123456789") == [
        "[forgot the oldest 1 turn to make room]",
        "[cut off after --max-tokens, 4 tokens, 6.0 tokens/s, 26 of context in 12 ms]",
      ])
    dialogue.answers = [" abc"]
    _ = dialogue.say("/reset")
    #expect(
      dialogue.say("1234567890123456")[0].hasPrefix(
        "[cut off, the context of 60 tokens is full, 4 tokens"))
    #expect(dialogue.options.map(\.maxTokens) == [30, 30, 27])
  }

  /// What the model said until Ctrl-C belongs to the conversation.
  @Test func stopped() throws {
    let dialogue = try Dialogue()
    dialogue.answers = [" a long answer"]
    dialogue.interruptAfter = 7
    #expect(dialogue.say("x") == ["[stopped, 7 tokens, 12 tokens/s, 18 of context in 12 ms]"])
    #expect(dialogue.shown == "a long\n")
    #expect(dialogue.session.conversation.turns.map(\.answer) == ["a long"])
  }

  /// Ctrl-C while the message is taken in.
  @Test func stoppedBeforeTheAnswer() throws {
    let dialogue = try Dialogue(context: 60) { $0.maxTokens = 10 }
    dialogue.answers = [" a", "", " b"]
    _ = dialogue.say("w")
    dialogue.end = .cancelled
    let notices = dialogue.say("12345678901234567890")
    #expect(
      notices == [
        "[forgot the oldest 1 turn to make room]",
        "[stopped before the answer began: the conversation is as it was]",
      ])
    #expect(dialogue.shown == "")
    dialogue.end = .stopString
    _ = dialogue.say("y")
    #expect(dialogue.prompts[2] == "User: w\nAssistant: a\nUser: y\nAssistant:")
  }

  @Test func controlCharactersAreNotShown() throws {
    let dialogue = try Dialogue()
    dialogue.answers = [" \n a\u{1B}[31mb\tc"]
    _ = dialogue.say("x")
    #expect(dialogue.shown == "a\u{FFFD}[31mb\tc\n")
  }

  @Test func settings() throws {
    let dialogue = try Dialogue()
    #expect(dialogue.say("/temp") == ["[temperature 0.8]"])
    #expect(dialogue.say("/temp 1.5") == ["[temperature 1.5]"])
    #expect(dialogue.say("/system") == ["[no system text]"])
    #expect(dialogue.say("/system  Be kind. ") == ["[system text set]"])
    #expect(dialogue.say("/system") == ["Be kind."])
    dialogue.answers = ["a", "b"]
    _ = dialogue.say("//x")
    #expect(dialogue.prompts == ["Be kind.\n\nUser: /x\nAssistant:"])
    #expect(dialogue.options[0].sampling.temperature == 1.5)
    #expect(dialogue.say("/reset") == ["[new conversation]"])
    _ = dialogue.say("y")
    #expect(dialogue.prompts[1] == "Be kind.\n\nUser: y\nAssistant:")
    #expect(dialogue.say("/system \"\"") == ["[no system text]"])
    let statistics = dialogue.say("/stats")[0].split(separator: "\n")
    #expect(statistics[0] == "1 turn remembered, 20 of 200 tokens of context")
    #expect(statistics[1] == "2 answers, 2 tokens")
    #expect(statistics[2] == "seed 7, template plain")
    #expect(statistics[3].hasPrefix("memory at most "))
    #expect(dialogue.say("/help")[0].hasPrefix("/reset  "))
  }

  @Test(arguments: ["/quit", "/exit", " /quit "]) func theEnd(_ line: String) throws {
    #expect(try Dialogue().session.handle(line) == false)
  }

  static let mistakes = [
    ("/qiut", "unknown command /qiut. Did you mean /quit?"),
    ("/frobnicate now", "unknown command /frobnicate. See /help, or begin a message with //."),
    ("/", "unknown command /. See /help, or begin a message with //."),
    ("/QUIT", "unknown command /QUIT. Did you mean /quit?"),
    ("/quit now", #"/quit takes no value. Found "now", expected /quit alone."#),
    ("/reset all", #"/reset takes no value. Found "all", expected /reset alone."#),
    (
      "/temp hot",
      #"bad value for /temp. Found "hot", expected a number from 0 to 100. Example: /temp 0.7"#
    ),
    (
      "/temp -1",
      #"bad value for /temp. Found "-1", expected a number from 0 to 100. Example: /temp 0.7"#
    ),
    ("/save", "/save needs the name of a file. Example: /save chat.json"),
    ("/load", "/load needs the name of a file. Example: /load chat.json"),
    ("/load /none/x", "/none/x does not exist. Check the name, or give another file."),
    ("/load /", "/ is a directory. Expected a text file. Name a file inside it."),
    (
      "/load /dev/null",
      "/dev/null is no saved conversation. Expected a file of /save, of at most 64 MB. Use another."
    ),
    (
      "/save /dev/null",
      "/dev/null is in the way. Found a file that is no conversation, expected none. Use another "
        + "name."
    ),
    (
      "/system " + String(repeating: "x", count: 99),
      "the system text is too long. Found 101 tokens, expected at most 100, half of the context. "
        + "Shorten it."
    ),
    (
      String(repeating: "x", count: 140),
      "the message is too long. Found 157 tokens, expected at most 147 of a context of 200. "
        + "Shorten it, or the system text."
    ),
  ]

  /// One line, and everything is as it was.
  @Test(arguments: mistakes) func mistakesLoseNothing(_ line: String, _ words: String) throws {
    let dialogue = try Dialogue(system: "S")
    dialogue.answers = ["a"]
    _ = dialogue.say("x")
    let before = dialogue.session.conversation.json
    #expect(dialogue.say(line) == ["chat: " + words])
    #expect(dialogue.session.conversation.json == before && dialogue.prompts.count == 1)
    #expect(dialogue.session.options.sampling.temperature == 0.8)
  }

  @Test func savesAndLoads() throws {
    let here = try Workspace()
    let path = here.path + "/chat.json"
    let dialogue = try Dialogue(system: "S")
    dialogue.answers = [" é\"", "b"]
    _ = dialogue.say("x")
    #expect(dialogue.say("/save \(path)") == ["[1 turn saved in \(path)]"])
    _ = dialogue.say("y")
    #expect(dialogue.say("/save \(path)") == ["[2 turns saved in \(path)]"])
    let other = try Dialogue(template: .chatml)
    #expect(other.say("/load \(path)") == ["[2 turns loaded from \(path)]"])
    #expect(other.session.conversation.turns.map(\.answer) == ["é\"", "b"])
    #expect(other.session.conversation.system == "S")
    // Another file is neither read nor replaced, and a damaged one is not read.
    let text = here.path + "/text.txt"
    #expect(other.say("/save \(text)")[0].contains(" is in the way. "))
    #expect(other.say("/load \(text)")[0].contains(" is no saved conversation. "))
    here.write(here.text("chat.json").replacing("assistant", with: "parrot"), to: "bad.json")
    #expect(
      other.say("/load \(here.path)/bad.json") == [
        "chat: \(here.path)/bad.json: no saved conversation: message 3 has no role and content in "
          + "turn. Found \"parrot\", expected \"assistant\". Use a file of /save."
      ])
    here.write("{\"format\":", to: "cut.json")
    #expect(other.say("/load \(here.path)/cut.json")[0].contains(" is no saved conversation. "))
    #expect(other.session.conversation.turns.count == 2)
    #expect(other.say("/save \(here.path)/none/x.json")[0].hasPrefix("chat: "))
    #expect(here.list(".").filter { $0.hasPrefix(".") }.isEmpty)
  }
}
