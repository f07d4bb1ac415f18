// The options of `mgpt train` for recursive models.

import MicroGPT

extension TrainOptions {
  static var recursionOptions: [Option<TrainOptions>] {
    [
      .value(
        "recursion-steps", "R", .integer(1...64), into: \.recursionSteps, default: "1",
        example: "3", help: "Passes through the core layers (1 = a plain model)"
      ).named(suggestedFor: ["loops", "num-loops", "recurrence"]),
      .value(
        "prelude", "N", .integer(0...1024), into: \.prelude, default: "0", example: "1",
        help: "Layers in front of the core, passed through once"),
      .value(
        "core", "N", .integer(1...1024), into: \.core,
        default: "--layers without prelude and coda", example: "2",
        help: "Layers that are passed through R times"),
      .value(
        "coda", "N", .integer(0...1024), into: \.coda, default: "0", example: "1",
        help: "Layers behind the core, passed through once"),
      .value(
        "injection", "RULE", .choice, into: \.injection, default: "bounded", example: "bounded",
        help: "How the state enters the next pass: bounded mixes it with the tokens, outer adds "
          + "what the layers make of it, input adds the tokens"),
      .value(
        "recursion-loss", "KIND", .choice, into: \.recursionLoss, default: "gate",
        example: "final",
        help: "What passes learn: gate trains exits too, deep weighs the r-th pass r times, final "
          + "only the last"),
      .value(
        "gate-start", "X", .real(.including(0), .including(1)), into: \.gateStart,
        default: "\(Recipe.gateStart(codaCount: 0)), with a coda \(Recipe.gateStart(codaCount: 1))",
        example: "0.25",
        help: "Share of the run before the gates begin, when only the last pass learns: more is "
          + "better for the last pass, worse for those that leave early"),
      .flag(
        "loop-growth", into: \.loopGrowth,
        help: "Train with one pass at first, two from 35 % on, all from 50 % on: less time"),
      .value(
        "min-recursion-steps", "N", .integer(1...64), into: \.minRecursionSteps, default: "1",
        example: "1", help: "Passes before a token may leave, kept for whoever runs the model"),
      .value(
        "exit-threshold", "X", .real(.including(0), .including(1)), into: \.exitThreshold,
        default: "1, never", example: "0.5",
        help: "Share of probability to have left at which a token leaves, kept for whoever runs "
          + "the model"),
    ]
  }
}
