// Recursive models from the command line: trained, evaluated to any depth, swept, shown; and what
// can't be asked of them.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct EndToEndRecursionTests {
  private static let sizes =
    "--layers 3 --heads 2 --embed-dim 16 --context 8 --batch-size 2 --steps 6 --threads 1 --quiet"
  private static let recursive =
    "--recursion-steps 3 --prelude 1 --coda 1 --min-recursion-steps 1 --exit-threshold 0.12"

  /// A folder with a recursive model, one without gates, and a plain one; short.txt is a text to
  /// evaluate them on some hundred times.
  private func workspace() throws -> Workspace {
    let here = try Workspace()
    here.write(String(here.text("text.txt").prefix(300)), to: "short.txt")
    let models = [
      ("rlm", Self.recursive), ("final", "--recursion-steps 2 --recursion-loss final"),
      ("plain", ""),
    ]
    for (name, options) in models {
      let run = try here.mgpt("train --data text.txt --out \(name) \(Self.sizes) \(options)")
      #expect(run.code == 0, "\(run.error)")
    }
    return here
  }

  @Test func evaluatesToAnyDepth() throws {
    let here = try workspace()
    func evaluate(_ options: String) throws -> JSON {
      let run = try here.mgpt("eval --model rlm --data short.txt --json --threads 1 \(options)")
      #expect(run.code == 0, "\(run.error)")
      return try JSON.parse(run.output)
    }
    // The model's own threshold holds unless another is given.
    let own = try evaluate("")
    let same = try evaluate("--exit-threshold 0.12")
    #expect(own == same)
    #expect((own["passes"]?.doubleValue ?? 3) < 3)
    let all = try evaluate("--exit-threshold 1")
    #expect(all["passes"]?.doubleValue == 3)
    // Token by token from a cache, tokens leave in the same places.
    let cached = try evaluate("--kv-cache f32")
    #expect(cached["passes"] == own["passes"])
    let one = try evaluate("--recursion-steps 1 --exit-threshold 1")
    #expect(one["passes"]?.doubleValue == 1)
    let losses = try here.mgpt("eval --model final --data short.txt --threads 1").output
    #expect(losses.contains("after each pass: "))
  }

  @Test func sweepsThresholds() throws {
    let here = try workspace()
    let run = try here.mgpt("eval --model rlm --data short.txt --exit-sweep --json --threads 1")
    #expect(run.code == 0 && run.error == "drawn in rlm/exits.svg\n")
    let json = try JSON.parse(run.output)
    let points = json["points"]?.arrayValue ?? []
    #expect(Set(points.compactMap { $0["measure"]?.stringValue }) == ["gate", "entropy", "kl"])
    for point in points {
      let passes = point["passes"]?.doubleValue ?? 0
      #expect((1...3).contains(passes))
    }
    // At a threshold of 1 by gate, nobody leaves.
    #expect(points.first?["passes"]?.doubleValue == 3 && points.first?["lost"]?.doubleValue == 0)
    let chart = here.text("rlm/exits.svg")
    #expect(chart.hasPrefix("<svg") && chart.hasSuffix("</svg>\n"))
    let table = try here.mgpt(
      "eval --model final --data short.txt --exit-sweep --chart a.svg --threads 1")
    #expect(table.output.hasPrefix("all 2 passes: loss ") && !table.output.contains("gate"))
    #expect(here.bytes("a.svg") != nil)
  }

  @Test func showsDepth() throws {
    let here = try workspace()
    let line = "generate --model rlm --max-tokens 20 --seed 1 --threads 1"
    let plain = try here.mgpt(line)
    let shown = try here.mgpt(line + " --show-depth")
    // Into a pipe no colours; the average goes where the other figures go.
    #expect(shown.output == plain.output)
    #expect(shown.error.contains(" of 3 passes per token"))
    #expect(depthColored("a", passes: 1, of: 3) == "\u{1B}[38;5;46ma\u{1B}[0m")
    #expect(depthColored("a", passes: 3, of: 3) == "\u{1B}[38;5;196ma\u{1B}[0m")
    let inspected = try here.mgpt("inspect rlm").output
    #expect(inspected.contains("3 passes through 1 layer of 3: a token passes 5 layers"))
  }

  private static let wrong: [BadCase] = [
    BadCase(
      "train --data text.txt --recursion-steps 2 --min-recursion-steps 3", 78,
      ": --min-recursion-steps is out of range. Found 3, expected 1 to --recursion-steps 2."),
    BadCase(
      "train --data text.txt --exit-threshold 0.5", 78,
      ": --exit-threshold is for recursive models. Found --recursion-steps 1, expected 2 or more. "
        + "Add --recursion-steps 3, or leave out --exit-threshold."),
    BadCase(
      "train --data text.txt --recursion-steps 2 --layers 3 --prelude 2 --coda 1", 78,
      ": no layers are left for the core. Found --prelude 2 and --coda 1 of --layers 3, expected at "
        + "least one more layer. Use --core 1 or more."),
    BadCase(
      "train --data text.txt --recursion-steps 2 --layers 3 --core 2", 78,
      ": --layers is not the sum of its parts. Found --layers 3 with --prelude 0, --core 2 and "
        + "--coda 0, expected 2. Leave out --layers or --core."),
    BadCase(
      "train --data text.txt --recursion-steps 2 --family picogpt", 78,
      ": recursion needs norms in front of attention and MLP. Found a family with norms behind them, "
        + "expected modern, gpt2, llama, randygpt or microgpt. Choose another --family."),
    BadCase(
      "eval --model rlm --data text.txt --exit-threshold 1.5", 64,
      " eval: bad value for --exit-threshold. Found \"1.5\", expected a number from 0 to 1. Example: "
        + "--exit-threshold 0.5"),
    BadCase(
      "eval --model rlm --data text.txt --recursion-steps 4", 78,
      ": --recursion-steps is more than was trained. Found 4, expected 1 to 3: each pass has gains of "
        + "its own, and more passes than trained make predictions worse. Leave it out, or train with "
        + "--recursion-steps 4."),
    BadCase(
      "generate --model final --exit-threshold 0.5", 78,
      ": the model has no exit gates. Found one trained without them, expected --recursion-loss gate "
        + "in training. Use --exit-by entropy or kl, or leave out --exit-threshold."),
    BadCase(
      "generate --model final --exit-by kl", 78,
      ": --exit-by says how tokens leave, but not when. Found no --exit-threshold, expected one from "
        + "0 to 1. Add --exit-threshold 0.5."),
    BadCase(
      "generate --model plain --exit-threshold 0.5", 78,
      ": --exit-threshold is for recursive models. Found a model that passes through its layers "
        + "once. Leave it out, or train one with --recursion-steps 3."),
    BadCase(
      "eval --model rlm --data text.txt --min-recursion-steps 3 --recursion-steps 2", 78,
      ": --min-recursion-steps is out of range. Found 3, expected 1 to 2, the passes of this run."),
    BadCase(
      "eval --model rlm --data text.txt --exit-sweep --exit-threshold 0.5", 64,
      ": --exit-sweep tries all thresholds. Found also --exit-threshold, expected one of the two. "
        + "Leave one of them out."),
  ]

  @Test func badInput() throws {
    let here = try workspace()
    for bad in Self.wrong {
      try bad.check(here, folders: ["rlm", "final", "plain"])
    }
  }

  /// One pass is the plain model, bit by bit.
  @Test func onePassIsPlain() throws {
    let here = try workspace()
    let run = try here.mgpt("train --data text.txt --out one \(Self.sizes) --recursion-steps 1")
    #expect(run.code == 0, "\(run.error)")
    #expect(here.bytes("one/last.safetensors") == here.bytes("plain/last.safetensors"))
    #expect(here.bytes("one/last.safetensors") != here.bytes("final/last.safetensors"))
  }

  /// Gates begin with the run where the head reads the state, later where a coda reads it.
  @Test func gatesBeginByTheCoda() throws {
    let here = try workspace()
    let run = try here.mgpt("train --data text.txt --out core \(Self.sizes) --recursion-steps 2")
    #expect(run.code == 0, "\(run.error)")
    for (name, start) in [("rlm", "0.22"), ("core", "0.0")] {
      let refused = try here.mgpt("train --resume \(name) --steps 9 --gate-start 0.5")
      let words = "--gate-start differs from the run in \(name)/last.safetensors. Found 0.5, "
      #expect(refused.code == 78 && refused.error.contains(words + "expected \(start)."))
    }
  }

  /// The words of older programs, with underscores.
  @Test func olderNames() throws {
    let here = try workspace()
    let line = "eval --model rlm --data short.txt --json --threads 1"
    let new = try here.mgpt(line + " --exit-threshold 0.9 --min-recursion-steps 2")
    let old = try here.mgpt(line + " --exit_threshold 0.9 --min_recursion_steps 2")
    #expect(new.code == 0 && new.output == old.output)
  }
}
