// `mgpt bench --report`: its rows word for word, and the whole of it from outside.

import MicroGPT
import Testing

@testable import mgpt

@Suite struct BenchReportTests {
  @Test func rows() {
    #expect(
      ReportTable.heading
        == "                          unit         measured   predicted  measured/predicted\n")
    #expect(
      ReportTable.row(.fmaPeak, 151.26, predicted: 154)
        == "multiply-adds, float32    GFLOP/s         151.3       154.0                0.98\n")
    #expect(
      ReportTable.row(.reading, 9.876, predicted: nil)
        == "reading memory            GB/s             9.88           -                   -\n")
    #expect(
      ReportTable.row(.decodeInt4, 12345.6, predicted: 10000)
        == "decode, tiny, int4        tokens/s        12346       10000                1.23\n")
  }

  @Test func facts() {
    let machine = MachineReport(
      SystemTree(root: "/nowhere"), processors: Processors(SystemTree(root: "/nowhere")),
      threads: 1, backEnd: "scalar", before: MachineState(), after: MachineState())
    #expect(ReportTable.facts(machine).hasPrefix("board        unknown\nCPU          unknown\n"))
  }

  /// The last block of the generated page, line by line.
  @Test func predictionsAreThoseOfThePage() throws {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let page = try String(
      decoding: readFile("/" + root + "/tools/bench/cortex-a76.md"), as: UTF8.self)
    var found: [String: Double] = [:]
    for line in page.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, ReportFigure(rawValue: String(words[0])) != nil {
        found[String(words[0])] = Double(words[1])
      }
    }
    let values = ReportPredictions.values(board: "Raspberry Pi 5 Model B Rev 1.0", threads: 4)
    #expect(values.count == ReportFigure.allCases.count)
    #expect(found == Dictionary(uniqueKeysWithValues: values.map { ($0.rawValue, $1) }))
    #expect(ReportPredictions.values(board: "Raspberry Pi 4 Model B", threads: 4).isEmpty)
    #expect(ReportPredictions.values(board: "Raspberry Pi 5 Model B", threads: 3).isEmpty)
  }

  /// Every figure once and in order, measured, and none predicted.
  ///
  /// Real training steps: half a minute, and many under a sanitizer or an emulator, where other
  /// tests run the same code with small models.
  @Test(.enabled(if: !isEmulated && environmentValue("TSAN_OPTIONS") == nil, "takes minutes here"))
  func fromOutside() throws {
    let here = try Workspace()
    let run = try here.mgpt("bench --report --json --threads 1", environment: ["TMPDIR": "."])
    #expect(run.code == 0 && run.error == "")
    let json = try JSON.parse(Array(run.output.utf8))
    let figures = json["figures"]?.arrayValue ?? []
    #expect(figures.map { $0["name"]?.stringValue } == ReportFigure.allCases.map(\.rawValue))
    for figure in figures {
      #expect((figure["measured"]?.doubleValue ?? 0) > 0, "\(figure)")
      #expect(figure["predicted"] == .null)
    }
    #expect(json["machine"]?["commit"]?.stringValue == builtFrom)
    #expect(here.list(".") == ["names.txt", "text.txt"])
  }

  static let foreign: [(line: String, message: String)] = [
    (
      "bench --report --filter x",
      "mgpt bench --report: unknown option --filter. It belongs to mgpt bench kernels. See mgpt "
        + "bench --report --help\n"
    ),
    (
      "bench train --report",
      "mgpt bench train: unknown option --report. It belongs to mgpt bench kernels. See mgpt bench "
        + "train --help\n"
    ),
  ]

  @Test(arguments: foreign) func otherOptions(_ example: (line: String, message: String)) throws {
    let run = try Workspace().mgpt(example.line)
    #expect(run.code == 64 && run.output == "" && run.error == example.message)
  }
}
