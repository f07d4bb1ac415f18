// The blocks of a model and what stands around them, written once: training, evaluation, prefill
// and decoding record their graphs from this code.

/// Records a model's operations on a graph.
struct ModelRecorder {
  let configuration: ModelConfiguration
  let table: ParameterTable
  var graph: Graph
  /// Whether backward computes the values of a block again instead of keeping them.
  var recomputesBlocks = false
  /// Whether the sequences go on in caches of `contextLength` tokens.
  var isCached = false
  /// The rotation of each row, where `isCached`.
  private var angles: Tensor?

  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable, isTraining: Bool,
    precision: Precision = .float32
  ) {
    self.configuration = configuration
    self.table = table
    graph = Graph(isTraining: isTraining, precision: precision)
  }

  /// The residual stream after the last block, normalised: tokens (B, T) → (B, T, C).
  mutating func body(_ tokens: Tensor) -> Tensor {
    let c = configuration
    var x = graph.embedding(
      tokens, table: parameter("embedding.token.weight"),
      positions: optionalParameter("embedding.position.weight"), scale: Float(c.embeddingScale))
    x = graph.dropout(x, rate: Float(c.dropout))
    if c.embeddingNorm { x = norm(x, nil) }
    if isCached && c.position == .rope {
      angles = graph.rotaryAngles(
        batchSize: tokens.shape[0], sequenceLength: tokens.shape[1], heads: c.heads,
        contextLength: c.contextLength)
    }
    for layer in 0..<c.layerCount {
      // Backward begins with the last block: dropping its values would save nothing.
      x = recomputesBlocks && layer + 1 < c.layerCount ? segment(x, layer) : block(x, layer)
    }
    return c.finalNorm ? norm(x, "norm") : x
  }

  /// The head's weight (V, C).
  mutating func head() -> Tensor {
    parameter(configuration.tiedHead ? "embedding.token.weight" : "head.weight")
  }

  private mutating func segment(_ x: Tensor, _ layer: Int) -> Tensor {
    graph.beginSegment()
    defer { graph.endSegment() }
    return block(x, layer)
  }

  private mutating func block(_ input: Tensor, _ layer: Int) -> Tensor {
    let name = "blocks.\(layer)"
    var x = input
    switch configuration.normPlacement {
    case .pre:
      x = graph.add(x, attention(norm(x, "\(name).attention.norm", compact: true), layer))
      x = graph.add(x, mlp(norm(x, "\(name).mlp.norm", compact: true), layer))
    case .post:
      x = norm(graph.add(x, attention(x, layer)), "\(name).attention.norm")
      x = norm(graph.add(x, mlp(x, layer)), "\(name).mlp.norm")
    }
    return x
  }

  private mutating func attention(_ x: Tensor, _ layer: Int) -> Tensor {
    let c = configuration
    var qkv = graph.linear(x, linearParameters("blocks.\(layer).attention.qkv"), compact: true)
    if c.position == .rope || c.queryKeyNorm {
      qkv = graph.rotary(
        qkv, heads: c.heads, contextLength: c.contextLength, rotates: c.position == .rope,
        normalizes: c.queryKeyNorm, angles: angles)
    }
    let mixed =
      isCached
      ? graph.cachedAttention(qkv, heads: c.heads, layer: layer, capacity: c.contextLength)
      : graph.attention(qkv, heads: c.heads)
    return graph.dropout(
      graph.linear(mixed, linearParameters("blocks.\(layer).attention.output")),
      rate: Float(c.dropout))
  }

  private mutating func mlp(_ x: Tensor, _ layer: Int) -> Tensor {
    let c = configuration
    let down = linearParameters("blocks.\(layer).mlp.down")
    let y: Tensor
    if c.activation == .swiglu {
      let inner = graph.linear(x, linearParameters("blocks.\(layer).mlp.gate_up"))
      y = graph.linear(graph.activate(inner, c.activation), down)
    } else {
      y = graph.feedForward(
        x, up: linearParameters("blocks.\(layer).mlp.up"), down: down, c.activation)
    }
    return graph.dropout(y, rate: Float(c.dropout))
  }

  /// `compact`: only linear maps read the result.
  private mutating func norm(_ x: Tensor, _ name: String?, compact: Bool = false) -> Tensor {
    graph.norm(
      x, kind: configuration.normalization == .rmsnorm ? .rms : .layer,
      gain: name.flatMap { optionalParameter("\($0).weight") },
      bias: name.flatMap { optionalParameter("\($0).bias") }, compact: compact)
  }

  private mutating func linearParameters(_ name: String) -> LinearParameters {
    LinearParameters(
      weight: parameter("\(name).weight"), bias: optionalParameter("\(name).bias"))
  }

  private mutating func parameter(_ name: String) -> Tensor {
    guard let tensor = optionalParameter(name) else {
      preconditionFailure("no parameter \(name) in this configuration")
    }
    return tensor
  }

  private mutating func optionalParameter(_ name: String) -> Tensor? {
    table[name].map { graph.parameter(offset: $0.offset, shape: $0.shape) }
  }
}
