// AdamW over the whole parameter block: Loshchilov and Hutter 2017, arXiv 1711.05101.

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

/// The state of AdamW: first and second moment of every parameter.
final class AdamW {
  let configuration: AdamWConfiguration
  let moment1: Arena
  let moment2: Arena
  private let segments: [mg_segment]

  /// *Throws* if memory lacks: 8 bytes per parameter.
  init(_ configuration: AdamWConfiguration, table: ParameterTable) throws(MemoryError) {
    self.configuration = configuration
    moment1 = try Arena(byteCount: table.elementCount * 4)
    moment2 = try Arena(byteCount: table.elementCount * 4)
    let decaying = table.decayingCount
    segments = [
      mg_segment(offset: 0, count: decaying, weight_decay: Float(configuration.weightDecay)),
      mg_segment(offset: decaying, count: table.elementCount - decaying, weight_decay: 0),
    ]
  }

  /// Updates `weights` from `gradients` · `gradientScale`, in one pass.
  ///
  /// *Requires*: `step`, counted from 1, is one more than at the last call.
  func update(
    weights: Arena, gradients: Arena, learningRate: Double, step: Int, gradientScale: Double,
    gradientLimit: Double, compute: Compute
  ) {
    var h = mg_adamw(
      learning_rate: Float(learningRate), beta1: Float(configuration.beta1),
      beta2: Float(configuration.beta2), epsilon: Float(configuration.epsilon), weight_decay: 0,
      correction1: Float(1 / (1 - power(configuration.beta1, Double(step)))),
      correction2: Float(1 / (1 - power(configuration.beta2, Double(step)))),
      gradient_scale: Float(gradientScale), gradient_limit: Float(gradientLimit))
    segments.withUnsafeBufferPointer { list in
      mg_adamw_step(
        compute.context, &h, list.baseAddress, list.count, gradients.floats.baseAddress,
        weights.floats.baseAddress, moment1.floats.baseAddress, moment2.floats.baseAddress)
    }
  }
}
