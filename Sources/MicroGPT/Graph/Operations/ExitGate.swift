// Where tokens leave a recursive model: the gate behind a pass, and what is left for later passes.

import CKernels

/// The probabilities that a gate gives, one per token.
struct ExitShares {
  /// To leave at this gate, after having come to it.
  let chance: Tensor
  /// To leave here and nowhere before.
  let leave: Tensor
  /// To go on.
  let stay: Tensor
}

extension Graph {
  /// The gate `chance = sigmoid(x · w + c)`, `leave = before chance`, `stay = before - leave`.
  ///
  /// *Shapes*: x (B, T, C), w (C), c (1), before (B T) or nil for ones; results (B T). *Gradient*:
  /// dchance = before (dleave - dstay), dbefore = chance dleave + (1 - chance) dstay, and through
  /// the sigmoid to x, w and c. *Source*: Banino et al. 2021, arXiv 2107.05407.
  mutating func exitGate(
    _ x: Tensor, weight: Tensor, bias: Tensor, before: Tensor?
  ) -> ExitShares {
    precondition(weight.shape.count == x.shape.last, "gate \(weight.shape) for \(x.shape)")
    let rows = Shape(x.shape.rows)
    let shares = ExitShares(
      chance: activation(rows), leave: activation(rows), stay: activation(rows))
    append(ExitGate(x: x, weight: weight, bias: bias, before: before, shares: shares))
    return shares
  }
}

private struct ExitGate: Operation {
  let x: Tensor
  let weight: Tensor
  let bias: Tensor
  let before: Tensor?
  let shares: ExitShares

  var name: String { "exit gate" }
  var inputs: [Tensor] { [x, weight, bias] + [before].compactMap { $0 } }
  var outputs: [Tensor] { [shares.stay, shares.leave, shares.chance] }
  var saved: [Tensor] { [x, weight, shares.chance] + [before].compactMap { $0 } }
  var differentiable: [Tensor] { [x, weight, bias] + [before].compactMap { $0 } }
  var forwardFlops: Double { 2 * Double(x.shape.count) }
  func sharedScratch(_ kernels: mg_kernels) -> Int { mg_shared_scratch(x.shape.last + 1, 0) }

  private func description(_ step: Step) -> mg_exit_gate {
    mg_exit_gate(
      rows: x.shape.rows, n: x.shape.last, x: step.floats(x), w: step.floats(weight),
      c: step.floats(bias), before: step.optionalFloats(before),
      chance: step.floats(shares.chance), leave: step.floats(shares.leave),
      stay: step.floats(shares.stay))
  }

  func forward(_ step: Step) {
    var gate = description(step)
    mg_exit_gate_forward(step.context, &gate)
  }

  func backward(_ step: Step) {
    var gate = description(step)
    var gradient = mg_exit_gate_gradient(
      dleave: step.gradient(shares.leave), dstay: step.gradient(shares.stay),
      dx: step.gradient(x), dbefore: step.optionalGradient(before),
      accumulate_x: step.accumulates(0),
      accumulate_before: before == nil ? 0 : step.accumulates(3), dw: step.gradient(weight),
      dc: step.gradient(bias))
    mg_exit_gate_backward(step.context, &gate, &gradient)
  }
}
