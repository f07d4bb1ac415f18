// The table of a model's parameters: names, shapes, places in one block, how they start and whether
// they decay. The names are stable identifiers; files are written with them (ModelExport.swift has
// the exceptions).

/// One named parameter.
public struct Parameter: Sendable, Equatable {
  /// How it is initialised.
  enum Start: Sendable, Equatable {
    case zero, one
    case constant(Double)
    case normal(deviation: Double)
  }

  /// Dotted path, for example `blocks.3.attention.qkv.weight`.
  public let name: String
  /// Its extents; matrices are (out, in).
  public let shape: Shape
  /// Where its numbers are.
  let place: Place
  let start: Start
  /// Matrices decay, gains and biases don't.
  let decays: Bool
  /// Rows of the matrices that are stacked in it, for a hidden matrix: query, key and value, or
  /// gate and up.
  ///
  /// Empty for embeddings, the head and everything one-dimensional.
  let stackedRows: [Int]
  /// Whether what it is multiplied with is of one sign, or nearly so: what a ReLU or GELU gives.
  let hasOneSidedInput: Bool

  /// Where the numbers of a parameter are.
  enum Place: Sendable, Equatable {
    /// In the parameter block, from this element on.
    case block(offset: Int)
    /// Among the model's matrices outside of it.
    case matrix(slot: Int, ElementType)
  }

  /// Its first element's place in the parameter block, in elements.
  ///
  /// *Requires*: it is there, as in every model that is trained.
  public var offset: Int {
    guard case .block(let offset) = place else {
      preconditionFailure("\(name) is not in the parameter block")
    }
    return offset
  }

  /// Elements up to the next parameter.
  var paddedCount: Int { Parameter.padded(shape.count) }

  /// Parameters begin at multiples of 64 elements, so that a block of 8-bit moments, which shares a
  /// scale, belongs to one of them.
  static func padded(_ count: Int) -> Int { (count + 63) / 64 * 64 }
}

/// All parameters of a model, in the order of the block.
public struct ParameterTable: Sendable {
  /// Matrices first, then everything one-dimensional, so that what decays lies together.
  public private(set) var parameters: [Parameter] = []
  private var indices: [String: Int] = [:]
  /// Elements of the block, padding between parameters included.
  public private(set) var elementCount = 0
  /// Matrices outside the block.
  private(set) var slotCount = 0

  /// The number of weights of the model.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.shape.count } }

  /// The parameter of that name.
  public subscript(name: String) -> Parameter? { indices[name].map { parameters[$0] } }

  /// Whether linear maps have quantised weights.
  public var isQuantized: Bool {
    parameters.contains {
      if case .matrix(_, .quantized) = $0.place { !$0.stackedRows.isEmpty } else { false }
    }
  }

  /// The table of a model all of whose parameters are in one block, but for the matrices named in
  /// `outside`, which get slots in the order of the table.
  init(_ c: ModelConfiguration, outside: [String: ElementType] = [:]) {
    let entries = ParameterTable.entries(c)
    for entry in entries where entry.shape.rank > 1 { place(entry, outside[entry.name]) }
    for entry in entries where entry.shape.rank == 1 { place(entry, nil) }
  }

  private struct Entry {
    let name: String
    let shape: Shape
    let start: Parameter.Start
    var stack: [Int] = []
    var hasOneSidedInput = false
  }

  private mutating func place(_ entry: Entry, _ outside: ElementType?) {
    indices[entry.name] = parameters.count
    var place = Parameter.Place.block(offset: elementCount)
    if let outside {
      place = .matrix(slot: slotCount, outside)
      slotCount += 1
    } else {
      elementCount += Parameter.padded(entry.shape.count)
    }
    parameters.append(
      Parameter(
        name: entry.name, shape: entry.shape, place: place, start: entry.start,
        decays: entry.shape.rank > 1, stackedRows: entry.stack,
        hasOneSidedInput: entry.hasOneSidedInput))
  }

  private static func entries(_ c: ModelConfiguration) -> [Entry] {
    let width = c.modelWidth
    var entries: [Entry] = []
    func deviation(_ inputs: Int) -> Parameter.Start {
      .normal(deviation: c.initialization == .gpt2 ? 0.02 : 1 / Double(inputs).squareRoot())
    }
    let residual: Parameter.Start =
      c.initialization == .gpt2
      ? .normal(deviation: 0.02 / Double(2 * c.layerCount).squareRoot()) : .zero
    func add(_ name: String, _ shape: Shape, _ start: Parameter.Start) {
      entries.append(Entry(name: name, shape: shape, start: start))
    }
    func linear(
      _ name: String, _ stack: [Int], _ inputs: Int, _ start: Parameter.Start,
      hasOneSidedInput: Bool = false
    ) {
      let outputs = stack.reduce(0, +)
      entries.append(
        Entry(
          name: "\(name).weight", shape: Shape(outputs, inputs), start: start, stack: stack,
          hasOneSidedInput: hasOneSidedInput))
      if c.linearBias { add("\(name).bias", Shape(outputs), .zero) }
    }
    func norm(_ name: String) {
      if c.normGain { add("\(name).weight", Shape(width), .one) }
      if c.normBias { add("\(name).bias", Shape(width), .zero) }
    }
    func table(_ name: String, _ rows: Int) {
      add(name, Shape(rows, width), .normal(deviation: 0.02))
    }
    table("embedding.token.weight", c.vocabularySize)
    if c.position == .learned { table("embedding.position.weight", c.contextLength) }
    for i in 0..<c.layerCount {
      let block = "blocks.\(i)"
      let attended = c.headCount * c.headWidth
      if c.normPlacement.normalizesAttention { norm("\(block).attention.norm") }
      let shared = c.keyValueHeadCount * c.headWidth
      linear("\(block).attention.qkv", [attended, shared, shared], width, deviation(width))
      linear("\(block).attention.output", [width], attended, residual)
      norm("\(block).mlp.norm")
      if c.activation == .swiglu {
        let parts = [c.hiddenWidth, c.hiddenWidth]
        linear("\(block).mlp.gate_up", parts, width, deviation(width))
      } else {
        linear("\(block).mlp.up", [c.hiddenWidth], width, deviation(width))
      }
      linear(
        "\(block).mlp.down", [width], c.hiddenWidth, residual,
        hasOneSidedInput: c.activation != .swiglu)
    }
    if let recursion = c.recursion {
      for parameter in recursion.parameters(core: c.coreLayers) {
        add(parameter.name, Shape(parameter.isScalar ? 1 : width), parameter.start)
      }
    }
    if c.finalNorm { norm("norm") }
    if !c.tiedHead { table("head.weight", c.vocabularySize) }
    return entries
  }

  /// Fills `block` with starting values: a function of the table and the generator only.
  func initialize(_ block: Arena, generator: inout RandomGenerator) {
    let floats = block.floats
    precondition(slotCount == 0, "only a model in one block can be initialised")
    for parameter in parameters {
      let range = parameter.offset..<(parameter.offset + parameter.shape.count)
      switch parameter.start {
      case .zero: for i in range { floats[i] = 0 }
      case .one: for i in range { floats[i] = 1 }
      case .constant(let value): for i in range { floats[i] = Float(value) }
      case .normal(let deviation):
        for i in range { floats[i] = Float(deviation * generator.nextNormal()) }
      }
    }
  }
}
