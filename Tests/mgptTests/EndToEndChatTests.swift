// `mgpt chat` from outside: piped input, and on a pseudo terminal with keys, Ctrl-C and signals.

import MicroGPT
import Testing

@testable import mgpt

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct EndToEndChatTests {
  /// A model in `run` that knows the words of the template.
  private func trained(
    _ sizes: String = "--layers 1 --embed-dim 16 --heads 2 --context 64 --batch-size 2 --steps 20"
  ) throws -> Workspace {
    let here = try Workspace()
    let text = (0..<300).map { "User: Hi \($0)\nAssistant: Hello /.,!?\n" }.joined()
    here.write(text, to: "dialogue.txt")
    let run = try here.mgpt(
      "train --data dialogue.txt --layout stream --out run --quiet \(sizes)")
    try #require(run.code == 0, "\(run.error)")
    return here
  }

  private func chat(_ here: Workspace, _ input: String, _ options: String = "") throws -> Outcome {
    here.write(input, to: "input")
    return try here.shell("\"$MGPT\" chat --model run --seed 1 \(options) <input")
  }

  @Test func pipedInput() throws {
    let here = try trained(
      "--layers 1 --embed-dim 16 --heads 2 --context 128 --batch-size 1 --steps 20")
    let run = try chat(here, "Hi 1\n\n/stats\nHi 2\n/save chat.json", "--max-tokens 12")
    #expect(run.code == 0)
    let lines = run.error.split(separator: "\n").map(String.init)
    #expect(lines.count == 7, "\(run.error)")
    #expect(lines[0].contains(" tokens/s, 21 of context in "))
    #expect(lines[1].hasPrefix("1 turn remembered, "))
    #expect(lines[3] == "seed 1, template plain")
    #expect(lines[6] == "[2 turns saved in chat.json]")
    #expect(!run.output.contains("> ") && !run.output.isEmpty)
    let saved = try JSON.parse(here.bytes("chat.json") ?? [])
    let said = saved["messages"]?.arrayValue?.compactMap { $0["content"]?.stringValue }
    #expect(said?[0] == "Hi 1" && said?[2] == "Hi 2")
    // The same seed gives the same conversation; it can be loaded again.
    let again = try chat(here, "Hi 1\nHi 2\n", "--max-tokens 12 --threads 2")
    #expect(again.output == run.output)
    let loaded = try chat(here, "/stats", "--load chat.json --template chatml")
    #expect(loaded.error.hasPrefix("2 turns remembered, "))
    #expect(loaded.error.contains("template chatml\n"))
  }

  @Test func endsOfInput() throws {
    let here = try trained()
    #expect(try chat(here, "").output == "")
    let quit = try chat(here, "/quit\nHi\n")
    #expect(quit.code == 0 && quit.output == "" && quit.error == "")
    // Bytes that are no text are ignored like any character that the model doesn't know.
    here.write([0x48, 0xFF, 0xFE, 0x0A, 0x00, 0x0A], to: "bytes")
    let odd = try here.shell("\"$MGPT\" chat --model run --max-tokens 3 <bytes")
    #expect(odd.code == 0 && odd.error.split(separator: "\n").count == 2, "\(odd.error)")
  }

  /// The context of 64 holds one short turn; the system text stays.
  @Test func historyIsTrimmed() throws {
    let here = try trained()
    let run = try chat(here, "Hi 1\nHi 2\nHi 3\n/system\n", "--system Hello --max-tokens 15")
    #expect(run.error.contains("[forgot the oldest 1 turn to make room]\n"))
    #expect(run.error.hasSuffix("Hello\n"))
    let long = try chat(here, String(repeating: "Hi ", count: 30))
    #expect(
      long.error == "chat: the message is too long. Found 106 tokens, expected at most 48 of a "
        + "context of 64. Shorten it, or the system text.\n")
  }

  static let mistakes = [
    ("--load none.json", 66, "none.json does not exist. Check the name, or give another file."),
    (
      "--load text.txt", 65,
      "text.txt is no saved conversation. Expected a file of /save, of at most 64 MB. Use another."
    ),
    (
      "--logit-bias 999:1", 78,
      "--logit-bias names a token that the model doesn't have. Found 999, expected 0 to 32. To give "
        + "a text of digits, quote it: '\"999\":-5'."
    ),
    (
      "--logit-bias ab:1", 78,
      "--logit-bias needs one token. Found \"ab\", which is 2 tokens, expected a text of one. Give "
        + "a bias to each of its tokens."
    ),
    (
      "--logit-bias Z:1", 78,
      "--logit-bias names a text that the model doesn't know. Found \"Z\", expected a text of its "
        + "vocabulary. Leave it out."
    ),
  ]

  @Test func mistakes() throws {
    let here = try trained()
    for (options, code, words) in Self.mistakes {
      let run = try chat(here, "Hi\n", options)
      #expect(Int(run.code) == code && run.output == "", "\(options)")
      #expect(run.error == "mgpt: \(words)\n", "\(options)")
    }
  }

  // MARK: On a terminal

  /// Starts a chat as the leader of a session on `terminal`.
  private func start(
    _ here: Workspace, _ terminal: PseudoTerminal, _ options: String
  ) throws -> Child {
    let script =
      "exec \"$MGPT\" chat --model run --seed 1 \(options) <\(terminal.name) >\(terminal.name) 2>&1"
    return try here.start(
      ["sh", "-c", script], program: "setsid",
      environment: [
        // A sanitizer would take the signals of a crash for itself.
        "ASAN_OPTIONS": (environmentValue("ASAN_OPTIONS") ?? "") + ":handle_segv=0",
        "TSAN_OPTIONS": (environmentValue("TSAN_OPTIONS") ?? "") + ":handle_segv=0",
        // On a terminal Swift's backtracer asks what to do after a crash, and waits.
        "MGPT": program, "TERM": "xterm", "SWIFT_BACKTRACE": "enable=no",
      ])
  }

  private func waits(_ child: Child, _ terminal: PseudoTerminal, for text: String) -> Bool {
    child.waits {
      terminal.drain()
      return terminal.screen.contains(text)
    }
  }

  @Test func keysOnATerminal() throws {
    let here = try trained()
    let terminal = try #require(PseudoTerminal())
    let child = try start(here, terminal, "--max-tokens 5")
    #expect(waits(child, terminal, for: "> "))
    #expect(!terminal.isCooked)
    terminal.type("i 1\u{1}H\r")
    #expect(waits(child, terminal, for: "\u{1B}[J> Hi 1"))
    #expect(waits(child, terminal, for: " 21 of context in "))
    // Up brings the line back; Ctrl-C clears it; two on an empty line end.
    terminal.type("\u{1B}[A!")
    #expect(waits(child, terminal, for: "> Hi 1!"))
    terminal.type("\u{3}")
    #expect(waits(child, terminal, for: "^C"))
    terminal.type("\u{1B}[200~a\rb\u{1B}[201~")
    #expect(waits(child, terminal, for: "  b"))
    terminal.type("\u{3}")
    #expect(child.isRunning)
    terminal.type("\u{3}")
    let end = child.wait()
    #expect(end.code == 0)
    #expect(terminal.isCooked)
  }

  /// The answer stops, and the program goes on.
  @Test func controlCStopsTheAnswer() throws {
    // Some milliseconds per token, or many tokens where training a larger model takes long: an
    // answer of a second and more.
    let size =
      isEmulated
      ? "--layers 2 --embed-dim 128 --context 256" : "--layers 4 --embed-dim 512 --context 512"
    let here = try trained("\(size) --heads 8 --batch-size 1 --steps 1")
    let terminal = try #require(PseudoTerminal())
    let options = "--temperature 50 --logit-bias U:-inf --max-tokens 1024"
    let child = try start(here, terminal, options)
    #expect(waits(child, terminal, for: "> "))
    terminal.type("Hi\r")
    #expect(waits(child, terminal, for: "> Hi"))
    let isAnswering = child.waits {
      terminal.drain()
      return terminal.screen.utf8.count > 200
    }
    #expect(isAnswering)
    // As with a shell, Ctrl-C throws away what was typed before it.
    terminal.type("x\u{3}")
    #expect(waits(child, terminal, for: "[stopped, "))
    terminal.type("/stats\r")
    #expect(waits(child, terminal, for: "1 turn remembered, "))
    terminal.type("\u{4}")
    #expect(child.wait().code == 0)
    #expect(terminal.isCooked)
  }

  /// A line that was ended by Enter meanwhile is the next message.
  @Test func typedDuringTheAnswer() throws {
    let size = "--layers 2 --embed-dim 128 --heads 8 --context \(isEmulated ? 128 : 512)"
    let here = try trained("\(size) --batch-size 1 --steps 1")
    let terminal = try #require(PseudoTerminal())
    let options = "--temperature 50 --logit-bias U:-inf --max-tokens 300"
    let child = try start(here, terminal, options)
    #expect(waits(child, terminal, for: "> "))
    terminal.type("Hi\r")
    let isAnswering = child.waits {
      terminal.drain()
      return terminal.isAnswering
    }
    #expect(isAnswering)
    terminal.type("/stats\r")
    #expect(waits(child, terminal, for: "1 turn remembered, "))
    terminal.type("\u{4}")
    #expect(child.wait().code == 0)
  }

  @Test(arguments: [SIGTERM, SIGHUP, SIGQUIT, SIGSEGV]) func aSignalRestoresTheTerminal(
    _ signal: Int32
  ) throws {
    let here = try trained()
    let terminal = try #require(PseudoTerminal())
    let child = try start(here, terminal, "")
    #expect(waits(child, terminal, for: "> "))
    #expect(!terminal.isCooked)
    child.send(signal)
    #expect(child.wait().code == 128 + signal)
    #expect(terminal.isCooked)
    terminal.drain()
    #expect(terminal.screen.contains("\u{1B}[?2004l"))
  }

  /// SIGINT, which is not a key here, does what Ctrl-C does.
  @Test func interruptsAtThePrompt() throws {
    let here = try trained()
    let terminal = try #require(PseudoTerminal())
    let child = try start(here, terminal, "")
    #expect(waits(child, terminal, for: "> "))
    terminal.type("some text")
    #expect(waits(child, terminal, for: "some text"))
    child.send(SIGINT)
    #expect(waits(child, terminal, for: "^C"))
    terminal.type("\u{4}")
    #expect(child.wait().code == 0)
  }
}
