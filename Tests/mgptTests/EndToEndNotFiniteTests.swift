// Models whose weights are no numbers, in files that are whole: every command that runs one says so
// in one line, with the code of bad data; training, which the loss tells, with its own.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct EndToEndNotFiniteTests {
  private static let cases: [BadCase] = [
    BadCase(
      "generate --model nan.safetensors", 65,
      ": the model's predictions are no numbers. Found nan for every token that may come, after 1 of "
        + "the prompt and 0 generated, expected logits. Use a checkpoint from before the loss became "
        + "NaN."),
    BadCase(
      "generate --model nan.safetensors --temperature 0 --num-samples 3 --logprobs 2", 65,
      ": the model's predictions are no numbers. Found nan for every token that may come, after 1 of "
        + "the prompt and 0 generated, expected logits. Use a checkpoint from before the loss became "
        + "NaN."),
    BadCase(
      "eval --model nan.safetensors --data text.txt", 65,
      ": nan.safetensors has no loss. Found nan nats/token over 128 tokens, expected a finite "
        + "number. Use a checkpoint from before the loss became NaN."),
    BadCase(
      "eval --model nan.safetensors --data text.txt --json", 65,
      ": nan.safetensors has no loss. Found nan nats/token over 128 tokens, expected a finite "
        + "number. Use a checkpoint from before the loss became NaN."),
    BadCase(
      "eval --model nan.safetensors --data text.txt --kv-cache f16 --batch-size 2", 64,
      ": --kv-cache decodes one token of one sequence at a time. Found also --batch-size, expected one "
        + "of the two. Leave one of them out."),
    BadCase(
      "quantize --model nan.safetensors --to int8 --out new.safetensors", 65,
      ": nan.safetensors can't be quantised. Found nan in blocks.0.attention.qkv.weight at row 0, "
        + "column 3, expected finite weights. Use a checkpoint from before the loss became NaN."),
  ]

  @Test func everyCommand() throws {
    let here = try Workspace.withRun()
    try here.spoil("run/last.safetensors", to: "nan.safetensors")
    for bad in Self.cases { try bad.check(here, folders: ["run"]) }
    let resumed = try here.mgpt(
      "train --resume nan.safetensors --steps 30 --data text.txt --out new --quiet")
    #expect(resumed.code == 1)
    #expect(resumed.error.hasPrefix("mgpt: the loss is not a number at step 21; the checkpoint "))
    #expect(here.list("new") == ["metrics.csv", "metrics.jsonl"])
  }

  @Test func aDialogueEnds() throws {
    let here = try Workspace()
    let trained = try here.mgpt(
      "train --data text.txt --layers 1 --embed-dim 16 --heads 2 --context 64 --steps 5 --out run "
        + "--quiet")
    try #require(trained.code == 0, "\(trained.error)")
    try here.spoil("run/last.safetensors", to: "nan.safetensors")
    here.write("a\nb\n", to: "input")
    let run = try here.shell("\"$MGPT\" chat --model nan.safetensors --max-tokens 2 <input")
    #expect(run.code == 65 && run.output == "")
    #expect(run.error.hasPrefix("mgpt: the model's predictions are no numbers. Found nan for "))
    #expect(run.error.split(separator: "\n").count == 1)
  }
}

extension Workspace {
  /// Copies a checkpoint with one weight made NaN; checksums are right.
  fileprivate func spoil(_ source: String, to target: String) throws {
    let file = try SafeTensors(path: "\(path)/\(source)")
    let kept = file.metadata.filter { $0.key != "checksums" }.sorted { $0.key < $1.key }
    var copy = try SafeTensorsWriter(
      path: "\(path)/\(target)",
      tensors: file.entries.map { .init(name: $0.name, dtype: $0.dtype, shape: $0.shape) },
      metadata: kept.map { ($0.key, $0.value) })
    for entry in file.entries {
      var bytes = file.withBytes(of: entry) { Array($0) }
      if entry.name == "blocks.0.attention.qkv.weight" {
        withUnsafeBytes(of: Float.nan) { bytes.replaceSubrange(12..<16, with: $0) }
      }
      try bytes.withUnsafeBytes { try copy.write($0, of: entry.name) }
    }
    try copy.commit()
  }
}
