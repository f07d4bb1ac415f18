// Rotary position embedding of queries and keys, with their optional normalisation.

import CKernels

/// How the columns of a query-key-value tensor divide into heads.
///
///     | head 0 … head H-1 | key 0 … key G-1 | value 0 … value G-1 |     each D columns
struct HeadLayout: Equatable, Sendable {
  var headCount: Int
  var keyValueHeadCount: Int
  var headWidth: Int

  /// Elements of a row of queries, keys and values: (H + 2G) · D.
  var rowWidth: Int { (headCount + 2 * keyValueHeadCount) * headWidth }
  /// The same without queries.
  var withoutQueries: HeadLayout {
    HeadLayout(headCount: 0, keyValueHeadCount: keyValueHeadCount, headWidth: headWidth)
  }
}

extension Graph {
  /// Normalises (if asked) and rotates the query and key heads of `qkv`; values pass unchanged.
  ///
  /// Pair (x[i], x[i + D/2]) turns by t · base^(-2i/D), or by the rows of `angles` (in inference),
  /// which begin again where qkv has more; without `rotates` only the normalisation
  /// x / sqrt(mean(x²) + epsilon) is done, head by head and without gain. *Shapes*:
  /// (B, T, (H + 2G) D); angles (2, rows, D / 2). *Gradient*: the rotation is orthogonal, so it is
  /// undone on dz after the normalisation's gradient was taken in the rotated frame. *Source*: Su
  /// et al. 2021, arXiv 2104.09864; Henry et al. 2020, arXiv 2010.04245.
  mutating func rotary(
    _ qkv: Tensor, heads: HeadLayout, contextLength: Int, rotates: Bool, normalizes: Bool,
    base: Double = 10_000, epsilon: Float = 1e-5, angles: Tensor? = nil
  ) -> Tensor {
    precondition(qkv.shape.last == heads.rowWidth, "\(qkv.shape) does not divide into \(heads)")
    precondition(!rotates || heads.headWidth % 2 == 0, "RoPE needs an even head width")
    precondition(angles == nil || (rotates && !isTraining), "angles by row have no gradient")
    let table =
      rotates
      ? angles
        ?? constant(.rotaryTable(positions: contextLength, half: heads.headWidth / 2, base: base))
      : nil
    let output = activation(qkv.shape, qkv.elementType)
    let turning = heads.headCount + heads.keyValueHeadCount
    let factors = normalizes ? activation(Shape(qkv.shape.rows, turning)) : nil
    append(
      RotaryEmbedding(
        qkv: qkv, heads: heads, table: table, period: angles?.shape[1] ?? qkv.shape[1],
        epsilon: epsilon,
        output: output, factors: factors))
    return output
  }
}

private struct RotaryEmbedding: Operation {
  let qkv: Tensor
  let heads: HeadLayout
  /// Cosines and sines; nil for no rotation.
  let table: Tensor?
  /// Row r of `qkv` turns by row r mod `period` of the table.
  let period: Int
  let epsilon: Float
  let output: Tensor
  let factors: Tensor?

  var name: String {
    [factors == nil ? nil : "norm", table == nil ? nil : "rope"].compactMap { $0 }
      .joined(separator: " + ")
  }
  var inputs: [Tensor] { [qkv] + [table].compactMap { $0 } }
  var outputs: [Tensor] { [output] + [factors].compactMap { $0 } }
  var saved: [Tensor] { [output] + [table, factors].compactMap { $0 } }
  var differentiable: [Tensor] { [qkv] }
  var inPlace: [(input: Tensor, output: Tensor)] { [(qkv, output)] }
  var passThrough: (output: Tensor, inputs: [Tensor])? { (output, [qkv]) }
  /// Elements of queries and keys; values are not touched where forward works in place.
  private var turningCount: Double {
    Double(output.shape.rows * (heads.headCount + heads.keyValueHeadCount) * heads.headWidth)
  }
  private var turningBytes: Double {
    turningCount * Double(output.byteCount) / Double(output.shape.count)
  }
  private var sideBytes: Double { byteCount([table, factors].compactMap { $0 }) }
  var forwardFlops: Double { turningCount * (factors == nil ? 3 : 6) }
  var forwardBytes: Double { 2 * turningBytes + sideBytes }
  /// The gradient is turned back in place; the normalisation's needs the values too.
  var backwardBytes: Double {
    2 * 4 * turningCount + (factors == nil ? 0 : turningBytes) + sideBytes
  }

  func scratch(_ kernels: mg_kernels) -> Int {
    qkv.elementType == .bfloat16 ? qkv.shape.last : 0
  }

  private func description(_ step: Step) -> mg_rope {
    let cosine = step.optionalFloats(table)
    let tableCount = table.map { $0.shape[1] * $0.shape[2] } ?? 0
    return mg_rope(
      batch: qkv.shape[0], time: qkv.shape[1], heads: heads.headCount,
      kv_heads: heads.keyValueHeadCount, head_width: heads.headWidth,
      type: qkv.storage, cosine: cosine, sine: cosine.map { $0 + tableCount },
      period: period, normalize: factors == nil ? 0 : 1,
      epsilon: epsilon, factors: step.optionalFloats(factors))
  }

  func forward(_ step: Step) {
    let from = step.address(qkv)
    let to = step.address(output)
    if from != to { to.copyMemory(from: from, byteCount: qkv.byteCount) }
    var rope = description(step)
    mg_rope_forward(step.context, &rope, to)
  }

  func backward(_ step: Step) {
    precondition(step.passThroughHoldsGradient, "nothing depends on the rotated tensor")
    // Turned back in place first: the gradient of qkv may already hold that of others who read it.
    var rope = description(step)
    mg_rope_backward(step.context, &rope, step.address(output), step.gradient(output))
    step.passGradient(of: output, to: qkv, index: 0)
  }
}
