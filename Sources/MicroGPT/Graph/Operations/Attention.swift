// Causal self-attention over heads. With a key/value cache: CachedAttention.swift.

import CKernels

extension Graph {
  /// `softmax(q k^T / sqrt(D), causal) v` for every head; query head h reads key/value head
  /// h / (H / G).
  ///
  /// *Shapes*: qkv (B, T, (H + 2G) D); result (B, T, H D). *Gradient*: recomputes the
  /// probabilities from q, k and the saved log-sum-exp; no (T, T) matrix in either direction.
  /// *Source*: Dao et al. 2022, arXiv 2205.14135.
  mutating func attention(_ qkv: Tensor, heads: HeadLayout) -> Tensor {
    precondition(qkv.shape.last == heads.rowWidth, "\(qkv.shape) does not divide into \(heads)")
    let (batch, time) = (qkv.shape[0], qkv.shape[1])
    let output = activation(
      Shape(batch, time, heads.headCount * heads.headWidth), qkv.elementType)
    let logSumExp = isTraining ? activation(Shape(batch, heads.headCount, time)) : nil
    append(Attention(qkv: qkv, heads: heads, output: output, logSumExp: logSumExp))
    return output
  }
}

private struct Attention: Operation {
  let qkv: Tensor
  let heads: HeadLayout
  let output: Tensor
  let logSumExp: Tensor?

  var name: String { "attention" }
  var inputs: [Tensor] { [qkv] }
  var outputs: [Tensor] { [output] + [logSumExp].compactMap { $0 } }
  var saved: [Tensor] { [qkv, output] + [logSumExp].compactMap { $0 } }
  var differentiable: [Tensor] { [qkv] }

  func scratch(_ kernels: mg_kernels) -> Int {
    var kernels = kernels
    var layout = mg_attention()
    layout.heads = heads.headCount
    layout.kv_heads = heads.keyValueHeadCount
    layout.head_width = heads.headWidth
    layout.type = qkv.storage
    return mg_attention_scratch(&kernels, &layout, qkv.shape[1], logSumExp == nil ? 0 : 1)
  }

  /// Half of the full square, for the causal mask.
  var forwardFlops: Double {
    2 * Double(output.shape.count) * Double(qkv.shape[1])
  }
  /// Five products (q k^T again, dP, dV, dQ, dK) for the two of forward.
  var backwardFlops: Double { 2.5 * forwardFlops }

  private func description(_ step: Step) -> mg_attention {
    mg_attention(
      batch: qkv.shape[0], time: qkv.shape[1], heads: heads.headCount,
      kv_heads: heads.keyValueHeadCount, head_width: heads.headWidth, type: qkv.storage,
      qkv: step.address(qkv), out: step.address(output), lse: step.optionalFloats(logSumExp))
  }

  func forward(_ step: Step) {
    var attention = description(step)
    mg_attention_forward(step.context, &attention)
  }

  func backward(_ step: Step) {
    precondition(step.accumulates(0) == 0, "attention overwrites the gradient of its input")
    var attention = description(step)
    mg_attention_backward(step.context, &attention, step.gradient(output), step.gradient(qkv))
  }
}
