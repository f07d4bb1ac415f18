// Which tokens leave a recursive model after a pass, and what is kept of those that have left.
// For inference; no gradients.

import CKernels

/// What tells whether a token's prediction is settled after a pass.
public enum ExitMeasure: String, Sendable, CaseIterable {
  /// The gates: a token leaves when its probability to have left reaches the threshold.
  ///
  /// At a threshold of 1 none leaves.
  case gate
  /// It leaves when the entropy of its prediction, as a share of that of guessing, is at most the
  /// threshold.
  ///
  /// *Cost*: the head after each pass.
  case entropy
  /// It leaves when its prediction differs from that of the pass before by at most the threshold,
  /// in nats of Kullback-Leibler divergence; so never after the first pass.
  ///
  /// *Cost*: the head after each pass.
  case divergence = "kl"
}

extension Graph {
  /// The entropy of softmax(z) of each row, as a share of log V, the largest possible.
  ///
  /// *Shapes*: logits (rows, V); result (rows).
  mutating func entropyShares(_ logits: Tensor) -> Tensor {
    let output = activation(Shape(logits.shape.rows))
    append(EntropyShares(logits: logits, output: output))
    return output
  }

  /// The Kullback-Leibler divergence of the predictions `before` from `logits`, row by row, nats.
  ///
  /// *Shapes*: both (rows, V); result (rows).
  mutating func divergences(_ logits: Tensor, before: Tensor) -> Tensor {
    let rows = Shape(logits.shape.rows)
    let output = activation(rows)
    let side = (0..<3).map { _ in activation(rows) }
    let targets = activation(rows, .int32)
    append(
      Divergences(logits: logits, before: before, side: side, targets: targets, output: output))
    return output
  }

  /// 1 for the rows that go on into pass `pass`, 0 for the others; how many there are goes into
  /// `StepState.passCounts`.
  ///
  /// A row goes on if it was active `before` (nil: all were, but for rows behind a sequence's new
  /// tokens) and does not leave by its `measure` (rows) and `StepState.exitThreshold`. With
  /// `targets`, rows whose target is negative are not counted. *Shapes*: result (rows).
  mutating func decideExits(
    _ measure: Tensor, _ kind: ExitMeasure, before: Tensor?, pass: Int, targets: Tensor? = nil
  ) -> Tensor {
    let output = activation(measure.shape)
    countPass(pass)
    append(
      ExitDecision(
        measure: measure, kind: kind, before: before, pass: pass, targets: targets, output: output
      ))
    return output
  }

  /// `qkv`, but with the keys and values of `before` in rows that are not `active`.
  mutating func keepKeys(
    _ qkv: Tensor, before: Tensor, heads: HeadLayout, active: Tensor
  ) -> Tensor {
    let output = activation(qkv.shape)
    append(KeepKeys(qkv: qkv, before: before, heads: heads, active: active, output: output))
    return output
  }
}

private struct EntropyShares: Operation {
  let logits: Tensor
  let output: Tensor

  var name: String { "entropy" }
  var inputs: [Tensor] { [logits] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  func scratch(_ kernels: mg_kernels) -> Int { logits.shape.last }
  var forwardFlops: Double { 50 * Double(logits.shape.count) }

  func forward(_ step: Step) {
    let (rows, vocabulary) = (logits.shape.rows, logits.shape.last)
    let entropies = step.floats(output)
    mg_row_entropies(step.context, rows, vocabulary, step.floats(logits), entropies)
    let largest = Float(logarithm(Double(max(vocabulary, 2))))
    for row in 0..<rows { entropies[row] /= largest }
  }

  func backward(_ step: Step) { preconditionFailure("exits have no gradient") }
}

private struct Divergences: Operation {
  let logits: Tensor
  let before: Tensor
  /// Results that nobody wants: two losses and an agreement.
  let side: [Tensor]
  let targets: Tensor
  let output: Tensor

  var name: String { "divergence" }
  var inputs: [Tensor] { [logits, before] }
  var outputs: [Tensor] { [output] }
  var workspace: [Tensor] { side + [targets] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  func scratch(_ kernels: mg_kernels) -> Int { logits.shape.last }
  var forwardFlops: Double { 100 * Double(logits.shape.count) }

  func forward(_ step: Step) {
    let rows = logits.shape.rows
    // Which token's loss is computed on the way does not matter.
    step.integers(targets).update(repeating: 0, count: rows)
    var comparison = mg_comparison(
      rows: rows, vocabulary: logits.shape.last, p: step.floats(logits), q: step.floats(before),
      targets: step.integers(targets), losses_p: step.floats(side[0]),
      losses_q: step.floats(side[1]), divergences: step.floats(output),
      agreements: step.floats(side[2]))
    mg_compare_predictions(step.context, &comparison)
  }

  func backward(_ step: Step) { preconditionFailure("exits have no gradient") }
}

private struct ExitDecision: Operation {
  let measure: Tensor
  let kind: ExitMeasure
  let before: Tensor?
  let pass: Int
  let targets: Tensor?
  let output: Tensor

  var name: String { "exits" }
  var inputs: [Tensor] { [measure] + [before, targets].compactMap { $0 } }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  var forwardFlops: Double { Double(output.shape.count) }

  func forward(_ step: Step) {
    let (measures, active) = (step.floats(measure), step.floats(output))
    let threshold = step.state.pointee.exitThreshold
    let earlier = step.optionalFloats(before)
    var count = 0
    for row in 0..<output.shape.count {
      let isThere = if let earlier { earlier[row] != 0 } else { isToken(row, step) }
      let goesOn = isThere && !leaves(measures[row], threshold)
      active[row] = goesOn ? 1 : 0
      if goesOn && isCounted(row, step) { count += 1 }
    }
    step.state.pointee.passCounts[pass] = count
  }

  /// Whether the row is a new token of its sequence, as all are where there are no caches.
  private func isToken(_ row: Int, _ step: Step) -> Bool {
    guard let counts = step.state.pointee.sequences?.counts else { return true }
    let length = step.state.pointee.sequenceLength
    return row % length < counts[row / length]
  }

  private func isCounted(_ row: Int, _ step: Step) -> Bool {
    guard let targets else { return true }
    return step.integers(targets)[row] >= 0
  }

  /// Of a gate the measure is the probability to stay.
  private func leaves(_ measure: Float, _ threshold: Float) -> Bool {
    kind == .gate ? threshold < 1 && 1 - measure >= threshold : measure <= threshold
  }

  func backward(_ step: Step) { preconditionFailure("exits have no gradient") }
}

private struct KeepKeys: Operation {
  let qkv: Tensor
  let before: Tensor
  let heads: HeadLayout
  let active: Tensor
  let output: Tensor

  var name: String { "keep keys" }
  var inputs: [Tensor] { [qkv, before, active] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [] }
  var inPlace: [(input: Tensor, output: Tensor)] { [(qkv, output)] }
  var forwardFlops: Double { 0 }

  func forward(_ step: Step) {
    let (from, to) = (step.floats(qkv), step.floats(output))
    if from != to { to.update(from: from, count: qkv.shape.count) }
    mg_keep_columns(
      step.context, qkv.shape.rows, qkv.shape.last, heads.headCount * heads.headWidth,
      qkv.shape.last, step.floats(active), step.floats(before), to)
  }

  func backward(_ step: Step) { preconditionFailure("exits have no gradient") }
}
