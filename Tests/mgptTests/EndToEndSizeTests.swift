// What the program decides by itself, from outside: sizes, tokenizers, steps for a time; the list
// of presets.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct EndToEndSizeTests {
  // MARK: Presets

  @Test func listsThePresets() throws {
    let here = try Workspace()
    let table = try here.mgpt("presets --threads 1")
    #expect(table.code == 0, "\(table.error)")
    #expect(table.lines.count == ModelPreset.all.count + 3)
    for (line, preset) in zip(table.lines.dropFirst(), ModelPreset.all) {
      #expect(line.hasPrefix(preset.name + " "))
    }
    #expect(table.lines.last?.hasPrefix("tokens/s: training, predicted for 1 thread: ") == true)
    let report = try here.mgpt("presets --json --threads 1 --vocab-size 100")
    let object = try JSON.parse(Array(report.output.utf8))
    let presets = try #require(object["presets"]?.arrayValue)
    #expect(presets.compactMap { $0["name"]?.stringValue } == ModelPreset.all.map(\.name))
    #expect(presets.allSatisfy { $0["vocabulary"]?.intValue == 100 })
    for preset in presets {
      let (int8, int4) = (preset["int8_bytes"]?.intValue ?? 0, preset["int4_bytes"]?.intValue ?? 0)
      let count = preset["parameters"]?.intValue ?? 0
      let training = preset["training_bytes"]?.intValue ?? 0
      #expect(int4 < int8 && int8 < 3 * count && 4 * count < training)
      #expect((preset["predicted_tokens_per_second"]?.doubleValue ?? 0) > 0)
    }
    #expect((object["peak_gflops"]?.doubleValue ?? 0) > 0)
  }

  /// The memory that the list tells is what `train --plan` tells, the tokens of the text apart.
  @Test func theListAgreesWithThePlan() throws {
    let here = try Workspace()
    let plan = try here.mgpt("train --data text.txt --preset tiny --plan --threads 1").output
    let data = plan.split(separator: "\n").first { $0.hasPrefix("data ") } ?? ""
    let vocabulary = try #require(data.split(separator: " ").last)
    let list = try here.mgpt("presets --json --threads 1 --vocab-size \(vocabulary)")
    let presets = try JSON.parse(Array(list.output.utf8))["presets"]?.arrayValue
    let tiny = try #require(presets?.first { $0["name"]?.stringValue == "tiny" })
    let parts = plan.split(separator: "\n").filter { $0.hasSuffix(" bytes") }
    let bytes = parts.filter { !$0.contains("tokens of the text") }
      .compactMap { Int($0.split(separator: " ").dropLast().last ?? "") }.reduce(0, +)
    #expect(tiny["training_bytes"]?.intValue == bytes)
  }

  @Test func presetsBringTheirRecipe() throws {
    let here = try Workspace()
    let line = "train --data text.txt --preset randygpt-xs --layers 1 --context 16 --batch-size 2"
    let plan = try here.mgpt(line + " --plan")
    #expect(plan.code == 0, "\(plan.error)")
    #expect(plan.output.contains("AdamW, learning rate 0.0001 (plateau)"))
    #expect(plan.output.contains("randygpt, 1 layer, width 116, 4 heads"))
    let run = try here.mgpt(line + " --steps 2 --quiet --out r")
    #expect(run.code == 0, "\(run.error)")
    let model = try here.mgpt("inspect r/last.safetensors --json")
    let training = try JSON.parse(Array(model.output.utf8))
    #expect(training["configuration"]?["dropout"]?.doubleValue == 0.1)
    #expect(training["training"]?["schedule"]?["patience"]?.intValue == 30)
    #expect(training["training"]?["optimizer"]?["weight_decay"]?.doubleValue == 0.1)
    #expect(training["training"]?["schedule"]?["min_lr"]?.doubleValue == 1e-5)
  }

  // MARK: Choices

  private func note(_ here: Workspace, _ words: String, root: String? = nil) throws -> String {
    let run = try here.mgpt(
      words, environment: root.map { ["MGPT_SYSTEM_ROOT": $0] } ?? [:])
    try #require(run.code == 0, "\(words): \(run.error)")
    return run.lines.first { $0.hasPrefix("note     size ") } ?? "no note"
  }

  @Test func explainsWhatItChooses() throws {
    let here = try Workspace()
    #expect(
      try note(here, "train --data text.txt --plan").hasPrefix(
        "note     size tiny and char tokens, for "))
    let script =
      "seq 22000 | tr '\\n' ' ' > long.txt; for i in 1 2 3 4 5 6 7; do cat text.txt; "
      + "done > same.txt"
    #expect(try here.shell(script).code == 0)
    // A plan measures a step, and a batch of one is a short step.
    let long = try note(here, "train --data long.txt --plan --batch-size 1")
    #expect(long.hasPrefix("note     size micro and bpe tokens, for "), "\(long)")
    // A text that repeats itself has too few pairs.
    let same = try note(here, "train --data same.txt --plan --batch-size 1")
    #expect(same.hasPrefix("note     size micro and char tokens, for "), "\(same)")
    // Sizes that are given leave nothing to choose, and characters are the tokens then.
    let given = try here.mgpt("train --data text.txt --plan \(tiny)")
    #expect(!given.output.contains("note     size") && given.output.contains("char vocabulary"))
    let bytes = try note(here, "train --data long.txt --plan --tokenizer byte --batch-size 1")
    #expect(bytes.hasPrefix("note     size micro and byte tokens, for "), "\(bytes)")
    let short = try note(here, "train --data long.txt --plan --time 1s")
    #expect(short.contains("the largest that learns enough in 1.0 s;") || short.contains("1 s;"))
  }

  // MARK: Time

  /// Steps for the time, known before the first; the run ends in time, and goes on when asked to.
  @Test func fitsIntoTheTime() throws {
    let here = try Workspace()
    // How often is evaluated depends on how long that takes.
    let quick = "--eval-every 0 --sample-tokens 0"
    let run = try here.mgpt("train --data text.txt --out r \(tiny) --time 1s \(quick)")
    #expect(run.code == 0, "\(run.error)")
    let state = try JSON.parse(Array(here.mgpt("inspect r/last.safetensors --json").output.utf8))
    let steps = try #require(state["training"]?["steps"]?.intValue)
    let done = try #require(state["training"]?["step"]?.intValue)
    #expect(steps >= 1 && done <= steps)
    #expect(here.list("r").contains("best.safetensors"))
    // The same steps without a clock: the same bits.
    if done == steps {
      let other = try here.mgpt(
        "train --data text.txt --out s \(tiny) --steps \(steps) \(quick) --quiet")
      #expect(other.code == 0)
      let isSame = here.bytes("r/last.safetensors") == here.bytes("s/last.safetensors")
      #expect(isSame)
    }
  }

  /// With --steps the time only ends the run; what is left can be done later, to the same bits.
  @Test func endsInTimeAndGoesOn() throws {
    let here = try Workspace()
    let line = "train --data text.txt \(tiny) --sample-tokens 0 --eval-every 0"
    let cut = try here.mgpt(line + " --out r --steps 1000000 --time 1s")
    #expect(cut.code == 0, "\(cut.error)")
    let words = cut.lines.last ?? ""
    #expect(words.hasPrefix("the time is up, stopped after step "))
    #expect(words.hasSuffix("Go on with: mgpt train --resume r/last.safetensors"))
    #expect(here.list("r").contains("best.safetensors"))
    let step = try #require(words.split(separator: " ").compactMap { Int($0) }.first)
    let more = try here.mgpt(
      "train --resume r --steps \(step + 5) --sample-tokens 0 --quiet --time 1h")
    #expect(more.code == 0, "\(more.error)")
    let whole = try here.mgpt("inspect r/last.safetensors --json")
    let state = try JSON.parse(Array(whole.output.utf8))
    #expect(state["training"]?["step"]?.intValue == step + 5)
  }

  // MARK: Memory

  /// A machine of 64 MB: a smaller size is chosen; a size that was asked for is refused.
  @Test func staysWithinTheMemory() throws {
    let here = try Workspace()
    let script =
      "mkdir -p box/proc; echo 'MemAvailable: 20000 kB' > box/proc/meminfo; "
      + "for i in 1 2 3; do cat text.txt; done > long.txt"
    #expect(try here.shell(script).code == 0)
    let root = here.path + "/box"
    let line = "train --data long.txt --steps 1 --out r --sample-tokens 0"
    let chosen = try note(here, line, root: root)
    #expect(chosen.contains("size tiny and char tokens"), "\(chosen)")
    #expect(chosen.contains(", the largest that fits into memory;"), "\(chosen)")
    let refused = try here.mgpt(
      "train --data long.txt --out q --preset small", environment: ["MGPT_SYSTEM_ROOT": root])
    #expect(refused.code == 69 && refused.output == "")
    let error = refused.error
    #expect(error.hasPrefix("mgpt: not enough memory: ") && error.contains(" MiB needed, 20 MiB "))
    #expect(here.list("q").isEmpty)
  }

  // MARK: Demo

  /// Names first, then the longest text beside them.
  @Test(.enabled(if: !isEmulated, "two models of real size take minutes here"))
  func theDemoGoesOnWithALongerText() throws {
    let here = try Workspace()
    let script =
      "mkdir data; cp names.txt data/; for i in 1 2 3 4 5 6; do cat text.txt; done > data/a.txt; "
      + "cp text.txt data/short.txt; cp data/a.txt data/long.txt; cat text.txt >> data/long.txt"
    #expect(try here.shell(script).code == 0)
    let run = try here.mgpt("demo --seconds 1")
    #expect(run.code == 0, "\(run.error)")
    #expect(run.output.contains("\nNames it made up:\n"))
    #expect(run.output.contains("\nNow a longer text, data/long.txt, for as long.\n"))
    #expect(run.output.contains("\nWhat it writes:\n"))
    #expect(run.lines.last == "More: mgpt generate --model runs/demo-text/best.safetensors")
  }
}
