// How long a step will take, measured before the first one. Not a benchmark: one short measurement
// for the "about 5 minutes" in front of a run.

extension Trainer {
  /// Seconds of a step: the fastest of some forward and backward passes over the first batches, and
  /// the update, which is computed from them.
  ///
  /// Leaves the run as it was: weights, optimizer and data position. *Cost*: 0.1 s or one pass, and
  /// 0.05 s for the peak.
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
    return fastest + updateSeconds(passSeconds: fastest, peak: compute.measurePeakFlops())
  }

  /// Seconds of an update, beside passes of `passSeconds`.
  ///
  /// Doing one would change the run, or need its weights and moments twice. Instead: products of
  /// Muon run at the rate of the model's, but not above `peak`, for they are float32's; moments and
  /// weights are moved at the rate at which the weights are read.
  func updateSeconds(passSeconds: Double, peak: Double) -> Double {
    let before = SystemInfo.seconds
    _ = squaredWeights
    let reading = SystemInfo.seconds - before
    let traffic = reading * optimizerBytes / Double(model.weights.byteCount)
    return optimizer.flops / min(passFlops / passSeconds, peak) + traffic
  }

  /// Floating-point operations of the forward and backward passes of a step, what is computed again
  /// included.
  private var passFlops: Double {
    let operations = executor.graph.operations
    let once = executor.plan.schedule.moments.reduce(0.0) { sum, moment in
      let operation = operations[moment.operation]
      return sum
        + (moment.direction == .backward ? operation.backwardFlops : operation.forwardFlops)
    }
    return once * Double(configuration.gradientAccumulation)
  }
}
