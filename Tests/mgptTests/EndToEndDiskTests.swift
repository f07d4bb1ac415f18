// Full disks and folders without permission. A real full disk needs a small file system, which only
// root can mount; permissions mean nothing to root, who then becomes nobody for the command.

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

@Suite struct EndToEndDiskTests {
  private static let canMount = succeeds(
    "test $(id -u) = 0 && mkdir d && mount -t tmpfs -o size=64k tmpfs d && umount d")
  /// Runs what follows it as a user without rights; empty if we are such a user.
  private static let asNobody =
    getuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : ""
  private static let canDropRights = succeeds("\(asNobody) \"$MGPT\" --version")
  private static let hasFullDevice = access("/dev/full", W_OK) == 0

  private static func succeeds(_ script: String) -> Bool {
    (try? Workspace().shell(script).code == 0) ?? false
  }

  @Test(.enabled(if: hasFullDevice, "skipped: no /dev/full"))
  func aFullDiskUnderStandardOutput() throws {
    let here = try Workspace()
    let message =
      "mgpt: can't write to standard output: No space left on device. Make room or choose another "
      + "output.\n"
    let plain = try here.shell("\"$MGPT\" train --data text.txt --out a \(tiny) >/dev/full")
    #expect(plain.code == 74 && plain.error == message)
    let json = try here.shell("\"$MGPT\" train --data text.txt --out b \(tiny) --json >/dev/full")
    #expect(json.code == 74 && json.error.hasSuffix(message))
    #expect(here.list("b").contains("last.safetensors"))
    let evaluation = try here.shell("\"$MGPT\" eval --model b --data text.txt --json >/dev/full")
    #expect(evaluation.code == 74 && evaluation.error == message)
    let text = try here.shell("\"$MGPT\" generate --model b >/dev/full")
    #expect(text.code == 74 && text.error == message)
  }

  @Test(.enabled(if: hasFullDevice, "skipped: no /dev/full"))
  func aFullDiskUnderTheMetrics() throws {
    let here = try Workspace()
    #expect(try here.shell("mkdir run && ln -s /dev/full run/metrics.jsonl").code == 0)
    let run = try here.mgpt("train --data text.txt --out run \(tiny) --quiet")
    #expect(run.code == 74)
    #expect(
      run.error
        == "mgpt: can't write the metrics file 'run/metrics.jsonl': No space left on device. "
        + "Make room, then continue the run with --resume.\n")
  }

  @Test(.enabled(if: canMount, "skipped: only root can mount a small disk"))
  func aFullDiskInTheMiddleOfARun() throws {
    let here = try Workspace()
    // Room for two checkpoints of 52 KB, but not for a third.
    #expect(try here.shell("mkdir disk && mount -t tmpfs -o size=148k tmpfs disk").code == 0)
    defer { _ = try? here.shell("umount disk") }
    let run = try here.mgpt(
      "train --data text.txt --out disk/run \(tiny) --optimizer adamw --steps 20 --save-every 5 "
        + "--eval-every 10 --quiet"
    )
    #expect(run.code == 74)
    #expect(
      run.error.hasPrefix("mgpt: disk full: disk/run/last.safetensors can't be written. Found "))
    #expect(
      run.error.hasSuffix(". Nothing was overwritten; free some space or choose another disk.\n"))
    #expect(
      here.list("disk/run")
        == ["best.safetensors", "last.safetensors", "metrics.csv", "metrics.jsonl"])
    let last = try TrainingCheckpoint.step(
      of: ModelFile(path: "\(here.path)/disk/run/last.safetensors").file)
    #expect(last == 5)
    // With room again it goes on from there.
    #expect(try here.shell("mount -o remount,size=1m disk").code == 0)
    #expect(try here.mgpt("train --resume disk/run --quiet").code == 0)
    #expect(here.list("disk/run").contains("loss.svg"))
  }

  @Test(.enabled(if: canDropRights, "skipped: no user without rights can run the program"))
  func withoutPermission() throws {
    let here = try Workspace()
    #expect(try here.mgpt("train --data text.txt --out run \(tiny) --steps 5 --quiet").code == 0)
    let run = "\(Self.asNobody) \"$MGPT\""
    let sizes = "\(tiny) --steps 5"
    #expect(try here.shell("chmod 000 names.txt; chmod 000 run/last.safetensors").code == 0)
    let text = try here.shell("\(run) train --data names.txt --out new \(sizes)")
    #expect(text.code == 66)
    #expect(
      text.error == "mgpt: names.txt can't be read: Permission denied. Check its permissions.\n")
    let model = try here.shell("\(run) generate --model run/last.safetensors")
    #expect(model.code == 66)
    #expect(
      model.error == "mgpt: run/last.safetensors can't be read: permission denied. Check its owner "
        + "and mode with ls -l.\n")
    // The folder itself is not for nobody to write in.
    #expect(try here.shell("chmod 555 . && mkdir locked; chmod 555 locked").code == 0)
    let folder = try here.shell("\(run) train --data text.txt --out new \(sizes)")
    #expect(folder.code == 73 && folder.output == "")
    #expect(
      folder.error == "mgpt: new can't be created: permission denied. Choose another place.\n")
    let inside = try here.shell("\(run) train --data text.txt --out locked \(sizes)")
    #expect(inside.code == 73 && inside.output == "")
    #expect(
      inside.error == "mgpt: locked/last.safetensors can't be created: permission denied. Choose "
        + "another place.\n")
  }

  /// The demo works where nothing can be written, and says where it went.
  @Test(.enabled(if: canDropRights, "skipped: no user without rights can run the program"))
  func theDemoFindsAnotherFolder() throws {
    let here = try Workspace()
    let script =
      "mkdir data other; cp names.txt data/; chmod 777 other; chmod 555 . ; export "
      + "TMPDIR=\"$PWD/other\"; exec \(Self.asNobody) \"$MGPT\" demo --seconds 1"
    let child = try here.start(["-c", script], program: "/bin/sh", environment: ["MGPT": program])
    // Its steps are a minute of an emulator; demoShowsNewNames runs them there too.
    if isEmulated, child.waits(until: { child.output.contains("the demo uses ") }) {
      child.send(SIGINT)
    }
    let run = child.wait()
    #expect(run.code == (isEmulated ? 130 : 0), "\(run.error)")
    #expect(run.lines[0].hasPrefix("The current folder can't be written to; the demo uses "))
    #expect(here.list("runs").isEmpty)
    #expect(here.list("other").count == 1)
    _ = try here.shell("chmod 755 .")
  }
}
