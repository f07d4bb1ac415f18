// Input that can't work: one line on standard error, word for word, the right exit code, and every
// file as it was. Full disks and permissions: EndToEndDiskTests.swift.

import MicroGPT
import Testing

@testable import mgpt

/// A command line, how it ends, and what it says after "mgpt: " or "mgpt COMMAND: ".
struct BadCase: CustomTestStringConvertible, Sendable {
  let line: String
  let code: Int32
  let message: String
  var testDescription: String { line }

  init(_ line: String, _ code: Int32, _ message: String) {
    (self.line, self.code, self.message) = (line, code, message)
  }

  /// Runs it and compares everything.
  func check(_ here: Workspace, folders: [String], environment: [String: String] = [:]) throws {
    let before = folders.map { here.contents($0) }
    let run = try here.mgpt(line, environment: environment)
    #expect(run.code == code, "\(line)")
    #expect(run.error == "mgpt\(message)\n", "\(line)")
    #expect(run.output == "", "\(line)")
    for (folder, files) in zip(folders, before) {
      let isSame = here.contents(folder) == files
      #expect(isSame, "\(folder) was changed")
    }
    #expect(here.list("new").isEmpty)
  }
}

@Suite struct EndToEndBadInputTests {
  private static func badTime(_ value: String) -> BadCase {
    BadCase(
      "--time \(value)", 64,
      " train: bad value for --time. Found \"\(value)\", expected a time such as 90s, 30m or 2h. "
        + "Example: --time 30m")
  }

  private static let texts: [BadCase] = [
    BadCase(
      "train --data empty.txt", 65,
      ": empty.txt is empty. Found 0 bytes, expected text. Give another file."),
    BadCase(
      "train --data short.txt", 65,
      ": short.txt is too short for a context of 8. Found 8 tokens in the training split, expected "
        + "at least 9. Use a longer text."),
    BadCase(
      "train --data short.txt --context 4", 65,
      ": short.txt is too short for a context of 4. Found 1 token in the validation split, expected "
        + "at least 5. Use a longer text."),
    BadCase(
      "train --data latin1.txt", 65,
      ": latin1.txt is not valid UTF-8: byte 0xE9 at offset 3. Use --tokenizer byte, or convert "
        + "the file."),
    BadCase(
      "train --data .", 65,
      ": ./run/best.safetensors is no text. Found a byte 0x00, expected text in every file of the "
        + "folder. Move it elsewhere."),
    BadCase(
      "train --data none.txt", 66,
      ": none.txt does not exist. Check the name, or give another file."),
    BadCase(
      "train --data blank.txt --layout documents", 65,
      ": blank.txt has too few documents. Found 0 documents with text in it, expected at least 2. "
        + "Add some, give another file, or use another --layout."),
    BadCase(
      "eval --model run --data empty.txt", 65,
      ": empty.txt is empty. Found 0 bytes, expected text. Give another file."),
    BadCase(
      "eval --model run --data latin1.txt", 65,
      ": latin1.txt is not valid UTF-8: byte 0xE9 at offset 3. A model of characters can't read it; "
        + "convert the file."),
  ]

  @Test func texts() throws {
    let here = try Workspace.withRun()
    here.write("", to: "empty.txt")
    here.write("ten bytes", to: "short.txt")
    here.write(Array("caf".utf8) + [0xE9] + Array(" noir ".utf8), to: "latin1.txt")
    here.write("\n \n\n", to: "blank.txt")
    for bad in Self.texts {
      let isTrain = bad.line.hasPrefix("train")
      let isSized = bad.line.contains("--context")
      let sizes = " --layers 1 --embed-dim 16 --heads 2" + (isSized ? "" : " --context 8")
      try BadCase(bad.line + (isTrain ? " --out new" + sizes : ""), bad.code, bad.message)
        .check(here, folders: ["run"])
    }
  }

  private static let sizes: [BadCase] = [
    BadCase(
      "--heads 3 --embed-dim 128", 78,
      ": --embed-dim must be a multiple of --heads. Found --embed-dim 128 with --heads 3. Use "
        + "--embed-dim 126 or 132, or other --heads."),
    BadCase(
      "--layers 0", 64,
      " train: bad value for --layers. Found \"0\", expected a whole number from 1 to 1024. "
        + "Example: --layers 4"),
    BadCase(
      "--context -8", 64,
      " train: bad value for --context. Found \"-8\", expected a whole number from 1 to 1048576. "
        + "Example: --context 64"),
    BadCase(
      "--embed-dim 1e12", 64,
      " train: bad value for --embed-dim. Found \"1e12\", expected a whole number from 1 to 65536. "
        + "Example: --embed-dim 128"),
    BadCase(
      "--steps 99999999999999999999", 64,
      " train: bad value for --steps. Found \"99999999999999999999\", expected a whole number from "
        + "1 to 1000000000. Example: --steps 2000"),
    BadCase(
      "--lr nan", 64,
      " train: bad value for --lr. Found \"nan\", expected a number above 0 and at most 10. "
        + "Example: --lr 3e-3"),
    BadCase(
      "--threads 0", 64,
      " train: bad value for --threads. Found \"0\", expected a whole number from 1 to 256. "
        + "Example: --threads 4"),
    BadCase(
      "--preset huge", 78,
      ": unknown --preset. Found \"huge\", expected one of: tiny, mini, micro, small, medium, large, "
        + "xl, xxl, names, randygpt-xs, randygpt-s, randygpt-ds, randygpt-m, randygpt-l, randygpt-deep, "
        + "randygpt-xl, picogpt, nanogpt-cpu, gpt2, microgpt."),
    badTime("0s"), badTime("-1m"), badTime("now"),
    BadCase(
      "--lr 1e-3 --min-lr 2e-3", 78,
      ": --min-lr is out of range. Found 0.002, expected at most --lr 0.001."),
    BadCase(
      "--optimizer adamw --momentum 0.9", 64,
      ": --momentum belongs to Muon. Found the optimizer adamw, expected muon. Leave --momentum out, "
        + "or use --optimizer muon."),
    BadCase(
      "--family gpt2 --adamw-lr 1e-3", 64,
      ": --adamw-lr belongs to Muon. Found the optimizer adamw, expected muon. Leave --adamw-lr out, "
        + "or use --optimizer muon."),
    BadCase(
      "--bach-size 4", 64, " train: unknown option --bach-size. Did you mean --batch-size?"),
  ]

  @Test(arguments: sizes) func impossibleSizes(_ bad: BadCase) throws {
    let here = try Workspace()
    try BadCase("train --data text.txt --out new \(bad.line)", bad.code, bad.message)
      .check(here, folders: ["."])
  }

  /// Figures, at once, before anything is reserved; and no size is too large for the arithmetic.
  @Test(arguments: [
    "--layers 200 --embed-dim 8192 --heads 64",
    "--layers 1024 --embed-dim 65536 --heads 1024",
    "--layers 1024 --embed-dim 65536 --heads 1 --hidden-dim 1048576 --batch-size 65536 --context "
      + "900 --grad-accum 65536 --force",
  ])
  func modelsTooLargeForAnyMachine(_ sizes: String) throws {
    let here = try Workspace()
    let start = SystemInfo.seconds
    let run = try here.mgpt("train --data text.txt --out new \(sizes)")
    #expect(SystemInfo.seconds - start < 10)
    #expect(run.code == 69)
    #expect(run.output == "" && run.lines.isEmpty)
    #expect(run.error.hasPrefix("mgpt: not enough memory: "))
    #expect(run.error.contains(" MiB needed, "))
    #expect(
      run.error.hasSuffix(
        ". Use --recompute, --optimizer-state int8, --precision bf16, a smaller "
          + "--batch-size with --grad-accum, a smaller --context or --embed-dim; mgpt train --force "
          + "tries anyway.\n"))
    #expect(here.list("new").isEmpty)
  }

  @Test func instructionSets() throws {
    let here = try Workspace()
    let run = "train --data text.txt --out new \(tiny)"
    let foo = try here.mgpt(run, environment: ["MGPT_ISA": "foo"])
    #expect(foo.code == 69)
    #expect(
      foo.error.hasPrefix("mgpt: MGPT_ISA names no back end. Found \"foo\", expected one of: "))
    #expect(foo.error.hasSuffix(". Unset MGPT_ISA to use the best one.\n"))
    #if arch(x86_64)
      let (other, own) = ("neon", "scalar")
    #else
      let (other, own) = ("avx2", "scalar")
    #endif
    let wrong = try here.mgpt(run, environment: ["MGPT_ISA": other])
    #expect(wrong.code == 69)
    #expect(
      wrong.error.hasPrefix(
        "mgpt: MGPT_ISA=\(other) can't run here: this processor architecture lacks it. "))
    #expect(here.list("new").isEmpty)
    let right = try here.mgpt(run + " --steps 5", environment: ["MGPT_ISA": own])
    #expect(right.code == 0 && right.output.contains(", scalar, "))
  }

  /// The update overflows at step 10, while the loss is a number still.
  @Test func aLossThatIsNotANumber() throws {
    let here = try Workspace()
    let run = try here.mgpt(
      "train --data text.txt --out run \(tiny) --steps 40 --lr 10 --weight-decay 10 --grad-clip 0 "
        + "--optimizer adamw --warmup 0 --save-every 3 --eval-every 0 --quiet")
    #expect(run.code == 1)
    #expect(
      run.error
        == "mgpt: the size of the weights is not a number at step 12; the checkpoint "
        + "of step 9 is kept. Found a learning rate of 10.0. Try --lr 2.5, a longer --warmup, or "
        + "--grad-clip 1.\n")
    #expect(try here.mgpt("generate --model run --max-tokens 5").code == 0)
    // The advice works: the run goes on from there.
    let saved = try TrainingCheckpoint.step(
      of: ModelFile(path: "\(here.path)/run/last.safetensors").file)
    #expect(saved == 9)
    let never = try here.mgpt(
      "train --data text.txt --out run2 \(tiny) --steps 40 --lr 10 --weight-decay 10 --grad-clip 0 "
        + "--optimizer adamw --warmup 0 --eval-every 0 --quiet")
    #expect(never.code == 1)
    #expect(never.error.contains(" is not a number at step "))
    #expect(
      never.error.contains("; nothing was saved yet. Found a learning rate of 10.0. Try --lr 2.5"))
    #expect(here.list("run2") == ["metrics.csv", "metrics.jsonl"])
  }
}

extension Workspace {
  /// A workspace with a finished run of the stream in `run`.
  static func withRun() throws -> Workspace {
    let here = try Workspace()
    let run = try here.mgpt("train --data text.txt --out run \(tiny) --steps 20 --quiet")
    try #require(run.code == 0, "\(run.error)")
    return here
  }
}
