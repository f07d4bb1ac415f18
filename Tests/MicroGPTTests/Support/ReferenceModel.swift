// The forward pass of every configuration in double precision, written from docs and not from the
// engine: no graph, no fusion, no cache. With ReferenceOperations.swift the truth of the gradient
// tests.
@testable import MicroGPT

/// A model with weights in double precision.
struct ReferenceModel {
  let configuration: ModelConfiguration
  /// Row-major values by parameter name.
  var parameters: [String: [Double]]
  /// Masks of dropout, factors included, in the order of application; empty for none.
  var masks: [[Double]] = []

  /// A copy of the weights of `model`.
  init(_ model: GPT) {
    configuration = model.configuration
    parameters = Dictionary(
      uniqueKeysWithValues: model.table.parameters.map { parameter in
        (parameter.name, model.values(of: parameter).map(Double.init))
      })
  }

  /// Logits (B·T, V) before the cap, for sequences of `time` tokens one after the other, of which
  /// each sees `window`.
  func logits(_ tokens: [Int32], time: Int, window: Int = .max) -> Matrix {
    let c = configuration
    var masks = self.masks[...]
    func dropout(_ x: Matrix) -> Matrix {
      guard let mask = masks.popFirst() else { return x }
      return Matrix(x.rows, x.columns, zip(x.values, mask).map { $0 * $1 })
    }
    func attention(_ x: Matrix, _ block: String) -> Matrix {
      var qkv = linear(x, block + ".attention.qkv")
      qkv = Reference.rotary(
        qkv, c.heads, time: time, rotates: c.position == .rope, normalizes: c.queryKeyNorm)
      let mixed = Reference.attention(qkv, c.heads, time: time, window: window)
      return dropout(linear(mixed, block + ".attention.output"))
    }
    func mlp(_ x: Matrix, _ block: String) -> Matrix {
      let up = linear(x, block + (c.activation == .swiglu ? ".mlp.gate_up" : ".mlp.up"))
      return dropout(linear(Reference.activate(up, c.activation), block + ".mlp.down"))
    }

    var x = dropout(
      Reference.embedding(
        tokens, table: matrix("embedding.token.weight"),
        positions: parameters["embedding.position.weight"] == nil
          ? nil : matrix("embedding.position.weight"),
        scale: c.embeddingScale, time: time))
    if c.embeddingNorm { x = norm(x, "none") }
    for i in 0..<c.layerCount {
      let block = "blocks.\(i)"
      switch c.normPlacement {
      case .pre:
        x = x + attention(norm(x, block + ".attention.norm"), block)
        x = x + mlp(norm(x, block + ".mlp.norm"), block)
      case .post:
        x = norm(x + attention(x, block), block + ".attention.norm")
        x = norm(x + mlp(x, block), block + ".mlp.norm")
      case .postBlock:
        x = x + attention(x, block)
        x = norm(x + mlp(x, block), block + ".mlp.norm")
      }
    }
    if c.finalNorm { x = norm(x, "norm") }
    return Reference.linear(x, matrix(c.tiedHead ? "embedding.token.weight" : "head.weight"))
  }

  /// Sum of the losses of targets ≥ 0.
  func loss(_ tokens: [Int32], _ targets: [Int32], time: Int) -> Double {
    Reference.crossEntropy(
      logits(tokens, time: time), targets, cap: configuration.logitSoftCap)
  }

  private func matrix(_ name: String) -> Matrix {
    let values = parameters[name] ?? []
    let c = configuration
    let attended = c.headCount * c.headWidth
    let columns =
      name.hasSuffix("attention.output.weight")
      ? attended : name.hasSuffix("mlp.down.weight") ? c.hiddenWidth : c.modelWidth
    return Matrix(values.count / columns, columns, values)
  }

  private func linear(_ x: Matrix, _ name: String) -> Matrix {
    Reference.linear(x, matrix(name + ".weight"), bias: parameters[name + ".bias"])
  }

  private func norm(_ x: Matrix, _ name: String) -> Matrix {
    Reference.norm(
      x, configuration.normalization == .rmsnorm ? .rms : .layer,
      gain: parameters[name + ".weight"], bias: parameters[name + ".bias"])
  }
}
