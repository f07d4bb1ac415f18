// What a run does when nobody says otherwise: sizes that fit the text, and the family's recipe.

/// The named sizes: layers, heads, width, context, batch.
public struct ModelPreset: Sendable, Equatable {
  /// What `--preset` calls it.
  public let name: String
  /// The family it configures.
  public let family: ModelFamily
  /// L: blocks.
  public let layers: Int
  /// H: query heads.
  public let heads: Int
  /// C: width of the residual stream.
  public let width: Int
  /// T: tokens per sequence.
  public let context: Int
  /// B: sequences per forward and backward.
  public let batchSize: Int
  /// Optimizer steps of a run.
  public let steps: Int

  /// All presets, smallest first within a row.
  public static let all: [ModelPreset] = [
    preset("tiny", .modern, 2, 2, 64, 32, 16, 1000),
    preset("micro", .modern, 4, 4, 128, 64, 12, 2000),
    preset("small", .modern, 6, 8, 256, 256, 16, 4000),
    preset("medium", .modern, 8, 8, 512, 256, 16, 8000),
    preset("large", .modern, 12, 12, 768, 512, 8, 20000),
    preset("xl", .modern, 16, 16, 1024, 512, 4, 40000),
    preset("xxl", .modern, 24, 16, 1536, 512, 2, 80000),
    preset("nanogpt-cpu", .gpt2, 4, 4, 128, 64, 12, 2000),
    preset("gpt2", .gpt2, 12, 12, 768, 1024, 1, 20000),
    preset("microgpt", .microgpt, 1, 4, 16, 16, 1, 1000),
  ]

  /// The preset of that name.
  public static func named(_ name: String) throws(ConfigurationError) -> ModelPreset {
    guard let preset = all.first(where: { $0.name == name }) else {
      throw .unknownName(kind: "--preset", found: name, expected: all.map(\.name))
    }
    return preset
  }

  /// The preset for a text of `tokenCount` tokens: about one weight per token and more, because a
  /// small model that has seen its text some times beats a large one that has not finished.
  public static func suggested(tokenCount: Int) -> ModelPreset {
    let name = tokenCount < 30_000 ? "tiny" : tokenCount < 8_000_000 ? "micro" : "small"
    return all.first { $0.name == name } ?? all[0]
  }

  private static func preset(
    _ name: String, _ family: ModelFamily, _ layers: Int, _ heads: Int, _ width: Int,
    _ context: Int, _ batchSize: Int, _ steps: Int
  ) -> ModelPreset {
    ModelPreset(
      name: name, family: family, layers: layers, heads: heads, width: width, context: context,
      batchSize: batchSize, steps: steps)
  }
}

/// The training defaults of a family.
public struct Recipe: Sendable, Equatable {
  /// The update rule.
  public var optimizer: OptimizerKind
  /// The rate after warm-up.
  public var learningRate: Double
  /// Whether the rate ends at zero, not at a tenth of its maximum.
  ///
  /// Muon's steps are as long for a small gradient as for a large one: at zero it ends with 1.5821
  /// nats instead of 1.5978 (2000 steps at width 128, tinyshakespeare, seed 2).
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
    // Times the rate, 0.1 would take 0.2 % of a matrix per step: 1.5946 nats instead of 1.5810 (as
    // above, seed 3).
    if self.optimizer == .muon { adamW.weightDecay = 0.02 }
  }

  /// Warm-up steps of a run: a twentieth of it, 100 at most.
  public static func warmupSteps(of steps: Int) -> Int { min(100, steps / 20) }
  /// Steps between evaluations: four in a run.
  public static func evaluateEvery(of steps: Int) -> Int { max(1, (steps + 3) / 4) }
}
