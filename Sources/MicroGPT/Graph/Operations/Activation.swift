// The non-linearities of the MLP.

import CKernels

/// The non-linearity between the two linear maps of the MLP.
public enum Activation: String, Sendable, CaseIterable {
  /// max(x, 0)²: So et al. 2021, arXiv 2109.08668.
  case squaredRelu = "relu2"
  /// The tanh form: Hendrycks and Gimpel 2016, arXiv 1606.08415.
  case gelu
  case relu
  /// silu(gate) · up, gated: Shazeer 2020, arXiv 2002.05202.
  case swiglu

  var kernel: mg_activation {
    switch self {
    case .squaredRelu: return MG_RELU2
    case .gelu: return MG_GELU
    case .relu: return MG_RELU
    case .swiglu: return MG_SWIGLU
    }
  }
}

extension Graph {
  /// `f(x)`, element by element; for `.swiglu` x is (…, 2F), gate columns first, and the result (…,
  /// F), else both are (…, F).
  ///
  /// *Gradient*: dx = dy f'(x), from the saved x.
  mutating func activate(_ x: Tensor, _ kind: Activation) -> Tensor {
    let width = kind == .swiglu ? x.shape.last / 2 : x.shape.last
    let output = activation(Shape(x.shape[0], x.shape[1], width))
    append(Activate(kind: kind, x: x, output: output))
    return output
  }
}

private struct Activate: Operation {
  let kind: Activation
  let x: Tensor
  let output: Tensor

  var name: String { kind.rawValue }
  var inputs: [Tensor] { [x] }
  var outputs: [Tensor] { [output] }
  var saved: [Tensor] { [x] }
  var differentiable: [Tensor] { [x] }
  var inPlace: [(input: Tensor, output: Tensor)] { [(x, output)] }
  var forwardFlops: Double { Double(output.shape.count) * 8 }

  func forward(_ step: Step) {
    mg_activation_forward(
      step.context, kind.kernel, output.shape.rows, output.shape.last, step.floats(x),
      step.floats(output))
  }

  func backward(_ step: Step) {
    precondition(step.accumulates(0) == 0, "activation overwrites the gradient of its input")
    mg_activation_backward(
      step.context, kind.kernel, output.shape.rows, output.shape.last, step.floats(x),
      step.gradient(output), step.gradient(x))
  }
}
