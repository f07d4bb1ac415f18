// What commands that run a model share: how deep tokens go into a recursive one.

import MicroGPT

/// What was asked of the depth; nil where the model decides.
struct DepthArguments: Equatable, Sendable {
  var passes: Int?
  var threshold: Double?
  var minimum: Int?
  var measure: ExitMeasure?
  var fill: ExitFill?
}

/// Options of a command that runs a model.
protocol DepthOptions: CommandOptions {
  /// As typed.
  var depth: DepthArguments { get set }
}

extension Option where Root: DepthOptions {
  /// For recursive models; others refuse them.
  static var depthOptions: [Option] {
    [
      .value(
        "exit-threshold", "X", .real(.including(0), .including(1)), into: \.depth.threshold,
        default: "the model's", example: "0.5",
        help: "Tokens leave early: the smaller, the earlier by gate, the later by entropy or kl"
      ).named(suggestedFor: ["threshold"]),
      .value(
        "exit-by", "MEASURE", .choice, into: \.depth.measure, default: "gate", example: "entropy",
        help: "What is held against the threshold: the gates' probability, the entropy of the "
          + "prediction (1 = guessing), or what the last pass changed in it (kl, in nats)"),
      .value(
        "exit-fill", "KIND", .choice, into: \.depth.fill, default: "copy", example: "share",
        help: "Keys and values that later passes find of a token that left: projected from its "
          + "state (copy), or those of the pass it left in (share)"),
      .value(
        "min-recursion-steps", "N", .integer(1...64), into: \.depth.minimum,
        default: "the model's", example: "1", help: "Passes before a token may leave"),
      .value(
        "recursion-steps", "N", .integer(1...64), into: \.depth.passes,
        default: "as many as were trained", example: "2", help: "Passes at most"),
    ]
  }
}

extension DepthArguments {
  /// How deep tokens go into this model.
  ///
  /// *Throws* what it can't do.
  func resolved(for configuration: ModelConfiguration) throws(DepthError) -> Depth {
    let recursion = configuration.recursion
    if recursion == nil {
      let asked: [(String, Bool)] = [
        ("--recursion-steps", (passes ?? 1) != 1), ("--exit-threshold", threshold != nil),
        ("--exit-by", measure != nil), ("--exit-fill", fill != nil),
        ("--min-recursion-steps", (minimum ?? 1) != 1),
      ]
      if let (option, _) = asked.first(where: \.1) { throw .notRecursive(option: option) }
    }
    var depth = Depth()
    depth.passes = passes
    let threshold = threshold ?? recursion?.exitThreshold ?? 1
    // Of a model that was made to go through all passes, only what was asked for leaves.
    if self.threshold != nil || threshold < 1 {
      var rule = ExitRule(threshold: threshold)
      rule.measure = measure ?? .gate
      rule.fill = fill ?? .copy
      rule.minimumSteps = minimum ?? min(recursion?.minimumSteps ?? 1, passes ?? Int.max)
      depth.exit = rule
    } else if let option = measure != nil ? "--exit-by" : fill != nil ? "--exit-fill" : nil {
      throw .noThreshold(option: option)
    }
    try depth.validate(for: configuration)
    return depth
  }
}
