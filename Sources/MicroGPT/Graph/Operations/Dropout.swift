// Dropout whose mask is never stored.

import CKernels

extension Graph {
  /// `x` with each element zero at probability `rate`, else divided by 1 - rate; `x` itself in
  /// inference graphs and at rate 0.
  ///
  /// The mask is a hash of the step's key, the number of the dropout and the element's place, so
  /// backward computes it again, and it is the same for any thread count. *Gradient*: the same mask
  /// on dy. *Source*: Srivastava et al. 2014, JMLR 15.
  mutating func dropout(_ x: Tensor, rate: Float) -> Tensor {
    precondition((0...1).contains(rate), "dropout rate \(rate)")
    guard isTraining, rate > 0 else { return x }
    let output = activation(x.shape)
    let number = operations.count { $0 is Dropout }
    append(Dropout(x: x, rate: rate, salt: splitMix64(UInt64(number)), output: output))
    return output
  }
}

private struct Dropout: Operation {
  let x: Tensor
  let rate: Float
  /// Makes the masks of the operations of one step independent.
  let salt: UInt64
  let output: Tensor

  var name: String { "dropout" }
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [] }
  var differentiable: [Tensor] { [x] }
  var inPlace: [(input: Tensor, output: Tensor)] { [(x, output)] }
  var forwardFlops: Double { Double(x.shape.count) }
  var backwardFlops: Double { forwardFlops }

  private func run(_ step: Step, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>) {
    let key = step.state.pointee.dropoutKey ^ salt
    mg_dropout(step.context, x.shape.count, key, rate, from, to)
  }

  func forward(_ step: Step) { run(step, step.floats(x), step.floats(output)) }

  func backward(_ step: Step) {
    precondition(step.accumulates(0) == 0, "dropout overwrites the gradient of its input")
    run(step, step.gradient(output), step.gradient(x))
  }
}
