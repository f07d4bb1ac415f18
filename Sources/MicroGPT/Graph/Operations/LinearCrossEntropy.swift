// The output head and the loss in one operation, by chunks of rows.

import CKernels

extension Graph {
  /// The loss of predicting `targets` from `x`: sum over tokens of
  /// log(sum(exp(z))) - z[target], z = cap(x head^T); into `StepState.lossSums`.
  ///
  /// *Shapes*: x (B, T, C), head (V, C), targets (B, T) int32; targets below 0 don't count.
  /// *Gradient* of `StepState.lossWeight` times the sum: dz = weight (softmax(z) - onehot), through
  /// the cap; how `weighing` changes it: `LossWeighing`. Logits exist for one chunk of rows at a
  /// time. In a training graph the loss is computed by backward, together with its gradient, so
  /// that no logits are computed twice; forward does nothing there.
  mutating func linearCrossEntropy(
    _ x: Tensor, head: Tensor, targets: Tensor, cap: Float, weighing: LossWeighing = .equal
  ) {
    precondition(head.shape[1] == x.shape.last, "head \(head.shape) for \(x.shape)")
    precondition(targets.shape.count == x.shape.rows, "targets \(targets.shape) for \(x.shape)")
    let vocabulary = head.shape[0]
    // 2^20 logits (4 MiB) at once, but rows enough to pay for reading and packing the head for each
    // chunk: a step of GPT-2 with 256 tokens took 1180 ms with chunks of 96 rows, 1126 ms with 256
    // (Zen 4, 2026-11). Multiples of 96 are whole tiles of any back end.
    let chunk = min(x.shape.rows, max((1 << 20) / vocabulary / 96 * 96, 384))
    let logits = activation(Shape(chunk, vocabulary))
    let losses = activation(Shape(x.shape.rows, 1))
    let rows = head.quantizedFormat.map { _ in
      activation(Shape(chunk, x.shape.last), .quantizedRows)
    }
    append(
      LinearCrossEntropy(
        x: x, head: head, targets: targets, cap: cap, weighing: weighing, number: addLoss(),
        logits: logits, losses: losses,
        rows: rows, isTraining: isTraining, precision: precision))
  }
}

/// What the losses of tokens count in the gradient; their sum is reported unweighted.
enum LossWeighing: Sendable {
  /// All the same.
  case equal
  /// All this much.
  case factor(Float)
  /// Each by a share q (B T) of its own, whose gradient is loss + entropy (log q + 1): that of
  /// q loss, and of -entropy times the entropy of the shares.
  case shares(Tensor, entropy: Float)
}

private struct LinearCrossEntropy: Operation {
  let x: Tensor
  let head: Tensor
  let targets: Tensor
  let cap: Float
  let weighing: LossWeighing
  /// Its place in `StepState.lossSums`.
  let number: Int
  let logits: Tensor
  let losses: Tensor
  /// A chunk of x in int8, where the head is quantised.
  let rows: Tensor?
  let isTraining: Bool
  let precision: Precision

  var name: String { "head + cross-entropy" }
  private var shares: Tensor? { if case .shares(let q, _) = weighing { q } else { nil } }
  var inputs: [Tensor] { [x, head, targets] + [shares].compactMap { $0 } }
  var outputs: [Tensor] { [] }
  var workspace: [Tensor] { [logits, losses] + [rows].compactMap { $0 } }
  var saved: [Tensor] { inputs }
  var differentiable: [Tensor] { [x, head] + [shares].compactMap { $0 } }
  func scratch(_ kernels: mg_kernels) -> Int {
    rows == nil
      ? matmulScratch(kernels)
      : quantizedProductScratch(kernels, logits.shape[0], x.shape.last).perWorker
  }
  func sharedScratch(_ kernels: mg_kernels) -> Int {
    rows == nil ? 0 : quantizedProductScratch(kernels, logits.shape[0], x.shape.last).shared
  }
  private var productFlops: Double { 2 * Double(x.shape.count) * Double(head.shape[0]) }
  var forwardFlops: Double { isTraining ? 0 : productFlops }
  var forwardBytes: Double { isTraining ? 0 : byteCount(inputs) }
  /// The logits and the gradients of both factors.
  var backwardFlops: Double { 3 * productFlops }
  /// Logits exist by chunks that a cache may hold, and are not counted.
  var backwardBytes: Double { byteCount(inputs) + gradientByteCount(differentiable) }

  private func description(_ step: Step) -> mg_loss {
    var (factor, entropy) = (Float(1), Float(0))
    if case .factor(let value) = weighing { factor = value }
    if case .shares(_, let value) = weighing { entropy = value }
    return mg_loss(
      rows: x.shape.rows, width: x.shape.last, vocabulary: head.shape[0], chunk: logits.shape[0],
      x: step.floats(x), head: rows == nil ? step.floats(head) : nil,
      quantized_head: rows.map { _ in
        UnsafePointer(step.address(head).assumingMemoryBound(to: mg_quantized.self))
      },
      rows_memory: rows.map { step.address($0) }, targets: step.integers(targets),
      arithmetic: precision.arithmetic,
      cap: cap, weight_per_token: factor * step.state.pointee.lossWeight,
      logits: step.floats(logits),
      losses: step.floats(losses), weights: step.optionalFloats(shares), entropy: entropy,
      dweights: nil, dx: nil, accumulate: 0, dhead: nil)
  }

  func forward(_ step: Step) {
    if step.isTraining { return }
    var loss = description(step)
    step.state.pointee.lossSums[number] = mg_linear_cross_entropy(step.context, &loss)
  }

  func backward(_ step: Step) {
    var loss = description(step)
    loss.dx = step.gradient(x)
    loss.accumulate = step.accumulates(0)
    loss.dhead = step.gradient(head)
    if let shares {
      precondition(step.accumulates(2) == 0, "shares weigh one loss")
      loss.dweights = step.gradient(shares)
    }
    step.state.pointee.lossSums[number] = mg_linear_cross_entropy(step.context, &loss)
  }
}
