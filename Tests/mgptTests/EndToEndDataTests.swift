// Text to tokens to a model: prepared once, trained, resumed, evaluated and generated from; the
// same numbers as from the text itself; what does not fit is refused.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct EndToEndDataTests {
  private func validation(_ here: Workspace, _ run: String) -> [String] {
    here.text("\(run)/metrics.jsonl").split(separator: "\n").compactMap {
      (try? JSON.parse(String($0)))?["val_loss"].map { "\($0)" }
    }
  }

  @Test(arguments: ["text.txt", "names.txt"])
  func preparedIsAsGoodAsText(_ text: String) throws {
    let here = try Workspace()
    let made = try here.mgpt("data prepare --data \(text) --out tokens --bpe 280 --json")
    #expect(made.code == 0 && made.error == "")
    #expect(try JSON.parse(made.output)["vocab_size"] == 280)
    #expect(here.list("tokens") == ["meta.json", "train.bin", "val.bin"])
    let options = "--layers 1 --embed-dim 16 --heads 2 --context 8 --steps 20 --quiet --threads 1"
    let direct = try here.mgpt("train --data \(text) --bpe 280 --out a \(options)")
    let prepared = try here.mgpt("train --data tokens --out b \(options)")
    #expect(direct.code == 0 && prepared.code == 0 && prepared.error == "")
    #expect(!validation(here, "a").isEmpty && validation(here, "a") == validation(here, "b"))
    let more = try here.mgpt("train --resume b --steps 30 --quiet --threads 1")
    #expect(more.code == 0 && more.error == "")
    let onTokens = try here.mgpt("eval --model b --data tokens --json --threads 1")
    let bits = try JSON.parse(onTokens.output)["bits_per_byte"]?.doubleValue
    #expect(onTokens.code == 0 && (1..<9).contains(bits ?? 0))
    let story = try here.mgpt("generate --model b --max-tokens 20 --seed 1")
    #expect(story.code == 0 && !story.output.isEmpty)
  }

  @Test func documentsOfRecords() throws {
    let here = try Workspace()
    let records = (0..<60).map { "{\"text\": \"Story \($0): once upon\\n\\na time.\"}" }
    here.write(records.joined(separator: "\n"), to: "s.jsonl")
    let made = try here.mgpt("data prepare --data s.jsonl --out s --tokenizer byte")
    #expect(made.code == 0 && made.output.contains("60 documents, documents between <|endoftext|>"))
    let run = try here.mgpt("train --data s --out r \(tiny) --steps 20 --threads 1")
    #expect(run.code == 0 && run.output.contains("documents between <|endoftext|>"))
    let crossing = try here.mgpt(
      "train --data s.jsonl --cross-documents --tokenizer byte --out c \(tiny) --steps 20 --quiet "
        + "--threads 1")
    #expect(crossing.code == 0)
    #expect(try here.mgpt("train --resume c --steps 25 --quiet --threads 1").code == 0)
    let text = try here.mgpt("generate --model r --prompt Story --max-tokens 30 --seed 2")
    #expect(text.code == 0 && text.output.hasPrefix("Story"))
  }

  static let refusals: [(String, Int32, String)] = [
    (
      "train --data tokens --bpe 300", 64,
      ": --bpe is decided already. Found tokens in tokens, expected a text. Leave --bpe out, or prepare "
        + "the text with it.\n"
    ),
    (
      "train --data tokens --tokenizer t.json", 65,
      ": the tokens in tokens are of another tokenizer. "
    ),
    ("eval --model run --data tokens", 65, ": the tokens in tokens are of another tokenizer. "),
    ("data prepare --data text.txt --out others", 73, ": others/val.bin exists already. "),
    ("data prepare --data none.txt --out x", 66, ": none.txt does not exist. "),
    (
      "data prepare --data /dev/null --out x", 66,
      ": /dev/null can't be read twice. Found a pipe or a device, expected a file or a folder. "
    ),
    (
      "data prepare --data text.txt --out x --bpe 9000", 65,
      ": text.txt can't be tokenized as wanted: the text does not support so many tokens. "
    ),
    (
      "train --data names.txt --cross-documents", 64,
      ": --cross-documents needs documents in the order of the text. Found lines in names.txt, "
    ),
  ]

  @Test func whatDoesNotFitIsRefused() throws {
    let here = try Workspace()
    let made = try here.mgpt("data prepare --data text.txt --out tokens --tokenizer byte")
    #expect(made.code == 0)
    _ = try here.shell("mkdir others && cp tokens/val.bin others")
    _ = try here.mgpt("tokenizer train --data text.txt --vocab-size 300 --out t.json")
    let run = try here.mgpt("train --data text.txt --out run \(tiny) --steps 2 --quiet")
    #expect(run.code == 0)
    for (line, code, message) in Self.refusals {
      let refused = try here.mgpt(line)
      #expect(refused.code == code && refused.output == "", "\(line)")
      #expect(refused.error.hasPrefix("mgpt\(message)"), "\(line): \(refused.error)")
      #expect(refused.error.split(separator: "\n").count == 1)
    }
    #expect(here.list("x").isEmpty)
  }

  /// The files are 2 bytes per token in 1 GB of address space, which the test's text is far below;
  /// README has the figures of a text of 1 GB.
  @Test func folderOfTexts() throws {
    let here = try Workspace()
    _ = try here.shell("mkdir books && cp text.txt books/b.txt && cp text.txt books/a.txt")
    let made = try here.mgpt("data prepare --data books --out tokens --tokenizer byte --json")
    #expect(try JSON.parse(made.output)["documents"] == 2)
    let run = try here.mgpt("train --data books --tokenizer byte --out r \(tiny) --steps 2 --quiet")
    #expect(run.code == 0)
    let learned = try here.mgpt("tokenizer train --data books --vocab-size 300 --out t.json")
    #expect(learned.code == 0)
  }

  /// Made once, made anew if something has changed, and a run on tokens that are older than their
  /// text says so.
  @Test func preparedTokensFollowTheirText() throws {
    let here = try Workspace()
    _ = try here.shell("mv text.txt 'my text.txt'")
    let prepare = "data prepare --data 'my text.txt' --out t --bpe 280 --val-fraction 0.2"
    func run(_ line: String) throws -> (output: String, error: String) {
      let run = try here.shell("$MGPT \(line)")
      #expect(run.code == 0, "\(line): \(run.error)")
      return (run.output, run.error)
    }
    #expect(try !run(prepare).output.contains("anew"))
    let made = here.text("t/meta.json")
    #expect(
      try run(prepare).output
        == "t is up to date: nothing of what it is made of has changed\n")
    #expect(try run(prepare + " --json").output == #"{"path":"t","up_to_date":true}"# + "\n")
    #expect(here.text("t/meta.json") == made)
    let train = "train --data t --force --out o \(tiny) --steps 2 --quiet --threads 1"
    #expect(try run(train).error == "")
    _ = try here.shell("echo more >> 'my text.txt'")
    let old = try run(train)
    let command =
      "data prepare --data 'my text.txt' --out t --layout stream --bpe 280 --val-fraction 0.2"
    #expect(
      old.error
        == "mgpt: t is older than its text. Found changes in my text.txt, expected the text "
        + "that it was made of. Run `mgpt \(command)` to make it anew.\n")
    let anew = try run(command)
    #expect(
      anew.output.contains("made anew: of the tokens that were there, my text.txt has changed\n"))
    #expect(try run(train).error == "" && run(command).output.hasPrefix("t is up to date"))
    // A text that is gone can't be told of.
    _ = try here.shell("rm 'my text.txt'")
    #expect(try run(train).error == "")
  }
}
