// The linear map, with its bias fused in.

import CKernels

extension Graph {
  /// `y = x weight^T + bias`.
  ///
  /// *Shapes*: x (…, in), weight (out, in), bias (out) or nil; result (…, out). *Gradient*:
  /// dx = dy weight, dweight = dy^T x, dbias = column sums of dy. *Cost*: 2 · rows · in · out FLOP.
  /// `compact`: whoever reads the result takes it in `compactType`. `packed`: of the weight, in
  /// inference. A quantised weight takes `quantizedLinear`.
  mutating func linear(
    _ x: Tensor, _ parameters: LinearParameters, compact: Bool = false,
    packed: PackedMatrix? = nil
  ) -> Tensor {
    let (weight, bias) = (parameters.weight, parameters.bias)
    if weight.quantizedFormat != nil { return quantizedLinear(x, parameters) }
    precondition(
      weight.shape.rank == 2 && weight.shape[1] == x.shape.last,
      "linear of \(x.shape) by \(weight.shape)")
    precondition(parameters.firstOut == 0 || !isTraining, "gradients are those of all outputs")
    if let packed {
      precondition(packed.outCount == parameters.outCount && packed.inCount == parameters.inCount)
      precondition(precision == .float32, "packed for float32")
    }
    precondition(bias == nil || bias?.shape.count == weight.shape[0], "bias and \(weight.shape)")
    let shape =
      x.shape.rank == 3
      ? Shape(x.shape[0], x.shape[1], parameters.outCount)
      : Shape(x.shape.rows, parameters.outCount)
    let output = activation(shape, compact ? compactType : .float32)
    append(
      Linear(
        x: x, parameters: parameters, output: output, precision: precision, packed: packed))
    return output
  }
}

private struct Linear: Operation {
  let x: Tensor
  let parameters: LinearParameters
  let output: Tensor
  let precision: Precision
  let packed: PackedMatrix?

  private var weight: Tensor { parameters.weight }
  var name: String { "linear \(parameters.inCount) → \(parameters.outCount)" }
  var inputs: [Tensor] { [x] + parameters.tensors }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [x, weight] }
  var overwrites: [Tensor] { [weight] }
  var differentiable: [Tensor] { [x] + parameters.tensors }
  func scratch(_ kernels: mg_kernels) -> Int { matmulScratch(kernels) }
  var forwardFlops: Double { 2 * Double(x.shape.count) * Double(parameters.outCount) }

  func forward(_ step: Step) {
    var product = step.product(x, by: parameters, into: output, precision)
    packed?.attach(to: &product, step.context)
    mg_matmul(step.context, &product)
  }

  func backward(_ step: Step) {
    let dy = step.gradient(output)
    var product = step.inputGradient(
      dy, by: parameters, rows: x.shape.rows, into: step.gradient(x),
      accumulate: step.accumulates(0), precision)
    mg_matmul(step.context, &product)
    step.parameterGradients(dy, x, of: parameters, accumulate: step.accumulates(1), precision)
  }
}
