// Linear maps with quantised weights: activations are quantised row by row, products are exact
// integers. For inference; no gradients.

import CKernels

extension Graph {
  /// The rows of x in int8, each with one scale: what products with `weight` read.
  ///
  /// *Shapes*: x (…, C) float32; result as x. Already quantised rows are returned as they are.
  /// Where the weight carries the sums of its rows, rows of x have an offset too.
  mutating func quantize(_ x: Tensor, for weight: Tensor) -> Tensor {
    if x.elementType == .quantizedRows { return x }
    let output = activation(x.shape, .quantizedRows)
    append(QuantizeRows(x: x, weight: weight, output: output))
    return output
  }

  /// `y = f(x weight^T + bias)`, with a quantised weight; f is the identity where `kind` is nil.
  ///
  /// *Shapes*: as `linear`. *Precision*: a product is exact in integers, then multiplied by the
  /// scales: the same bits for a row alone or among others.
  mutating func quantizedLinear(
    _ x: Tensor, _ parameters: LinearParameters, _ kind: Activation? = nil
  ) -> Tensor {
    let rows = quantize(x, for: parameters.weight)
    let output = activation(Shape(x.shape[0], x.shape[1], parameters.outCount))
    append(QuantizedLinear(x: rows, parameters: parameters, kind: kind, output: output))
    return output
  }
}

extension Graph {
  /// `quantizedLinear` for an x with few large elements among small ones, as gated activations are:
  /// each row enters in int8, and what that leaves out in int8 once more.
  ///
  /// *Precision*: x has 15 bits instead of 8, for which the product has twice the rows; weights are
  /// read once. Without bias.
  mutating func quantizedLinearTwice(_ x: Tensor, _ parameters: LinearParameters) -> Tensor {
    precondition(parameters.bias == nil, "the bias would be added twice")
    let rows = activation(Shape(2 * x.shape[0], x.shape[1], x.shape.last), .quantizedRows)
    append(QuantizeRows(x: x, weight: parameters.weight, output: rows))
    let parts = activation(Shape(2 * x.shape[0], x.shape[1], parameters.outCount))
    append(QuantizedLinear(x: rows, parameters: parameters, kind: nil, output: parts))
    let output = activation(Shape(x.shape[0], x.shape[1], parameters.outCount))
    append(AddHalves(x: parts, output: output))
    return output
  }
}

/// The rows of x, and where there are twice as many in `output`, what these leave out.
private struct QuantizeRows: Operation {
  let x: Tensor
  /// What they are multiplied with.
  let weight: Tensor
  let output: Tensor

  var name: String { "quantize" }
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  private var isTwice: Bool { output.shape.rows > x.shape.rows }
  func scratch(_ kernels: mg_kernels) -> Int { isTwice ? x.shape.last : 0 }
  var forwardFlops: Double { 2 * Double(output.shape.count) }

  func forward(_ step: Step) {
    let width = x.shape.last
    let hasOffset = step.quantizedMatrix(weight).sums != nil
    mg_quantize_rows(
      step.context, x.shape.rows, width, step.floats(x), width,
      isTwice ? MG_TWICE : hasOffset ? MG_OFFSET : MG_SYMMETRIC, step.quantizedRows(output))
  }

  func backward(_ step: Step) { preconditionFailure("quantised rows have no gradient") }
}

/// The first half of the rows of x plus the second.
private struct AddHalves: Operation {
  let x: Tensor
  let output: Tensor

  var name: String { "add halves" }
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  var forwardFlops: Double { Double(output.shape.count) }

  func forward(_ step: Step) {
    let (halves, count) = (step.floats(x), output.shape.count)
    mg_add(step.context, count, halves, halves + count, step.floats(output))
  }

  func backward(_ step: Step) { preconditionFailure("quantised weights have no gradient") }
}

private struct QuantizedLinear: Operation {
  let x: Tensor
  let parameters: LinearParameters
  let kind: Activation?
  let output: Tensor

  var name: String { "linear \(parameters.inCount) → \(parameters.outCount)" }
  var inputs: [Tensor] { [x] + parameters.tensors }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  func scratch(_ kernels: mg_kernels) -> Int {
    quantizedProductScratch(kernels, x.shape.rows, x.shape.last).perWorker
  }
  func sharedScratch(_ kernels: mg_kernels) -> Int {
    quantizedProductScratch(kernels, x.shape.rows, x.shape.last).shared
  }
  var forwardFlops: Double { 2 * Double(x.shape.count) * Double(parameters.outCount) }

  func forward(_ step: Step) {
    step.multiply(step.quantizedRows(x), by: parameters, kind, into: step.floats(output))
  }

  func backward(_ step: Step) { preconditionFailure("quantised weights have no gradient") }
}

extension Operation {
  /// Floats of scratch of a product of `rows` quantised rows of `columns` elements.
  func quantizedProductScratch(
    _ kernels: mg_kernels, _ rows: Int, _ columns: Int
  ) -> (perWorker: Int, shared: Int) {
    var kernels = kernels
    return (
      mg_quantized_matmul_scratch(&kernels, rows, columns),
      mg_quantized_matmul_shared(&kernels, rows, columns)
    )
  }
}

extension Step {
  /// The planes of a tensor of quantised rows.
  func quantizedRows(_ tensor: Tensor) -> mg_q8_rows {
    mg_q8_rows_at(address(tensor), tensor.shape.rows, tensor.shape.last)
  }

  /// The description of a quantised weight.
  func quantizedMatrix(_ tensor: Tensor) -> mg_quantized {
    address(tensor).assumingMemoryBound(to: mg_quantized.self).pointee
  }

  /// Quantises the rows of `x`, as many and as wide as those of `output`.
  func quantize(_ x: UnsafePointer<Float>, into output: Tensor) {
    let width = output.shape.last
    mg_quantize_rows(
      context, output.shape.rows, width, x, width, MG_SYMMETRIC, quantizedRows(output))
  }

  /// `y = f(x weight^T + bias)`.
  func multiply(
    _ x: mg_q8_rows, by parameters: LinearParameters, _ kind: Activation? = nil,
    into y: UnsafeMutablePointer<Float>
  ) {
    var product = mg_quantized_product(
      a: x, w: mg_quantized_from(quantizedMatrix(parameters.weight), parameters.firstOut), c: y,
      ldc: parameters.outCount,
      bias: optionalFloats(parameters.bias).map { $0 + parameters.firstOut },
      activation: kind.map { Int32($0.kernel.rawValue) } ?? -1, residual: mg_operand())
    mg_quantized_matmul(context, &product)
  }
}
