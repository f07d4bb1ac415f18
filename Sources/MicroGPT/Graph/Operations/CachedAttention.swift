// Causal self-attention of new tokens over the caches of their sequences.

import CKernels

extension Graph {
  /// `softmax(q k^T / sqrt(D)) v` for every head, over the sequence's cache, which the keys and
  /// values of `qkv` enter first.
  ///
  /// A token sees itself and the `capacity` - 1 tokens before it. The sequences, which may stand at
  /// different positions, are those of `StepState.sequences`. *Shapes*: qkv (B, T, (H + 2G) D);
  /// result (B, T, H D), zero behind a sequence's new tokens, or with `lastOnly` (B, 1, H D), of
  /// each sequence's last new token. No gradient. *Precision*: the same
  /// bits however the tokens are divided among runs, and those of `attention` for float32 caches
  /// that no token has left.
  mutating func cachedAttention(
    _ qkv: Tensor, heads: HeadLayout, slot: Int, capacity: Int, lastOnly: Bool = false
  ) -> Tensor {
    precondition(qkv.shape.last == heads.rowWidth, "\(qkv.shape) does not divide into \(heads)")
    precondition(!isTraining, "a cache has no gradient")
    let output = activation(
      Shape(qkv.shape[0], lastOnly ? 1 : qkv.shape[1], heads.headCount * heads.headWidth))
    append(
      CachedAttention(
        qkv: qkv, heads: heads, slot: slot, capacity: capacity, lastOnly: lastOnly, output: output
      ))
    return output
  }
}

struct CachedAttention: Operation {
  let qkv: Tensor
  let heads: HeadLayout
  /// The layer of the cache.
  let slot: Int
  let capacity: Int
  let lastOnly: Bool
  let output: Tensor

  var name: String { "attention" }
  var inputs: [Tensor] { [qkv] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }

  /// The fields that don't change from run to run.
  static func layout(_ qkv: Tensor, _ heads: HeadLayout, slot: Int) -> mg_cached_attention {
    var layout = mg_cached_attention()
    layout.batch = qkv.shape[0]
    layout.time = qkv.shape[1]
    layout.heads = heads.headCount
    layout.kv_heads = heads.keyValueHeadCount
    layout.head_width = heads.headWidth
    layout.layer = slot
    return layout
  }
  private var layout: mg_cached_attention {
    var layout = CachedAttention.layout(qkv, heads, slot: slot)
    layout.last_only = lastOnly ? 1 : 0
    return layout
  }

  func scratch(_ kernels: mg_kernels) -> Int {
    var kernels = kernels
    var layout = layout
    return mg_cached_attention_scratch(&kernels, &layout, capacity)
  }

  /// Over a full cache.
  var forwardFlops: Double { 4 * Double(output.shape.count) * Double(capacity) }
  /// The cache is read once, as float32 at most.
  var forwardBytes: Double {
    let cached = 2 * capacity * heads.keyValueHeadCount * heads.headWidth * 4
    return byteCount(inputs) + byteCount(outputs) + Double(qkv.shape[0] * cached)
  }

  func forward(_ step: Step) {
    guard let sequences = step.state.pointee.sequences else {
      preconditionFailure("a run with caches needs its sequences")
    }
    var attention = layout
    attention.qkv = UnsafePointer(step.floats(qkv))
    attention.caches = sequences.caches
    attention.positions = sequences.positions
    attention.counts = sequences.counts
    attention.out = step.floats(output)
    mg_cached_attention_forward(step.context, &attention)
  }

  func backward(_ step: Step) { preconditionFailure("attention over a cache has no gradient") }
}
