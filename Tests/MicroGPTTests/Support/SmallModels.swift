// Models of every family and of the configuration space between them, small enough for naive loops,
// with weights at which every formula matters; and one forward and backward pass over them.
import CKernels

@testable import MicroGPT

/// Small configurations by name: the six families, then mixtures that no family has.
enum SmallModels {
  static let families = ModelFamily.allCases.map(\.rawValue)
  static let names =
    families + [
      "llama-gqa-tied", "modern-mqa-untied", "post-rope-qk", "learned-qk", "layernorm-no-gain",
      "gpt2-rope-final-off", "microgpt-dropout", "gpt2-dropout", "picogpt-dropout",
      "modern-dropout",
    ]

  /// Recursive ones, which the naive loops don't know: what they compute is held against PyTorch.
  static let recursive = ["rlm", "rlm-outer", "rlm-input"]

  static let vocabularySize = 13

  static func configuration(_ name: String) -> ModelConfiguration {
    let parts = name.split(separator: "-").map(String.init)
    let family = ModelFamily(rawValue: parts[0]) ?? .modern
    var c = family.configuration(
      vocabularySize: vocabularySize, contextLength: 7, layerCount: 2, headCount: 2,
      modelWidth: 12, hiddenWidth: 20)
    switch name {
    case "llama-gqa-tied":
      (c.headCount, c.keyValueHeadCount, c.modelWidth, c.tiedHead) = (4, 2, 16, true)
    case "modern-mqa-untied":
      (c.headCount, c.keyValueHeadCount, c.modelWidth, c.tiedHead) = (4, 1, 16, false)
      c.embeddingScale = 1
    case "post-rope-qk":
      c.normPlacement = .post
      c.finalNorm = false
      c.activation = .swiglu
      c.logitSoftCap = 2
    case "learned-qk":
      (c.position, c.headCount, c.keyValueHeadCount, c.modelWidth) = (.learned, 4, 4, 12)
    case "layernorm-no-gain":
      c.normalization = .layernorm
      (c.normGain, c.linearBias, c.activation, c.embeddingNorm) = (false, true, .gelu, true)
    case "gpt2-rope-final-off":
      (c.position, c.finalNorm, c.tiedHead, c.activation) = (.rope, false, false, .swiglu)
    case "gpt2-core": (c.layerCount, c.recursion) = (2, Recursion(steps: 4))
    case "rlm", "rlm-core": (c.layerCount, c.recursion) = (3, Recursion(steps: 3))
    case "rlm-outer", "rlm-outer-core", "rlm-input":
      c.layerCount = 4
      c.recursion = Recursion(steps: 4)
      c.recursion?.injection = parts[1] == "outer" ? .outer : .input
    default: break
    }
    c.recursion?.preludeCount = name.hasSuffix("-core") ? 0 : 1
    c.recursion?.codaCount = name.hasSuffix("-core") ? 0 : 1
    if name.hasSuffix("-dropout") { c.dropout = 0.3 }
    return c
  }

  /// A model whose matrices, gains and biases are all random.
  static func model(_ name: String, seed: UInt64 = 1) throws -> GPT {
    let model = try GPT(configuration(name))
    randomize(model, seed: seed)
    return model
  }

  static func randomize(_ model: GPT, seed: UInt64) {
    var random = RandomGenerator(seed: seed)
    for parameter in model.table.parameters {
      let values = model.values(of: parameter)
      let isTable = parameter.name.hasPrefix("embedding.") || parameter.name.hasPrefix("head.")
      let (mean, deviation): (Double, Double) =
        parameter.shape.rank == 1
        ? (parameter.name.hasSuffix(".weight") ? (1, 0.3) : (0, 0.2))
        : (0, isTable ? 0.7 : 1 / Double(parameter.shape.last).squareRoot())
      for i in values.indices { values[i] = Float(mean + deviation * random.nextNormal()) }
    }
  }
}

/// Random tokens, and targets of which about one in five is ignored.
func randomBatch(_ count: Int, vocabulary: Int, seed: UInt64) -> (tokens: [Int32], targets: [Int32])
{
  var random = RandomGenerator(seed: seed)
  let tokens = (0..<count).map { _ in Int32(random.next(below: vocabulary)) }
  let targets = (0..<count).map { i in
    i > 0 && random.next(below: 5) == 0 ? Int32(-1) : Int32(random.next(below: vocabulary))
  }
  return (tokens, targets)
}

/// A training graph of a model with its memory.
struct LossRunner {
  let model: GPT
  let gradients: Arena
  let loss: LossGraph
  let executor: Executor

  init(
    _ model: GPT, batchSize: Int, sequenceLength: Int, compute: Compute, isTraining: Bool = true,
    recomputes: Bool = false, precision: Precision = .float32
  ) throws {
    self.model = model
    gradients = try Arena(byteCount: model.table.elementCount * 4)
    loss = LossGraph(
      model.configuration, model.table, batchSize: batchSize, sequenceLength: sequenceLength,
      isTraining: isTraining, recomputes: recomputes, precision: precision)
    executor = try Executor(
      loss.graph, compute: compute, parameters: model.weights, gradients: gradients)
  }

  func fill(_ tokens: [Int32], _ targets: [Int32]) {
    _ = executor.integers(loss.tokens).update(fromContentsOf: tokens)
    _ = executor.integers(loss.targets).update(fromContentsOf: targets)
  }

  /// The sum of the losses; gradients of `lossWeight` times it replace those in the block.
  func run(_ tokens: [Int32], _ targets: [Int32], lossWeight: Float = 1) -> Double {
    fill(tokens, targets)
    gradients.floats.update(repeating: 0)
    executor.state.pointee.lossWeight = lossWeight
    executor.forward()
    if loss.graph.isTraining { executor.backward() }
    return executor.state.pointee.lossSum
  }

  /// The gradients of one parameter.
  func gradient(_ parameter: Parameter) -> [Double] {
    gradients.floats[parameter.offset..<(parameter.offset + parameter.shape.count)].map(
      Double.init)
  }

  /// Every weight of `block`, padding left out.
  func elements(_ block: Arena) -> [Float] {
    model.table.parameters.flatMap { block.floats[$0.offset..<($0.offset + $0.shape.count)] }
  }

  /// The masks of the graph's dropout operations for the key in its state: dropout of ones.
  func dropoutMasks(_ compute: Compute) -> [[Double]] {
    var masks: [[Double]] = []
    let dropouts = loss.graph.operations.filter { $0.name == "dropout" }
    for (t, operation) in dropouts.enumerated() {
      let count = operation.outputs[0].shape.count
      let ones = [Float](repeating: 1, count: count)
      var mask = ones
      let key = executor.state.pointee.dropoutKey ^ splitMix64(UInt64(t))
      mg_dropout(
        compute.context, count, key, Float(model.configuration.dropout), ones, &mask)
      masks.append(mask.map(Double.init))
    }
    return masks
  }
}
