// `mgpt bench generate` from outside: what it prints, what it refuses, and that it leaves nothing
// behind.

import MicroGPT
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct EndToEndBenchTests {
  private static let short = "--prompt-tokens 8 --max-tokens 4 --runs 1 --threads 2"

  /// A machine with 64 MB of free memory: what reading it takes is measured with a quarter.
  private func workspace() throws -> Workspace {
    let here = try Workspace()
    #expect(try here.shell("mkdir -p small/proc").code == 0)
    here.write("MemAvailable: 65536 kB\n", to: "small/proc/meminfo")
    return here
  }

  private static let small = ["MGPT_SYSTEM_ROOT": "small"]

  @Test func measuresEveryFormatAndLeavesNothing() throws {
    let here = try workspace()
    #expect(try here.shell("mkdir temporary").code == 0)
    let run = try here.mgpt(
      "bench generate --json --kv-cache int8 --sequences 2 \(Self.short)",
      environment: Self.small.merging(["TMPDIR": "temporary"]) { $1 })
    #expect(run.code == 0, "\(run.error)")
    let report = try JSON.parse(Array(run.output.utf8))
    let results = try #require(report["results"]?.arrayValue)
    #expect(
      results.map { $0["format"]?.stringValue } == ["f32", "int8", "int8-block", "int4"])
    let files = results.compactMap { $0["file_bytes"]?.intValue }
    #expect(files.count == 4 && files[0] > 3 * files[1] && files[1] > files[3])
    for result in results {
      #expect((result["decode_tokens_per_second"]?.doubleValue ?? 0) > 0)
      #expect(result["sequences"]?.intValue == 2)
    }
    #expect(report["configuration"]?["layers"]?.intValue == 4)
    #expect(here.list("temporary") == [])
    let table = try here.mgpt(
      "bench generate --format int8 --format f32 \(Self.short)", environment: Self.small)
    #expect(table.code == 0 && table.error == "")
    let rows = table.lines.filter { $0.hasPrefix("f32 ") || $0.hasPrefix("int") }
    #expect(rows.count == 2 && rows.first?.hasPrefix("f32 ") == true, "\(table.output)")
  }

  @Test func keepsModelsIfTold() throws {
    let here = try workspace()
    let run = try here.mgpt(
      "bench generate --format int8 --keep a/b \(Self.short)", environment: Self.small)
    #expect(run.code == 0, "\(run.error)")
    #expect(here.list("a/b") == ["f32.safetensors", "int8.safetensors"])
    let inspect = try here.mgpt("inspect a/b/int8.safetensors")
    #expect(inspect.code == 0, "\(inspect.error)")
  }

  @Test func aModelOfOnesOwn() throws {
    let here = try workspace()
    let train = try here.mgpt("train --data text.txt --out run \(tiny) --steps 3 --quiet")
    #expect(train.code == 0, "\(train.error)")
    let quantize = try here.mgpt(
      "quantize --model run/last.safetensors --to int4 --out q.safetensors")
    #expect(quantize.code == 0, "\(quantize.error)")
    let options = "--prompt-tokens 4 --max-tokens 2 --runs 1 --threads 1"
    let before = here.list("run")
    let cases = [
      ("run", "--format all", ["f32", "int8", "int8-block", "int4"]),
      ("q.safetensors", "", ["int4"]), ("q.safetensors", "--format int4", ["int4"]),
      ("run/last.safetensors", "", ["f32"]),
      ("run/last.safetensors", "--format int8", ["int8"]),
    ]
    // Each measures the machine too, for as long as that takes.
    for (model, format, expected) in cases.prefix(isEmulated ? 2 : cases.count) {
      let run = try here.mgpt(
        "bench generate --model \(model) \(format) \(options) --json", environment: Self.small)
      #expect(run.code == 0, "\(run.error)")
      let found = try JSON.parse(Array(run.output.utf8))["results"]?.arrayValue ?? []
      #expect(found.map { $0["format"]?.stringValue } == expected)
    }
    #expect(here.list("run") == before)
    let messages: [(String, Int32, String)] = [
      (
        "--model q.safetensors --format int8", 65,
        "q.safetensors can't be measured in other formats. Found --format int8, expected int4, "
          + "which it is quantised in. Use the float32 checkpoint that it was made from."
      ),
      (
        "--model q.safetensors --layers 2", 64,
        "--layers describes random weights. Found also --model q.safetensors, expected one of the "
          + "two. Leave --layers out to measure that model."
      ),
      (
        "--preset huge", 78,
        "unknown --preset. Found \"huge\", expected one of: tiny, gpt2, xl, 500m."
      ),
      (
        "--prompt-tokens 257", 78,
        "--prompt-tokens is out of range. Found 257, expected 1 to 256, the context being 256."
      ),
    ]
    for (words, code, message) in messages {
      let run = try here.mgpt("bench generate \(words)")
      #expect(run.code == code && run.output == "" && run.error == "mgpt: \(message)\n", "\(run)")
    }
  }

  /// While the weights are made, and while they are measured.
  @Test(arguments: [
    ("--preset 500m", SIGINT), ("--runs 100000", SIGINT), ("--runs 100000", SIGTERM),
  ])
  func aSignalRemovesTheModel(_ words: String, _ signal: Int32) throws {
    let here = try Workspace()
    #expect(try here.shell("mkdir temporary").code == 0)
    let child = try here.start(
      "bench generate --format int8 \(words)".split(separator: " ").map(String.init),
      environment: ["TMPDIR": "temporary"])
    let suffix = words.hasPrefix("--preset") ? ".tmp-" : "int8.safetensors"
    #expect(child.waits { here.list("temporary").contains { $0.contains(suffix) } })
    child.send(signal)
    #expect(child.wait().code == 128 + signal)
    #expect(here.list("temporary") == [])
  }

  @Test func aFullDiskIsOneLine() throws {
    let here = try Workspace()
    // Thirteen terabytes of weights.
    let run = try here.mgpt("bench generate --layers 1024 --embed-dim 16384 --heads 16 --runs 1")
    #expect(run.code == 74 && run.error.split(separator: "\n").count == 1, "\(run)")
    #expect(run.error.hasPrefix("mgpt: disk full: "))
    let none = try here.mgpt("bench generate", environment: ["TMPDIR": "none"])
    #expect(none.code == 73 && none.error.contains("there is no folder none."))
  }
}
