// What the operations that multiply matrices share: products described from tensors.

import CKernels

/// The weight (out, in) of a linear map and its bias (out), if it has one.
struct LinearParameters: Sendable {
  var weight: Tensor
  var bias: Tensor?
  /// The first output that is wanted, in inference.
  private(set) var firstOut = 0

  /// Weight, then bias.
  var tensors: [Tensor] { [weight] + [bias].compactMap { $0 } }
  var outCount: Int { weight.shape[0] - firstOut }
  var inCount: Int { weight.shape[1] }

  /// The same without the outputs before `first`; nil where that is in the midst of a group of
  /// quantised rows.
  func from(_ first: Int) -> LinearParameters? {
    if weight.quantizedFormat != nil && first % MG_GROUP != 0 { return nil }
    return LinearParameters(weight: weight, bias: bias, firstOut: first)
  }
}

extension Tensor {
  /// How C calls the element type.
  var storage: mg_type {
    switch elementType {
    case .bfloat16: MG_BF16
    case .quantizedRows: MG_Q8
    case .float32, .int32, .quantized: MG_F32
    }
  }
}

extension Operation {
  /// Floats of scratch per worker of a product.
  func matmulScratch(_ kernels: mg_kernels) -> Int {
    var kernels = kernels
    return mg_matmul_scratch(&kernels)
  }
}

extension Step {
  /// `tensor` as a matrix (rows, last) to read.
  func operand(_ tensor: Tensor) -> mg_operand {
    mg_operand(data: address(tensor), ld: tensor.shape.last, type: tensor.storage)
  }

  /// `tensor` as a matrix (rows, last) to write.
  func result(_ tensor: Tensor) -> mg_result {
    mg_result(data: address(tensor), ld: tensor.shape.last, type: tensor.storage)
  }

  /// `y = x weight^T + bias`, to be finished by the caller.
  func product(
    _ x: Tensor, by parameters: LinearParameters, into y: Tensor, _ precision: Precision
  ) -> mg_product {
    var weight = operand(parameters.weight)
    let skipped = parameters.firstOut * parameters.weight.byteCount / parameters.weight.shape[0]
    weight.data += skipped
    return mg_product(
      form: MG_NT, m: x.shape.rows, n: parameters.outCount, k: parameters.inCount, a: operand(x),
      b: weight, c: result(y), accumulate: 0, arithmetic: precision.arithmetic, scale: 1,
      bias: optionalFloats(parameters.bias).map { $0 + parameters.firstOut },
      finish: MG_KEEP, activation: 0, z: mg_result(), residual: mg_operand(),
      panels: nil)
  }

  /// `dx [+]= dy weight`, to be finished by the caller.
  func inputGradient(
    _ dy: UnsafePointer<Float>, by parameters: LinearParameters, rows: Int,
    into dx: UnsafeMutablePointer<Float>, accumulate: Int32, _ precision: Precision
  ) -> mg_product {
    let (outs, ins) = (parameters.outCount, parameters.inCount)
    var product = mg_dense_product(
      MG_NN, rows, ins, outs, dy, floats(parameters.weight), dx)
    product.accumulate = accumulate
    product.arithmetic = precision.arithmetic
    return product
  }

  /// `dweight [+]= dy^T x`, `dbias += column sums of dy`.
  func parameterGradients(
    _ dy: UnsafePointer<Float>, _ x: Tensor, of parameters: LinearParameters, accumulate: Int32,
    _ precision: Precision
  ) {
    let (outs, ins) = (parameters.outCount, parameters.inCount)
    var product = mg_dense_product(
      MG_TN, outs, ins, x.shape.rows, dy, nil, gradient(parameters.weight))
    product.b = operand(x)
    product.accumulate = accumulate
    product.arithmetic = precision.arithmetic
    mg_matmul(context, &product)
    if let bias = parameters.bias {
      mg_column_sum(context, x.shape.rows, outs, dy, gradient(bias))
    }
  }
}
