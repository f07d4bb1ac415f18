// Muon: momentum, orthogonalised matrix by matrix: Jordan et al. 2024,
// kellerjordan.github.io/posts/muon. The mathematics is in CKernels/muon.c.

import CKernels

/// The hyper-parameters of Muon.
public struct MuonConfiguration: Sendable, Equatable {
  /// Decay of Nesterov's momentum.
  ///
  /// The usual 0.95 looks back twenty steps, too long for runs of 2000: core 2 x 3 ends with 1.5822
  /// instead of 1.5919 nats (mean of three seeds, tools/bench/README.md, section 10).
  public var momentum = 0.9
  /// The highest rate of AdamW, which updates everything but the hidden matrices.
  ///
  /// It follows the schedule of the matrices' own rate.
  public var adamWRate = 3e-3

  /// The defaults.
  public init() {}
}

/// Muon for the hidden matrices, AdamW for embeddings, head and everything one-dimensional.
///
/// *Formula*: m = momentum m + g; u = g + momentum m; W -= rate (decay W + sqrt(max(1, out / in))
/// orthogonalised(u)). Matrices that are stacked in one parameter are orthogonalised one by one.
/// Weight decay is decoupled and multiplied by the rate, as in AdamW.
final class Muon: Optimizer {
  let momentum: Moments
  let others: AdamW
  private let configuration: MuonConfiguration
  private let layout: MomentLayout
  private let matrices: [mg_muon_matrix]
  private let work: Arena
  // AdamW's rate over Muon's.
  private let rateRatio: Double
  private let weightDecay: Double
  private let seed: UInt64

  /// *Throws* if memory lacks: a moment per weight of the matrices, two for the rest, and four
  /// Gram matrices per worker.
  init(
    _ recipe: TrainingConfiguration, table: ParameterTable, compute: Compute
  ) throws(MemoryError) {
    configuration = recipe.muon
    weightDecay = recipe.adamW.weightDecay
    seed = recipe.seed
    rateRatio = recipe.muon.adamWRate / recipe.schedule.maximum
    let (hidden, rest) = Self.split(table)
    matrices = Self.matrices(hidden)
    layout = MomentLayout(hidden, weightDecay: weightDecay)
    momentum = try Moments(layout, recipe.optimizerState)
    others = try AdamW(recipe, parameters: rest)
    work = try Arena(byteCount: 4 * Self.workFloats(matrices, compute))
    try compute.reserve(
      scratchPerWorker: mg_matmul_scratch(compute.context.pointee.kernels), shared: 0)
  }

  /// The parameters with hidden matrices in them, and the others.
  static func split(_ table: ParameterTable) -> (hidden: [Parameter], others: [Parameter]) {
    (
      table.parameters.filter { !$0.stackedRows.isEmpty },
      table.parameters.filter { $0.stackedRows.isEmpty }
    )
  }

  /// All matrices of `hidden`, those with the largest shorter side first.
  static func matrices(_ hidden: [Parameter]) -> [mg_muon_matrix] {
    var matrices: [mg_muon_matrix] = []
    for parameter in hidden {
      let columns = parameter.shape[1]
      var offset = parameter.offset
      for rows in parameter.stackedRows {
        matrices.append(mg_muon_matrix(offset: offset, rows: rows, columns: columns))
        offset += rows * columns
      }
    }
    // The offset makes the order total.
    func rank(_ m: mg_muon_matrix) -> (Int, Int, Int) {
      (-min(m.rows, m.columns), -max(m.rows, m.columns), m.offset)
    }
    return matrices.sorted { rank($0) < rank($1) }
  }

  /// Floats of work space of a step.
  static func workFloats(_ matrices: [mg_muon_matrix], _ compute: Compute) -> Int {
    matrices.withUnsafeBufferPointer {
      mg_muon_work($0.baseAddress, $0.count, compute.threadCount)
    }
  }

  /// Bytes of the Gram matrices.
  var workByteCount: Int { work.byteCount }

  var moments: [(prefix: String, layout: MomentLayout, values: Moments)] {
    [("optimizer.momentum.", layout, momentum)] + others.moments
  }

  /// 5 for the momentum of each weight, and the products, triangles counted half (muon.c).
  var flops: Double {
    others.flops + 5 * Double(layout.elementCount) + Muon.productFlops(matrices)
  }

  /// Of these, the matrix products.
  static func productFlops(_ matrices: [mg_muon_matrix]) -> Double {
    matrices.reduce(0) {
      let (short, long) = (Double(min($1.rows, $1.columns)), Double(max($1.rows, $1.columns)))
      return $0 + 2 * short * short * (8.5 * short + 1.5 * long)
    }
  }

  /// Overwrites the gradients of the hidden matrices.
  func update(_ step: OptimizerStep, weights: Arena, gradients: Arena, compute: Compute) {
    var rest = step
    rest.learningRate *= rateRatio
    others.update(rest, weights: weights, gradients: gradients, compute: compute)
    var h = mg_momentum(
      decay: Float(configuration.momentum), gradient_scale: Float(step.gradientScale),
      gradient_limit: Float(step.gradientLimit))
    var moment = momentum.description
    layout.segments.withUnsafeBufferPointer { list in
      mg_momentum_step(
        compute.context, &h, list.baseAddress, list.count, gradients.floats.baseAddress, &moment,
        roundingKey(seed, step: step.step, stream: RandomStream.momentumRounding))
    }
    var muon = mg_muon(
      learning_rate: Float(step.learningRate), weight_decay: Float(weightDecay))
    matrices.withUnsafeBufferPointer { list in
      mg_muon_step(
        compute.context, &muon, list.baseAddress, list.count, gradients.floats.baseAddress,
        weights.floats.baseAddress, work.floats.baseAddress)
    }
  }
}
