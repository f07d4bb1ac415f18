// Keys and values of passes that nobody enters any more, from the state that all rows left with:
// the passes lie one behind the other in the first dimension and go through one product.

import CKernels

extension Graph {
  /// `norm(x) * gain + bias` once for each of the gains.
  ///
  /// *Shapes*: x (B, T, C), P gains and the bias (C); result (P·B, T, C). No gradient.
  mutating func norms(
    _ x: Tensor, kind: NormKind, gains: [Tensor], bias: Tensor?, epsilon: Float = 1e-5
  ) -> Tensor {
    precondition(!isTraining, "norms of several passes have no gradient")
    precondition(gains.allSatisfy { $0.shape.count == x.shape.last }, "gains and \(x.shape)")
    let output = activation(Shape(gains.count * x.shape[0], x.shape[1], x.shape.last))
    append(
      Norms(
        kind: kind, x: x, gains: gains, bias: bias, epsilon: epsilon, output: output,
        stats: activation(Shape(x.shape.rows, 2))))
    return output
  }

  /// Puts keys and values into the caches, as `cachedAttention` does, without attention: those of
  /// the p-th of P passes into the layer `slot` + p `stride`.
  ///
  /// *Shapes*: qkv (P·B, T, (H + 2G) D).
  mutating func storeKeys(
    _ qkv: Tensor, heads: HeadLayout, slot: Int, passes: Int = 1, stride: Int = 0
  ) {
    precondition(qkv.shape.last == heads.rowWidth, "\(qkv.shape) does not divide into \(heads)")
    precondition(qkv.shape[0] % passes == 0, "\(qkv.shape) does not divide into \(passes) passes")
    append(StoreKeys(qkv: qkv, heads: heads, slot: slot, passes: passes, stride: stride))
  }
}

private struct Norms: Operation {
  let kind: NormKind
  let x: Tensor
  let gains: [Tensor]
  let bias: Tensor?
  let epsilon: Float
  let output: Tensor
  let stats: Tensor

  var name: String { "norms" }
  var inputs: [Tensor] { [x] + gains + [bias].compactMap { $0 } }
  var outputs: [Tensor] { [output, stats] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  var forwardFlops: Double { Double(output.shape.count) * 5 }

  func forward(_ step: Step) {
    var norm = mg_norm(
      kind: kind == .rms ? MG_RMSNORM : MG_LAYERNORM, rows: x.shape.rows, n: x.shape.last,
      epsilon: epsilon, x: step.floats(x), add: nil, sum: nil, gain: nil,
      bias: step.optionalFloats(bias), y_type: MG_F32, y: nil, stats: step.floats(stats))
    for pass in 0..<gains.count {
      norm.gain = UnsafePointer(step.floats(gains[pass]))
      norm.y = UnsafeMutableRawPointer(step.floats(output) + pass * x.shape.count)
      mg_norm_forward(step.context, &norm)
    }
  }

  func backward(_ step: Step) { preconditionFailure("norms of several passes have no gradient") }
}

private struct StoreKeys: Operation {
  let qkv: Tensor
  let heads: HeadLayout
  let slot: Int
  let passes: Int
  let stride: Int

  var name: String { "store keys" }
  var inputs: [Tensor] { [qkv] }
  var outputs: [Tensor] { [] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  var forwardFlops: Double { 0 }

  func forward(_ step: Step) {
    guard let sequences = step.state.pointee.sequences else {
      preconditionFailure("a run with caches needs its sequences")
    }
    var attention = CachedAttention.layout(qkv, heads, slot: slot)
    attention.batch /= passes
    attention.caches = sequences.caches
    attention.positions = sequences.positions
    attention.counts = sequences.counts
    for pass in 0..<passes {
      let first = pass * qkv.shape.count / passes
      attention.qkv = UnsafePointer(step.floats(qkv) + first)
      attention.layer = slot + pass * stride
      mg_cached_attention_store(step.context, &attention)
    }
  }

  func backward(_ step: Step) { preconditionFailure("a cache has no gradient") }
}
