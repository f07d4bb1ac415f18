// The residual addition. Where a norm follows, the two are fused (Norm.swift).

import CKernels

extension Graph {
  /// `x + delta`.
  ///
  /// *Shapes*: equal. *Gradient*: that of the sum, for both.
  mutating func add(_ x: Tensor, _ delta: Tensor) -> Tensor {
    precondition(x.shape == delta.shape, "add \(x.shape) and \(delta.shape)")
    let output = activation(x.shape)
    append(Add(x: x, delta: delta, output: output))
    return output
  }
}

struct Add: Operation {
  let x: Tensor
  let delta: Tensor
  let output: Tensor

  var name: String { "add" }
  var inputs: [Tensor] { [x, delta] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [x, delta] }
  var inPlace: [(input: Tensor, output: Tensor)] { [(delta, output), (x, output)] }
  var passThrough: (output: Tensor, inputs: [Tensor])? { (output, [x, delta]) }
  var forwardFlops: Double { Double(output.shape.count) }
  // At best all gradients share one place (`sharedBlock` of the plan) and nothing moves.
  var backwardFlops: Double { 0 }
  var backwardBytes: Double { 0 }

  func forward(_ step: Step) {
    mg_add(
      step.context, output.shape.count, step.floats(x), step.floats(delta), step.floats(output))
  }

  func backward(_ step: Step) {
    precondition(step.passThroughHoldsGradient, "nothing depends on the sum")
    step.passGradient(of: output, to: x, index: 0)
    step.passGradient(of: output, to: delta, index: 1)
  }
}

extension Step {
  /// Gives the gradient of `output` to `input` unless the two share memory.
  func passGradient(of output: Tensor, to input: Tensor, index: Int) {
    let from = gradient(output)
    let to = gradient(input)
    if from == to { return }
    if accumulates(index) == 0 { mg_zero(context, input.shape.count, to) }
    mg_accumulate(context, input.shape.count, from, to)
  }
}
