// Graphs made by hand, each with the same computation in double precision beside it.
import CKernels
import Testing

@testable import MicroGPT

/// A small graph that ends in a loss.
///
/// Everything it is made from is a parameter.
struct GraphCase: Sendable, CustomTestStringConvertible {
  let name: String
  /// Shapes of the parameters; the head (V, width of the result) is added at the end.
  let shapes: [Shape]
  /// Records the graph: parameters and tokens (B, T) to a result (B, T, C).
  let record: @Sendable (inout Graph, [Tensor], Tensor) -> Tensor
  /// The same for matrices: parameters, tokens and dropout masks to (B·T, C).
  let reference: @Sendable ([Matrix], [Int32], [[Double]]) -> Matrix
  var cap = 0.0
  var vocabulary = 7
  var resultWidth = GraphCase.width

  static let (batch, time, width) = (2, 5, 8)
  var testDescription: String { name }
}

extension Graph {
  /// A linear map from loose parameters.
  mutating func linear(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
    linear(x, LinearParameters(weight: weight, bias: bias))
  }
}

/// A recorded case with memory and random parameters.
struct GraphRun {
  let subject: GraphCase
  let executor: Executor
  let parameters: [Tensor]
  let tensors: [Tensor]
  let tokens: [Int32]
  let targets: [Int32]
  private let offsets: [Int]
  private let weights: Arena
  private let gradients: Arena
  private let compute: Compute
  private let inputs: (Tensor, Tensor)

  init(_ subject: GraphCase, seed: UInt64, threads: Int = 2) throws {
    self.subject = subject
    compute = try Compute(threadCount: threads)
    let shapes = subject.shapes + [Shape(subject.vocabulary, subject.resultWidth)]
    var graph = Graph(isTraining: true)
    var offset = 0
    var offsets: [Int] = []
    var parameters: [Tensor] = []
    for shape in shapes {
      offsets.append(offset)
      parameters.append(graph.parameter(offset: offset, shape: shape))
      offset += Arena.rounded(shape.count * 4) / 4
    }
    let shape = Shape(GraphCase.batch, GraphCase.time)
    inputs = (graph.input(shape), graph.input(shape))
    let result = subject.record(&graph, parameters, inputs.0)
    graph.linearCrossEntropy(
      result, head: parameters[shapes.count - 1], targets: inputs.1, cap: Float(subject.cap))
    self.parameters = parameters
    self.offsets = offsets
    tensors = graph.tensors
    weights = try Arena(byteCount: offset * 4)
    gradients = try Arena(byteCount: offset * 4)
    executor = try Executor(graph, compute: compute, parameters: weights, gradients: gradients)
    var random = RandomGenerator(seed: seed)
    for (tensor, offset) in zip(parameters, offsets) {
      for i in 0..<tensor.shape.count { weights.floats[offset + i] = Float(random.nextNormal()) }
    }
    (tokens, targets) = randomBatch(shape.count, vocabulary: subject.vocabulary, seed: seed)
    executor.state.pointee.dropoutKey = 0xABCD_0123_4567_89EF
  }

  /// Forward and backward; returns the loss.
  func run() -> Double {
    gradients.floats.update(repeating: 0)
    _ = executor.integers(inputs.0).update(fromContentsOf: tokens)
    _ = executor.integers(inputs.1).update(fromContentsOf: targets)
    executor.forward()
    executor.backward()
    return executor.state.pointee.lossSum
  }

  func values(_ index: Int) -> [Double] { block(weights, index) }
  func gradient(_ index: Int) -> [Double] { block(gradients, index) }

  private func block(_ arena: Arena, _ index: Int) -> [Double] {
    let (offset, count) = (offsets[index], parameters[index].shape.count)
    return arena.floats[offset..<(offset + count)].map(Double.init)
  }

  /// The loss of the reference for parameters in order.
  func reference(_ values: [[Double]]) -> Double {
    let matrices = zip(parameters, values).map { tensor, values in
      Matrix(tensor.shape.rows, tensor.shape.last, values)
    }
    var masks: [[Double]] = []
    let dropouts = executor.graph.operations.filter { $0.name == "dropout" }
    for (t, operation) in dropouts.enumerated() {
      let count = operation.outputs[0].shape.count
      let ones = [Float](repeating: 1, count: count)
      var mask = ones
      let key = executor.state.pointee.dropoutKey ^ splitMix64(UInt64(t))
      mg_dropout(compute.context, count, key, 0.4, ones, &mask)
      masks.append(mask.map(Double.init))
    }
    let result = subject.reference(matrices, tokens, masks)
    return Reference.crossEntropy(
      Reference.linear(result, matrices[matrices.count - 1]), targets, cap: subject.cap)
  }

  var check: GradientCheck {
    GradientCheck(
      names: parameters.indices.map { "parameter \($0)" }, values: parameters.indices.map(values),
      gradients: parameters.indices.map(gradient), function: reference)
  }
}
