// Metrics lines word for word, and files that stay consistent over kills, resumes and full disks.

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

private func step(_ number: Int, loss: Double = 2.5) -> MetricsRecord {
  MetricsRecord(
    StepReport(
      step: number, totalSteps: 100, loss: loss, learningRate: 0.001, gradientNorm: 0.75,
      stepMilliseconds: 42.5, tokensPerSecond: 18240, shareOfPeak: 0.7, elapsedSeconds: 1.25,
      peakResidentByteCount: 212_000_000))
}

private func evaluation(_ number: Int, loss: Double = 2) -> MetricsRecord {
  MetricsRecord(
    EvaluationReport(
      step: number, loss: loss, perplexity: 7.389, bitsPerByte: 2.885, tokenCount: 5,
      isBest: true), peakResidentByteCount: 5, elapsedSeconds: 2)
}

@Suite("MetricsRecord") struct ReportMetricsRecordTests {
  @Test func stepAsJSON() {
    #expect(
      step(10).json.description
        == #"{"step":10,"loss":2.5,"tokens_per_second":18240.0,"step_ms":42.5,"lr":0.001,"#
        + #""grad_norm":0.75,"peak_rss_bytes":212000000,"elapsed_seconds":1.25}"#)
  }

  @Test func evaluationAsJSON() {
    #expect(
      evaluation(10).json.description
        == #"{"step":10,"val_loss":2.0,"bits_per_byte":2.885,"perplexity":7.389,"#
        + #""peak_rss_bytes":5,"elapsed_seconds":2.0}"#)
  }

  @Test func asCSV() {
    #expect(step(10, loss: .nan).csv == "10,nan,,,,18240.0,42.5,0.001,0.75,212000000,1.25,,,,")
    #expect(evaluation(10).csv == "10,,2.0,2.885,7.389,,,,,5,2.0,,,,")
    let columnCount = MetricsRecord.csvHeader.split(separator: ",").count
    #expect(
      step(1).csv.split(separator: ",", omittingEmptySubsequences: false).count == columnCount)
  }

  @Test func theMachine() {
    var record = step(10)
    record.machine = MachineState(celsius: 61.5, megahertz: 2400, throttling: [.throttled])
    record.pausedSeconds = 2.5
    #expect(
      record.json.description.hasSuffix(
        #""elapsed_seconds":1.25,"temperature_celsius":61.5,"clock_mhz":2400.0,"#
          + #""throttled_bits":4,"paused_seconds":2.5}"#))
    #expect(record.csv.hasSuffix(",1.25,61.5,2400.0,4,2.5"))
  }

  /// The CSV header names the same columns in the same order as the JSON members.
  @Test func headerAndJSONAgree() {
    var record = step(1)
    (record.validationLoss, record.bitsPerByte, record.perplexity) = (1, 1, 1)
    record.machine = MachineState(celsius: 61.5, megahertz: 2400, throttling: .underVoltage)
    record.pausedSeconds = 0
    guard case .object(let members) = record.json else {
      Issue.record("not an object")
      return
    }
    #expect(members.map(\.key).joined(separator: ",") == MetricsRecord.csvHeader)
  }

  @Test(
    arguments: [
      (#"{"step":10,"loss":2.5e-1,"x":null,"s":"a,}b"}"#, ["step": 10, "loss": 0.25]),
      (" { \"step\" : 1 , \"b\" : true } \r", ["step": 1]),
      ("{}", [:]),
      (#"{"step":10,"lo"#, nil), (#"{"step":10"#, nil), (#"{"step":10}{"step":11}"#, nil),
      (#"{"step":10,}"#, nil), (#"{"step":[1]}"#, [:]), (#"{"st\"ep":1}"#, ["st\"ep": 1]),
      ("[1]", nil),
      ("", nil), ("10,2.5", nil), (#"{"step":nan}"#, nil), (#"{"step":}"#, nil), (#"{"s":"#, nil),
    ] as [(String, [String: Double]?)])
  func numbers(line: String, expected: [String: Double]?) {
    #expect(jsonNumbers(inLine: line.utf8) == expected)
  }
}

@Suite("MetricsWriter") struct ReportMetricsWriterTests {
  private final class Folder {
    let path: String
    init() throws {
      var template = Array("/tmp/mgpt-metrics-XXXXXX".utf8CString)
      path = template.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? ""
      }
      try #require(!path.isEmpty)
    }
    deinit {
      for name in ["metrics.jsonl", "metrics.csv"] { unlink(path + "/" + name) }
      rmdir(path)  // fails, and leaves the folder to be found, if anything else is in it
    }
    func text(_ name: String) throws -> String? {
      try readIfPresent(path + "/" + name).map { String(decoding: $0, as: UTF8.self) }
    }
    func append(_ text: String, to name: String) {
      let descriptor = open(path + "/" + name, O_WRONLY | O_APPEND | O_CREAT, 0o644)
      _ = Terminal(descriptor: descriptor).attempt(text)
      close(descriptor)
    }
  }

  private func write(
    _ records: [MetricsRecord], in folder: Folder, resumingAfter step: Int? = nil
  ) throws {
    var writer = try MetricsWriter(folder: folder.path, resumingAfter: step)
    for record in records { try writer.append(record) }
  }

  private func lines(_ records: [MetricsRecord]) -> (json: String, csv: String) {
    (
      records.map { "\($0.json)\n" }.joined(),
      MetricsRecord.csvHeader + "\n" + records.map { $0.csv + "\n" }.joined()
    )
  }

  @Test func aNewRunBeginsNewFiles() throws {
    let folder = try Folder()
    try write([step(1), step(2)], in: folder)
    try write([step(1, loss: 9), evaluation(1)], in: folder)
    let expected = lines([step(1, loss: 9), evaluation(1)])
    #expect(try folder.text("metrics.jsonl") == expected.json)
    #expect(try folder.text("metrics.csv") == expected.csv)
  }

  @Test func linesAreThereAtOnce() throws {
    let folder = try Folder()
    var writer = try MetricsWriter(folder: folder.path)
    #expect(try folder.text("metrics.csv") == MetricsRecord.csvHeader + "\n")
    try writer.append(step(1))
    #expect(try folder.text("metrics.jsonl") == lines([step(1)]).json)
    #expect(try folder.text("metrics.csv") == lines([step(1)]).csv)
  }

  /// Killed at step 40, in the middle of a line; the last checkpoint was made after step 20.
  @Test func aResumedRunCutsWhatItWillDoAgain() throws {
    let folder = try Folder()
    try write([step(10), step(20), evaluation(20), step(30), evaluation(30)], in: folder)
    folder.append(#"{"step":4"#, to: "metrics.jsonl")
    folder.append("4", to: "metrics.csv")
    try write([step(30, loss: 1)], in: folder, resumingAfter: 20)
    let expected = lines([step(10), step(20), evaluation(20), step(30, loss: 1)])
    #expect(try folder.text("metrics.jsonl") == expected.json)
    #expect(try folder.text("metrics.csv") == expected.csv)
    let history = try MetricsHistory(path: MetricsWriter.jsonPath(in: folder.path))
    #expect(history.training.map(\.step) == [10, 20, 30])
    #expect(history.training.map(\.loss) == [2.5, 2.5, 1])
    #expect(history.validation == [LossPoint(step: 20, loss: 2)])
  }

  /// A torn line within the kept steps goes too, or the next line would be glued to it.
  @Test func aTornLineIsCut() throws {
    let folder = try Folder()
    try write([step(10)], in: folder)
    folder.append(#"{"step":20}"#, to: "metrics.jsonl")
    folder.append("20,1,,,,1,1,1,1,1,1,,,,", to: "metrics.csv")
    try write([step(20)], in: folder, resumingAfter: 50)
    #expect(try folder.text("metrics.jsonl") == lines([step(10), step(20)]).json)
    #expect(try folder.text("metrics.csv") == lines([step(10), step(20)]).csv)
  }

  /// Files from before there were sensors go on with the new columns.
  @Test func anOlderRunGetsItsColumns() throws {
    let folder = try Folder()
    let older = MetricsRecord.olderCSVHeader
    folder.append("\(older)\n10,2.5,,,,18240.0,42.5,0.001,0.75,212000000,1.25\n", to: "metrics.csv")
    folder.append("30,2.5,,,,1.0,1.0,1.0,1.0,1,1.0\n20,1,2\n", to: "metrics.csv")
    try write([step(20)], in: folder, resumingAfter: 20)
    #expect(try folder.text("metrics.csv") == lines([step(10), step(20)]).csv)
  }

  @Test func aResumedRunWithoutFilesBeginsThem() throws {
    let folder = try Folder()
    try write([step(30)], in: folder, resumingAfter: 20)
    #expect(try folder.text("metrics.jsonl") == lines([step(30)]).json)
    #expect(try folder.text("metrics.csv") == lines([step(30)]).csv)
  }

  @Test func nothingToCutLeavesTheFileAlone() throws {
    let folder = try Folder()
    try write([step(10)], in: folder)
    var before = stat()
    stat(folder.path + "/metrics.jsonl", &before)
    try write([], in: folder, resumingAfter: 10)
    var after = stat()
    stat(folder.path + "/metrics.jsonl", &after)
    #expect(before.st_ino == after.st_ino)
    #expect(try folder.text("metrics.jsonl") == lines([step(10)]).json)
  }

  @Test func theReaderIsTolerant() throws {
    let folder = try Folder()
    folder.append(
      "\n{\"step\":1,\"loss\":4}\nrubbish\n{\"loss\":1}\n{\"step\":1.5,\"loss\":1}\n"
        + "{\"step\":2,\"loss\":null}\n{\"step\":3,\"val_loss\":3}\n{\"step\":4,\"lo",
      to: "metrics.jsonl")
    let history = try MetricsHistory(path: folder.path + "/metrics.jsonl")
    #expect(history.training == [LossPoint(step: 1, loss: 4)])
    #expect(history.validation == [LossPoint(step: 3, loss: 3)])
    #expect(try MetricsHistory(path: folder.path + "/none") == MetricsHistory())
  }

  @Test func historyTakesRecords() {
    var history = MetricsHistory()
    history.append(step(1))
    history.append(evaluation(1))
    #expect(history.training == [LossPoint(step: 1, loss: 2.5)])
    #expect(history.validation == [LossPoint(step: 1, loss: 2)])
  }

  @Test func aMissingFolder() {
    #expect(
      throws: MetricsError.cannotCreate(
        path: "/nowhere/metrics.jsonl", reason: "No such file or directory")
    ) { _ = try MetricsWriter(folder: "/nowhere") }
  }

  @Test func aFolderInPlaceOfTheFile() throws {
    let folder = try Folder()
    let path = MetricsWriter.jsonPath(in: folder.path)
    mkdir(path, 0o755)
    defer { rmdir(path) }
    #expect(throws: MetricsError.cannotRead(path: path, reason: "Is a directory")) {
      _ = try MetricsWriter(folder: folder.path, resumingAfter: 1)
    }
  }

  /// A device that is always full stands for the disk.
  @Test func aFullDisk() throws {
    let folder = try Folder()
    let path = MetricsWriter.jsonPath(in: folder.path)
    guard access("/dev/full", W_OK) == 0, symlink("/dev/full", path) == 0 else { return }
    #expect(throws: MetricsError.cannotWrite(path: path, reason: "No space left on device")) {
      var writer = try MetricsWriter(folder: folder.path)
      try writer.append(step(1))
    }
  }

  @Test(arguments: [
    (
      MetricsError.cannotCreate(path: "run/metrics.csv", reason: "Permission denied"),
      "can't create the metrics file 'run/metrics.csv': Permission denied. "
        + "Choose a folder that you can write to with --out.", ExitCode.cantCreate
    ),
    (
      MetricsError.cannotRead(path: "run/metrics.csv", reason: "Input/output error"),
      "can't read the metrics file 'run/metrics.csv': Input/output error. "
        + "Move it away to begin a new one, or make it readable.", ExitCode.ioError
    ),
    (
      MetricsError.cannotWrite(path: "run/metrics.csv", reason: "No space left on device"),
      "can't write the metrics file 'run/metrics.csv': No space left on device. "
        + "Make room, then continue the run with --resume.", ExitCode.ioError
    ),
  ])
  func messages(error: MetricsError, message: String, code: ExitCode) {
    #expect(error.description == message)
    #expect(error.exitCode == code)
  }
}
