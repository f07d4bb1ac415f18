// Switching the profile of a run on. Without it a step pays one branch per operation.

extension Trainer {
  /// The steps that a trace shows at most.
  public static let traceSteps = 20

  /// The profile that is being recorded, if one is.
  public var profile: StepProfile? { executor.profile }

  /// Records the time of every operation from the next step on; reserves the memory for that.
  public func startProfile() {
    let profile = StepProfile(
      executor.graph, executor.plan.schedule, passesPerStep: configuration.gradientAccumulation,
      traceSteps: Trainer.traceSteps)
    let weights = Double(model.weights.byteCount)
    let count = weights / 4
    let zeros = zeroed.reduce(0) { $0 + $1.count }
    profile.setCost(of: .zeroing, flops: 0, bytes: 4 * Double(zeros))
    profile.setCost(of: .gradientNorm, flops: 2 * count, bytes: weights)
    profile.setCost(of: .optimizer, flops: optimizer.flops, bytes: optimizerBytes)
    executor.profile = profile
  }

  /// Bytes that an update moves: it reads the gradient, reads and writes weight and moments.
  var optimizerBytes: Double {
    optimizer.moments.reduce(3 * Double(model.weights.byteCount)) {
      $0 + 2 * Double($1.values.values.byteCount + $1.values.scales.byteCount)
    }
  }

  /// What the profile says, held against the roofline, which is measured now; nil without profile.
  public func profileReport() -> ProfileReport? {
    profile.map {
      ProfileReport(
        $0, roofline: Roofline.measure(compute, quick: true), threads: compute.threadCount)
    }
  }
}
