// Sizes for texts, times and memory; predicted times of steps.
import Testing

@testable import MicroGPT

@Suite struct SizeChoiceTests {
  /// A choice on a machine that trains `rate` weights times tokens a second.
  private func choice(
    _ byteCount: Int, isList: Bool = false, seconds: Double? = nil, rate: Double = 3e10,
    largestThatFits: Int = .max
  ) -> SizeChoice {
    SizeChoice(
      byteCount: byteCount, isList: isList, seconds: seconds,
      tokensPerSecond: { rate / Double($0.parameterCount(vocabularySize: 1024)) },
      parameterCount: { $0.parameterCount(vocabularySize: 1024) },
      fits: { $0.parameterCount(vocabularySize: 1024) <= largestThatFits })
  }

  @Test func growsWithTheText() {
    let expected = [
      (1, "tiny"), (29_999, "tiny"), (30_000, "micro"), (7_999_999, "micro"),
      (8_000_000, "small"), (4_000_000_000, "small"),
    ]
    for (byteCount, name) in expected {
      let found = choice(byteCount)
      #expect(found.preset.name == name && found.limit == .text, "\(byteCount)")
    }
  }

  @Test func growsWithTheTime() {
    var last = 0
    for seconds in [0.001, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7] {
      let found = choice(4_000_000_000, seconds: seconds)
      let count = found.preset.parameterCount()
      #expect(count >= last, "\(seconds)")
      last = count
      let tokens = 3e10 * seconds / Double(found.preset.parameterCount(vocabularySize: 1024))
      let least = SizeChoice.leastTokensPerWeight
      let isEnough =
        tokens >= least * Double(found.preset.parameterCount(vocabularySize: 1024))
      #expect(isEnough || found.preset.name == "tiny")
      #expect((found.limit == .text) == (found.preset.name == "large"), "\(seconds)")
    }
    #expect(last == ModelPreset.find("large")?.parameterCount())
    // A short text stays small, however long it may take.
    #expect(choice(20_000, seconds: 1e7) == choice(20_000))
  }

  @Test func fitsIntoMemory() {
    let found = choice(4_000_000_000, seconds: 1e9, largestThatFits: 1_000_000)
    #expect(found.preset.name == "micro" && found.limit == .memory)
    // Nothing is smaller than the smallest; whether it fits is said later.
    #expect(choice(20_000, largestThatFits: 0).preset.name == "tiny")
  }

  @Test func listsHaveASizeOfTheirOwn() {
    #expect(choice(200_000, isList: true).preset.name == "names")
    #expect(choice(9_000_000_000, isList: true, seconds: 1e9).preset.name == "names")
    #expect(choice(2_000, isList: true).preset.name == "tiny")
  }

  @Test func tokenizers() {
    #expect(SizeChoice.tokenizer(byteCount: 1000, layout: .stream) == .character)
    #expect(SizeChoice.tokenizer(byteCount: 1_000_000, layout: .stream) == .bpe)
    #expect(SizeChoice.tokenizer(byteCount: 1_000_000, layout: .documents) == .character)
  }

  // MARK: Predictions

  private func recipe(_ optimizer: OptimizerKind, batchSize: Int) -> TrainingConfiguration {
    var recipe = TrainingConfiguration(
      steps: 1, batchSize: batchSize, adamW: AdamWConfiguration(),
      schedule: LearningRateSchedule(
        kind: .constant, maximum: 1, minimum: 0, warmupSteps: 0, totalSteps: 1, patience: 1))
    recipe.optimizer = optimizer
    return recipe
  }

  /// What `mgpt bench train` measured on the machine of the README: within a sixth.
  @Test(arguments: [
    ("micro", OptimizerKind.adamW, 21.5), ("micro", .muon, 30), ("picogpt", .adamW, 31.3),
    ("randygpt-xs", .adamW, 450), ("names", .muon, 20.8),
    ("randygpt-m", .adamW, 1713), ("small", .muon, 926), ("medium", .muon, 4396),
    ("gpt2", .adamW, 4240),
  ])
  func predictsWhatWasMeasured(
    _ name: String, _ optimizer: OptimizerKind, _ milliseconds: Double
  ) throws {
    let preset = try #require(ModelPreset.find(name))
    let speed = MachineSpeed(flops: 236.4e9, bytesPerSecond: 40e9)
    let seconds = speed.stepSeconds(
      preset.configuration(), recipe(optimizer, batchSize: preset.batchSize))
    let ratio = seconds * 1000 / milliseconds
    #expect((1 / 1.17...1.17).contains(ratio), "\(ratio)")
  }

  @Test func fasterMachinesTakeLess() throws {
    let c = try #require(ModelPreset.find("micro")).configuration()
    let muon = recipe(.muon, batchSize: 4)
    let slow = MachineSpeed(flops: 1e10, bytesPerSecond: 1e9).stepSeconds(c, muon)
    #expect(MachineSpeed(flops: 2e10, bytesPerSecond: 1e9).stepSeconds(c, muon) < slow)
    #expect(MachineSpeed(flops: 1e10, bytesPerSecond: 2e9).stepSeconds(c, muon) < slow)
    // An unknown bandwidth costs nothing rather than infinitely much.
    let blind = MachineSpeed(flops: 1e10, bytesPerSecond: 0).stepSeconds(c, muon)
    #expect(blind > 0 && blind < slow)
    #expect(
      MachineSpeed(flops: 1e10, bytesPerSecond: 1e9).stepSeconds(c, recipe(.adamW, batchSize: 4))
        < slow)
  }

  @Test func measuresThisMachine() throws {
    let speed = MachineSpeed(try Compute(threadCount: 1))
    #expect(speed.flops > 1e6 && speed.flops.isFinite && speed.bytesPerSecond >= 0)
  }
}
