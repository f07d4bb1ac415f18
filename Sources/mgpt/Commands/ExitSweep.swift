// `mgpt eval --exit-sweep`: the loss of a recursive model against the passes that its tokens take,
// for a range of thresholds; as a table or JSON, and as a picture.

import MicroGPT

/// Sweeps as asked; returns the code to exit with.
func runExitSweep(
  _ asked: EvalOptions, _ saved: ModelFile, _ split: TokenSplit, _ compute: Compute, model: String
) throws -> Int32 {
  if asked.depth.threshold != nil { throw SetupError.sweptThreshold }
  if asked.keyValueCache != nil { throw SetupError.sweptCache }
  let configuration = saved.model.configuration
  guard let recursion = configuration.recursion else {
    throw DepthError.notRecursive(option: "--exit-sweep")
  }
  let measures =
    asked.depth.measure.map { [$0] }
    ?? ExitMeasure.allCases.filter { $0 != .gate || recursion.hasGate }
  let batchSize = asked.batchSize ?? trainedBatchSize(saved) ?? 12
  var points: [ExitPoint] = []
  for measure in measures {
    var arguments = asked.depth
    (arguments.measure, arguments.threshold) = (measure, 1)
    let evaluator = try Evaluator(
      model: saved.model, split: split, batchSize: batchSize, compute: compute,
      depth: arguments.resolved(for: configuration))
    for threshold in sweptThresholds(measure) {
      evaluator.threshold = threshold
      guard let result = evaluator.run(shouldStop: { Signals.received != nil }) else {
        return 128 + (Signals.received ?? 0)
      }
      guard result.loss.isFinite else {
        throw EvaluationError.notFinite(
          path: model, found: Format.fixed(result.loss, decimals: 0), tokens: result.tokenCount)
      }
      points.append(
        ExitPoint(
          measure: measure, threshold: threshold, passes: result.passes, loss: result.loss))
    }
  }
  var depth = Depth()
  depth.passes = asked.depth.passes
  let all = try Evaluator(
    model: saved.model, split: split, batchSize: batchSize, compute: compute, depth: depth
  ).run(shouldStop: { Signals.received != nil })
  guard let full = all?.loss else { return 128 + (Signals.received ?? 0) }
  let passCount = asked.depth.passes ?? configuration.passCount
  let chart = ExitChart(points: points, passCount: passCount, fullLoss: full, model: model)
  let path = asked.chart ?? parentFolder(of: model) + "/exits.svg"
  try AtomicFile.replace(path, with: Array(chart.svg().utf8))
  Terminal.output.write(
    asked.json
      ? "\(sweepJSON(points, passCount, full))\n" : sweepTable(points, passCount, full))
  Terminal.error.write("drawn in \(path)\n")
  return 0
}

/// Thresholds of a measure, from those at which all tokens stay to those at which all leave.
func sweptThresholds(_ measure: ExitMeasure) -> [Double] {
  switch measure {
  case .gate:
    [
      1, 0.98, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.2,
      0.1,
    ]
  case .entropy: [0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 1]
  case .divergence:
    [0, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
  }
}

private func saved(_ passes: Double, _ passCount: Int) -> Double { 1 - passes / Double(passCount) }

private func sweepJSON(_ points: [ExitPoint], _ passCount: Int, _ full: Double) -> JSON {
  [
    "passes": .integer(passCount), "loss": .number(full),
    "points": .array(
      points.map { point in
        [
          "measure": .string(point.measure.rawValue), "threshold": .number(point.threshold),
          "passes": .number(point.passes), "saved": .number(saved(point.passes, passCount)),
          "loss": .number(point.loss), "lost": .number(point.loss - full),
        ]
      }),
  ]
}

private func sweepTable(_ points: [ExitPoint], _ passCount: Int, _ full: Double) -> String {
  var text = "all \(passCount) passes: loss \(Format.fixed(full, decimals: 4)) nats/token\n"
  text += "measure    threshold   passes    saved     loss     lost\n"
  for point in points {
    let share = saved(point.passes, passCount)
    text += Format.aligned(point.measure.rawValue, to: 9)
    for (value, decimals, width) in [
      (point.threshold, 4, 11), (point.passes, 3, 9), (share * 100, 1, 8), (point.loss, 4, 10),
      (point.loss - full, 4, 9),
    ] {
      let number = Format.fixed(value, decimals: decimals)
      text += String(repeating: " ", count: max(width - number.count, 1)) + number
      if decimals == 1 { text += " %" }
    }
    text += "\n"
  }
  return text
}
