// `mgpt train` from outside: what it leaves in its folder, what it prints in which mode.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct EndToEndTrainTests {
  private let runFiles = [
    "best.safetensors", "last.safetensors", "loss.svg", "metrics.csv", "metrics.jsonl",
  ]

  @Test func leavesItsFilesAndPrintsPlainLines() throws {
    let here = try Workspace()
    let run = try here.mgpt("train --data text.txt --out run \(tiny) --steps 20")
    #expect(run.code == 0, "\(run.error)")
    #expect(run.error == "")
    #expect(here.list("run") == runFiles)
    #expect(!run.output.contains("\u{1B}") && !run.output.contains("\r"))
    for start in ["model ", "data ", "run ", "machine ", "memory ", "time ", "folder "] {
      #expect(run.lines.contains { $0.hasPrefix(start) }, "no line starts with \(start)")
    }
    let steps = run.lines.filter { $0.hasPrefix("step") }
    #expect(steps.count == 20 + 4)  // every step, and an evaluation each quarter
    #expect(steps[0].hasPrefix("step  1/20  loss "))
    #expect(steps.contains { $0.hasPrefix("step 20/20  validation loss ") })
    #expect(run.lines.dropLast().last?.hasPrefix("best validation loss ") == true)
    #expect(
      run.lines.last == "Generate with: mgpt generate --model run/best.safetensors")
    #expect(
      here.text("run/loss.svg").hasPrefix("<svg")
        && here.text("run/metrics.csv").hasPrefix("step,loss,"))
    #expect(here.text("run/metrics.jsonl").split(separator: "\n").count == 24)
  }

  /// What is printed to go on with works as it stands, whatever the folder is called.
  @Test func printedCommandsWorkForAnyPath() throws {
    let here = try Workspace()
    let folder = "it's a run, " + String(repeating: "long ", count: 15) + "$HOME"
    let run = try here.mgpt(
      ["train", "--data", "text.txt", "--steps", "2", "--out", folder]
        + tiny.split(separator: " ").map(String.init))
    #expect(run.code == 0, "\(run.error)")
    let words = "Generate with: mgpt "
    let last = try #require(run.lines.last)
    #expect(last.hasPrefix(words))
    let generated = try here.shell("$MGPT \(last.dropFirst(words.count)) --max-tokens 5")
    #expect(generated.code == 0, "\(generated.error)")
  }

  @Test func showsALiveLineOnATerminal() throws {
    let here = try Workspace()
    let terminal = try #require(PseudoTerminal())
    let child = try here.start(
      [
        "-c",
        "exec \(quote(program)) train --data text.txt --out run \(tiny) --steps 20 "
          + "--sample-tokens 0 >\(terminal.name) 2>&1",
      ],
      program: "/bin/sh", environment: ["TERM": "xterm", "LC_ALL": "C.UTF-8"])
    _ = child.waits {
      terminal.drain()
      return false
    }
    terminal.drain()
    let (end, screen) = (child.wait(), terminal.screen)
    #expect(end.code == 0, "\(end.error) \(screen)")
    #expect(screen.contains("\r") && screen.contains("\u{1B}[J"))
    #expect(screen.contains("▕"))
    #expect(screen.contains(" left"))
  }

  @Test func printsJSONLinesWithTheKeysOfTheContract() throws {
    let here = try Workspace()
    let run = try here.mgpt("train --data text.txt --out run \(tiny) --steps 20 --json")
    #expect(run.code == 0)
    let objects = try run.lines.map { try JSON.parse(Array($0.utf8)) }
    #expect(objects.count == 24)
    let stepKeys = [
      "step", "loss", "tokens_per_second", "step_ms", "lr", "grad_norm", "peak_rss_bytes",
      "elapsed_seconds",
    ]
    let evaluationKeys = [
      "step", "val_loss", "bits_per_byte", "perplexity", "peak_rss_bytes", "elapsed_seconds",
    ]
    for object in objects {
      let keys = object.objectValue?.map(\.key)
      #expect(keys == (object["loss"] == nil ? evaluationKeys : stepKeys))
      #expect(object.objectValue?.allSatisfy { $0.value.doubleValue != nil } == true)
    }
    #expect(here.text("run/metrics.jsonl") == run.output)
    #expect(run.error.hasPrefix("model "))
  }

  @Test func printsNothingWhenQuiet() throws {
    let here = try Workspace()
    let run = try here.mgpt("train --data names.txt --out run \(tiny) --steps 20 --quiet")
    #expect(run.code == 0 && run.output == "" && run.error == "")
    #expect(here.list("run") == runFiles)
  }

  @Test func plansWithoutTrainingOrWriting() throws {
    let here = try Workspace()
    let plan = try here.mgpt("train --data text.txt --out run \(tiny) --plan")
    #expect(plan.code == 0)
    for text in [
      "parameters", "weights", "optimizer (muon, f32)", "activations of a step", "time ",
    ] {
      #expect(plan.output.contains(text), "\(plan.output)")
    }
    #expect(here.list("run").isEmpty)
    // Even for a model that no machine holds: figures, at once, and nothing reserved.
    let large = try here.mgpt(
      "train --data text.txt --layers 50 --embed-dim 16384 --heads 64 --plan")
    #expect(large.code == 0)
    #expect(large.output.contains("161 B parameters"))
    #expect(large.output.contains("It does not fit into the memory that is available.\n"))
  }

  @Test func refusesAFolderInUseUnlessForced() throws {
    let here = try Workspace()
    let line = "train --data text.txt --out run \(tiny) --steps 20 --quiet"
    #expect(try here.mgpt(line).code == 0)
    let before = here.contents("run")
    let again = try here.mgpt(line + " --seed 2")
    #expect(again.code == 73)
    #expect(
      again.error == "mgpt: run already holds a run. Found run/last.safetensors. Use --resume run "
        + "to go on, another --out, or --force to replace it.\n")
    let isSame = here.contents("run") == before
    #expect(isSame)
    #expect(try here.mgpt(line + " --seed 2 --force").code == 0)
    let isReplaced = here.bytes("run/last.safetensors") != before["last.safetensors"]
    #expect(isReplaced)
  }

  @Test func understandsTheOlderSpellings() throws {
    let here = try Workspace()
    let size = "--layers 1 --embed_dim 16 --heads 2 --context 8"
    let run = try here.mgpt(
      "--train --data text.txt --iters 20 --save_checkpoint old/model.safetensors \(size)")
    #expect(run.code == 0, "\(run.error)")
    #expect(
      here.list("old")
        == ["best.safetensors", "loss.svg", "metrics.csv", "metrics.jsonl", "model.safetensors"])
    let text = try here.mgpt(
      "--generate --checkpoint old/model.safetensors --start The --max_new_tokens 9 --seed 1")
    #expect(text.code == 0 && text.output.hasPrefix("The"))
    #expect(text.output.count == 3 + 9 + 1 || text.output.hasSuffix("\n"))
    let further = try here.mgpt(
      "--train --load_checkpoint old/model.safetensors --iters 30 "
        + "--save_checkpoint new/model.safetensors")
    #expect(further.code == 0, "\(further.error)")
    #expect(here.list("new").contains("model.safetensors"))
    #expect(
      try here.mgpt("inspect new/model.safetensors").output.contains("step            30 of 30"))
    #expect(
      try here.mgpt("inspect old/model.safetensors").output.contains("step            20 of 20"))
  }

  @Test func choosesSizesAndSaysWhatItDoesWithLongDocuments() throws {
    let here = try Workspace()
    here.write(
      here.text("names.txt") + "\n" + String(repeating: "long ", count: 30), to: "list.txt")
    let plan = try here.mgpt("train --data list.txt --plan")
    #expect(plan.output.contains("context 32,"))
    #expect(
      plan.output.contains(
        "note     1 of 121 documents are longer than the context and are trained on in pieces; "
          + "--context 151 would hold all\n"), "\(plan.output)")
    let short = try here.mgpt("train --data names.txt --plan")
    #expect(short.output.contains("context 9,"))  // the longest name has 8 letters
    #expect(short.output.contains("1000 steps of 504 tokens"))  // tiny has 16 x 32 = 512
    #expect(!short.output.contains("documents are longer"))
  }

  @Test func ordersFromTheCheckpointWinWhenResumed() throws {
    let here = try Workspace()
    let run = try here.mgpt(
      "train --data text.txt --out run \(tiny) --steps 12 --eval-every 4 --save-every 3 --quiet")
    #expect(run.code == 0)
    let more = try here.mgpt("train --resume run --steps 20 --sample-tokens 0 --lr 1e-3")
    #expect(more.code == 0)
    let steps = more.lines.filter { $0.contains("validation loss") && $0.hasPrefix("step") }
      .map { $0.prefix(10) }
    #expect(steps == ["step 16/20", "step 20/20"])
    #expect(more.output.contains("note     --lr 0.001 from step 13 on, 0.02 until then\n"))
    #expect(more.output.contains("resumed  run/last.safetensors, after step 12\n"))
  }
}
