// Everything that decides a training run besides model and data.

/// The recipe of a run.
public struct TrainingConfiguration: Sendable, Equatable {
  /// Optimizer steps of the whole run.
  public var steps: Int
  /// B: sequences per forward and backward.
  public var batchSize: Int
  /// Forward and backward passes per optimizer step; their gradients add up exactly.
  public var gradientAccumulation: Int
  /// The update rule.
  public var optimizer = OptimizerKind.adamW
  /// How the moments of the optimizer are stored.
  public var optimizerState = OptimizerStateFormat.float32
  /// Hyper-parameters of AdamW; Muon has its weight decay, too.
  public var adamW: AdamWConfiguration
  /// Hyper-parameters that only Muon has.
  public var muon = MuonConfiguration()
  /// The learning rate of every step.
  public var schedule: LearningRateSchedule
  /// Largest global norm of the gradient; 0 for no clipping.
  public var gradientClip: Double
  /// Largest magnitude of an element of the gradient, after `gradientClip`; 0 for no limit.
  public var gradientLimit = 0.0
  /// Every random number of the run comes from it.
  public var seed: UInt64
  /// What matrices are multiplied in and activations are kept in.
  public var precision = Precision.float32
  /// Whether backward computes the values of a block again instead of keeping them all.
  ///
  /// Less memory, a third more time, the same bits; no part of the recipe that a checkpoint keeps.
  public var recomputes = false

  /// What the passes of a recursive model learn.
  public var recursionLoss = RecursionLoss.gate
  /// The share of the run in which, where gates are to be learnt, the last pass learns alone.
  ///
  /// A pass that learns to be read from the first step on takes from what later passes can do with
  /// its state; one that begins late stays a bad place to leave.
  public var gateStart = 0.0
  /// Whether a recursive model begins with one pass and goes on to more during the run.
  public var growsLoops = false

  /// The passes of a step of a model trained for `passCount`: with `growsLoops` one for the first
  /// 35 % of the run, two up to its half, then all.
  ///
  /// Published runs that switched their loops on after 35 to 50 % lost nothing by it.
  func passes(at step: Int, of passCount: Int) -> Int {
    guard growsLoops else { return passCount }
    if step * 20 < steps * 7 { return 1 }
    return step * 2 < steps ? min(2, passCount) : passCount
  }

  /// What the graph of a step depends on, of a model trained for `passCount`.
  func stage(at step: Int, of passCount: Int) -> TrainingStage {
    let isEarly = Double(step) < gateStart * Double(steps)
    let lastAlone = passCount > 1 && recursionLoss == .gate && isEarly
    return TrainingStage(
      passes: passes(at: step, of: passCount), loss: lastAlone ? .final : recursionLoss)
  }

  /// The stages of the steps that follow the first `step`, and how many of these each has.
  func stages(from step: Int, of passCount: Int) -> [(stage: TrainingStage, stepCount: Int)] {
    var parts: [(stage: TrainingStage, stepCount: Int)] = []
    var start = step
    while start < steps {
      let stage = stage(at: start, of: passCount)
      // Stages don't come back: where the next one begins is between the two.
      var (same, other) = (start, steps)
      while same + 1 < other {
        let middle = same + (other - same) / 2
        if self.stage(at: middle, of: passCount) == stage { same = middle } else { other = middle }
      }
      parts.append((stage, other - start))
      start = other
    }
    return parts
  }

  /// The same recipe, every step with the graph of the last ones, which take longest.
  public var withoutStages: TrainingConfiguration {
    var whole = self
    (whole.gateStart, whole.growsLoops) = (0, false)
    return whole
  }

  /// AdamW's highest rate where it is another than that of the schedule.
  var highestAdamWRate: Double? { optimizer == .muon ? muon.adamWRate : nil }

  /// The recipe with these settings.
  public init(
    steps: Int, batchSize: Int, gradientAccumulation: Int = 1, adamW: AdamWConfiguration,
    schedule: LearningRateSchedule, gradientClip: Double = 1, seed: UInt64 = 1
  ) {
    self.steps = steps
    self.batchSize = batchSize
    self.gradientAccumulation = gradientAccumulation
    self.adamW = adamW
    self.schedule = schedule
    self.gradientClip = gradientClip
    self.seed = seed
  }
}

/// A part of a run whose steps have one graph.
struct TrainingStage: Equatable {
  /// Through the core of a recursive model.
  var passes: Int
  /// What they learn.
  var loss: RecursionLoss
}

/// Why a run stopped before its end.
public enum TrainingError: UserFacingError, Equatable {
  /// The loss or the gradient is not a number; `adamWRate` is that beside Muon's rate.
  case notFinite(
    step: Int, what: String, learningRate: Double, lastGood: Int?, adamWRate: Double? = nil)

  /// The code the process exits with.
  public var exitCode: ExitCode { .failure }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .notFinite(let step, let what, let learningRate, let lastGood, let adamWRate):
      let kept = lastGood.map { "the checkpoint of step \($0) is kept" } ?? "nothing was saved yet"
      return "the \(what) is not a number at step \(step); \(kept). Found a learning rate of "
        + "\(rounded(learningRate))"
        + (adamWRate.map { " and AdamW's \(rounded($0))" } ?? "")
        + ". Try --lr \(rounded(learningRate / 4)), "
        + (adamWRate.map { "--adamw-lr \(rounded($0 / 4)), " } ?? "")
        + "a longer --warmup, or --grad-clip 1."
    }
  }
}

/// `x` with three significant digits, which is what a person would type.
private func rounded(_ x: Double) -> Double {
  guard x.isFinite, x != 0 else { return x }
  let exponent = Int((logarithm(abs(x)) / logarithm(10)).rounded(.down)) - 2
  let digits = (x / power(10, Double(exponent))).rounded()
  // By way of text: the nearest number to three decimal digits, not a product that is nearly it.
  return Double("\(Int(digits))e\(exponent)") ?? x
}
