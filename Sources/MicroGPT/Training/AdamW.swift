// AdamW, for a whole model or for what Muon leaves over: Loshchilov and Hutter 2017, arXiv
// 1711.05101.

import CKernels

/// The hyper-parameters of AdamW.
public struct AdamWConfiguration: Sendable, Equatable {
  /// Decay of the running mean of gradients.
  public var beta1 = 0.9
  /// Decay of the running mean of squared gradients.
  ///
  /// 0.99 suits short runs on characters.
  public var beta2 = 0.99
  /// Added to the root of the second moment, against division by zero.
  public var epsilon = 1e-8
  /// Decoupled weight decay, on matrices only.
  public var weightDecay = 0.1

  /// The defaults.
  public init() {}
}

/// AdamW with its state: first and second moment of every parameter.
final class AdamW: Optimizer {
  let configuration: AdamWConfiguration
  let moment1: Moments
  let moment2: Moments
  private let layout: MomentLayout
  private let seed: UInt64

  /// *Throws* if memory lacks: 8, 4 or 2.1 bytes per parameter.
  init(_ recipe: TrainingConfiguration, parameters: [Parameter]) throws(MemoryError) {
    configuration = recipe.adamW
    seed = recipe.seed
    layout = MomentLayout(parameters, weightDecay: configuration.weightDecay)
    moment1 = try Moments(layout, recipe.optimizerState)
    moment2 = try Moments(layout, recipe.optimizerState)
  }

  var moments: [(prefix: String, layout: MomentLayout, values: Moments)] {
    [("optimizer.moment1.", layout, moment1), ("optimizer.moment2.", layout, moment2)]
  }

  /// 3 and 4 for the moments, 2 corrections, root, sum, quotient, decay and update: some 15 each.
  var flops: Double { 15 * Double(layout.elementCount) }

  /// One pass over weights, gradients and moments.
  func update(_ step: OptimizerStep, weights: Arena, gradients: Arena, compute: Compute) {
    var h = mg_adamw(
      learning_rate: Float(step.learningRate), beta1: Float(configuration.beta1),
      beta2: Float(configuration.beta2), epsilon: Float(configuration.epsilon), weight_decay: 0,
      correction1: Float(1 / (1 - power(configuration.beta1, Double(step.step)))),
      correction2: Float(1 / (1 - power(configuration.beta2, Double(step.step)))),
      gradient_scale: Float(step.gradientScale), gradient_limit: Float(step.gradientLimit))
    var (first, second) = (moment1.description, moment2.description)
    layout.segments.withUnsafeBufferPointer { list in
      mg_adamw_step(
        compute.context, &h, list.baseAddress, list.count, gradients.floats.baseAddress,
        weights.floats.baseAddress, &first, &second,
        roundingKey(seed, step: step.step, stream: RandomStream.rounding))
    }
  }
}
