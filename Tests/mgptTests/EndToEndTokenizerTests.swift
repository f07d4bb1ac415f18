// Byte-pair tokenizers from the command line: learned, used, converted; models that carry them.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct EndToEndTokenizerTests {
  @Test func learnsEncodesDecodesConverts() throws {
    let here = try Workspace()
    let learned = try here.mgpt(
      "tokenizer train --data text.txt --vocab-size 300 --out t.json --json")
    #expect(learned.code == 0 && learned.error == "")
    let report = try JSON.parse(learned.output)
    #expect(report["tokens"] == 300 && report["merges"] == 43)
    let counted = try here.mgpt("tokenizer count --tokenizer t.json --data text.txt --json")
    let count = try #require(JSON.parse(counted.output)["tokens"]?.intValue)
    let bytes = try #require(JSON.parse(counted.output)["bytes"]?.intValue)
    #expect(count * 2 < bytes)
    let ids = try here.mgpt("tokenizer encode --tokenizer t.json --data text.txt")
    #expect(ids.output.split(separator: " ").count == count)
    here.write(ids.output, to: "ids.txt")
    let back = try here.mgpt("tokenizer decode --tokenizer t.json --data ids.txt")
    #expect(back.code == 0 && back.output.utf8.count == bytes && back.output.hasPrefix("The cat"))
    for (format, file) in [("tiktoken", "t.tiktoken"), ("gpt2", "vocab.json")] {
      let made = try here.mgpt(
        "tokenizer convert --tokenizer t.json --out \(file) --format \(format)")
      #expect(made.code == 0)
      let again = try here.mgpt("tokenizer encode --tokenizer \(file) --data text.txt")
      #expect(again.output == ids.output)
    }
  }

  @Test func specialTokensOnlyIfAsked() throws {
    let here = try Workspace()
    _ = try here.mgpt("tokenizer train --data text.txt --vocab-size 300 --out t.json")
    here.write("cat<|endoftext|>", to: "s.txt")
    let plain = try here.mgpt("tokenizer encode --tokenizer t.json --data s.txt --json")
    let special = try here.mgpt("tokenizer encode --tokenizer t.json --data s.txt --json --special")
    #expect(try JSON.parse(plain.output).arrayValue?.contains(299) == false)
    #expect(try JSON.parse(special.output).arrayValue?.last == 299)
    here.write(special.output, to: "i.txt")
    let names = try here.mgpt("tokenizer decode --tokenizer t.json --data i.txt --special")
    #expect(names.output == "cat<|endoftext|>")
    #expect(try here.mgpt("tokenizer decode --tokenizer t.json --data i.txt").output == "cat")
  }

  @Test func modelsCarryTheirTokenizer() throws {
    let here = try Workspace()
    let run = try here.mgpt(
      "train --data text.txt --bpe 300 --out run \(tiny) --steps 30 --batch-size 4 --quiet --threads 1"
    )
    #expect(run.code == 0)
    let shown = try here.mgpt("inspect run/last.safetensors")
    #expect(shown.output.contains("  tokenizer       bpe, 300 ids, "))
    let text = try here.mgpt("generate --model run --max-tokens 30 --seed 1 --prompt The")
    #expect(text.code == 0 && text.output.hasPrefix("The"))
    let more = try here.mgpt("train --resume run --steps 40 --quiet --threads 1")
    #expect(more.code == 0)
    let other = try here.mgpt("train --resume run --steps 50 --bpe 400 --threads 1")
    #expect(
      other.error
        == "mgpt: --bpe differs from the run in run/last.safetensors. Found 400, expected 300. Leave "
        + "--bpe out to resume, or start a new run without --resume.\n")
    let small = try here.mgpt("quantize --model run --to int8 --out q.safetensors")
    #expect(small.code == 0)
    let whole = try evaluation(here, "run")
    let quantized = try evaluation(here, "q.safetensors")
    #expect((whole.bits - quantized.bits).magnitude < 0.1)
    // All bytes but those of the first token are predicted.
    let size = try #require(
      JSON.parse(try here.mgpt("tokenizer count --tokenizer t.json --data text.txt --json").output)[
        "bytes"]?.intValue)
    #expect(whole.bytes < size && whole.bytes > size - 8)
    let expected = whole.loss * Double(whole.tokens) / 0.6931471805599453 / Double(whole.bytes)
    #expect((whole.bits - expected).magnitude < 1e-9)
  }

  private func evaluation(
    _ here: Workspace, _ model: String
  ) throws -> (loss: Double, bits: Double, tokens: Int, bytes: Int) {
    _ = try here.mgpt("tokenizer train --data text.txt --vocab-size 300 --out t.json --force")
    let json = try JSON.parse(
      here.mgpt("eval --model \(model) --data text.txt --json --threads 1").output)
    return (
      try #require(json["loss"]?.doubleValue), try #require(json["bits_per_byte"]?.doubleValue),
      try #require(json["tokens"]?.intValue), try #require(json["bytes"]?.intValue)
    )
  }

  @Test func documentsWithATokenizerOfAFile() throws {
    let here = try Workspace()
    _ = try here.mgpt("tokenizer train --data names.txt --lines --vocab-size 270 --out t.json")
    let run = try here.mgpt(
      "train --data names.txt --tokenizer t.json --out run \(tiny) --steps 30 --batch-size 4 --quiet "
        + "--threads 1")
    #expect(run.code == 0 && run.error == "")
    let names = try here.mgpt("generate --model run --max-tokens 20 --seed 1")
    #expect(names.code == 0 && names.output.count > 1)
    #expect(try here.mgpt("inspect run").output.contains("  tokenizer       bpe, 270 ids, "))
  }

  static let bad = [
    BadCase(
      "tokenizer count --data text.txt", 64,
      ": --tokenizer is missing: name the file of a tokenizer."),
    BadCase(
      "tokenizer train --data text.txt --vocab-size 200 --out t.json", 64,
      ": the vocabulary is too small. Found 200 tokens, expected at least 257: 256 bytes and "
        + "<|endoftext|>. Use a larger one."),
    BadCase(
      "tokenizer train --data text.txt --vocab-size 300 --out text.txt", 73,
      ": text.txt exists already. Use another --out, or --force to replace it."),
    BadCase(
      "tokenizer count --data text.txt --tokenizer none.json", 66,
      ": none.json does not exist. Check the name, or give another file."),
    BadCase(
      "tokenizer count --data text.txt --tokenizer text.txt", 66,
      ": vocab.json does not exist. Check the name, or give another file."),
    BadCase(
      "tokenizer count --data text.txt --vocab-size 300", 64,
      ": --vocab-size has no meaning for `mgpt tokenizer count`. Leave it out."),
    BadCase(
      "train --data text.txt --tokenizer char --bpe 300", 64,
      ": --bpe learns byte pairs. Found also --tokenizer char, expected bpe. Leave one of them out."
    ),
    BadCase(
      "train --data names.txt --bpe 4000 --out run", 65,
      ": names.txt can't be tokenized as wanted: the text does not support so many tokens. Found "
        + "4000, expected at most 302: in its 30 different words no further pair of tokens occurs "
        + "twice. Use a smaller vocabulary or more text."),
  ]

  @Test(arguments: bad) func badInput(_ bad: BadCase) throws {
    try bad.check(try Workspace(), folders: [])
  }

  /// A folder, records and packed files are read as by `tokenizer train`.
  @Test func encodesFoldersRecordsAndArchives() throws {
    let here = try Workspace()
    _ = try here.mgpt("tokenizer train --data text.txt --vocab-size 300 --out t.json")
    _ = try here.shell(
      "mkdir books && cp text.txt books/a.txt && gzip -c text.txt > books/b.txt.gz")
    here.write("{\"text\": \"The cat\"}\n{\"text\": \"sat.\"}\n", to: "s.jsonl")
    here.write("The cat\nsat.", to: "s.txt")
    func ids(_ data: String) throws -> String {
      let run = try here.mgpt("tokenizer encode --tokenizer t.json --data \(data)")
      #expect(run.code == 0 && run.error == "", "\(run.error)")
      return run.output
    }
    #expect(try ids("books/b.txt.gz") == ids("text.txt"))
    #expect(try ids("s.jsonl") == ids("s.txt"))
    _ = try here.shell("cat text.txt text.txt > two.txt")
    #expect(try ids("books") == ids("two.txt"))
    let count = try here.mgpt("tokenizer count --tokenizer t.json --data books --json")
    let bytes = try #require(JSON.parse(count.output)["bytes"]?.intValue)
    #expect(bytes == here.text("two.txt").utf8.count)
    let missing = try here.mgpt("tokenizer count --tokenizer t.json --data none")
    #expect(missing.code == 66 && missing.error.hasPrefix("mgpt: none does not exist. "))
  }

  /// Tokens of characters: what has none is left out, and said.
  @Test func charactersOfAVocabularyFile() throws {
    let here = try Workspace()
    let unknown: Set<Character> = ["c", "\n"]
    let known = Set(here.text("text.txt")).subtracting(unknown).sorted()
    let characters = known.map { JSON.string("\($0)") }
    let vocabulary: JSON = [
      "vocab": .array(["<|bos|>", "<|eos|>"] + characters + ["th"]), "merges": [["t", "h"]],
    ]
    here.write("\(vocabulary)", to: "vocab.json")
    let lost = here.text("text.txt").filter { unknown.contains($0) }.count
    #expect(lost > 1)
    let count = try here.mgpt("tokenizer count --tokenizer vocab.json --data text.txt")
    #expect(count.output.hasSuffix("; \(lost) bytes of characters without a token left out\n"))
    let ids = try here.mgpt("tokenizer encode --tokenizer vocab.json --data text.txt")
    #expect(ids.error == "mgpt: \(lost) bytes of characters without a token left out\n")
    here.write(ids.output, to: "ids.txt")
    let back = try here.mgpt("tokenizer decode --tokenizer vocab.json --data ids.txt")
    #expect(back.output == String(here.text("text.txt").filter { !unknown.contains($0) }))
    let options = "--tokenizer vocab.json \(tiny) --steps 4 --threads 1"
    let run = try here.mgpt("train --data text.txt --out run \(options)")
    #expect(run.code == 0 && run.output.contains("\(lost) bytes of characters without a token"))
    let text = try here.mgpt("generate --model run --max-tokens 30 --seed 1 --prompt The")
    #expect(text.code == 0 && text.output.hasPrefix("The"))
    // Nothing to start from but what begins a document.
    let none = try here.mgpt("generate --model run --max-tokens 9 --seed 1 --prompt cc")
    #expect(none.code == 0 && none.error.hasPrefix("mgpt: 2 bytes of characters without a token"))
    let loss = try here.mgpt("eval --model run --data text.txt --json")
    #expect(loss.code == 0 && loss.error == ids.error)
    let made = try here.mgpt("data prepare --data text.txt --out tokens --tokenizer vocab.json")
    #expect(made.output.hasSuffix("\(lost) bytes of characters without a token left out\n"))
    let wrong = try here.mgpt("tokenizer convert --tokenizer vocab.json --out t.json")
    #expect(
      wrong.error
        == "mgpt: this tokenizer can't be written as huggingface. Found tokens of characters, "
        + "expected tokens of bytes. Use --format pairs.\n")
    let same = try here.mgpt("tokenizer convert --tokenizer vocab.json --out p.json --format pairs")
    #expect(same.output == "p.json: \(characters.count + 3) tokens, on characters\n")
    #expect(try JSON.parse(here.text("p.json")) == vocabulary)
  }

  @Test func idsOutsideTheVocabulary() throws {
    let here = try Workspace()
    _ = try here.mgpt("tokenizer train --data text.txt --vocab-size 300 --out t.json")
    here.write("1 2 300 4", to: "ids.txt")
    let run = try here.mgpt("tokenizer decode --tokenizer t.json --data ids.txt")
    #expect(run.code == 65)
    #expect(
      run.error
        == "mgpt: ids.txt is no list of token ids. Found 300 at byte 4, expected whole numbers of the "
        + "vocabulary with blanks or commas between them. Give the output of `tokenizer encode`.\n")
  }
}
