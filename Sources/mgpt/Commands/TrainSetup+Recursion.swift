// What the options of a recursive model mean for its configuration.

import MicroGPT

extension TrainSetup {
  /// All layers, where the parts of a recursive model or --layers say how many.
  static func layers(_ asked: TrainOptions) throws(ConfigurationError) -> Int? {
    guard let core = asked.core else { return asked.layers }
    let sum = (asked.prelude ?? 0) + core + (asked.coda ?? 0)
    if let layers = asked.layers, layers != sum {
      throw .contradiction(
        "--layers is not the sum of its parts. Found --layers \(layers) with --prelude "
          + "\(asked.prelude ?? 0), --core \(core) and --coda \(asked.coda ?? 0), expected "
          + "\(sum). Leave out --layers or --core.")
    }
    return sum
  }

  /// Makes `configuration` recursive if that was asked for.
  static func recursion(
    _ asked: TrainOptions, _ configuration: inout ModelConfiguration
  ) throws(ConfigurationError) {
    let steps = asked.recursionSteps ?? 1
    if steps == 1 {
      let others: [(String, Bool)] = [
        ("--min-recursion-steps", (asked.minRecursionSteps ?? 1) != 1),
        ("--exit-threshold", asked.exitThreshold != nil),
        ("--injection", asked.injection != nil),
        ("--recursion-loss", asked.recursionLoss != nil), ("--loop-growth", asked.loopGrowth),
        ("--gate-start", asked.gateStart != nil),
      ]
      // Prelude, core and coda are merely layers then.
      if let (option, _) = others.first(where: \.1) {
        throw .contradiction(
          "\(option) is for recursive models. Found --recursion-steps 1, expected 2 or more. Add "
            + "--recursion-steps 3, or leave out \(option).")
      }
      return
    }
    if let loss = asked.recursionLoss, loss != .gate, asked.gateStart != nil {
      throw .contradiction(
        "--gate-start is for models with gates. Found --recursion-loss \(loss.rawValue), expected "
          + "gate. Leave out one of the two.")
    }
    var recursion = Recursion(steps: steps)
    recursion.minimumSteps = asked.minRecursionSteps ?? 1
    recursion.exitThreshold = asked.exitThreshold ?? 1
    recursion.preludeCount = asked.prelude ?? 0
    recursion.codaCount = asked.coda ?? 0
    recursion.injection =
      asked.injection.flatMap { Injection(rawValue: $0.rawValue) } ?? .bounded
    recursion.hasGate = (asked.recursionLoss ?? .gate) == .gate
    configuration.recursion = recursion
  }
}
