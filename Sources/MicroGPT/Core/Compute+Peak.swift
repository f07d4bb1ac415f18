// The peak of this machine, for "share of the measured peak".

import CKernels

extension Compute {
  /// Floating-point operations per second that all threads reach on multiply-adds in registers;
  /// takes about 30 ms.
  public func measurePeakFlops() -> Double {
    let kernels = self.kernels
    let flopsPerRound = 2.0 * Double(kernels.mr * kernels.nr)
    var best = 0.0
    for _ in 0..<4 {
      let start = mg_seconds()
      _ = kernels.fma_peak_f32(1 << 17)
      best = max(best, flopsPerRound * Double(1 << 17) / max(mg_seconds() - start, 1e-9))
    }
    return best * Double(threadCount)
  }
}
