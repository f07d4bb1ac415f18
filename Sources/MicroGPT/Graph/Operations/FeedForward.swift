// The MLP of a block as one operation: two linear maps with the non-linearity between them, which
// is applied (and differentiated) to blocks of a product while they stand in the cache. The gated
// form has two inputs per output and stays apart (Linear.swift, Activation.swift).

import CKernels

extension Graph {
  /// `f(x up^T + b) down^T + c` with an activation f of one argument.
  ///
  /// *Shapes*: x (B, T, C), up (F, C), down (C, F); result as x. *Gradient*, with z = x up^T + b
  /// and h = f(z): dz = (dy down) f'(z), ddown = dy^T h, dup = dz^T x, dx = dz up. *Cost*:
  /// 4 · rows · C · F FLOP; z and h are kept for backward.
  mutating func feedForward(
    _ x: Tensor, up: LinearParameters, down: LinearParameters, _ kind: Activation
  ) -> Tensor {
    precondition(kind != .swiglu, "the gated form is no function of one argument")
    precondition(up.weight.shape.last == x.shape.last, "\(x.shape) by \(up.weight.shape)")
    precondition(
      down.weight.shape == Shape(x.shape.last, up.weight.shape[0]),
      "\(up.weight.shape), then \(down.weight.shape)")
    if up.weight.quantizedFormat != nil {
      return quantizedLinear(quantizedLinear(x, up, kind), down)
    }
    let hiddenShape = Shape(x.shape[0], x.shape[1], up.weight.shape[0])
    let hidden = activation(hiddenShape, compactType)
    let operation = FeedForward(
      x: x, up: up, down: down, kind: kind, hidden: hidden,
      inner: isTraining ? activation(hiddenShape, compactType) : nil,
      innerGradient: isTraining ? activation(hiddenShape) : nil,
      output: activation(x.shape), precision: precision)
    append(operation)
    return operation.output
  }
}

private struct FeedForward: Operation {
  let x: Tensor
  let up: LinearParameters
  let down: LinearParameters
  let kind: Activation
  /// h (B, T, F).
  let hidden: Tensor
  /// z and dz (B, T, F), in training.
  let inner: Tensor?
  let innerGradient: Tensor?
  let output: Tensor
  let precision: Precision

  var name: String { "mlp \(width) → \(hiddenWidth) → \(width)" }
  private var width: Int { x.shape.last }
  private var hiddenWidth: Int { hidden.shape.last }
  private var rows: Int { x.shape.rows }
  private var parameters: [Tensor] { up.tensors + down.tensors }

  var inputs: [Tensor] { [x] + parameters }
  var outputs: [Tensor] { [output] + (inner.map { [$0, hidden] } ?? []) }
  var workspace: [Tensor] { [innerGradient ?? hidden] }
  var saved: [Tensor] { [x, hidden, up.weight, down.weight] + [inner].compactMap { $0 } }
  var overwrites: [Tensor] { [up.weight, down.weight] }
  var differentiable: [Tensor] { [x, up.weight, down.weight] + biases }
  private var biases: [Tensor] { [up.bias, down.bias].compactMap { $0 } }
  func scratch(_ kernels: mg_kernels) -> Int { matmulScratch(kernels) }
  var forwardFlops: Double { 4 * Double(rows) * Double(width) * Double(hiddenWidth) }
  /// The first product is enough for z and h.
  var flopsWithoutResult: Double? { forwardFlops / 2 }

  func forward(_ step: Step) {
    var first = step.product(x, by: up, into: hidden, precision)
    first.finish = MG_ACTIVATE
    first.activation = Int32(kind.kernel.rawValue)
    if let inner { first.z = step.result(inner) }
    mg_matmul(step.context, &first)
    if step.skipsResult { return }
    var second = step.product(hidden, by: down, into: output, precision)
    mg_matmul(step.context, &second)
  }

  func backward(_ step: Step) {
    guard let inner, let innerGradient else { return }
    let (dy, dz) = (step.gradient(output), step.floats(innerGradient))
    var second = step.inputGradient(
      dy, by: down, rows: rows, into: dz, accumulate: 0, precision)
    second.finish = MG_DIFFERENTIATE
    second.activation = Int32(kind.kernel.rawValue)
    second.z = step.result(inner)
    mg_matmul(step.context, &second)
    step.parameterGradients(dy, hidden, of: down, accumulate: step.accumulates(2), precision)
    var first = step.inputGradient(
      dz, by: up, rows: rows, into: step.gradient(x), accumulate: step.accumulates(0), precision)
    mg_matmul(step.context, &first)
    step.parameterGradients(dz, x, of: up, accumulate: step.accumulates(1), precision)
  }
}
