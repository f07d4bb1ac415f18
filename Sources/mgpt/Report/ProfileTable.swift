// The table of `--profile`. What is in it is computed in the library (ProfileReport).

import MicroGPT

/// A profile for a person: one line per kind of operation, the slowest first.
func profileTable(_ report: ProfileReport) -> String {
  let steps = Double(max(report.stepCount, 1))
  func milliseconds(_ seconds: Double) -> String {
    Format.fixed(seconds / steps * 1e3, decimals: 3)
  }
  func share(_ seconds: Double) -> String {
    Format.fixed(100 * seconds / max(report.seconds, 1e-12), decimals: 1) + "%"
  }
  func rate(_ amount: Double, _ seconds: Double) -> String {
    amount > 0 && seconds > 0 ? Format.fixed(amount / seconds / 1e9, decimals: 1) : ""
  }
  var lines = [
    [
      "operation", "phase", "calls", "ms", "of step", "MFLOP", "GFLOP/s", "MB", "GB/s",
      "roofline", "limit",
    ]
  ]
  func work(_ amount: Double) -> String {
    amount > 0 ? Format.fixed(amount / steps / 1e6, decimals: 2) : ""
  }
  for row in report.rows {
    lines.append([
      row.name, row.phase ?? "", Format.count(Int((Double(row.calls) / steps).rounded())),
      milliseconds(row.seconds), share(row.seconds), work(row.flops),
      rate(row.flops, row.seconds), work(row.bytes), rate(row.bytes, row.seconds),
      row.shareOfRoofline.map(Format.percent) ?? "", row.limit?.rawValue ?? "",
    ])
  }
  let other = report.otherSeconds
  lines.append(["other", "", "", milliseconds(other), share(other)])
  lines.append(["step", "", "", milliseconds(report.seconds), share(report.seconds)])
  let flushLeft: Set = [0, 1, 10]
  let widths = lines[0].indices.map { column in
    lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
  }
  let text = lines.map { cells in
    let line = cells.enumerated().map { column, cell in
      flushLeft.contains(column)
        ? Format.aligned(cell, to: widths[column]) : Format.padded(cell, to: widths[column])
    }.joined(separator: "  ")
    return String(line.reversed().drop { $0 == " " }.reversed())
  }
  return "profile of \(report.stepCount) steps, per step:\n" + text.joined(separator: "\n")
    + "\n" + profileLegend(report)
}

private func profileLegend(_ report: ProfileReport) -> String {
  let compact = report.rows.filter { $0.precision == .bfloat16 }.map(\.name)
  let names = compact.enumerated().filter { !compact[..<$0].contains($1) }.map(\.element)
  let peaks =
    names.isEmpty
    ? "" : "Peak: that of bf16 for \(names.joined(separator: ", ")); of f32 for the rest.\n"
  return """
    roofline: max(FLOP / peak, bytes / reading speed), both measured on \
    \(report.threads) thread\(report.threads == 1 ? "" : "s") after the run,
    over the time. Bytes: each operand once; what a cache still holds can exceed 100%.
    \(peaks)
    """
}
