// The angles of rotary position embedding for rows that stand anywhere.

import CKernels

extension Graph {
  /// Cosines and sines for `rotary(angles:)`: row b·T + t stands t behind the position of sequence
  /// b of `StepState.sequences`.
  ///
  /// Positions below `contextLength` come from a table, later ones are computed in double
  /// precision; the bits are those of a larger table. *Shapes*: result (2, B·T, D / 2). No
  /// gradient.
  mutating func rotaryAngles(
    batchSize: Int, sequenceLength: Int, heads: HeadLayout, contextLength: Int,
    base: Double = 10_000
  ) -> Tensor {
    precondition(!isTraining && heads.headWidth % 2 == 0, "RoPE needs an even head width")
    let half = heads.headWidth / 2
    let table = constant(.rotaryTable(positions: contextLength, half: half, base: base))
    let output = activation(Shape(2, batchSize * sequenceLength, half))
    append(
      RotaryAngles(
        batchSize: batchSize, sequenceLength: sequenceLength,
        frequencies: (0..<half).map { mg_rope_frequency($0, half, base) }, table: table,
        output: output))
    return output
  }
}

private struct RotaryAngles: Operation {
  let batchSize: Int
  let sequenceLength: Int
  let frequencies: [Double]
  let table: Tensor
  let output: Tensor

  var name: String { "angles" }
  var inputs: [Tensor] { [table] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  var forwardFlops: Double { 0 }
  /// Of the table only the rows that are looked up.
  var forwardBytes: Double { 2 * byteCount([output]) }

  func forward(_ step: Step) {
    guard let sequences = step.state.pointee.sequences else {
      preconditionFailure("a run with caches needs its sequences")
    }
    let cosine = step.floats(output)
    frequencies.withUnsafeBufferPointer {
      var rows = mg_rope_rows(
        batch: batchSize, time: sequenceLength, half: $0.count, known: table.shape[1],
        frequencies: $0.baseAddress, table: step.floats(table), positions: sequences.positions)
      mg_rope_rows_forward(&rows, cosine, cosine + output.shape[1] * $0.count)
    }
  }

  func backward(_ step: Step) { preconditionFailure("angles have no gradient") }
}
