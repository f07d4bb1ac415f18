// The named sizes, as a table: a new preset is a line. What a family is: ModelFamily.swift.

/// What the training of a published model fixes; what is nil comes from the family's recipe.
public struct PresetTraining: Sendable, Equatable {
  /// Probability that an element is zeroed.
  public var dropout = 0.0
  /// The highest rate; the lowest is a tenth of it.
  public var learningRate: Double?
  /// The shape of the learning-rate curve.
  public var schedule: ScheduleKind?
  /// `plateau`: evaluations without improvement before the rate is halved.
  public var patience: Int?
  /// Weight decay of the matrices.
  public var weightDecay: Double?

  /// The family's recipe.
  static let family = PresetTraining()
  /// 1e-4 to 1e-5, halved at most three times.
  static let randyGPT = PresetTraining(
    dropout: 0.1, learningRate: 1e-4, schedule: .plateau, patience: 30, weightDecay: 0.1)
}

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
  /// V of the published model, or of a usual tokenizer: counted with where there is no text.
  public let vocabularySize: Int
  /// How it is trained, where that is not the family's way.
  public let training: PresetTraining

  /// All presets, in the order of lists.
  public static let all: [ModelPreset] = [
    //      name          family    L   H     C     T   B  steps      V
    preset("tiny", .modern, 2, 2, 64, 32, 16, 1000, 65),
    preset("mini", .modern, 4, 4, 64, 128, 16, 2000, 1024),
    preset("micro", .modern, 4, 4, 128, 64, 12, 2000, 65),
    preset("small", .modern, 6, 8, 256, 256, 16, 4000, 4096),
    preset("medium", .modern, 8, 8, 512, 256, 16, 8000, 4096),
    preset("large", .modern, 12, 12, 768, 512, 8, 20000, 16384),
    preset("xl", .modern, 16, 16, 1024, 512, 4, 40000, 32768),
    preset("xxl", .modern, 24, 16, 1536, 512, 2, 80000, 32768),
    preset("names", .modern, 4, 4, 64, 64, 32, 2000, 29),
    preset("randygpt-xs", .randygpt, 3, 4, 116, 256, 64, 5000, 1024, .randyGPT),
    preset("randygpt-s", .randygpt, 8, 4, 128, 256, 64, 5000, 1024, .randyGPT),
    preset("randygpt-ds", .randygpt, 12, 4, 128, 256, 64, 5000, 1024, .randyGPT),
    preset("randygpt-m", .randygpt, 6, 6, 192, 256, 64, 5000, 1024, .randyGPT),
    preset("randygpt-l", .randygpt, 6, 8, 256, 256, 64, 5000, 1024, .randyGPT),
    preset("randygpt-deep", .randygpt, 16, 6, 192, 256, 16, 5000, 1024, .randyGPT),
    preset("randygpt-xl", .randygpt, 8, 8, 384, 256, 64, 5000, 1024, .randyGPT),
    preset("picogpt", .picogpt, 3, 2, 128, 128, 16, 5000, 65),
    preset("nanogpt-cpu", .gpt2, 4, 4, 128, 64, 12, 2000, 65),
    preset("gpt2", .gpt2, 12, 12, 768, 1024, 1, 20000, 50257),
    preset("microgpt", .microgpt, 1, 4, 16, 16, 1, 1000, 27),
  ]

  /// The preset of that name; nil if there is none.
  public static func find(_ name: String) -> ModelPreset? { all.first { $0.name == name } }

  /// The model, with another vocabulary than the usual one if one is given.
  public func configuration(vocabularySize: Int? = nil) -> ModelConfiguration {
    var c = family.configuration(
      vocabularySize: vocabularySize ?? self.vocabularySize, contextLength: context,
      layerCount: layers, headCount: heads, modelWidth: width)
    c.dropout = training.dropout
    return c
  }

  /// The weights of that model.
  public func parameterCount(vocabularySize: Int? = nil) -> Int {
    ParameterTable(configuration(vocabularySize: vocabularySize)).parameterCount
  }

  private static func preset(
    _ name: String, _ family: ModelFamily, _ layers: Int, _ heads: Int, _ width: Int,
    _ context: Int, _ batchSize: Int, _ steps: Int, _ vocabularySize: Int,
    _ training: PresetTraining = .family
  ) -> ModelPreset {
    ModelPreset(
      name: name, family: family, layers: layers, heads: heads, width: width, context: context,
      batchSize: batchSize, steps: steps, vocabularySize: vocabularySize, training: training)
  }
}
