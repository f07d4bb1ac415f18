// The table of `--profile`, to the letter.

import MicroGPT
import Testing

@testable import MicroGPT
@testable import mgpt

@Suite struct ReportProfileTests {
  @Test func table() {
    let report = ProfileReport(
      stepCount: 2, seconds: 0.0201,
      rows: [
        ProfileReport.Row(
          name: "attention", phase: "backward", calls: 8, seconds: 0.0164, flops: 1.2e9,
          bytes: 2e7, boundSeconds: 0.0123, limit: .compute),
        ProfileReport.Row(
          name: "zeroing", calls: 2, seconds: 0.002, bytes: 6.4e6, boundSeconds: 0.0005,
          limit: .memory),
        ProfileReport.Row(name: "batch", calls: 4, seconds: 0.0015),
      ],
      threads: 2)
    let text = """
      profile of 2 steps, per step:
      operation  phase     calls      ms  of step   MFLOP  GFLOP/s     MB  GB/s  roofline  limit
      attention  backward      4   8.200    81.6%  600.00     73.2  10.00   1.2       75%  compute
      zeroing                  1   1.000    10.0%                    3.20   3.2       25%  memory
      batch                    2   0.750     7.5%
      other                        0.100     1.0%
      step                        10.050   100.0%
      roofline: max(FLOP / peak, bytes / reading speed), both measured on 2 threads after the run,
      over the time. Bytes: each operand once; what a cache still holds can exceed 100%.

      """
    #expect(profileTable(report) == text)
    var compact = report
    compact.rows[0].precision = .bfloat16
    compact.rows.append(compact.rows[0])
    #expect(
      profileTable(compact).hasSuffix(
        "can exceed 100%.\nPeak: that of bf16 for attention; of f32 for the rest.\n"))
    let list = report.json["operations"]
    #expect(abs((list?[0]?["ms"]?.doubleValue ?? 0) - 8.2) < 1e-12)
    #expect(list?[0]?["share_of_roofline"]?.doubleValue == 0.75)
    #expect(list?[0]?["precision"]?.stringValue == "f32")
    #expect(list?[2]?["share_of_roofline"] == .null && list?[2]?["phase"] == .null)
  }
}
