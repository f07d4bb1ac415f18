// `mgpt presets`: the named sizes, what they need, and how fast they would train on this machine.
// Predicted from two short measurements (StepPrediction.swift); `mgpt bench train` measures.

import MicroGPT

/// One line of the list.
struct PresetRow: Equatable {
  let preset: ModelPreset
  let configuration: ModelConfiguration
  let optimizer: OptimizerKind
  let parameterCount: Int
  /// What a training run reserves, after the planner.
  let trainingByteCount: Int
  /// Weights, quantised.
  let int8ByteCount: Int
  let int4ByteCount: Int
  /// Predicted.
  let tokensPerSecond: Double

  /// Plans the training of `preset` on a machine of this speed.
  init(
    _ preset: ModelPreset, vocabularySize: Int?, speed: MachineSpeed, compute: Compute
  ) throws {
    self.preset = preset
    configuration = preset.configuration(vocabularySize: vocabularySize)
    let recipe = try TrainSetup.recipe(
      TrainOptions(), preset, preset.family, context: preset.context)
    let estimate = MemoryEstimate(configuration, recipe, samples: true, compute: compute)
    optimizer = recipe.optimizer
    parameterCount = estimate.parameterCount
    trainingByteCount = estimate.byteCount
    int8ByteCount = QuantizationTarget.int8.byteCount(of: configuration)
    int4ByteCount = QuantizationTarget.int4.byteCount(of: configuration)
    let tokens = Double(recipe.batchSize * preset.context)
    tokensPerSecond = tokens / speed.stepSeconds(configuration, recipe)
  }

  var json: JSON {
    [
      "name": .string(preset.name), "family": .string(preset.family.rawValue),
      "layers": .integer(preset.layers), "heads": .integer(preset.heads),
      "width": .integer(preset.width), "context": .integer(preset.context),
      "batch_size": .integer(preset.batchSize), "steps": .integer(preset.steps),
      "optimizer": .string(optimizer.rawValue),
      "vocabulary": .integer(configuration.vocabularySize),
      "parameters": .integer(parameterCount), "training_bytes": .integer(trainingByteCount),
      "int8_bytes": .integer(int8ByteCount), "int4_bytes": .integer(int4ByteCount),
      "predicted_tokens_per_second": .number(tokensPerSecond),
    ]
  }
}

/// The list as text.
enum PresetTable {
  static let heading = line([
    "preset", "family", "L", "H", "width", "context", "batch", "vocab", "weights", "training",
    "int8", "int4", "tokens/s",
  ])

  static func row(_ row: PresetRow) -> String {
    let p = row.preset
    return line([
      p.name, p.family.rawValue, "\(p.layers)", "\(p.heads)", "\(p.width)", "\(p.context)",
      "\(p.batchSize)", "\(row.configuration.vocabularySize)", Format.count(row.parameterCount),
      Format.bytes(row.trainingByteCount), Format.bytes(row.int8ByteCount),
      Format.bytes(row.int4ByteCount), Format.rate(row.tokensPerSecond),
    ])
  }

  /// What the columns mean, and the machine that the last one is for.
  static func legend(_ speed: MachineSpeed, threads: Int) -> String {
    let reading =
      speed.bytesPerSecond > 0
      ? ", reading \(Format.fixed(speed.bytesPerSecond / 1e9, decimals: 1)) GB/s" : ""
    return """

      training: memory of a run, as planned; int8, int4: weights after mgpt quantize
      tokens/s: training, predicted for \(counted(threads, "thread")): \
      \(Format.fixed(speed.flops / 1e9, decimals: 1)) GFLOP/s\(reading). mgpt bench train measures

      """
  }

  /// Names flush left, numbers flush right.
  private static func line(_ cells: [String]) -> String {
    let widths = [-13, -8, 2, 2, 5, 7, 5, 5, 7, 8, 7, 7, 8]
    let text = zip(cells, widths).map { cell, width in
      width < 0 ? Format.aligned(cell, to: -width) : Format.padded(cell, to: width)
    }.joined(separator: " ")
    return text + "\n"
  }
}

/// Prints the list; returns the code to exit with.
func runPresets(_ asked: PresetsOptions) throws -> Int32 {
  let compute = try makeCompute(threads: asked.threads)
  let speed = MachineSpeed(compute)
  let rows = try ModelPreset.all.map { preset in
    try PresetRow(
      preset, vocabularySize: asked.vocabSize, speed: speed, compute: compute)
  }
  if asked.json {
    let object: JSON = [
      "threads": .integer(compute.threadCount), "peak_gflops": .number(speed.flops / 1e9),
      "read_gb_per_second": .number(speed.bytesPerSecond / 1e9),
      "presets": .array(rows.map(\.json)),
    ]
    Terminal.output.write("\(object)\n")
    return 0
  }
  Terminal.output.write(
    PresetTable.heading + rows.map(PresetTable.row).joined()
      + PresetTable.legend(speed, threads: compute.threadCount))
  return 0
}
