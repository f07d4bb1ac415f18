// The output head without a loss: what generation needs.

import CKernels

extension Graph {
  /// `z = cap(x head^T)`, for every position or for the last only.
  ///
  /// *Shapes*: x (B, T, C), head (V, C); result (B T, V), or (B, V) for the last positions,
  /// where B or T is 1.
  /// No gradient.
  mutating func logits(_ x: Tensor, head: Tensor, cap: Float, lastOnly: Bool) -> Tensor {
    precondition(head.shape[1] == x.shape.last, "head \(head.shape) for \(x.shape)")
    precondition(!lastOnly || x.shape[0] == 1 || x.shape[1] == 1, "last rows must be adjacent")
    let output = activation(Shape(lastOnly ? x.shape[0] : x.shape.rows, head.shape[0]))
    let rows = head.quantizedFormat.map { _ in
      activation(Shape(output.shape[0], x.shape.last), .quantizedRows)
    }
    append(Logits(x: x, head: head, cap: cap, rows: rows, output: output))
    return output
  }
}

private struct Logits: Operation {
  let x: Tensor
  let head: Tensor
  let cap: Float
  /// The rows of x that count, in int8, where the head is quantised.
  let rows: Tensor?
  let output: Tensor

  var name: String { "head" }
  var inputs: [Tensor] { [x, head] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  var workspace: [Tensor] { [rows].compactMap { $0 } }
  func scratch(_ kernels: mg_kernels) -> Int {
    rows == nil
      ? matmulScratch(kernels)
      : quantizedProductScratch(kernels, output.shape[0], x.shape.last).perWorker
  }
  func sharedScratch(_ kernels: mg_kernels) -> Int {
    rows == nil ? 0 : quantizedProductScratch(kernels, output.shape[0], x.shape.last).shared
  }
  var forwardFlops: Double { 2 * Double(output.shape.count) * Double(x.shape.last) }

  func forward(_ step: Step) {
    let count = output.shape[0]
    let width = x.shape.last
    let first = step.floats(x) + (x.shape.rows - count) * width
    if let rows {
      step.quantize(first, into: rows)
      step.multiply(
        step.quantizedRows(rows), by: LinearParameters(weight: head), into: step.floats(output))
    } else {
      var product = mg_dense_product(
        MG_NT, count, head.shape[0], width, first, step.floats(head), step.floats(output))
      mg_matmul(step.context, &product)
    }
    if cap > 0 { mg_soft_cap(step.context, output.shape.count, cap, step.floats(output)) }
  }

  func backward(_ step: Step) { preconditionFailure("logits have no gradient; use the loss") }
}
