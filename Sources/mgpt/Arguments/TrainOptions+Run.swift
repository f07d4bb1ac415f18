// The options of `mgpt train` that steer optimisation and progress. Data and model are in
// TrainOptions.swift.

extension TrainOptions {
  static var optimisationOptions: [Option<TrainOptions>] {
    [
      .value(
        "steps", "N", .integer(1...1_000_000_000), into: \.steps,
        default: "by --time or preset",
        example: "2000", help: "Optimizer steps of the whole run, the resumed part included"
      ).named(older: ["iters"], suggestedFor: ["n-iters", "max-iters", "max-steps", "iterations"]),
      .value(
        "time", "TIME", .duration, into: \.time, default: "none", example: "30m",
        help:
          "End after that long (90s, 30m, 2h). Size and steps are chosen to fit; how many steps, "
          + "a measurement decides"
      ).named(suggestedFor: ["budget", "max-time", "time-limit", "duration"]),
      .value(
        "batch-size", "N", .integer(1...65536), into: \.batchSize, default: "by preset",
        example: "12", help: "Sequences per forward pass"
      ).named(suggestedFor: ["batch"]),
      .value(
        "grad-accum", "N", .integer(1...65536), into: \.gradAccum, default: "1", example: "4",
        help: "Forward passes per step: a step sees N times the batch"
      ).named(suggestedFor: ["gradient-accumulation-steps", "accumulate"]),
      .value(
        "optimizer", "NAME", .choice, into: \.optimizer, default: "muon for modern, else adamw",
        example: "adamw", help: "Update rule of hidden matrices; AdamW updates the rest"),
      .value(
        "optimizer-state", "FORMAT", .choice, into: \.optimizerState, default: "f32",
        example: "bf16", help: "Storage of the optimizer's moments"),
      .value(
        "lr", "X", .real(.excluding(0), .including(10)), into: \.learningRate,
        default: "by family", example: "3e-3", help: "Highest learning rate"
      ).named(suggestedFor: ["learning-rate", "rate"]),
      .value(
        "min-lr", "X", .real(.including(0), .including(10)), into: \.minLearningRate,
        default: "0 with muon, else --lr / 10", example: "3e-4", help: "Learning rate at the end"),
      .value(
        "adamw-lr", "X", .real(.excluding(0), .including(10)), into: \.adamWLearningRate,
        default: "by family", example: "3e-3",
        help: "Beside Muon: highest learning rate of what AdamW updates"),
      .value(
        "warmup", "N", .integer(0...1_000_000_000), into: \.warmup, default: "by preset",
        example: "100", help: "Steps in which the learning rate rises from 0"
      ).named(suggestedFor: ["warmup-steps", "warmup-iters"]),
      .value(
        "schedule", "NAME", .choice, into: \.schedule, default: "cosine", example: "cosine",
        help: "Course of the learning rate"
      ).named(suggestedFor: ["lr-schedule", "scheduler"]),
      .value(
        "patience", "N", .integer(1...1_000_000), into: \.patience, default: "3", example: "3",
        help: "Evaluations without progress before plateau halves the rate"),
      .value(
        "weight-decay", "X", .real(.including(0), .including(10)), into: \.weightDecay,
        default: "0.02 with muon, else 0.1", example: "0.1",
        help: "Weight decay of the matrices, times the learning rate"),
      .value(
        "momentum", "X", .real(.including(0), .excluding(1)), into: \.momentum, default: "0.9",
        example: "0.95", help: "Decay of Muon's momentum"),
      .value(
        "beta1", "X", .real(.including(0), .excluding(1)), into: \.beta1, default: "0.9",
        example: "0.9", help: "Decay of AdamW's first moment"),
      .value(
        "beta2", "X", .real(.including(0), .excluding(1)), into: \.beta2, default: "0.99",
        example: "0.99", help: "Decay of AdamW's second moment"),
      .value(
        "grad-clip", "X", .real(.including(0), .including(1_000_000)), into: \.gradClip,
        default: "1", example: "1", help: "Largest global norm of the gradient (0 = off)"
      ).named(suggestedFor: ["clip", "max-norm", "clip-grad"]),
      .value(
        "grad-clip-value", "X", .real(.including(0), .including(1_000_000)),
        into: \.gradClipValue, default: "0", example: "1",
        help: "Largest element of the gradient, after --grad-clip (0 = off)"),
      .value(
        "precision", "NAME", .choice, into: \.precision, default: "f32", example: "bf16",
        help: "Numbers that products and saved activations are in"
      ).named(suggestedFor: ["dtype", "mixed-precision"]),
      .flag(
        "recompute", into: \.recompute,
        help: "Keep one tensor per block and compute the rest again: less memory, more time"
      ).named(suggestedFor: ["checkpointing", "gradient-checkpointing", "recomputation"]),
      .seed(default: "1"),
      .threads,
    ]
  }

  static var progressOptions: [Option<TrainOptions>] {
    [
      .value(
        "eval-every", "N", .integer(0...1_000_000_000), into: \.evalEvery, default: "by steps",
        example: "200", help: "Steps between evaluations (0 = at the end only)"
      ).named(suggestedFor: ["eval-interval"]),
      .value(
        "save-every", "N|TIME", .saveInterval, into: \.saveEvery,
        default: "at each evaluation", example: "10m",
        help: "Steps between checkpoints, beside those of evaluations, or the time (90s, 10m, 2h) "
          + "from one to the next"
      ).named(suggestedFor: ["save-interval", "checkpoint-every"]),
      .value(
        "log-every", "N", .integer(1...1_000_000_000), into: \.logEvery, default: "by steps",
        example: "10", help: "Steps between log lines"
      ).named(suggestedFor: ["log-interval"]),
      .value(
        "sample-tokens", "N", .integer(0...1_000_000), into: \.sampleTokens,
        help: "Length of the text sample at each evaluation (0 = none)"),
      .flag("plan", into: \.plan, help: "Print parameters, memory and time, then stop"),
      .value(
        "max-temp", "C", .real(.including(40), .including(110)), into: \.maxTemp, default: "none",
        example: "75", help: "Pause above this temperature of the processor, to go on 5 °C below"
      ).named(suggestedFor: ["max-temperature", "temp-limit"]),
      .flag("profile", into: \.profile, help: "Time each operation; write a trace for Perfetto"),
      .json(help: "Print one JSON object per log line and evaluation"),
      .flag("quiet", into: \.quiet, help: "Print nothing but errors")
        .named(suggestedFor: ["silent"]),
    ]
  }
}
