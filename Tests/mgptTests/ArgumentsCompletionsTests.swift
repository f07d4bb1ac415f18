// Completion scripts: accepted by the shells, and bash really completes. A shell that is not
// installed skips its tests.

import Testing

@testable import mgpt

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct ArgumentsCompletionsTests {
  @Test(.enabled(if: isInstalled("bash"), "bash is not installed"))
  func bashAcceptsTheScript() throws { try checkSyntax(.bash) }

  @Test(.enabled(if: isInstalled("zsh"), "zsh is not installed"))
  func zshAcceptsTheScript() throws { try checkSyntax(.zsh) }

  @Test(.enabled(if: isInstalled("fish"), "fish is not installed"))
  func fishAcceptsTheScript() throws { try checkSyntax(.fish) }

  @Test func theSyntaxCheckFindsAFault() throws {
    let path = try temporaryFile("_mgpt() {\n")
    defer { unlink(path) }
    #expect(try run("sh -n \(path) 2>&1").status != 0)
  }

  @Test(
    .enabled(if: isInstalled("bash"), "bash is not installed"),
    arguments: [
      (["tr"], "train"), (["--v"], "--version"), (["train", "--embed"], "--embed-dim"),
      (["train", "--family", "m"], "modern microgpt"),
      (["train", "--family", "=", "g"], "gpt2"), (["train", "--qk-norm", "="], "on off"),
      (["train", "--steps", ""], ""), (["train", "--data", ""], ""),
      (["train", "--save-c"], ""), (["bench", "k"], "kernels"),
      (["inspect", "--"], "--model --json --help"), (["help", "ev"], "eval"),
      (["completions", ""], "bash zsh fish --help"),
    ])
  func bashCompletes(words: [String], expected: String) throws {
    let call = (["mgpt"] + words).map { "'\($0)'" }.joined(separator: " ")
    let path = try temporaryFile(
      completionScript(for: .bash) + """
        COMP_WORDS=(\(call))
        COMP_CWORD=\(words.count)
        _mgpt
        echo "${COMPREPLY[*]}"
        """)
    defer { unlink(path) }
    let result = try run("bash \(path) 2>&1")
    #expect(result.output == expected + "\n")
  }

  @Test(
    .enabled(if: isInstalled("fish"), "fish is not installed"),
    arguments: [
      ("tr", "train"), ("train --embed", "--embed-dim"), ("train --schedule c", "constant cosine"),
      ("bench ", "generate kernels train"), ("train --steps ", ""),
    ])
  func fishCompletes(words: String, expected: String) throws {
    let path = try temporaryFile(
      completionScript(for: .fish) + "complete -C 'mgpt \(words)' | string replace -r '\\t.*' ''\n")
    defer { unlink(path) }
    let result = try run("fish --no-config \(path) 2>&1")
    #expect(result.output.split(separator: "\n").joined(separator: " ") == expected)
  }

  @Test func commandPrintsTheScript() throws {
    #expect(try parse("completions zsh") == .completions(completionScript(for: .zsh)))
  }

  @Test(arguments: Shell.allCases)
  func everyOptionIsOffered(shell: Shell) {
    let script = completionScript(for: shell)
    for option in CommandDescription.all.flatMap(\.options) where !option.isOlderSpelling {
      let written = shell == .fish ? "-l \(option.name) " : option.label
      #expect(script.contains(written))
    }
    #expect(!script.contains("save-checkpoint"))
  }

  private func checkSyntax(_ shell: Shell) throws {
    let path = try temporaryFile(completionScript(for: shell))
    defer { unlink(path) }
    let result = try run("\(shell.rawValue) -n \(path) 2>&1")
    #expect(result.status == 0)
    #expect(result.output == "")
  }
}

private func isInstalled(_ program: String) -> Bool {
  (try? run("command -v \(program)").status) == 0
}

/// Writes a text to a new file of the system's folder for such things; the caller removes it.
private func temporaryFile(_ text: String) throws -> String {
  var template = Array("/tmp/mgpt-completions-XXXXXX".utf8CString)
  let descriptor = mkstemp(&template)
  try #require(descriptor >= 0)
  defer { close(descriptor) }
  let bytes = Array(text.utf8)
  try #require(write(descriptor, bytes, bytes.count) == bytes.count)
  return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// Runs a command line with `sh`; the status is that of `pclose`, 0 on success.
private func run(_ command: String) throws -> (status: Int32, output: String) {
  let pipe = try #require(popen(command, "r"))
  var output: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 4096)
  while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 {
    output += buffer[..<count]
  }
  return (pclose(pipe), String(decoding: output, as: UTF8.self))
}
