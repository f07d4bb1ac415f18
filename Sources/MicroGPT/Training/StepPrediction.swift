// How long a training step will take, from two short measurements of the machine and no step. For a
// list of sizes, most of which nobody will train; a run measures its own (Trainer+Timing.swift).

/// What a machine can do, measured in a tenth of a second.
public struct MachineSpeed: Sendable, Equatable {
  /// Multiply-adds in float32, FLOP/s of all threads.
  public var flops: Double
  /// Reading memory that no cache holds; 0 if unknown.
  public var bytesPerSecond: Double

  /// A machine with these limits.
  public init(flops: Double, bytesPerSecond: Double) {
    self.flops = flops
    self.bytesPerSecond = bytesPerSecond
  }

  /// Measures this machine.
  public init(_ compute: Compute) {
    self.init(
      flops: compute.measurePeakFlops(seconds: 0.05),
      bytesPerSecond: compute.measureReadBandwidth(seconds: 0.05))
  }

  /// The share of the peak that forward and backward reach at width C, optimizer apart: that of a
  /// wide model, less what narrow products lose to packing and edges.
  ///
  /// Fitted to `mgpt bench train` on two cores of an AMD EPYC (AVX-512): 0.60 at width 64, 0.75 at
  /// 128, 0.76 at 192, 0.80 at 256, 0.83 at 768; 0.64 at 116, whose rows end within a vector
  /// (tools/bench/README.md, section 11).
  static func utilisation(width: Int) -> Double {
    let narrow = 38 / Double(width)
    return (width % 16 == 0 ? 0.82 : 0.71) / (1 + narrow * narrow)
  }

  /// What Muon's products reach of that: 1.16 GFLOP took 8.6 ms at width 128, peak 236 GFLOP/s.
  static let muonShare = 0.75

  /// Seconds of an optimizer step, predicted.
  ///
  /// Model FLOP at the width's utilisation, Muon's products at theirs, and the optimizer's bytes,
  /// which are read and written, at the rate of reading.
  public func stepSeconds(
    _ c: ModelConfiguration, _ recipe: TrainingConfiguration
  ) -> Double {
    let tokens = Double(recipe.batchSize * c.contextLength * recipe.gradientAccumulation)
    let table = ParameterTable(c)
    var moments = 2.0
    let rate = flops * Self.utilisation(width: c.modelWidth)
    var seconds = c.trainingFlopsPerToken * tokens / rate
    if recipe.optimizer == .muon {
      let products = Muon.productFlops(Muon.matrices(Muon.split(table).hidden))
      seconds += products / (rate * Self.muonShare)
      moments = 1
    }
    let state = 2 * moments * Moments.bytesPerElement(recipe.optimizerState)
    let bytes = Double(table.elementCount) * (12 + state)
    return seconds + (bytesPerSecond > 0 ? bytes / bytesPerSecond : 0)
  }
}
