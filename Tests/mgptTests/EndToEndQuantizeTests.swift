// Quantised checkpoints from the command line: made, measured, run, refused where they don't
// belong. And files that are cut short while they are read.

import MicroGPT
import Testing

@testable import mgpt

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct EndToEndQuantizeTests {
  private func trained() throws -> Workspace {
    let here = try Workspace()
    let run = try here.mgpt(
      "train --data text.txt --out run \(tiny) --steps 30 --batch-size 4 --quiet --threads 1")
    #expect(run.code == 0)
    here.write(String(here.text("text.txt").prefix(1500)), to: "short.txt")
    return here
  }

  @Test(arguments: ["int8", "int8-block", "int4", "int4-search"])
  func quantizedModelsAreMeasuredAndRun(_ format: String) throws {
    let here = try trained()
    let made = try here.mgpt(
      "quantize --model run --to \(format) --out q.safetensors --data short.txt --json")
    #expect(made.code == 0 && made.error == "")
    let report = try JSON.parse(made.output)
    let comparison = try #require(report["comparison"])
    #expect((comparison["tokens"]?.intValue ?? 0) > 1000)
    #expect((comparison["loss_change"]?.doubleValue ?? 9).magnitude < 0.2)
    #expect((comparison["top1_agreement"]?.doubleValue ?? 0) > 0.8)
    #expect(
      (report["bytes"]?.intValue ?? .max) < (report["original_bytes"]?.intValue ?? 0) * 3 / 4)
    let evaluated = try here.mgpt("eval --model q.safetensors --data short.txt --json")
    let loss = try #require(JSON.parse(evaluated.output)["loss"]?.doubleValue)
    let expected = try #require(comparison["quantized_loss"]?.doubleValue)
    #expect((loss - expected).magnitude < 1e-4)
    let text = try here.mgpt("generate --model q.safetensors --max-tokens 40 --seed 1")
    #expect(text.code == 0 && text.output.count > 20)
    let shown = try here.mgpt("inspect q.safetensors")
    #expect(shown.output.contains("weights in \(format.replacing("-search", with: ""))"))
    let back = try here.mgpt("dequantize --model q.safetensors --out f.safetensors")
    #expect(back.code == 0)
    let again = try here.mgpt("eval --model f.safetensors --data short.txt --json")
    let lossAgain = try #require(JSON.parse(again.output)["loss"]?.doubleValue)
    #expect((lossAgain - loss).magnitude < 0.02)
  }

  @Test func whatCannotBeQuantized() throws {
    let here = try trained()
    _ = try here.mgpt("quantize --model run --to int8 --out q.safetensors")
    let cases = [
      BadCase(
        "quantize --model run --to int8 --out q.safetensors", 73,
        ": q.safetensors exists already. Use another --out, or --force to replace it."),
      BadCase(
        "quantize --model run/best.safetensors --to int8 --out run/best.safetensors --force", 64,
        ": --out names the model itself. Found run/best.safetensors twice, expected another file."),
      BadCase(
        "quantize --model q.safetensors --to int4 --out new", 65,
        ": q.safetensors is quantised already. Found weights in int8, expected float32. Quantise "
          + "the checkpoint it was made from; doing it twice adds the errors."),
      BadCase(
        "dequantize --model run --out new", 65,
        ": run/best.safetensors is not quantised. Found weights of 16 bits or more, expected int8 "
          + "or int4. Use it as it is."),
      BadCase(
        "train --resume q.safetensors", 65,
        ": q.safetensors is quantised and can't be trained. Found weights in int8, expected "
          + "float32. Train the checkpoint it was made from, or one that mgpt dequantize makes of "
          + "it."),
      BadCase(
        "quantize --model run --to int8 --out new --data none.txt", 66,
        ": none.txt does not exist. Check the name, or give another file."),
      BadCase(
        "quantize --model run --to int3 --out new", 64,
        #" quantize: bad value for --to. Found "int3", expected int8, int8-block, int4 or "#
          + "int4-search. Example: --to int8"),
    ]
    for test in cases { try test.check(here, folders: ["run", "."]) }
    let forced = try here.mgpt("quantize --model run --to int4 --out q.safetensors --force")
    #expect(forced.code == 0)
  }

  /// A copy that is overwritten in place, a stick that is pulled: one line, not a crash.
  @Test func filesCutShortWhileTheyAreRead() throws {
    let here = try trained()
    _ = try here.mgpt("quantize --model run --to int8 --out q.safetensors")
    let run = try here.start(
      "generate --model q.safetensors --max-tokens 1000000000 --threads 2".words)
    #expect(run.waits { run.output.count > 500 })
    #expect(truncate("\(here.path)/q.safetensors", 64) == 0)
    let end = run.wait()
    #expect(end.code == 74)
    #expect(
      end.error == "mgpt: q.safetensors was cut short, or its disk failed, while it was being "
        + "read. Found no data where it had some when it was opened. Copy the file again.\n")
  }
}
