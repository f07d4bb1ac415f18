// Token and position embedding: rows of tables.

import CKernels

extension Graph {
  /// The embedding of `tokens`: `y[b, t] = scale * table[tokens[b, t]] + positions[first + t]`.
  ///
  /// `first` is where sequence b stands: 0, or its place in `StepState.sequences`. *Shapes*: tokens
  /// (B, T) int32, table (V, C), positions (contextLength, C) or nil; result (B, T, C). *Gradient*:
  /// rows of dy are added to the rows of both tables. *Requires*: token ids in 0 ..< V. The table
  /// may be quantised, without a gradient.
  mutating func embedding(
    _ tokens: Tensor, table: Tensor, positions: Tensor?, scale: Float
  ) -> Tensor {
    precondition(tokens.shape.rank == 2 && tokens.elementType == .int32, "tokens \(tokens.shape)")
    let width = table.shape.last
    precondition(positions == nil || positions?.shape.last == width, "widths differ")
    let output = activation(Shape(tokens.shape[0], tokens.shape[1], width))
    append(
      Embedding(tokens: tokens, table: table, positions: positions, scale: scale, output: output))
    return output
  }
}

private struct Embedding: Operation {
  let tokens: Tensor
  let table: Tensor
  let positions: Tensor?
  let scale: Float
  let output: Tensor

  var name: String { "embedding" }
  var inputs: [Tensor] { [tokens, table] + (positions.map { [$0] } ?? []) }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [tokens] }
  var differentiable: [Tensor] { [table] + (positions.map { [$0] } ?? []) }
  private var tableCount: Double { positions == nil ? 1 : 2 }
  var forwardFlops: Double { Double(output.shape.count) * 2 }
  var backwardFlops: Double { Double(output.shape.count) * 2 * tableCount }
  /// Of the tables only the rows that are looked up.
  var forwardBytes: Double { byteCount([tokens]) + (1 + tableCount) * byteCount([output]) }
  /// Those rows are read and written.
  var backwardBytes: Double { byteCount([tokens]) + (1 + 2 * tableCount) * byteCount([output]) }

  private func description(_ step: Step) -> mg_embedding {
    mg_embedding(
      batch: tokens.shape[0], time: tokens.shape[1], width: output.shape.last,
      tokens: step.integers(tokens), scale: scale,
      first: step.state.pointee.sequences?.positions)
  }

  func forward(_ step: Step) {
    var e = description(step)
    let offsets = step.optionalFloats(positions)
    if table.quantizedFormat == nil {
      mg_embedding_forward(
        step.context, &e, step.floats(table), offsets, step.floats(output))
    } else {
      var matrix = step.quantizedMatrix(table)
      mg_embedding_forward_quantized(step.context, &e, &matrix, offsets, step.floats(output))
    }
  }

  func backward(_ step: Step) {
    var e = description(step)
    mg_embedding_backward(
      step.context, &e, step.gradient(output), step.gradient(table),
      step.optionalGradient(positions))
  }
}
