// What a run does when nobody says otherwise: the recipe of a family, or of a preset that has its
// own. Sizes: ModelPreset.swift; which of them: SizeChoice.swift.

/// The training defaults of a family.
public struct Recipe: Sendable, Equatable {
  /// The update rule.
  public var optimizer: OptimizerKind
  /// The rate after warm-up.
  public var learningRate: Double
  /// Whether the rate ends at zero, not at a tenth of its maximum.
  ///
  /// Muon's steps are as long for a small gradient as for a large one. With momentum 0.95 it ended
  /// with 1.5821 nats at zero instead of 1.5978; with 0.9 both are the same but for chance: 1.5593
  /// and 1.5567 (means of three seeds, 2000 steps at width 128, tinyshakespeare).
  public var endsAtZero: Bool
  /// The shape of the learning-rate curve.
  public var schedule: ScheduleKind
  /// Largest global norm of the gradient; 0 for no clipping.
  public var gradientClip = 1.0
  /// Hyper-parameters of the optimizer.
  public var adamW = AdamWConfiguration()
  /// Hyper-parameters that only Muon has.
  public var muon = MuonConfiguration()
  /// `plateau`: evaluations without improvement before the rate is halved.
  public var patience = 3
  /// Probability that an element is zeroed in training.
  public var dropout = 0.0

  /// The recipe of `family`, with another update rule than its own if one is given.
  public init(_ family: ModelFamily, optimizer: OptimizerKind? = nil) {
    self.optimizer = optimizer ?? (family == .modern ? .muon : .adamW)
    schedule = .cosine
    let rate =
      switch family {
      case .modern, .llama, .randygpt: 3e-3
      case .gpt2, .picogpt, .microgpt: 1e-3
      }
    // Of an orthogonal matrix, whose elements are 1 / sqrt(width) or so, whatever the family.
    learningRate = self.optimizer == .muon ? 0.02 : rate
    muon.adamWRate = rate
    endsAtZero = self.optimizer == .muon
    // Times the rate, 0.1 would take 0.2 % of a matrix per step: 1.5630 nats instead of 1.5567 (as
    // above, seed 3).
    if self.optimizer == .muon { adamW.weightDecay = 0.02 }
  }

  /// The recipe of `preset`: that of its family, but for what the preset says itself.
  ///
  /// Another family or another update rule than the preset's has its own rates.
  public init(_ preset: ModelPreset, family: ModelFamily, optimizer: OptimizerKind? = nil) {
    self.init(family, optimizer: optimizer)
    guard family == preset.family, optimizer ?? self.optimizer == Recipe(family).optimizer else {
      return
    }
    let own = preset.training
    dropout = own.dropout
    learningRate = own.learningRate ?? learningRate
    schedule = own.schedule ?? schedule
    patience = own.patience ?? patience
    adamW.weightDecay = own.weightDecay ?? adamW.weightDecay
  }

  /// The share of a run after which the gates of a model with so many layers of coda begin.
  ///
  /// Without a coda the head reads the state itself: a first pass that is read from the first step
  /// on stays the best place to leave. A coda learns late to read it, and the last pass gains from
  /// the time alone (tools/bench/README.md, section 10).
  public static func gateStart(codaCount: Int) -> Double { codaCount > 0 ? 0.22 : 0 }
  /// Warm-up steps of a run: a twentieth of it, 100 at most.
  public static func warmupSteps(of steps: Int) -> Int { min(100, steps / 20) }
  /// Steps between evaluations: four in a run; with `plateau` so many that all halvings fit into
  /// the part of the run in which the rate is constant.
  public static func evaluateEvery(of steps: Int, _ schedule: LearningRateSchedule) -> Int {
    if schedule.kind != .plateau { return max(1, (steps + 3) / 4) }
    let halvings = Double((LearningRateSchedule.maximumHalvings + 1) * schedule.patience)
    return max(1, Int(Double(steps) * (1 - LearningRateSchedule.decayFraction) / halvings))
  }
}
