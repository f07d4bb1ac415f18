// What all update rules have in common: AdamW.swift and Muon.swift conform.

import CKernels

/// The update rules.
public enum OptimizerKind: String, CaseIterable, Sendable {
  /// AdamW for every parameter.
  case adamW = "adamw"
  /// Muon for the hidden matrices, AdamW for the rest.
  case muon
}

/// What one step needs besides weights and gradients.
struct OptimizerStep {
  /// The rate of the schedule.
  var learningRate: Double
  /// Counted from 1, one more than at the last call.
  var step: Int
  /// Multiplies every gradient: clipping by global norm.
  var gradientScale: Double
  /// Then clamps each element; infinite for none.
  var gradientLimit: Double
}

/// An update rule with its state, over a whole parameter block.
protocol Optimizer: AnyObject {
  /// The moments, in the order of files: what stands before the parameters' names, and where they
  /// are.
  var moments: [(prefix: String, layout: MomentLayout, values: Moments)] { get }

  /// Floating-point operations of a step.
  var flops: Double { get }

  /// Updates `weights` from `gradients`, which may be overwritten.
  ///
  /// Allocates nothing.
  func update(_ step: OptimizerStep, weights: Arena, gradients: Arena, compute: Compute)
}

/// The optimizer of a recipe.
///
/// *Throws* if memory lacks.
func makeOptimizer(
  _ recipe: TrainingConfiguration, table: ParameterTable, compute: Compute
) throws(MemoryError) -> any Optimizer {
  switch recipe.optimizer {
  case .adamW: try AdamW(recipe, parameters: table.parameters)
  case .muon: try Muon(recipe, table: table, compute: compute)
  }
}

/// Bytes that `makeOptimizer` will reserve: moments, and work space of the step.
func optimizerByteCounts(
  _ recipe: TrainingConfiguration, table: ParameterTable, compute: Compute
) -> (moments: Int, work: Int) {
  func moment(_ parameters: [Parameter]) -> Int {
    let count = parameters.reduce(0) { $0 + $1.paddedCount }
    let size = Moments.byteCounts(count, recipe.optimizerState)
    return size.values + size.scales
  }
  switch recipe.optimizer {
  case .adamW: return (2 * moment(table.parameters), 0)
  case .muon:
    let (hidden, others) = Muon.split(table)
    let work = Muon.workFloats(Muon.matrices(hidden), compute)
    return (moment(hidden) + 2 * moment(others), 4 * work)
  }
}

/// The key of a step's random rounding.
func roundingKey(_ seed: UInt64, step: Int, stream: UInt64) -> UInt64 {
  splitMix64(seed &+ splitMix64(UInt64(step) &+ stream << 56))
}
