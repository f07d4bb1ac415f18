// A run that is stopped, killed or left alone: what remains, and that it goes on with the same
// bits.

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

@Suite struct EndToEndSignalTests {
  private static let long = "\(tiny) --batch-size 4 --steps 10000000 --log-every 100 --eval-every 0"

  @Test(arguments: [SIGINT, SIGTERM])
  func savesAndExits(_ signal: Int32) throws {
    let here = try Workspace()
    let child = try here.start("train --data text.txt --out run \(Self.long)".words)
    #expect(child.waits { child.output.contains("step      300/10000000") })
    child.send(signal)
    let end = child.wait()
    #expect(end.code == 128 + signal)
    #expect(end.error == "")
    let step = try step(of: here, "run/last.safetensors")
    #expect(step >= 300)
    #expect(
      end.lines.last == "stopped after step \(step) and saved. Go on with: mgpt train --resume "
        + "run/last.safetensors")
    #expect(here.list("run") == ["last.safetensors", "loss.svg", "metrics.csv", "metrics.jsonl"])
  }

  @Test func aSecondSignalExitsAtOnce() throws {
    let here = try Workspace()
    // A step of ten seconds and more. Before the first one its duration is measured.
    let child = try here.start(
      "train --data text.txt --out run \(tiny) --steps 10 --grad-accum 65536".words)
    #expect(child.waits { here.list(".").contains("run") })
    child.send(SIGINT)
    usleep(100_000)
    #expect(child.isRunning)
    let start = SystemInfo.seconds
    child.send(SIGINT)
    let end = child.wait()
    #expect(end.code == 130)
    #expect(SystemInfo.seconds - start < 4)
    #expect(!here.list("run").contains { $0.hasSuffix("safetensors") })
  }

  /// Dropout, accumulation, `plateau` and evaluations: everything that has a state.
  @Test(arguments: ["text.txt", "names.txt"])
  func resumesWithTheSameBits(_ data: String) throws {
    let here = try Workspace()
    // A step takes as long as a signal needs, or fifty times as long.
    let (steps, every, save) = isEmulated ? (150, 20, 7) : (1500, 200, 70)
    let line =
      "train --data \(data) \(tiny) --steps \(steps) --batch-size 4 --grad-accum 2 --dropout 0.1 "
      + "--schedule plateau --patience 1 --eval-every \(every) --save-every \(save) "
      + "--sample-tokens 0"
    let whole = try here.mgpt(line + " --out whole")
    #expect(whole.code == 0, "\(whole.error)")
    let child = try here.start((line + " --out parts --log-every 1").words)
    #expect(
      child.waits {
        child.output.contains(isEmulated ? "step  31/150  loss" : "step  310/1500  loss")
      })
    child.send(SIGINT)
    #expect(child.wait().code == 130)
    let second = try here.start("train --resume parts --log-every 1 --sample-tokens 0".words)
    #expect(
      second.waits {
        second.output.contains(isEmulated ? "step  80/150  loss" : "step  800/1500  loss")
      })
    second.send(SIGKILL)
    #expect(second.wait().code == 137)
    let third = try here.mgpt("train --resume parts --sample-tokens 0 --threads 1 --quiet")
    #expect(third.code == 0, "\(third.error)")
    for file in ["last.safetensors", "best.safetensors"] {
      let isSame = here.bytes("parts/\(file)") == here.bytes("whole/\(file)")
      #expect(isSame, "\(file) differs")
    }
    // Metrics of steps that were done twice are there once.
    let evaluated = try here.text("parts/metrics.jsonl").split(separator: "\n")
      .map { try JSON.parse(Array($0.utf8)) }.filter { $0["val_loss"] != nil }
      .compactMap { $0["step"]?.intValue }
    #expect(evaluated == Array(stride(from: every, to: steps, by: every)) + [steps])
  }

  @Test func evaluatesOnResumeWhatASignalPrevented() throws {
    let here = try Workspace()
    // The evaluation of the last step takes long, the step does not.
    here.write(String(repeating: here.text("text.txt"), count: isEmulated ? 3 : 12), to: "long.txt")
    let child = try here.start(
      "train --data long.txt --val-fraction 0.5 --out run \(tiny) --steps 3 --batch-size 1".words)
    #expect(child.waits { child.output.contains("step 3/3  loss") })
    child.send(SIGTERM)
    #expect(child.wait().code == 143)
    #expect(try step(of: here, "run/last.safetensors") == 3)
    let rest = try here.mgpt("train --resume run --sample-tokens 0")
    #expect(rest.code == 0, "\(rest.error)")
    #expect(rest.output.contains("step 3/3  validation loss"))
    #expect(here.list("run").contains("best.safetensors"))
  }

  @Test func killAtAnyMomentLeavesALoadableCheckpoint() throws {
    let here = try Workspace()
    let line = "\(tiny) --steps 10000000 --save-every 1 --eval-every 3 --sample-tokens 0 --quiet"
    let first = try here.start("train --data names.txt --out run \(line)".words)
    #expect(first.waits { here.bytes("run/last.safetensors") != nil })
    first.send(SIGKILL)
    _ = first.wait()
    var steps: [Int] = []
    for round in 0..<(isEmulated ? 6 : 18) {
      steps.append(try step(of: here, "run/last.safetensors"))
      let before = here.bytes("run/last.safetensors")
      let child = try here.start(
        "train --resume run --save-every 1 --eval-every 3 --sample-tokens 0 --quiet".words)
      // From the first checkpoint on every moment is as good as another: 0 … 33 ms later.
      #expect(child.waits { here.bytes("run/last.safetensors") != before }, "round \(round)")
      usleep(UInt32(round * 7919 % 33_000))
      child.send(SIGKILL)
      #expect(child.wait().code == 137)
      // What a killed writer left is removed by the next: never more than one each.
      let left = here.list("run").filter { $0.contains(".tmp-") || $0.contains(".partial") }
      #expect(left.count <= 2, "\(left)")
    }
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0 < $1 }, "\(steps)")
    let last = try here.start("train --resume run --quiet".words)
    #expect(last.waits { here.list("run").allSatisfy { !$0.contains(".tmp-") } })
    last.send(SIGINT)
    #expect(last.wait().code == 130)
    #expect(
      here.list("run").filter { $0.hasPrefix(".") }.isEmpty, "\(here.list("run"))")
  }

  @Test(arguments: ["", " --json"])
  func aBrokenPipeEndsTheRunInOrder(_ option: String) throws {
    let here = try Workspace()
    // If it went on it would at least end some time.
    let steps = "\(tiny) --steps 200000 --log-every 100 --eval-every 0\(option)"
    let run = try here.shell(
      "{ \"$MGPT\" train --data text.txt --out run \(steps); echo $? >code; } | head -1")
    #expect(here.text("code") == "141\n")
    #expect(run.lines.count == 1)
    #expect(try step(of: here, "run/last.safetensors") > 0)
    #expect(here.list("run") == ["last.safetensors", "loss.svg", "metrics.csv", "metrics.jsonl"])
    #expect(run.error.contains("mgpt:") == false)
  }

  /// The step of a checkpoint that is read and verified as `mgpt` does.
  private func step(of here: Workspace, _ file: String) throws -> Int {
    try TrainingCheckpoint.step(of: ModelFile(path: "\(here.path)/\(file)").file)
  }
}

extension String {
  /// The parts between blanks.
  var words: [String] { split(separator: " ").map(String.init) }
}
