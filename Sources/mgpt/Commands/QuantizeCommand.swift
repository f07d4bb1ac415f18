// `mgpt quantize` and `mgpt dequantize`: checkpoints in other formats, and what it cost.

import MicroGPT

/// Quantises as asked; returns the code to exit with.
func runQuantize(_ asked: QuantizeOptions) throws -> Int32 {
  let (model, output) = try modelAndOutput(asked.model, asked.output, force: asked.force)
  guard let target = asked.target else {
    throw SetupError.missing(flag: "--to", why: "name a format")
  }
  let saved = try ModelFile(path: model, for: .inference)
  // Before the work, so that a bad text costs nothing.
  let split = try asked.data.map { try evaluationSplit(saved, $0) }
  let compute = try makeCompute(threads: asked.threads)
  Signals.install()
  let shows = Terminal.error.isTerminal
  let reports = try Quantizer(compute: compute).quantize(saved, to: target, path: output) {
    done, total in
    let share = Format.percent(Double(done) / Double(max(total, 1)))
    if shows { Terminal.error.write("\r\(share)\u{1B}[K") }
    return Signals.received == nil
  }
  if shows { Terminal.error.write("\r\u{1B}[K") }
  guard let reports else { return 128 + (Signals.received ?? 0) }
  var comparison: ModelComparison?
  if let split {
    let changed = try ModelFile(path: output, for: .inference)
    comparison = try ModelComparison.run(
      original: saved.model, changed: changed.model, split: split, tokenLimit: asked.maxTokens,
      compute: compute, shouldStop: { Signals.received != nil })
    if let signal = Signals.received { return 128 + signal }
  }
  let sizes = (before: try weightBytes(model), after: try weightBytes(output))
  Terminal.output.write(
    asked.json
      ? "\(json(reports, comparison, sizes, output))\n"
      : text(reports, comparison, sizes, output).joined(separator: "\n") + "\n")
  return 0
}

/// Dequantises as asked; returns the code to exit with.
func runDequantize(_ asked: DequantizeOptions) throws -> Int32 {
  let (model, output) = try modelAndOutput(asked.model, asked.output, force: asked.force)
  let saved = try ModelFile(path: model, for: .inference)
  let compute = try makeCompute(threads: asked.threads)
  try Quantizer(compute: compute).dequantize(saved, path: output)
  Terminal.output.write("\(output): \(Format.bytes(try weightBytes(output))) in float32\n")
  return 0
}

private func modelAndOutput(
  _ model: String?, _ output: String?, force: Bool
) throws -> (model: String, output: String) {
  guard let output else { throw SetupError.missing(flag: "--out", why: "name a file to write") }
  let model = try requireModel(model)
  if isSameFolder(model, output) { throw SetupError.sameFile(path: output) }
  if !force && fileExists(output) { throw SetupError.outputExists(path: output) }
  return (model, output)
}

/// Bytes of the weights in a checkpoint, without the optimizer's state.
private func weightBytes(_ path: String) throws -> Int {
  try SafeTensors(path: path).entries.filter { !$0.name.hasPrefix("optimizer.") }
    .reduce(0) { $0 + $1.range.count }
}

private func text(
  _ reports: [QuantizationReport], _ comparison: ModelComparison?,
  _ sizes: (before: Int, after: Int), _ output: String
) -> [String] {
  let width = reports.map(\.name.count).max() ?? 0
  var lines = [
    "\(Format.aligned("matrix", to: width))  format      error  range               outliers"
  ]
  for report in reports {
    let range =
      "\(Format.fixed(report.least, decimals: 3)) … \(Format.fixed(report.greatest, decimals: 3))"
    lines.append(
      "\(Format.aligned(report.name, to: width))  \(Format.aligned(report.format.rawValue, to: 10))"
        + "  \(Format.fixed(report.relativeError * 100, decimals: 2))%"
        + "  \(Format.aligned(range, to: 18))  \(report.outlierCount)")
  }
  lines.append(
    "\(output): \(Format.bytes(sizes.after)), before \(Format.bytes(sizes.before)). Error: root mean"
      + " square, of that of the weights; outliers: beyond six times it")
  if let c = comparison {
    lines.append(
      "loss \(Format.fixed(c.loss, decimals: 4)) → \(Format.fixed(c.changedLoss, decimals: 4))"
        + " nats/token (\(c.changedLoss >= c.loss ? "+" : "")"
        + "\(Format.fixed(c.changedLoss - c.loss, decimals: 4))), divergence "
        + "\(Format.fixed(c.divergence, decimals: 5)) nats, same most probable token "
        + "\(Format.fixed(c.agreement * 100, decimals: 2))% of \(c.tokenCount)")
  }
  return lines
}

private func json(
  _ reports: [QuantizationReport], _ comparison: ModelComparison?,
  _ sizes: (before: Int, after: Int), _ output: String
) -> JSON {
  let tensors = reports.map { report -> JSON in
    [
      "name": .string(report.name), "shape": .array(report.shape.map { .integer($0) }),
      "format": .string(report.format.rawValue), "relative_error": .number(report.relativeError),
      "min": .number(report.least), "max": .number(report.greatest),
      "outliers": .integer(report.outlierCount),
    ]
  }
  let compared: JSON =
    comparison.map {
      [
        "tokens": .integer($0.tokenCount), "loss": .number($0.loss),
        "quantized_loss": .number($0.changedLoss),
        "loss_change": .number($0.changedLoss - $0.loss),
        "kl_divergence": .number($0.divergence), "top1_agreement": .number($0.agreement),
      ]
    } ?? .null
  return [
    "path": .string(output), "bytes": .integer(sizes.after),
    "original_bytes": .integer(sizes.before), "tensors": .array(tensors), "comparison": compared,
  ]
}
