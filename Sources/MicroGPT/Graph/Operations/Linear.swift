// The linear map, with its bias fused in.

import CKernels

extension Graph {
  /// `y = x weight^T + bias`.
  ///
  /// *Shapes*: x (…, in), weight (out, in), bias (out) or nil; result (…, out). *Gradient*:
  /// dx = dy weight, dweight = dy^T x, dbias = column sums of dy. *Cost*: 2 · rows · in · out FLOP.
  mutating func linear(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
    precondition(
      weight.shape.rank == 2 && weight.shape[1] == x.shape.last,
      "linear of \(x.shape) by \(weight.shape)")
    precondition(bias == nil || bias?.shape.count == weight.shape[0], "bias and \(weight.shape)")
    let output: Tensor
    switch x.shape.rank {
    case 3: output = activation(Shape(x.shape[0], x.shape[1], weight.shape[0]))
    default: output = activation(Shape(x.shape.rows, weight.shape[0]))
    }
    append(Linear(x: x, weight: weight, bias: bias, output: output))
    return output
  }
}

private struct Linear: Operation {
  let x: Tensor
  let weight: Tensor
  let bias: Tensor?
  let output: Tensor

  var name: String { "linear \(weight.shape[1]) → \(weight.shape[0])" }
  var inputs: [Tensor] { [x, weight] + [bias].compactMap { $0 } }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [x, weight] }
  var overwrites: [Tensor] { [weight] }
  var differentiable: [Tensor] { [x, weight] + [bias].compactMap { $0 } }
  func scratch(_ kernels: mg_kernels) -> Int {
    var kernels = kernels
    return mg_matmul_scratch(&kernels)
  }
  private var rows: Int { x.shape.rows }
  private var inCount: Int { weight.shape[1] }
  private var outCount: Int { weight.shape[0] }
  var forwardFlops: Double { 2 * Double(rows) * Double(inCount) * Double(outCount) }

  func forward(_ step: Step) {
    var product = mg_dense_product(
      MG_NT, rows, outCount, inCount, step.floats(x), step.floats(weight), step.floats(output))
    product.bias = UnsafePointer(step.optionalFloats(bias))
    mg_matmul(step.context, &product)
  }

  func backward(_ step: Step) {
    let dy = step.gradient(output)
    var dx = mg_dense_product(
      MG_NN, rows, inCount, outCount, dy, step.floats(weight), step.gradient(x))
    dx.accumulate = step.accumulates(0)
    mg_matmul(step.context, &dx)
    var dweight = mg_dense_product(
      MG_TN, outCount, inCount, rows, dy, step.floats(x), step.gradient(weight))
    dweight.accumulate = step.accumulates(1)
    mg_matmul(step.context, &dweight)
    if let bias { mg_column_sum(step.context, rows, outCount, dy, step.gradient(bias)) }
  }
}
