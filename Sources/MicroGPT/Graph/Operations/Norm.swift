// RMSNorm and LayerNorm, with the residual addition in front fused in where there is one.

import CKernels

/// Which normalisation, over the last dimension.
enum NormKind: Sendable {
  /// x / sqrt(mean(x^2) + epsilon). Zhang and Sennrich 2019, arXiv 1910.07467.
  case rms
  /// (x - mean) / sqrt(variance + epsilon). Ba et al. 2016, arXiv 1607.06450.
  case layer
}

extension Graph {
  /// `norm(x) * gain + bias`, row by row.
  ///
  /// *Shapes*: x (…, C), gain and bias (C) or nil; result as x. *Gradient*, with xhat the
  /// normalised row, r its factor and g = dy * gain: dx = r (g - mean(g)* - xhat mean(g xhat)), the
  /// starred term for LayerNorm only; dgain = sum of dy xhat, dbias = sum of dy.
  mutating func norm(
    _ x: Tensor, kind: NormKind, gain: Tensor?, bias: Tensor?, epsilon: Float = 1e-5,
    compact: Bool = false
  ) -> Tensor {
    precondition(gain == nil || gain?.shape.count == x.shape.last, "gain and \(x.shape)")
    precondition(bias == nil || kind == .layer, "only LayerNorm has a bias")
    let output = activation(x.shape, compact ? linearInputType : .float32)
    let stats = activation(Shape(x.shape.rows, 2))
    let residual = fusible as? Add
    let fused = residual.flatMap { $0.output == x ? $0 : nil }
    let norm = Norm(
      kind: kind, x: fused?.x ?? x, delta: fused?.delta, sum: fused == nil ? nil : x, gain: gain,
      bias: bias, epsilon: epsilon, output: output, stats: stats)
    if fused == nil { append(norm) } else { replaceLast(with: norm) }
    return output
  }
}

private struct Norm: Operation {
  let kind: NormKind
  let x: Tensor
  /// What is added to x first, and where the sum goes; both or none.
  let delta: Tensor?
  let sum: Tensor?
  let gain: Tensor?
  let bias: Tensor?
  let epsilon: Float
  let output: Tensor
  let stats: Tensor

  var name: String { delta == nil ? "norm" : "add + norm" }
  private var parameters: [Tensor] { [gain, bias].compactMap { $0 } }
  var inputs: [Tensor] { [x] + [delta].compactMap { $0 } + parameters }
  var outputs: [Tensor] { [sum].compactMap { $0 } + [output, stats] }
  var saved: [Tensor] { [sum ?? x, stats] + parameters }
  var differentiable: [Tensor] { [x] + [delta].compactMap { $0 } + parameters }
  var inPlace: [(input: Tensor, output: Tensor)] {
    guard let delta, let sum else { return [] }
    return [(delta, sum), (x, sum)]
  }
  var passThrough: (output: Tensor, inputs: [Tensor])? {
    guard let delta, let sum else { return nil }
    return (sum, [x, delta])
  }
  func scratch(_ kernels: mg_kernels) -> Int {
    output.elementType == .float32 ? 0 : x.shape.last
  }
  func sharedScratch(_ kernels: mg_kernels) -> Int { mg_shared_scratch(x.shape.last, 0) }
  var forwardFlops: Double { Double(x.shape.count) * 5 }
  /// Where a sum was normalised, its gradient already holds something and is added to in place.
  var backwardBytes: Double {
    byteCount(saved + [output, x]) + (sum == nil ? 0 : byteCount([x])) + 2 * byteCount(parameters)
  }

  private func description(_ step: Step) -> mg_norm {
    mg_norm(
      kind: kind == .rms ? MG_RMSNORM : MG_LAYERNORM, rows: x.shape.rows, n: x.shape.last,
      epsilon: epsilon, x: step.floats(x), add: step.optionalFloats(delta),
      sum: step.optionalFloats(sum), gain: step.optionalFloats(gain),
      bias: step.optionalFloats(bias), y_type: output.storage, y: step.address(output),
      stats: step.floats(stats))
  }

  func forward(_ step: Step) {
    var norm = description(step)
    mg_norm_forward(step.context, &norm)
  }

  func backward(_ step: Step) {
    var norm = description(step)
    // Of the tensor that was normalised: the sum if there is one, which passes its gradient on.
    let target = step.gradient(sum ?? x)
    let accumulate: Int32 =
      sum == nil ? step.accumulates(0) : (step.passThroughHoldsGradient ? 1 : 0)
    // A gain that was computed: those of a parameter are zeroed once for all.
    let gainIndex = delta == nil ? 1 : 2
    if let gain { step.clearGradient(of: gain, index: gainIndex) }
    if let bias { step.clearGradient(of: bias, index: gain == nil ? gainIndex : gainIndex + 1) }
    mg_norm_backward(
      step.context, &norm, step.gradient(output), target, accumulate, step.optionalGradient(gain),
      step.optionalGradient(bias))
    guard let sum, let delta else { return }
    step.passGradient(of: sum, to: x, index: 0)
    step.passGradient(of: sum, to: delta, index: 1)
  }
}
