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
  /// Whether of all rows only the last one's prediction is wanted: the last block then computes
  /// keys and values of all rows, and the rest of it for the last one.
  var predictsLastRowOnly = false
  /// The rotation of each row, where `isCached`.
  private var angles: Tensor?
  /// The pass after which the coda is passed through to see what would be predicted.
  var measuredPass: Int?
  /// Keys and values of each layer in the pass before, where tokens that have left keep them.
  private var keptKeys: [Int: Tensor] = [:]
  /// What `projectKeys` multiplies by, of each layer, where it is packed.
  var packedKeys: [Int: PackedMatrix] = [:]

  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable, isTraining: Bool,
    precision: Precision = .float32
  ) {
    self.configuration = configuration
    self.table = table
    graph = Graph(isTraining: isTraining, precision: precision)
    graph.quantizesActivations = table.isQuantized
  }

  /// The residual stream after the last block, normalised: tokens (B, T) → (B, T, C).
  mutating func body(_ tokens: Tensor) -> Tensor {
    finish(layers(0..<configuration.layerCount, of: embed(tokens)))
  }

  /// What enters the first block.
  mutating func embed(_ tokens: Tensor) -> Tensor {
    let c = configuration
    var x = graph.embedding(
      tokens, table: parameter("embedding.token.weight"),
      positions: optionalParameter("embedding.position.weight"), scale: Float(c.embeddingScale))
    x = graph.dropout(x, rate: Float(c.dropout))
    if c.embeddingNorm { x = norm(x, nil) }
    if isCached { stand(tokens.shape) }
    return x
  }

  /// Notes that rows (B, T) go on where the caches end, see `StepState.sequences`.
  mutating func stand(_ rows: Shape) {
    let c = configuration
    guard c.position == .rope else { return }
    angles = graph.rotaryAngles(
      batchSize: rows[0], sequenceLength: rows[1], heads: c.heads, contextLength: c.contextLength)
  }

  /// Some blocks, each passed through once.
  mutating func layers(_ layers: Range<Int>, of input: Tensor) -> Tensor {
    var x = input
    for layer in layers {
      // Backward begins with the last block: dropping its values would save nothing.
      let isLast = layer + 1 == configuration.layerCount
      x = segment(if: !isLast) { $0.block(x, layer) }
    }
    return x
  }

  /// What the head reads.
  mutating func finish(_ x: Tensor) -> Tensor { configuration.finalNorm ? norm(x, "norm") : x }

  /// The head's weight (V, C).
  mutating func head() -> Tensor {
    parameter(configuration.tiedHead ? "embedding.token.weight" : "head.weight")
  }

  /// Records what backward computes again, if it does that at all and here.
  mutating func segment<Result>(
    if isWanted: Bool = true, _ record: (inout ModelRecorder) -> Result
  ) -> Result {
    guard recomputesBlocks && isWanted else { return record(&self) }
    graph.beginSegment()
    defer { graph.endSegment() }
    return record(&self)
  }

  /// One block; in a recursive model's core, during `pass`.
  mutating func block(_ input: Tensor, _ layer: Int, _ pass: Pass? = nil) -> Tensor {
    let name = "blocks.\(layer)"
    let narrows = narrowsRows(layer, pass)
    let entering =
      configuration.normPlacement == .pre ? blockNorm(input, layer, "attention", pass) : input
    let mixed = attention(entering, layer, pass, lastOnly: narrows)
    var x = narrows ? graph.lastRow(input) : input
    switch configuration.normPlacement {
    case .pre:
      let pass = narrows ? lastRow(of: pass) : pass
      x = add(x, mixed, layer, "attention", pass)
      x = add(x, mlp(blockNorm(x, layer, "mlp", pass), layer), layer, "mlp", pass)
    case .post:
      x = norm(graph.add(x, mixed), "\(name).attention.norm")
      x = norm(graph.add(x, mlp(x, layer)), "\(name).mlp.norm")
    case .postBlock:
      x = graph.add(x, mixed)
      x = norm(graph.add(x, mlp(x, layer)), "\(name).mlp.norm")
    }
    return x
  }

  /// Whether what leaves this block is the last row alone.
  func narrowsRows(_ layer: Int, _ pass: Pass?) -> Bool {
    predictsLastRowOnly && measuredPass == nil && layer + 1 == configuration.layerCount
      && pass?.isLast != false
  }

  /// The same pass for the last row alone.
  mutating func lastRow(of pass: Pass?) -> Pass? {
    var narrow = pass
    if let active = pass?.active { narrow?.active = graph.lastRow(active) }
    return narrow
  }

  /// The norm in front of one half of a block, times the gain of the pass.
  private mutating func blockNorm(
    _ x: Tensor, _ layer: Int, _ half: String, _ pass: Pass?
  ) -> Tensor {
    let name = "blocks.\(layer).\(half).norm"
    guard let pass else { return norm(x, name, compact: true) }
    return norm(
      x, gain: gain(layer, half, pass.number), bias: optionalParameter("\(name).bias"),
      compact: true)
  }

  /// The gain of that norm in a pass, counted from 0.
  private mutating func gain(_ layer: Int, _ half: String, _ number: Int) -> Tensor {
    let ofPass = parameter("\(Recursion.gainName(pass: number, layer: layer, half)).gain")
    let own = optionalParameter("blocks.\(layer).\(half).norm.weight")
    return own.map { graph.product($0, ofPass) } ?? ofPass
  }

  /// The residual sum behind one half of a block, the new part times the scale of the pass.
  private mutating func add(
    _ x: Tensor, _ delta: Tensor, _ layer: Int, _ half: String, _ pass: Pass?
  ) -> Tensor {
    guard let pass else { return graph.add(x, delta) }
    let scale = parameter(
      "\(Recursion.gainName(pass: pass.number, layer: layer, half)).scale")
    return graph.blend(x, delta, b: scale, active: pass.active)
  }

  private mutating func attention(
    _ x: Tensor, _ layer: Int, _ pass: Pass?, lastOnly: Bool
  ) -> Tensor {
    let c = configuration
    var qkv = queriesKeysValues(x, layer)
    if let pass, pass.sharesKeys {
      if let before = keptKeys[layer], let active = pass.active {
        qkv = graph.keepKeys(qkv, before: before, heads: c.heads, active: active)
      }
      keptKeys[layer] = qkv
    }
    let slot =
      measuredPass.map { c.measuringSlot(layer: layer, pass: $0) }
      ?? c.cacheSlot(layer: layer, pass: pass?.number ?? 0)
    let mixed =
      isCached
      ? graph.cachedAttention(
        qkv, heads: c.heads, slot: slot, capacity: c.contextLength, lastOnly: lastOnly)
      : graph.attention(qkv, heads: c.heads)
    return graph.dropout(
      graph.linear(mixed, linearParameters("blocks.\(layer).attention.output")),
      rate: Float(c.dropout))
  }

  private mutating func queriesKeysValues(_ x: Tensor, _ layer: Int) -> Tensor {
    let map = linearParameters("blocks.\(layer).attention.qkv")
    return turned(graph.linear(x, map, compact: true), configuration.heads)
  }

  /// Queries and keys where their positions turn them.
  private mutating func turned(_ qkv: Tensor, _ heads: HeadLayout) -> Tensor {
    let c = configuration
    guard c.position == .rope || c.queryKeyNorm else { return qkv }
    return graph.rotary(
      qkv, heads: heads, contextLength: c.contextLength, rotates: c.position == .rope,
      normalizes: c.queryKeyNorm, angles: angles)
  }

  /// Fills the places of a layer in the caches of passes that nobody entered, from the state `x`
  /// that all tokens left with.
  mutating func projectKeys(_ x: Tensor, _ layer: Int, _ passes: Range<Int>) {
    let c = configuration
    let gains = passes.map { gain(layer, "attention", $0) }
    let entering = graph.norms(
      x, kind: normKind, gains: gains,
      bias: optionalParameter("blocks.\(layer).attention.norm.bias"))
    let whole = linearParameters("blocks.\(layer).attention.qkv")
    let map = whole.from(c.heads.headCount * c.heads.headWidth)
    let heads = map == nil ? c.heads : c.heads.withoutQueries
    graph.storeKeys(
      turned(graph.linear(entering, map ?? whole, packed: packedKeys[layer]), heads), heads: heads,
      slot: c.cacheSlot(layer: layer, pass: passes.lowerBound), passes: passes.count,
      stride: c.coreLayers.count)
  }

  /// The same with the keys and values of the pass in which they left.
  mutating func shareKeys(_ layer: Int, _ passes: Range<Int>) {
    guard let kept = keptKeys[layer] else { preconditionFailure("no pass of layer \(layer) yet") }
    for number in passes {
      graph.storeKeys(
        kept, heads: configuration.heads,
        slot: configuration.cacheSlot(layer: layer, pass: number))
    }
  }

  private mutating func mlp(_ x: Tensor, _ layer: Int) -> Tensor {
    let c = configuration
    let down = linearParameters("blocks.\(layer).mlp.down")
    let y: Tensor
    if c.activation == .swiglu {
      let inner = graph.linear(x, linearParameters("blocks.\(layer).mlp.gate_up"))
      let hidden = graph.activate(inner, c.activation)
      // Weights of 8 bits are finer than such a row of 8 bits; those of 4 are not.
      let format = down.weight.quantizedFormat
      let isFine = format == .int8 || format == .int8Block
      y =
        isFine && down.bias == nil
        ? graph.quantizedLinearTwice(hidden, down) : graph.linear(hidden, down)
    } else {
      y = graph.feedForward(
        x, up: linearParameters("blocks.\(layer).mlp.up"), down: down, c.activation)
    }
    return graph.dropout(y, rate: Float(c.dropout))
  }

  /// `compact`: only linear maps read the result.
  mutating func norm(_ x: Tensor, _ name: String?, compact: Bool = false) -> Tensor {
    norm(
      x, gain: name.flatMap { optionalParameter("\($0).weight") },
      bias: name.flatMap { optionalParameter("\($0).bias") }, compact: compact)
  }

  private var normKind: NormKind { configuration.normalization == .rmsnorm ? .rms : .layer }

  private mutating func norm(
    _ x: Tensor, gain: Tensor?, bias: Tensor?, compact: Bool
  ) -> Tensor {
    graph.norm(x, kind: normKind, gain: gain, bias: bias, compact: compact)
  }

  private mutating func linearParameters(_ name: String) -> LinearParameters {
    LinearParameters(
      weight: parameter("\(name).weight"), bias: optionalParameter("\(name).bias"))
  }

  mutating func parameter(_ name: String) -> Tensor {
    guard let tensor = optionalParameter(name) else {
      preconditionFailure("no parameter \(name) in this configuration")
    }
    return tensor
  }

  private mutating func optionalParameter(_ name: String) -> Tensor? {
    guard let parameter = table[name] else { return nil }
    switch parameter.place {
    case .block(let offset): return graph.parameter(offset: offset, shape: parameter.shape)
    case .matrix(let slot, let type):
      return graph.matrix(slot: slot, shape: parameter.shape, type)
    }
  }
}
