// How long a step will take, measured before the first one. Not a benchmark: one short measurement
// for the "about 5 minutes" in front of a run.

extension Trainer {
  /// Seconds of a step: the fastest of some forward and backward passes over the first batches,
  /// without the update, which is small beside them.
  ///
  /// Leaves the run as it was: weights, optimizer and data position. *Cost*: 0.1 s or one pass.
  public func measureStepSeconds() -> Double {
    let position = sampler
    let tokenCount = drawBatches()
    var fastest = Double.infinity
    let start = SystemInfo.seconds
    repeat {
      let before = SystemInfo.seconds
      _ = computeGradients(tokenCount: tokenCount)
      fastest = min(fastest, SystemInfo.seconds - before)
    } while SystemInfo.seconds - start < 0.1
    sampler = position
    return fastest
  }
}
