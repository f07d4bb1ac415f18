// The last row of several, for what only the last token of a prompt needs.

extension Graph {
  /// The last row of `x`, of one sequence.
  ///
  /// *Shapes*: x (1, T, C) or (T), in float32; result (1, 1, C) or (1). No gradient.
  mutating func lastRow(_ x: Tensor) -> Tensor {
    precondition(!isTraining && x.elementType == .float32, "a row of \(x.shape)")
    precondition(x.shape.rank == 1 || x.shape[0] == 1, "the last row of one sequence")
    let output = activation(x.shape.rank == 1 ? Shape(1) : Shape(1, 1, x.shape.last))
    append(LastRow(x: x, output: output))
    return output
  }
}

private struct LastRow: Operation {
  let x: Tensor
  let output: Tensor

  var name: String { "last row" }
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  var forwardFlops: Double { 0 }
  var forwardBytes: Double { 2 * byteCount(outputs) }

  func forward(_ step: Step) {
    let count = output.shape.count
    step.floats(output).update(from: step.floats(x) + x.shape.count - count, count: count)
  }

  func backward(_ step: Step) { preconditionFailure("a single row has no gradient") }
}
