// Learning rate as a function of the step: pure, except for `plateau`, whose small state is saved
// with the run.

/// The shape of the learning rate over a run, after a linear warm-up.
public enum ScheduleKind: String, Sendable, CaseIterable {
  /// The maximum throughout.
  case constant
  /// Half a cosine from the maximum to the minimum: Loshchilov and Hutter 2016, arXiv 1608.03983.
  case cosine
  /// Warm-up, stable, linear decay over the last part: Hu et al. 2024, arXiv 2404.06395. A run may
  /// be extended from any checkpoint of the stable part.
  case warmupStableDecay = "wsd"
  /// Constant, then a cosine over the last 40 %; the maximum is halved when validation has not
  /// improved for `patience` evaluations, at most three times.
  case plateau
}

/// A learning-rate schedule with its limits.
public struct LearningRateSchedule: Sendable, Equatable {
  /// The shape of the curve.
  public var kind: ScheduleKind
  /// The rate after warm-up.
  public var maximum: Double
  /// The rate at the end, for schedules that decay.
  public var minimum: Double
  /// Steps over which the rate rises linearly from 0 (exclusive) to the maximum.
  public var warmupSteps: Int
  /// The steps of the whole run.
  public var totalSteps: Int
  /// `plateau`: evaluations without improvement before the maximum is halved.
  public var patience: Int
  /// `plateau`: what has been seen so far.
  public var plateau = PlateauState()

  /// What `plateau` remembers.
  public struct PlateauState: Sendable, Equatable {
    /// How often the maximum was halved.
    public var halvings = 0
    /// Evaluations since the lowest validation loss.
    public var evaluationsSinceBest = 0
    /// The lowest validation loss, nats per token.
    public var best = Double.infinity
    /// The state before the first evaluation.
    public init() {}
  }

  /// Part of the run over which `wsd` decays, and `plateau` follows its cosine.
  static let decayFraction = 0.4
  static let maximumHalvings = 3

  /// A schedule whose `plateau` has seen nothing yet.
  public init(
    kind: ScheduleKind, maximum: Double, minimum: Double, warmupSteps: Int, totalSteps: Int,
    patience: Int
  ) {
    self.kind = kind
    self.maximum = maximum
    self.minimum = minimum
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
    self.patience = patience
  }

  /// The rate of step `step`, counted from 0.
  public func rate(at step: Int) -> Double {
    if step < warmupSteps { return maximum * Double(step + 1) / Double(warmupSteps) }
    let length = max(totalSteps - warmupSteps, 1)
    let progress = min(Double(step - warmupSteps) / Double(length), 1)
    let tail = (progress - (1 - Self.decayFraction)) / Self.decayFraction
    switch kind {
    case .constant:
      return maximum
    case .cosine:
      return between(cosineFall(progress), maximum)
    case .warmupStableDecay:
      return between(1 - max(tail, 0), maximum)
    case .plateau:
      let halved = maximum / Double(1 << plateau.halvings)
      return between(cosineFall(max(tail, 0)), max(halved, minimum))
    }
  }

  /// Tells `plateau` the validation loss of an evaluation; other kinds ignore it.
  public mutating func observe(validationLoss: Double) {
    guard kind == .plateau else { return }
    if validationLoss < plateau.best {
      plateau.best = validationLoss
      plateau.evaluationsSinceBest = 0
      return
    }
    plateau.evaluationsSinceBest += 1
    if plateau.evaluationsSinceBest >= patience && plateau.halvings < Self.maximumHalvings {
      plateau.halvings += 1
      plateau.evaluationsSinceBest = 0
    }
  }

  private func between(_ share: Double, _ top: Double) -> Double {
    // Exact at both ends.
    top * share + minimum * (1 - share)
  }
}

/// (1 + cos(pi x)) / 2 for x in 0 … 1.
private func cosineFall(_ x: Double) -> Double { (1 + cosine(.pi * x)) / 2 }
