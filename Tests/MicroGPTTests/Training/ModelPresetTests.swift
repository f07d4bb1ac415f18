// The table of presets against the published sizes, and the recipes that some bring along.
import Testing

@testable import MicroGPT

@Suite struct ModelPresetTests {
  /// Layers, heads, width, context, batch.
  private static let sizes: [(name: String, family: ModelFamily, sizes: [Int])] = [
    ("tiny", .modern, [2, 2, 64, 32, 16]), ("mini", .modern, [4, 4, 64, 128, 16]),
    ("micro", .modern, [4, 4, 128, 64, 12]), ("small", .modern, [6, 8, 256, 256, 16]),
    ("medium", .modern, [8, 8, 512, 256, 16]), ("large", .modern, [12, 12, 768, 512, 8]),
    ("xl", .modern, [16, 16, 1024, 512, 4]), ("xxl", .modern, [24, 16, 1536, 512, 2]),
    ("randygpt-xs", .randygpt, [3, 4, 116, 256, 64]),
    ("randygpt-s", .randygpt, [8, 4, 128, 256, 64]),
    ("randygpt-ds", .randygpt, [12, 4, 128, 256, 64]),
    ("randygpt-m", .randygpt, [6, 6, 192, 256, 64]),
    ("randygpt-l", .randygpt, [6, 8, 256, 256, 64]),
    ("randygpt-deep", .randygpt, [16, 6, 192, 256, 16]),
    ("randygpt-xl", .randygpt, [8, 8, 384, 256, 64]),
    ("picogpt", .picogpt, [3, 2, 128, 128, 16]), ("gpt2", .gpt2, [12, 12, 768, 1024, 1]),
    ("nanogpt-cpu", .gpt2, [4, 4, 128, 64, 12]), ("microgpt", .microgpt, [1, 4, 16, 16, 1]),
  ]

  @Test func haveThePublishedSizes() throws {
    for (name, family, sizes) in Self.sizes {
      let p = try #require(ModelPreset.find(name), "\(name)")
      #expect(p.family == family, "\(name)")
      #expect([p.layers, p.heads, p.width, p.context, p.batchSize] == sizes, "\(name)")
    }
    #expect(ModelPreset.find("Micro") == nil && ModelPreset.find("") == nil)
  }

  @Test func areAllPossibleAndHaveTheirOwnNames() throws {
    for preset in ModelPreset.all {
      try preset.configuration().validate()
      #expect(preset.steps > 0 && preset.batchSize > 0, "\(preset.name)")
    }
    #expect(Set(ModelPreset.all.map(\.name)).count == ModelPreset.all.count)
  }

  /// The published numbers.
  @Test(arguments: [
    ("gpt2", 124_439_808), ("microgpt", 4192), ("picogpt", 418_432), ("names", 199_040),
  ])
  func parameterCounts(_ name: String, _ count: Int) throws {
    #expect(try #require(ModelPreset.find(name)).parameterCount() == count)
  }

  /// One gain per block, behind the MLP, and one before the head.
  @Test func picogptIsThePublishedModel() throws {
    let c = try #require(ModelPreset.find("picogpt")).configuration()
    #expect(c.headWidth == 64 && c.hiddenWidth == 256 && c.tiedHead && !c.linearBias)
    #expect(c.normPlacement == .postBlock && c.normalization == .layernorm && !c.normBias)
    let gains = ParameterTable(c).parameters.filter { $0.shape.rank == 1 }.map(\.name)
    #expect(gains == (0..<3).map { "blocks.\($0).mlp.norm.weight" } + ["norm.weight"])
  }

  @Test func vocabulariesCanBeOthers() throws {
    let micro = try #require(ModelPreset.find("micro"))
    #expect(micro.configuration(vocabularySize: 1000).vocabularySize == 1000)
    let difference = micro.parameterCount(vocabularySize: 1000) - micro.parameterCount()
    #expect(difference == (1000 - 65) * 128)
  }

  // MARK: Recipes

  @Test func randygptBringsItsRecipe() throws {
    let preset = try #require(ModelPreset.find("randygpt-s"))
    let recipe = Recipe(preset, family: .randygpt)
    #expect(recipe.optimizer == .adamW && recipe.learningRate == 1e-4 && !recipe.endsAtZero)
    #expect(recipe.adamW.weightDecay == 0.1 && recipe.dropout == 0.1)
    #expect(recipe.schedule == .plateau && recipe.patience == 30)
    #expect(LearningRateSchedule.maximumHalvings == 3)
    #expect(preset.configuration().dropout == 0.1)
    // Rates are those of an update rule and of a family: others have their own.
    #expect(Recipe(preset, family: .modern) == Recipe(.modern))
    #expect(
      Recipe(preset, family: .randygpt, optimizer: .muon) == Recipe(.randygpt, optimizer: .muon))
    #expect(Recipe(preset, family: .randygpt, optimizer: .adamW) == recipe)
  }

  @Test func othersHaveTheRecipeOfTheirFamily() throws {
    for name in ["micro", "xxl", "gpt2", "picogpt", "microgpt"] {
      let preset = try #require(ModelPreset.find(name))
      #expect(Recipe(preset, family: preset.family) == Recipe(preset.family))
    }
  }

  /// Enough evaluations for three halvings while the rate is constant.
  @Test(arguments: [(5000, 30), (100, 3), (7, 30), (1, 1)])
  func plateauIsEvaluatedOften(_ steps: Int, _ patience: Int) {
    var schedule = LearningRateSchedule(
      kind: .plateau, maximum: 1, minimum: 0.1, warmupSteps: 0, totalSteps: steps,
      patience: patience)
    let every = Recipe.evaluateEvery(of: steps, schedule)
    #expect(every >= 1)
    for step in 0..<steps * 3 / 5 where (step + 1) % every == 0 {
      schedule.observe(validationLoss: 1)
    }
    if every > 1 { #expect(schedule.plateau.halvings == 3) }
    schedule.kind = .cosine
    #expect(Recipe.evaluateEvery(of: steps, schedule) == max(1, (steps + 3) / 4))
  }
}
