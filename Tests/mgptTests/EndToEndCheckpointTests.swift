// Checkpoints that do not fit the command line, and files that are none: one line, word for word,
// and every file as it was.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct EndToEndCheckpointTests {
  private static let resumes: [BadCase] = [
    BadCase(
      "--layers 2", 78,
      ": --layers differs from the run in run/last.safetensors. Found 2, expected 1. Leave --layers "
        + "out to resume, or start a new run without --resume."),
    BadCase(
      "--tokenizer byte", 78,
      ": --tokenizer differs from the run in run/last.safetensors. Found byte, expected char. Leave "
        + "--tokenizer out to resume, or start a new run without --resume."),
    BadCase(
      "--preset micro", 78,
      ": --preset differs from the run in run/last.safetensors. Found micro, expected 1 layers, 2 "
        + "heads, width 16. Leave --preset out to resume, or start a new run without --resume."),
    BadCase(
      "--optimizer adamw", 78,
      ": --optimizer differs from the run in run/last.safetensors. Found adamw, expected muon. Leave "
        + "--optimizer out to resume, or start a new run without --resume."),
    BadCase(
      "--optimizer-state int8", 78,
      ": --optimizer-state differs from the run in run/last.safetensors. Found int8, expected f32. "
        + "Leave --optimizer-state out to resume, or start a new run without --resume."),
    BadCase(
      "--precision bf16", 78,
      ": --precision differs from the run in run/last.safetensors. Found bf16, expected f32. Leave "
        + "--precision out to resume, or start a new run without --resume."),
    BadCase(
      "--val-fraction 0.2", 78,
      ": --val-fraction differs from the run in run/last.safetensors. Found 0.2, expected 0.1. Leave "
        + "--val-fraction out to resume, or start a new run without --resume."),
    BadCase(
      "--steps 20", 78,
      ": the run in run/last.safetensors is complete. Found 20 of 20 steps. Use a larger --steps to "
        + "go on."),
    BadCase(
      "--data names.txt", 65,
      ": The data are not those of the saved run: the number of training tokens differs. Found "
        + "708, expected 15921. Resume with the data and the tokenizer of that run."),
    BadCase(
      "--out text.txt/deep", 73,
      ": the run folder text.txt/deep can't be made. Found a file at text.txt, expected a folder or "
        + "nothing. Use another --out."),
    BadCase(
      "--out other", 73,
      ": other already holds a run. Found other/last.safetensors. Use --resume other to go on, "
        + "another --out, or --force to replace it."),
  ]

  @Test func resumesThatDiffer() throws {
    let here = try Workspace.withRun()
    #expect(try here.shell("cp -r run other").code == 0)
    for bad in Self.resumes {
      let steps = bad.line.contains("--steps") ? "" : "--steps 30 "
      try BadCase("train --resume run \(steps)\(bad.line)", bad.code, bad.message)
        .check(here, folders: ["run", "other"])
    }
    #expect(try here.shell("mkdir none").code == 0)
    try BadCase(
      "train --resume none", 66,
      ": nothing to resume in none. Found no last.safetensors there. Give a checkpoint file or the "
        + "folder of a run."
    ).check(here, folders: ["none"])
    try BadCase(
      "generate --model none", 66,
      ": no model in none. Found neither best.safetensors nor last.safetensors there. Give a "
        + "checkpoint file or the folder of a run."
    ).check(here, folders: ["none"])
    try BadCase(
      "train --data text.txt --out text.txt", 73,
      ": the run folder text.txt can't be made. Found a file at text.txt, expected a folder or "
        + "nothing. Use another --out."
    ).check(here, folders: ["."])
  }

  /// A run in bfloat16 with AdamW: it can't become one in float32, and has no momentum of Muon.
  @Test func resumesOfOtherChoices() throws {
    let here = try Workspace()
    let line = "train --data text.txt --out run \(tiny) --steps 4 --precision bf16 --recompute"
    let run = try here.mgpt(line + " --optimizer adamw --optimizer-state int8")
    #expect(run.code == 0, "\(run.error)")
    #expect(run.output.contains(", precision bf16, moments in int8, recomputing\n"))
    try BadCase(
      "train --resume run --steps 6 --precision f32", 78,
      ": --precision differs from the run in run/last.safetensors. Found f32, expected bf16. Leave "
        + "--precision out to resume, or start a new run without --resume."
    ).check(here, folders: ["run"])
    for (option, value) in [("--momentum", "0.9"), ("--adamw-lr", "0.001")] {
      try BadCase(
        "train --resume run --steps 6 \(option) \(value)", 64,
        ": \(option) belongs to Muon. Found the optimizer adamw, expected muon. Leave \(option) out."
      ).check(here, folders: ["run"])
    }
  }

  @Test func checkpointsThatAreNone() throws {
    let here = try Workspace.withRun()
    let good = try #require(here.bytes("run/last.safetensors"))
    var flipped = good
    flipped[good.count - 5] ^= 0x10
    here.write(flipped, to: "flipped.safetensors")
    here.write(Array(good[..<30000]), to: "cut.safetensors")
    here.write([], to: "empty.safetensors")
    here.write([0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 60), to: "model.pt")
    here.write(Array("GGUF".utf8) + [UInt8](repeating: 3, count: 60), to: "model.gguf")
    let header = #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
    here.write(
      [UInt8(header.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8) + [0, 0, 0, 0],
      to: "foreign.safetensors")
    let tryAnother = "Copy the file again or use another checkpoint."
    let cases: [(String, Int32, String)] = [
      (
        "cut.safetensors", 65,
        "cut.safetensors is truncated. Found 30000 bytes, expected \(good.count). \(tryAnother)"
      ),
      (
        "empty.safetensors", 66,
        "empty.safetensors is empty. Found 0 bytes, expected some content. Name another file."
      ),
      (
        "model.pt", 65,
        "model.pt is not a safetensors file. Found a ZIP archive, as PyTorch's .pt and .pth files "
          + "are, expected a header length and JSON. Load it in PyTorch and write it with "
          + "safetensors.torch.save_file."
      ),
      (
        "model.gguf", 65,
        "model.gguf is not a safetensors file. Found a GGUF file of llama.cpp, expected a header "
          + "length and JSON. Use the model's original .safetensors file."
      ),
      (
        "text.txt", 65,
        "text.txt is not a safetensors file. Found text that starts with \"The cat \", expected a "
          + "header length and JSON. Name a .safetensors file."
      ),
      (
        "foreign.safetensors", 65,
        "foreign.safetensors has no metadata configuration: mgpt did not write it, or another "
          + "program dropped it. Name a checkpoint that mgpt wrote."
      ),
      (
        "absent.safetensors", 66,
        "absent.safetensors does not exist. Check the path; it is relative to the current folder."
      ),
    ]
    let commands = [
      "train --resume FILE", "generate --model FILE", "eval --model FILE --data text.txt",
      "inspect FILE",
    ]
    for command in commands {
      for (file, code, message) in cases {
        let line = command.words.map { $0 == "FILE" ? file : $0 }.joined(separator: " ")
        try BadCase(line, code, ": \(message)").check(here, folders: ["run"])
      }
      let line = command.words.map { $0 == "FILE" ? "flipped.safetensors" : $0 }
      let run = try here.mgpt(line)
      #expect(run.code == 65 && run.output == "")
      #expect(run.error.hasPrefix("mgpt: flipped.safetensors is damaged in tensor "))
      #expect(run.error.contains(". Found checksum ") && run.error.hasSuffix(". \(tryAnother)\n"))
    }
  }
}
