// Where an optimizer keeps what it remembers of a parameter: the layout of a moment over a choice
// of parameters, and the memory of one in 32, 16 or 8 bits. How they are rounded is in
// CKernels/kernels/state.inl.h.

import CKernels

/// How moments of the optimizer are stored.
public enum OptimizerStateFormat: String, CaseIterable, Sendable {
  case float32 = "f32"
  /// Sixteen bits, stochastic rounding.
  case bfloat16 = "bf16"
  /// Eight bits and a scale for each 64 elements, stochastic rounding.
  case int8 = "int8"
}

/// The places of some parameters in a moment, one after another.
struct MomentLayout {
  /// A parameter and where its moment begins.
  typealias Place = (parameter: Parameter, start: Int)
  /// All of them, in the order of the table.
  let places: [Place]
  /// Elements of the moment.
  let elementCount: Int
  /// Ranges of the parameter block with one weight decay.
  let segments: [mg_segment]

  /// The layout of `parameters`, which are in the order of their table.
  init(_ parameters: [Parameter], weightDecay: Double) {
    var places: [Place] = []
    var segments: [mg_segment] = []
    var end = 0
    for parameter in parameters {
      let (count, decay) = (parameter.paddedCount, parameter.decays ? Float(weightDecay) : 0)
      places.append((parameter, end))
      if let last = segments.last, last.offset + last.count == parameter.offset,
        last.weight_decay == decay
      {
        segments[segments.count - 1].count += count
      } else {
        segments.append(
          mg_segment(offset: parameter.offset, count: count, state: end, weight_decay: decay))
      }
      end += count
    }
    (self.places, self.segments, elementCount) = (places, segments, end)
  }
}

/// One moment of an optimizer, zero at first.
final class Moments {
  let format: OptimizerStateFormat
  let values: Arena
  /// A scale for each 64 values; empty unless the format is `int8`.
  let scales: Arena

  /// *Throws* if memory lacks.
  init(_ layout: MomentLayout, _ format: OptimizerStateFormat) throws(MemoryError) {
    self.format = format
    let size = Self.byteCounts(layout.elementCount, format)
    values = try Arena(byteCount: size.values)
    scales = try Arena(byteCount: size.scales)
  }

  /// Bytes of the values and of their scales.
  static func byteCounts(
    _ elementCount: Int, _ format: OptimizerStateFormat
  ) -> (values: Int, scales: Int) {
    switch format {
    case .float32: (4 * elementCount, 0)
    case .bfloat16: (2 * elementCount, 0)
    case .int8: (elementCount, elementCount / MG_STATE_BLOCK * 4)
    }
  }

  /// Bytes of an element with its share of a scale.
  static func bytesPerElement(_ format: OptimizerStateFormat) -> Double {
    let block = byteCounts(Int(MG_STATE_BLOCK), format)
    return Double(block.values + block.scales) / Double(MG_STATE_BLOCK)
  }

  /// What the kernels are given.
  var description: mg_moments {
    let code: mg_state_format =
      switch format {
      case .float32: MG_STATE_F32
      case .bfloat16: MG_STATE_BF16
      case .int8: MG_STATE_Q8
      }
    return mg_moments(format: code, values: values.base, scales: scales.floats.baseAddress)
  }
}
