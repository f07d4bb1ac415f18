// One optimizer step after another: batch, forward, backward, accumulate, clip, update. It does no
// I/O: what happens between steps (evaluating, saving, showing) is decided by whoever calls it.

import CKernels

/// Trains a model on a split of tokens.
public final class Trainer {
  /// The model in training; a step changes its weights.
  public let model: GPT
  /// The recipe of the run.
  public let configuration: TrainingConfiguration
  /// Optimizer steps done.
  public private(set) var step = 0
  /// The schedule, with the state of `plateau`.
  public var schedule: LearningRateSchedule
  /// Where in the data the run is.
  public internal(set) var sampler: BatchSampler
  let compute: Compute
  let optimizer: any Optimizer
  let gradients: Arena
  /// What the graph is of.
  private(set) var stage: TrainingStage
  /// nil while one graph makes room for the next, and after there was no memory for it.
  private var running: Executor?
  /// Parts of the gradient block that a step begins with zeros in.
  private(set) var zeroed: [Range<Int>]
  private var loss: LossGraph
  // All batches of one step, so that tokens are counted before the first gradient.
  private let batches: Arena

  /// What one step has seen.
  public struct StepResult: Sendable {
    /// Mean loss of the batch before the update, nats per token.
    public var loss: Double
    /// Global norm of the gradient before clipping.
    public var gradientNorm: Double
    /// The rate of this step.
    public var learningRate: Double
    /// Targets that counted.
    public var tokenCount: Int
  }

  /// Reserves everything the run needs.
  ///
  /// *Throws* if memory lacks.
  public init(
    model: GPT, configuration: TrainingConfiguration, training: TokenSplit, compute: Compute
  ) throws {
    self.model = model
    self.configuration = configuration
    self.compute = compute
    schedule = configuration.schedule
    sampler = BatchSampler(training, seed: configuration.seed)
    optimizer = try makeOptimizer(configuration, table: model.table, compute: compute)
    gradients = try Arena(byteCount: model.table.elementCount * 4)
    stage = configuration.stage(at: 0, of: model.configuration.passCount)
    loss = LossGraph(model.configuration, model.table, configuration, stage)
    let executor = try Executor(
      loss.graph, compute: compute, parameters: model.weights, gradients: gradients)
    running = executor
    zeroed = executor.rangesToZero(elementCount: model.table.elementCount)
    let elements = configuration.batchSize * model.configuration.contextLength
    batches = try Arena(byteCount: 2 * elements * 4 * configuration.gradientAccumulation)
    try compute.reserve(
      scratchPerWorker: 0, shared: mg_shared_scratch(0, model.table.elementCount))
  }

  /// What runs the graph of the stage.
  var executor: Executor {
    guard let running else { preconditionFailure("a step after prepareStep failed") }
    return running
  }

  /// Tokens of one step, padding included.
  public var tokensPerStep: Int {
    configuration.batchSize * model.configuration.contextLength
      * configuration.gradientAccumulation
  }

  /// Makes sure that the next step has the graph that the recipe wants; *throws* if memory lacks.
  ///
  /// A profile begins anew: it is of one graph.
  public func prepareStep() throws {
    let wanted = configuration.stage(at: step, of: model.configuration.passCount)
    if wanted == stage { return }
    let isProfiled = executor.profile != nil
    stage = wanted
    loss = LossGraph(model.configuration, model.table, configuration, stage)
    // The memory of the old graph is free before that of the new one is asked for.
    running = nil
    running = try Executor(
      loss.graph, compute: compute, parameters: model.weights, gradients: gradients)
    zeroed = executor.rangesToZero(elementCount: model.table.elementCount)
    if isProfiled { startProfile() }
  }

  /// Does one optimizer step.
  ///
  /// Allocates nothing. *Requires*: `prepareStep` was called since the last one, if the recipe has
  /// stages.
  ///
  /// *Throws* `TrainingError.notFinite` before anything was changed but the data position: weights
  /// and optimizer are those of the last step.
  public func runStep() throws(TrainingError) -> StepResult {
    executor.profile?.beginStep()
    let tokenCount = drawBatches()
    executor.profile?.end(.batch)
    return try update(tokenCount: tokenCount)
  }

  /// The step on the batches that are in the buffers.
  func update(tokenCount: Int) throws(TrainingError) -> StepResult {
    let gradientNorm: Double
    let meanLoss: Double
    (meanLoss, gradientNorm) = computeGradients(tokenCount: tokenCount)
    let rate = schedule.rate(at: step)
    guard meanLoss.isFinite, gradientNorm.isFinite else {
      throw .notFinite(
        step: step + 1, what: meanLoss.isFinite ? "gradient" : "loss", learningRate: rate,
        lastGood: nil, adamWRate: configuration.highestAdamWRate)
    }
    let clip = configuration.gradientClip
    let scale = clip > 0 && gradientNorm > clip ? clip / gradientNorm : 1
    step += 1
    let limit = configuration.gradientLimit
    optimizer.update(
      OptimizerStep(
        learningRate: rate, step: step, gradientScale: scale,
        gradientLimit: limit > 0 ? limit : .infinity),
      weights: model.weights, gradients: gradients, compute: compute)
    executor.profile?.end(.optimizer)
    executor.profile?.endStep()
    return StepResult(
      loss: meanLoss, gradientNorm: gradientNorm, learningRate: rate, tokenCount: tokenCount)
  }

  /// The gradient of the mean loss over the next batches, left in the gradient block.
  func computeGradients(tokenCount: Int) -> (loss: Double, norm: Double) {
    let count = model.table.elementCount
    zeroGradients()
    executor.profile?.end(.zeroing)
    var lossSum = 0.0
    executor.state.pointee.lossWeight = Float(1 / Double(max(tokenCount, 1)))
    for part in 0..<configuration.gradientAccumulation {
      loadBatch(part)
      executor.profile?.end(.batch)
      let number = UInt64(step * configuration.gradientAccumulation + part)
      executor.state.pointee.dropoutKey = splitMix64(
        configuration.seed &+ splitMix64(number &+ RandomStream.dropout << 56))
      executor.forward()
      executor.backward(isFirst: part == 0)
      lossSum += executor.state.pointee.lossSum
    }
    let squares = mg_sum_squares(compute.context, count, gradients.floats.baseAddress)
    executor.profile?.end(.gradientNorm)
    return (lossSum / Double(max(tokenCount, 1)), squares.squareRoot())
  }

  /// Zeroes what backward adds to; what it writes first is left as it is.
  private func zeroGradients() {
    guard let base = gradients.floats.baseAddress else { return }
    for i in zeroed.indices {
      mg_zero(compute.context, zeroed[i].count, base + zeroed[i].lowerBound)
    }
  }

  /// The sum of all squared weights; not finite if one of them is not.
  var squaredWeights: Double {
    mg_sum_squares(compute.context, model.table.elementCount, model.weights.floats.baseAddress)
  }

  /// Fills the buffers of all batches of a step; returns the targets that count.
  func drawBatches() -> Int {
    var tokenCount = 0
    for part in 0..<configuration.gradientAccumulation {
      let (inputs, targets) = buffers(part)
      tokenCount += sampler.fill(
        inputs: inputs, targets: targets, batchSize: configuration.batchSize,
        sequenceLength: model.configuration.contextLength)
    }
    return tokenCount
  }

  /// The inputs and targets of one part of a step, (B, T) each.
  func buffers(
    _ part: Int
  ) -> (inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>) {
    let count = configuration.batchSize * model.configuration.contextLength
    let all = UnsafeMutableBufferPointer(
      start: batches.base.assumingMemoryBound(to: Int32.self),
      count: 2 * count * configuration.gradientAccumulation)
    let first = 2 * count * part
    return (
      UnsafeMutableBufferPointer(rebasing: all[first..<(first + count)]),
      UnsafeMutableBufferPointer(rebasing: all[(first + count)..<(first + 2 * count)])
    )
  }

  private func loadBatch(_ part: Int) {
    let (inputs, targets) = buffers(part)
    _ = executor.integers(loss.tokens).update(fromContentsOf: inputs)
    _ = executor.integers(loss.targets).update(fromContentsOf: targets)
  }

  /// Puts the run at a saved point; the optimizer's moments are loaded by the caller.
  func restore(step: Int, sampler: BatchSampler, plateau: LearningRateSchedule.PlateauState) {
    self.step = step
    self.sampler = sampler
    schedule.plateau = plateau
  }
}
