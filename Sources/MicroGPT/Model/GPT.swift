// A model: configuration, parameter table, the block of weights. The graphs it is run with are in
// ModelGraphs.swift.

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
  /// The matrices that are not in `weights`; nil where all are.
  let matrices: MatrixStore?

  /// A model with zeroed weights, all in one block: what can be trained.
  ///
  /// *Throws* if the configuration is impossible or memory lacks.
  public init(_ configuration: ModelConfiguration) throws {
    try configuration.validate()
    self.configuration = configuration
    table = ParameterTable(configuration)
    weights = try Arena(byteCount: table.elementCount * 4)
    matrices = nil
  }

  /// A model some of whose matrices lie elsewhere, in the order of the slots of `table`; the others
  /// are zeroed.
  ///
  /// *Requires*: the configuration is valid.
  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable, matrices: MatrixStore
  ) throws(MemoryError) {
    precondition(table.slotCount == matrices.matrices.count, "a matrix for each slot")
    self.configuration = configuration
    self.table = table
    self.matrices = matrices
    weights = try Arena(byteCount: table.elementCount * 4)
  }

  /// A model with random starting weights: a function of configuration and seed.
  public convenience init(_ configuration: ModelConfiguration, seed: UInt64) throws {
    try self.init(configuration)
    var generator = RandomGenerator(seed: seed, stream: RandomStream.weights)
    table.initialize(weights, generator: &generator)
  }

  /// The weights of one parameter, row-major.
  ///
  /// *Requires*: the parameter is in the block of weights, as all are in a model that is trained.
  public func values(of parameter: Parameter) -> UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(
      rebasing: weights.floats[parameter.offset..<(parameter.offset + parameter.shape.count)])
  }

  /// The weights of one parameter, wherever they are, row-major.
  ///
  /// *Requires*: they are not quantised.
  func floats(of parameter: Parameter) -> UnsafeBufferPointer<Float> {
    guard case .matrix(let slot, let type) = parameter.place, let matrices else {
      return UnsafeBufferPointer(values(of: parameter))
    }
    precondition(type == .float32, "\(parameter.name) is quantised")
    let values = matrices.matrices[slot].values.assumingMemoryBound(to: Float.self)
    return UnsafeBufferPointer(start: values, count: parameter.shape.count)
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
