// What the graph records: an operation knows its tensors, its formula, its gradient, what it saves
// and what it costs. It owns no memory and is called with everything it needs.

import CKernels

/// One operation of a graph.
///
/// One file each in `Operations/`.
protocol Operation: Sendable {
  /// What plans and profiles call it.
  var name: String { get }
  /// Tensors whose values forward reads.
  var inputs: [Tensor] { get }
  /// Tensors that forward writes, results first, then what is saved on the side.
  var outputs: [Tensor] { get }
  /// Work space for one moment: forward of an inference graph, backward of a training graph.
  var workspace: [Tensor] { get }
  /// Tensors whose values backward reads.
  var saved: [Tensor] { get }
  /// Parameters whose gradient backward can write as well as add to, see `Step.accumulates(_:)`.
  var overwrites: [Tensor] { get }
  /// Inputs that receive a gradient, in the order of `Step.accumulates(_:)`.
  var differentiable: [Tensor] { get }
  /// Pairs of which the output may lie where the input lay, if nothing reads the input later.
  var inPlace: [(input: Tensor, output: Tensor)] { get }
  /// Inputs whose gradient is the final gradient of `output`: they may share its memory.
  var passThrough: (output: Tensor, inputs: [Tensor])? { get }
  /// Floats of scratch per worker.
  func scratch(_ kernels: mg_kernels) -> Int
  /// Floats of scratch shared by all workers.
  func sharedScratch(_ kernels: mg_kernels) -> Int
  /// What the bulk of its operations is computed in; decides which peak it is held against.
  var precision: Precision { get }
  /// Floating-point operations of forward.
  var forwardFlops: Double { get }
  /// Floating-point operations of forward where the first output is not wanted, because backward
  /// reads only the others; nil for operations that don't look at `Step.skipsResult`.
  var flopsWithoutResult: Double? { get }
  /// Floating-point operations of backward.
  var backwardFlops: Double { get }
  /// Bytes that forward must move: what it reads, once, and what it writes, once.
  var forwardBytes: Double { get }
  /// The same of backward.
  var backwardBytes: Double { get }

  /// Computes the outputs.
  func forward(_ step: Step)
  /// Adds to the gradients of `differentiable` (or writes them, see `Step.accumulates(_:)`).
  func backward(_ step: Step)
}

extension Operation {
  var workspace: [Tensor] { [] }
  var overwrites: [Tensor] { [] }
  var inPlace: [(input: Tensor, output: Tensor)] { [] }
  var passThrough: (output: Tensor, inputs: [Tensor])? { nil }
  func scratch(_ kernels: mg_kernels) -> Int { 0 }
  func sharedScratch(_ kernels: mg_kernels) -> Int { 0 }
  var precision: Precision { .float32 }
  var flopsWithoutResult: Double? { nil }
  /// One product for the gradient of each factor.
  var backwardFlops: Double { 2 * forwardFlops }
  var forwardBytes: Double { byteCount(inputs) + byteCount(outputs) }
  /// Reads what was saved and the gradient of the result, writes the gradients of the inputs and
  /// parameters once; where one is added to, it is read as well, which is not counted.
  var backwardBytes: Double {
    byteCount(saved) + gradientByteCount(outputs.prefix(1)) + gradientByteCount(differentiable)
  }
}

/// The bytes of all `tensors`.
func byteCount(_ tensors: some Sequence<Tensor>) -> Double {
  tensors.reduce(0) { $0 + Double($1.byteCount) }
}

/// The bytes of the gradients of all `tensors`.
func gradientByteCount(_ tensors: some Sequence<Tensor>) -> Double {
  tensors.reduce(0) { $0 + Double($1.gradientByteCount) }
}

/// What changes from run to run without changing the graph.
struct StepState {
  /// Where the sequences stand and their caches; nil for runs without caches, at position 0.
  var sequences: CachedSequences?
  /// What the loss of one token counts: 1 / tokens of the optimizer step.
  var lossWeight: Float = 1
  /// Tokens of a sequence in a run with caches.
  var sequenceLength = 1
  /// The threshold of `Graph.decideExits`.
  var exitThreshold: Float = 1
  /// Out: rows that go on into a pass, by pass.
  let passCounts: UnsafeMutableBufferPointer<Int>
  /// The key of this step's dropout masks.
  var dropoutKey: UInt64 = 0
  /// Out: sums of the losses of all tokens of the last run, nats, in the order in which the graph
  /// has them: one, or one for each pass of a recursive model.
  let lossSums: UnsafeMutableBufferPointer<Double>

  /// The last of `lossSums`: of what the model predicts in the end.
  var lossSum: Double { lossSums.isEmpty ? 0 : lossSums[lossSums.count - 1] }
}

/// Where the tensors of a running graph lie.
///
/// Valid during one call of `forward` or `backward`.
struct Step {
  let context: UnsafePointer<mg_context>
  /// Address of each tensor's value, by tensor id.
  var values: UnsafePointer<UnsafeMutableRawPointer?>
  /// Address of each tensor's gradient, by tensor id; nil where none is wanted.
  let gradients: UnsafePointer<UnsafeMutablePointer<Float>?>
  let state: UnsafeMutablePointer<StepState>
  /// Whether gradients will be asked for.
  let isTraining: Bool
  /// Bit i: the gradient of `differentiable[i]` already holds something.
  var accumulateBits: UInt32
  /// Whether forward runs again for what is saved alone: the first output keeps what it has.
  var skipsResult = false

  func address(_ tensor: Tensor) -> UnsafeMutableRawPointer {
    guard let address = values[tensor.id] else { preconditionFailure("\(tensor) has no place") }
    return address
  }

  func floats(_ tensor: Tensor) -> UnsafeMutablePointer<Float> {
    address(tensor).assumingMemoryBound(to: Float.self)
  }

  func optionalFloats(_ tensor: Tensor?) -> UnsafeMutablePointer<Float>? {
    if let tensor { floats(tensor) } else { nil }
  }

  func integers(_ tensor: Tensor) -> UnsafeMutablePointer<Int32> {
    address(tensor).assumingMemoryBound(to: Int32.self)
  }

  func gradient(_ tensor: Tensor) -> UnsafeMutablePointer<Float> {
    guard let address = gradients[tensor.id] else {
      preconditionFailure("\(tensor) has no gradient")
    }
    return address
  }

  func optionalGradient(_ tensor: Tensor?) -> UnsafeMutablePointer<Float>? {
    if let tensor { gradients[tensor.id] } else { nil }
  }

  /// 1 if the gradient of `differentiable[index]` must be added to, 0 if it must be written.
  func accumulates(_ index: Int) -> Int32 { Int32((accumulateBits >> UInt32(index)) & 1) }

  /// Zeroes the gradient of `tensor`, which is `differentiable[index]`, if it holds nothing yet:
  /// for functions that only add.
  func clearGradient(of tensor: Tensor, index: Int) {
    if accumulates(index) == 0 { mg_zero(context, tensor.shape.count, gradient(tensor)) }
  }

  /// Whether later operations have put something into the gradient of the operation's pass-through
  /// output; if not, that gradient is unset memory.
  var passThroughHoldsGradient: Bool { accumulateBits & Step.passThroughBit != 0 }
  static let passThroughBit: UInt32 = 1 << 31
}
