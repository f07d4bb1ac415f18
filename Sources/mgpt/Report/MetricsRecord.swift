// One line of metrics: the same names in `metrics.jsonl`, `metrics.csv` and `mgpt train --json`.
// Full precision, for programs; numbers for people are in Format.swift.

import MicroGPT

/// What is recorded of a training step or of an evaluation; what wasn't measured is nil.
struct MetricsRecord: Equatable, Sendable {
  var step: Int
  /// Mean training loss of the step's batch, nats per token.
  var loss: Double?
  /// Mean loss over the validation split, nats per token.
  var validationLoss: Double?
  var bitsPerByte: Double?
  var perplexity: Double?
  var tokensPerSecond: Double?
  var stepMilliseconds: Double?
  var learningRate: Double?
  var gradientNorm: Double?
  var peakResidentByteCount: Int?
  /// Seconds since this process began training; starts again from 0 after a resume.
  var elapsedSeconds: Double?
  /// What the sensors said, at most a second before.
  var machine = MachineState()
  /// Seconds of `elapsedSeconds` in which the run paused to cool.
  var pausedSeconds: Double?

  /// The record of a training step.
  init(_ report: StepReport) {
    step = report.step
    loss = report.loss
    tokensPerSecond = report.tokensPerSecond
    stepMilliseconds = report.stepMilliseconds
    learningRate = report.learningRate
    gradientNorm = report.gradientNorm
    peakResidentByteCount = report.peakResidentByteCount
    elapsedSeconds = report.elapsedSeconds
    (machine, pausedSeconds) = (report.machine, report.pausedSeconds)
  }

  /// The record of an evaluation, with the machine's state where the caller knows it.
  init(
    _ evaluation: EvaluationReport, peakResidentByteCount: Int? = nil,
    elapsedSeconds: Double? = nil, machine: MachineState = MachineState()
  ) {
    step = evaluation.step
    validationLoss = evaluation.loss
    bitsPerByte = evaluation.bitsPerByte
    perplexity = evaluation.perplexity
    self.peakResidentByteCount = peakResidentByteCount
    self.elapsedSeconds = elapsedSeconds
    self.machine = machine
  }

  /// Every column in its order, with its value where there is one.
  private var columns: [(name: String, value: JSON?)] {
    func number(_ value: Double?) -> JSON? { value.map { .number($0) } }
    return [
      ("step", .integer(step)),
      ("loss", number(loss)),
      ("val_loss", number(validationLoss)),
      ("bits_per_byte", number(bitsPerByte)),
      ("perplexity", number(perplexity)),
      ("tokens_per_second", number(tokensPerSecond)),
      ("step_ms", number(stepMilliseconds)),
      ("lr", number(learningRate)),
      ("grad_norm", number(gradientNorm)),
      ("peak_rss_bytes", peakResidentByteCount.map { .integer($0) }),
      ("elapsed_seconds", number(elapsedSeconds)),
      ("temperature_celsius", number(machine.celsius)),
      ("clock_mhz", number(machine.megahertz)),
      ("throttled_bits", machine.throttling.map { .integer(Int($0.rawValue)) }),
      ("paused_seconds", number(pausedSeconds)),
    ]
  }

  /// An object with the members that have a value.
  var json: JSON {
    .object(columns.compactMap { name, value in value.map { JSON.Member(name, $0) } })
  }

  /// The fields joined by commas, without line break: empty without a value, `nan` for NaN.
  var csv: String {
    columns.map { _, value in
      switch value {
      case .integer(let value)?: "\(value)"
      case .number(let value)?: "\(value)"
      default: ""
      }
    }.joined(separator: ",")
  }

  /// The first line of the CSV file, without line break.
  static let csvHeader =
    olderCSVHeader + ",temperature_celsius,clock_mhz,throttled_bits,paused_seconds"

  /// The same of runs from before machines had sensors; lines of theirs lack the fields at the end.
  static let olderCSVHeader =
    "step,loss,val_loss,bits_per_byte,perplexity,tokens_per_second,step_ms,lr,grad_norm,"
    + "peak_rss_bytes,elapsed_seconds"
}
