// Weighted sums of rows with weights per column: how a recursive model's state moves from pass to
// pass, and per-pass gains.

import CKernels

extension Graph {
  /// `a ⊙ x + b ⊙ d`, the weights by column.
  ///
  /// *Shapes*: x and d (…, C), a and b (C) or nil for ones; result as d. Without x its part is
  /// zero. *Gradient*: dx = a ⊙ dy, dd = b ⊙ dy, da and db = column sums of dy ⊙ x, of dy ⊙ d. Rows
  /// that `active` (rows), if given, has a zero for keep the value of x, in inference.
  mutating func blend(
    _ x: Tensor?, a: Tensor? = nil, _ d: Tensor, b: Tensor?, active: Tensor? = nil
  ) -> Tensor {
    precondition(x == nil || x?.shape == d.shape, "blend of \(d.shape) and another shape")
    precondition(x != nil || (a == nil && active == nil), "no x to weigh or to keep")
    precondition((a ?? b ?? d).shape.last == d.shape.last, "weights for \(d.shape)")
    precondition(active == nil || !isTraining, "rows rest in inference only")
    let output = activation(d.shape)
    append(Blend(x: x, a: a, d: d, b: b, active: active, output: output))
    return output
  }

  /// `x ⊙ y` of two vectors, such as gains.
  mutating func product(_ x: Tensor, _ y: Tensor) -> Tensor { blend(nil, x, b: y) }

  /// `1 / (1 + exp(-x))` of a vector.
  ///
  /// *Gradient*: dy y (1 - y).
  mutating func sigmoid(_ x: Tensor) -> Tensor {
    let output = activation(x.shape)
    append(Sigmoid(x: x, output: output))
    return output
  }
}

private struct Blend: Operation {
  let x: Tensor?
  let a: Tensor?
  let d: Tensor
  let b: Tensor?
  let active: Tensor?
  let output: Tensor

  var name: String { x == nil ? "product" : "blend" }
  private var weights: [Tensor] { [a, b].compactMap { $0 } }
  private var isVector: Bool { d.shape.rank == 1 }
  private var rows: Int { isVector ? 1 : d.shape.rows }
  var inputs: [Tensor] { [d] + [x, active].compactMap { $0 } + weights }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { (b == nil ? [] : [d]) + (a == nil ? [] : [x].compactMap { $0 }) + weights }
  var differentiable: [Tensor] { [d] + [x].compactMap { $0 } + weights }
  var inPlace: [(input: Tensor, output: Tensor)] {
    ([x].compactMap { $0 } + [d]).map { ($0, output) }
  }
  /// Where x is not weighed, its gradient is that of the result.
  var passThrough: (output: Tensor, inputs: [Tensor])? {
    a == nil ? x.map { (output, [$0]) } : nil
  }
  var forwardFlops: Double { Double(d.shape.count) * (a == nil ? 2 : 3) }
  func scratch(_ kernels: mg_kernels) -> Int { a == nil ? 0 : d.shape.last }
  func sharedScratch(_ kernels: mg_kernels) -> Int { mg_shared_scratch(d.shape.last, 0) }

  private func description(_ step: Step) -> mg_blend {
    mg_blend(
      rows: rows, n: d.shape.last, x: step.optionalFloats(x), a: step.optionalFloats(a),
      d: step.floats(d), b: step.optionalFloats(b), active: step.optionalFloats(active),
      y: step.floats(output))
  }

  func forward(_ step: Step) {
    var blend = description(step)
    mg_blend_forward(step.context, &blend)
  }

  func backward(_ step: Step) {
    var blend = description(step)
    let aIndex = x == nil ? 1 : 2
    if let a { step.clearGradient(of: a, index: aIndex) }
    if let b { step.clearGradient(of: b, index: a == nil ? aIndex : aIndex + 1) }
    precondition(
      x == nil || a != nil || step.passThroughHoldsGradient, "nothing depends on the sum")
    var gradient = mg_blend_gradient(
      dy: step.gradient(output), dx: a == nil ? nil : step.optionalGradient(x),
      dd: step.gradient(d), accumulate_x: step.accumulates(1),
      accumulate_d: step.accumulates(0), da: step.optionalGradient(a),
      db: step.optionalGradient(b))
    mg_blend_backward(step.context, &blend, &gradient)
    if let x, a == nil { step.passGradient(of: output, to: x, index: 1) }
  }
}

private struct Sigmoid: Operation {
  let x: Tensor
  let output: Tensor

  var name: String { "sigmoid" }
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [output] }
  var differentiable: [Tensor] { [x] }
  var forwardFlops: Double { 25 * Double(x.shape.count) }

  func forward(_ step: Step) {
    mg_sigmoid(step.context, x.shape.count, step.floats(x), step.floats(output))
  }

  func backward(_ step: Step) {
    step.clearGradient(of: x, index: 0)
    mg_sigmoid_backward(
      step.context, x.shape.count, step.floats(output), step.gradient(output), step.gradient(x))
  }
}
