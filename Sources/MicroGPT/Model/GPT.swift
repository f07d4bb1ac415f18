// A model: configuration, parameter table, the block of weights; and the graphs it is run with.

/// A model with its weights.
///
/// Graphs made from it share the weights.
public final class GPT {
  /// The hyper-parameters it was made from.
  public let configuration: ModelConfiguration
  /// Names, shapes and places of its parameters.
  public let table: ParameterTable
  /// The weights, laid out as `table` says.
  let weights: Arena

  /// A model with zeroed weights.
  ///
  /// *Throws* if the configuration is impossible or memory lacks.
  public init(_ configuration: ModelConfiguration) throws {
    try configuration.validate()
    self.configuration = configuration
    table = ParameterTable(configuration)
    weights = try Arena(byteCount: table.elementCount * 4)
  }

  /// A model with random starting weights: a function of configuration and seed.
  public convenience init(_ configuration: ModelConfiguration, seed: UInt64) throws {
    try self.init(configuration)
    var generator = RandomGenerator(seed: seed, stream: RandomStream.weights)
    table.initialize(weights, generator: &generator)
  }

  /// The weights of one parameter, row-major.
  public func values(of parameter: Parameter) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      rebasing: weights.floats[parameter.offset..<(parameter.offset + parameter.shape.count)])
  }

  /// The number of weights.
  public var parameterCount: Int { table.parameterCount }
}

/// Which stream of the run's seed serves what, so that no two uses share random numbers.
enum RandomStream {
  static let weights: UInt64 = 0
  static let batches: UInt64 = 1
  static let dropout: UInt64 = 2
  static let sampling: UInt64 = 3
  static let rounding: UInt64 = 4
  static let momentumRounding: UInt64 = 5
}

// MARK: - Graphs

/// A graph that computes the loss of (B, T) tokens, and where its inputs are.
struct LossGraph {
  let graph: Graph
  let tokens: Tensor
  let targets: Tensor

  /// Records the loss of `batchSize` sequences of `sequenceLength` tokens.
  ///
  /// With `recomputes`, backward of a training graph computes blocks again instead of keeping them.
  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable, batchSize: Int,
    sequenceLength: Int, isTraining: Bool, recomputes: Bool = false,
    precision: Precision = .float32
  ) {
    precondition(sequenceLength <= configuration.contextLength, "sequence longer than context")
    var recorder = ModelRecorder(
      configuration, table, isTraining: isTraining, precision: isTraining ? precision : .float32)
    recorder.recomputesBlocks = recomputes && isTraining
    tokens = recorder.graph.input(Shape(batchSize, sequenceLength))
    targets = recorder.graph.input(Shape(batchSize, sequenceLength))
    let x = recorder.body(tokens)
    recorder.graph.linearCrossEntropy(
      x, head: recorder.head(), targets: targets, cap: Float(configuration.logitSoftCap))
    graph = recorder.graph
  }
}

/// A graph that computes logits of T tokens, with or without a cache.
struct LogitsGraph {
  let graph: Graph
  let tokens: Tensor
  let logits: Tensor

  /// Records `sequenceLength` tokens of `batchSize` sequences.
  ///
  /// With `cached`, sequences that go on where their caches end (`StepState.sequences`), and logits
  /// of the last position only: several tokens of one sequence, or one of each.
  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable, batchSize: Int,
    sequenceLength: Int, cached: Bool
  ) {
    precondition(sequenceLength <= configuration.contextLength, "sequence longer than context")
    var recorder = ModelRecorder(configuration, table, isTraining: false)
    tokens = recorder.graph.input(Shape(batchSize, sequenceLength))
    recorder.isCached = cached
    let x = recorder.body(tokens)
    logits = recorder.graph.logits(
      x, head: recorder.head(), cap: Float(configuration.logitSoftCap), lastOnly: cached)
    graph = recorder.graph
  }
}
