// `--profile`, `--trace` and the memory plan from outside.

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

/// Whether the program keeps shadow memory beside its own, which no plan counts.
private let isSanitized = ["__asan_init", "__tsan_init"].contains { (name: String) in
  dlsym(nil, name) != nil
}

@Suite struct EndToEndProfileTests {
  @Test func trainPrintsATableAndWritesATrace() throws {
    let here = try Workspace()
    let line = "train --data text.txt --out run \(tiny) --batch-size 4 --steps 20 --profile --force"
    let run = try here.mgpt(line)
    #expect(run.code == 0 && run.error == "", "\(run.error)")
    let start = try #require(run.lines.firstIndex(of: "profile of 20 steps, per step:"))
    let table = run.lines[start...]
    for word in ["linear 16 → 48", "attention", "optimizer", "gradient norm", "step", "roofline:"] {
      #expect(table.contains { $0.hasPrefix(word) }, "\(word) in \(run.output)")
    }
    #expect(run.lines.last == "trace: run/trace.json")
    let trace = try JSON.parse(here.bytes("run/trace.json") ?? [])
    let events = try #require(trace["traceEvents"]?.arrayValue)
    #expect(events.count { $0["name"]?.stringValue == "step" } == 20)
    #expect(here.list("run").contains("best.safetensors") && here.list("run").count == 6)
    // Lines for programs and silence stay what they are.
    let json = try here.mgpt(line + " --json")
    #expect(try json.lines.allSatisfy { try JSON.parse(Array($0.utf8))["step"] != nil })
    #expect(json.error.contains("profile of 20 steps"))
    let quiet = try here.mgpt(line + " --quiet")
    #expect(quiet.code == 0 && quiet.output == "" && quiet.error == "")
  }

  @Test func aTraceThatCannotBeWrittenIsAnErrorBeforeTheFirstStep() throws {
    let here = try Workspace()
    let bench = try here.mgpt("bench train --trace none/t.json --steps 1000000 --json")
    #expect(bench.code == 73 && bench.output == "")
    #expect(
      bench.error == "mgpt: none/t.json can't be created: there is no folder none. "
        + "Create it with mkdir -p.\n")
    #expect(try here.shell("mkdir -p run/trace.json").code == 0)
    let run = try here.mgpt(
      "train --data text.txt --out run \(tiny) --steps 1000000 --profile --quiet")
    #expect(run.code == 66)
    #expect(
      run.error == "mgpt: run/trace.json is a folder, expected a file. Name a file inside it.\n")
    #expect(here.list("run") == ["trace.json"])
  }

  @Test func benchReportsPresetWorkAndProfile() throws {
    let here = try Workspace()
    let run = try here.mgpt(
      "bench train --preset tiny --steps 2 --profile --trace t.json --json --threads 2")
    #expect(run.code == 0, "\(run.error)")
    let result = try JSON.parse(Array(run.output.utf8))
    #expect(result["preset"]?.stringValue == "tiny")
    #expect(result["precision"]?.stringValue == "f32" && result["recompute"] == .bool(false))
    #expect(result["optimizer"]?.stringValue == "adamw")
    #expect(result["optimizer_state"]?.stringValue == "f32")
    #expect(result["tokens_per_step"]?.intValue == 512)
    #expect(result["threads"]?.intValue == 2)
    let profile = try #require(result["profile"])
    let operations = try #require(profile["operations"]?.arrayValue)
    let sum = operations.compactMap { $0["ms"]?.doubleValue }.reduce(0, +)
    let step = try #require(profile["step_ms"]?.doubleValue)
    #expect(abs(sum - step) < 1e-6 * step)
    #expect(here.list("").contains("t.json"))
    let small = "bench train \(tiny) --batch-size 2 --steps 1"
    let table = try here.mgpt(small + " --profile")
    #expect(table.output.contains("\n\nprofile of 1 steps, per step:\noperation"))
    let plain = try here.mgpt(small)
    #expect(!plain.output.contains("profile"))
    #expect(plain.output.contains(", precision f32, AdamW, moments in f32\n"))
    let other = try here.mgpt(small + " --precision bf16 --recompute --optimizer muon")
    #expect(other.output.contains(", precision bf16, recomputing, Muon, moments in f32\n"))
    let wrong = try here.mgpt("bench train --preset huge")
    #expect(wrong.error.hasPrefix("mgpt: unknown --preset. Found \"huge\", expected one of: "))
  }

  /// What is resident is what the plan says and the program itself: within 5 %, at 100 MB.
  @Test(
    .enabled(if: !isSanitized && !isEmulated, "resident memory is the sanitizer's or emulator's"))
  func memoryIsThatOfThePlan() throws {
    let here = try Workspace()
    let size = "--layers 3 --embed-dim 384 --heads 4 --context 64 --batch-size 4 --threads 2"
    let bench = try here.mgpt("bench train \(size) --steps 2 --vocab-size 300 --json")
    let result = try JSON.parse(Array(bench.output.utf8))
    let share = try #require(result["share_of_plan"]?.doubleValue)
    let planned = try #require(result["plan_bytes"]?.intValue)
    let base = try #require(result["base_rss_bytes"]?.doubleValue)
    #expect(planned > 90_000_000)
    #expect((0.95...1.05).contains(share), "\(bench.output)")
    let words = "train --data text.txt --out run \(size) --sample-tokens 5 --steps 2"
    let plan = try here.mgpt("\(words) --plan").output
    let bytes = plan.split(separator: "\n").compactMap { line -> Int? in
      let parts = line.split(separator: " ")
      return parts.last == "bytes" ? Int(parts[parts.count - 2]) : nil
    }
    #expect(bytes.count >= 9 && bytes.reduce(0, +) > 90_000_000, "\(plan)")
    let run = try here.mgpt("\(words) --json")
    let last = try JSON.parse(Array((run.lines.last ?? "").utf8))
    let peak = try #require(last["peak_rss_bytes"]?.doubleValue)
    let expected = Double(bytes.reduce(0, +)) + base
    #expect((0.95...1.05).contains(peak / expected), "\(peak) of \(expected)")
  }
}
