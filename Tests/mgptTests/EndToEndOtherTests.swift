// `generate`, `eval`, `inspect`, help and the demo from outside.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct EndToEndOtherTests {
  /// A model of a stream in `run`, one of documents in `names`.
  private func trained() throws -> Workspace {
    let here = try Workspace()
    for data in ["text", "names"] {
      let run = try here.mgpt(
        "train --data \(data).txt --out \(data) \(tiny) --batch-size 4 --steps 20 --quiet")
      try #require(run.code == 0, "\(run.error)")
    }
    return here
  }

  @Test func generates() throws {
    let here = try trained()
    let model = ["generate", "--model", "text/best.safetensors", "--max-tokens", "30"]
    // A prompt with characters that training never saw is repeated as it is.
    let first = try here.mgpt(model + ["--prompt", "日本 The é", "--seed", "7"])
    #expect(first.code == 0, "\(first.error)")
    #expect(first.output.hasPrefix("日本 The é"))
    #expect(first.output.hasSuffix("\n"))
    #expect(first.error.hasPrefix("8 prompt tokens in "))
    #expect(first.error.contains(" ms, 30 generated at "))
    #expect(first.error.hasSuffix(" tokens/s, seed 7\n"))
    // The same seed gives the same text, another seed another.
    let again = try here.mgpt(model + ["--prompt", "日本 The é", "--seed", "7"])
    #expect(again.output == first.output)
    let other = try here.mgpt(model + ["--prompt", "日本 The é", "--seed", "8"])
    #expect(other.output != first.output)
    // An empty prompt, a folder for the model, the most probable tokens.
    let empty = try here.mgpt(["generate", "--model", "text", "--prompt", "", "--temperature", "0"])
    #expect(empty.code == 0 && empty.output.count > 200)
    // A stop text ends the sample and is not printed.
    let greedy = empty.output
    let stop = String(greedy.prefix(12).suffix(2))
    let stopped = try here.mgpt([
      "generate", "--model", "text", "--temperature", "0", "--stop", stop,
    ])
    let expected = greedy.range(of: stop).map { String(greedy[..<$0.lowerBound]) }
    #expect(stopped.output.trimmed == expected?.trimmed)
  }

  @Test func tellsLogProbabilities() throws {
    let here = try trained()
    let model = "generate --model text --prompt The --max-tokens 9 --seed 2 "
    let plain = try here.mgpt(model)
    let lines = try here.mgpt(model + "--logprobs 3")
    #expect(lines.code == 0 && lines.lines.count == 9)
    let tokens = try lines.lines.map { try JSON.parse(Array($0.utf8)) }
    #expect("The" + tokens.compactMap { $0["text"]?.stringValue }.joined() + "\n" == plain.output)
    #expect(
      tokens[8].objectValue?.map(\.key) == ["sample", "index", "id", "text", "logprob", "top"])
    #expect(tokens[8]["index"] == 8 && tokens[8]["sample"] == 0)
    #expect(tokens[0]["top"]?.arrayValue?.count == 3)
    #expect((tokens[0]["logprob"]?.doubleValue ?? 1) <= 0)
    // In a file they leave the text alone.
    let beside = try here.mgpt(model + "--logprobs-out l.jsonl --num-samples 2")
    #expect(beside.output.hasPrefix(plain.output))
    #expect(here.text("l.jsonl").split(separator: "\n").count == 18)
    #expect(here.text("l.jsonl").contains(#""sample":1,"index":0,"#))
    #expect(here.text("l.jsonl").contains(#""top":[]}"#))
    let nowhere = try here.mgpt(model + "--logprobs-out none/l.jsonl")
    #expect(nowhere.code == 73 && nowhere.output == "", "\(nowhere.error)")
    // A forbidden token never comes, nor does anything but the one that is wanted.
    let forbidden = try here.mgpt(model + "--logit-bias e:-inf --temperature 50 --max-tokens 200")
    #expect(!forbidden.output.dropFirst(3).contains("e"))
    let forced = try here.mgpt(model + "--logit-bias x:900")
    #expect(forced.output == "Thexxxxxxxxx\n")
  }

  @Test func generatesSeveralDocuments() throws {
    let here = try trained()
    let run = try here.mgpt("generate --model names --num-samples 5 --seed 3 --max-tokens 20")
    #expect(run.code == 0)
    #expect(run.output.split(separator: "\n", omittingEmptySubsequences: false).count == 6)
    #expect(run.error.hasPrefix("5 prompt tokens in "))
    let streams = try here.mgpt("generate --model text --num-samples 2 --seed 3 --max-tokens 20")
    #expect(streams.output.contains("\n---\n"))
  }

  @Test func evaluates() throws {
    let here = try trained()
    let run = try here.mgpt("eval --model text --data text.txt --json")
    #expect(run.code == 0 && run.lines.count == 1, "\(run.error)")
    let object = try JSON.parse(Array(run.output.utf8))
    #expect(
      object.objectValue?.map(\.key) == ["loss", "perplexity", "bits_per_byte", "tokens", "bytes"])
    let text = here.text("text.txt").utf8.count
    #expect(object["tokens"]?.intValue == text - 1)
    let words = try here.mgpt("eval --model text --data text.txt")
    let loss = try #require(object["loss"]?.doubleValue)
    #expect(
      words.output.hasPrefix("loss \(Format.fixed(loss, decimals: 4)) nats/token, perplexity "))
    #expect(words.output.hasSuffix(" bits/byte over \(text - 1) tokens\n"))
    // The best checkpoint has the loss that training said.
    let best = try here.mgpt("inspect text --json")
    let saved = try JSON.parse(Array(best.output.utf8))
    #expect(saved["training"]?["best_loss"]?.doubleValue != nil)
    #expect(saved["configuration"]?["layers"]?.intValue == 1)
  }

  @Test func inspects() throws {
    let here = try trained()
    let run = try here.mgpt("inspect names/best.safetensors")
    #expect(run.code == 0)
    #expect(run.lines[0] == "names/best.safetensors, all checksums right")
    #expect(run.output.contains("  family          modern\n"))
    #expect(run.output.contains("  tokenizer       char, "))
    #expect(run.output.contains("trained on a document per line\n"))
    #expect(run.output.contains("    embedding.token.weight            F32  ["))
    #expect(!run.output.contains("optimizer.moment"))
  }

  @Test(arguments: [
    "demo", "train", "generate", "chat", "eval", "inspect", "data", "bench", "completions", "help",
  ])
  func helps(_ command: String) throws {
    let here = try Workspace()
    let run = try here.mgpt([command, "--help"])
    #expect(run.code == 0 && run.error == "")
    #expect(run.output.contains("mgpt \(command)"))
    #expect(run.lines.allSatisfy { $0.count <= 100 })
  }

  @Test func tellsVersionAndCompletions() throws {
    let here = try Workspace()
    let version = try here.mgpt("--version").output
    #expect(version.hasPrefix("mgpt 0.") && version.hasSuffix(" (commit \(builtFrom))\n"))
    for (shell, word) in [("bash", "complete "), ("zsh", "#compdef"), ("fish", "complete -c mgpt")]
    {
      let run = try here.mgpt(["completions", shell])
      #expect(run.code == 0 && run.output.contains(word))
    }
  }

  /// Only that it starts, in a folder with the names, and ends in order when asked to.
  @Test(.enabled(if: !isEmulated, "the next one runs it to its end"))
  func startsTheDemoWithoutArguments() throws {
    let here = try Workspace()
    #expect(try here.shell("mkdir data && cp names.txt data/").code == 0)
    let child = try here.start([])
    #expect(child.waits { child.output.contains("folder   runs/demo\n") })
    child.send(2)
    let end = child.wait()
    #expect(end.code == 130, "\(end.error)")
  }

  @Test func demoShowsNewNames() throws {
    let here = try Workspace()
    #expect(try here.shell("mkdir data && cp names.txt data/").code == 0)
    let run = try here.mgpt("demo --seconds 1")
    #expect(run.code == 0, "\(run.error)")
    #expect(run.output.contains("\nNames it made up:\n"))
    #expect(
      run.output.contains(
        " of these 20 are in the data it learned from, data/names.txt (30 names).\n"))
    #expect(
      run.lines.last
        == "More: mgpt generate --model runs/demo/best.safetensors --num-samples 20")
  }
}

extension String {
  fileprivate var trimmed: String {
    String(self.drop { $0 == "\n" }.reversed().drop { $0 == "\n" }.reversed())
  }
  /// The first place of `text`; the standard library has none without Foundation.
  fileprivate func range(of text: String) -> Range<String.Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
