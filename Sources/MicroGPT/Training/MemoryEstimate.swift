// What a training run will reserve, computed from its plans before anything is allocated.

import CKernels

/// The memory of a training run, arena by arena, in bytes.
public struct MemoryEstimate: Sendable, Equatable {
  /// One arena of the plan.
  public struct Part: Sendable, Equatable {
    /// What lies in it.
    public var name: String
    /// Its size.
    public var byteCount: Int
  }

  /// The arenas, in the order of `--plan`.
  public var parts: [Part]
  /// The number of weights of the model.
  public var parameterCount: Int
  /// All arenas together.
  ///
  /// The program itself and the text come on top.
  public var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

  /// A lower bound of the memory of the run of `c` by `recipe`, in bytes.
  ///
  /// It counts weights, gradients and moments, and per token and layer what backward can't do
  /// without. For sizes far beyond the machine: planning takes seconds for a thousand layers, and
  /// byte counts above 2^63 could not even be planned.
  public static func leastByteCount(
    _ c: ModelConfiguration, _ recipe: TrainingConfiguration
  ) -> Double {
    let (width, inner) = (Double(c.modelWidth), Double(c.hiddenWidth))
    let layers = Double(c.layerCount)
    let hidden = layers * width * ((c.activation == .swiglu ? 3 : 2) * inner + 2 * width)
    let others = Double(c.vocabularySize) * width
    let moment = Moments.bytesPerElement(recipe.optimizerState)
    let moments = moment * ((recipe.optimizer == .muon ? 1 : 2) * hidden + 2 * others)
    // The inputs of the four products and queries; the last block is never computed again, of the
    // others the input is left.
    let kept = (recipe.precision == .bfloat16 ? 2 : 4) * (4 * width + inner)
    let perToken =
      recipe.recomputes ? kept + (layers - 1) * 4 * width : Double(c.passedLayerCount) * kept
    let tokens = Double(recipe.batchSize) * Double(c.contextLength)
    return 8 * (hidden + others) + moments + tokens * perToken
  }

  /// Plans the run of `configuration` by `recipe` on the workers of `compute`, over a text of
  /// `tokenCount` tokens.
  public init(
    _ configuration: ModelConfiguration, _ recipe: TrainingConfiguration, tokenCount: Int = 0,
    evaluation evaluates: Bool = true, samples: Bool, compute: Compute
  ) {
    let batchSize = recipe.batchSize
    let table = ParameterTable(configuration)
    parameterCount = table.parameterCount
    let length = configuration.contextLength
    let stage = TrainingStage(passes: configuration.passCount, loss: recipe.recursionLoss)
    let training = LossGraph(configuration, table, recipe, stage)
    var needs = Executor.scratchNeeds(training.graph, compute.kernels)
    needs.shared = max(needs.shared, mg_shared_scratch(0, table.elementCount))
    let weights = table.elementCount * 4
    let optimizer = optimizerByteCounts(recipe, table: table, compute: compute)
    parts = [
      Part(name: "weights", byteCount: weights),
      Part(name: "gradients", byteCount: weights),
      Part(
        name: "optimizer (\(recipe.optimizer.rawValue), \(recipe.optimizerState.rawValue))",
        byteCount: optimizer.moments),
      Part(name: "activations of a step", byteCount: MemoryPlan(training.graph).byteCount),
      Part(
        name: "scratch of \(compute.threadCount) threads",
        byteCount: 4
          * (Compute.wholeLines(needs.perWorker) * compute.threadCount + needs.shared)),
      Part(name: "batches", byteCount: 8 * batchSize * length * recipe.gradientAccumulation),
      Part(name: "tokens of the text", byteCount: 4 * tokenCount),
    ]
    if evaluates {
      let evaluation = LossGraph(
        configuration, table, batchSize: batchSize, sequenceLength: length, isTraining: false)
      parts.append(
        Part(name: "activations of evaluation", byteCount: MemoryPlan(evaluation.graph).byteCount))
    }
    if optimizer.work > 0 {
      parts.append(Part(name: "work space of the optimizer", byteCount: optimizer.work))
    }
    if samples {
      let single = LogitsGraph(
        configuration, table, batchSize: 1, sequenceLength: 1, cached: true)
      parts.append(
        Part(
          name: "cache and activations of samples",
          byteCount: KeyValueCache.byteCount(configuration) + MemoryPlan(single.graph).byteCount))
    }
  }
}
