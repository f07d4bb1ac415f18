// Muon against the direct Newton-Schulz iteration in double precision.
import Foundation
import Testing

@testable import MicroGPT

/// A matrix of doubles, for references only.
private struct DenseMatrix {
  var rows: Int
  var columns: Int
  var values: [Double]

  static func * (a: DenseMatrix, b: DenseMatrix) -> DenseMatrix {
    var c = DenseMatrix(
      rows: a.rows, columns: b.columns,
      values: [Double](repeating: 0, count: a.rows * b.columns))
    for i in 0..<a.rows {
      for k in 0..<a.columns {
        let factor = a.values[i * a.columns + k]
        for j in 0..<b.columns {
          c.values[i * b.columns + j] += factor * b.values[k * b.columns + j]
        }
      }
    }
    return c
  }

  var transposed: DenseMatrix {
    var t = DenseMatrix(rows: columns, columns: rows, values: values)
    for i in 0..<rows { for j in 0..<columns { t.values[j * rows + i] = values[i * columns + j] } }
    return t
  }

  static func sum(_ terms: (Double, DenseMatrix)...) -> DenseMatrix {
    var result = terms[0].1
    for i in result.values.indices {
      result.values[i] = terms.reduce(0) { $0 + $1.0 * $1.1.values[i] }
    }
    return result
  }

  /// X <- a X + (b A + c A A) X, A = X X^T, five times from X / |X|; times sqrt(max(1, out/in)).
  var orthogonalized: DenseMatrix {
    let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot() + 1e-7
    var x = DenseMatrix(rows: rows, columns: columns, values: values.map { $0 / norm })
    for _ in 0..<5 {
      let gram = x * x.transposed
      let factor = DenseMatrix.sum((-4.7750, gram), (2.0315, gram * gram))
      x = DenseMatrix.sum((3.4445, x), (1, factor * x))
    }
    let stretch = max(1, Double(rows) / Double(columns)).squareRoot()
    return DenseMatrix(rows: rows, columns: columns, values: x.values.map { $0 * stretch })
  }
}

/// The weights after some steps of Muon on the hidden matrices of a model, in double.
private struct MuonReference {
  var weights: [Double]
  private var momentum: [Double]

  init(_ weights: [Double]) {
    self.weights = weights
    momentum = weights.map { _ in 0 }
  }

  mutating func step(
    _ parameter: Parameter, _ stack: [Int], _ gradients: (Int) -> Double, rate: Double,
    decay: Double, beta: Double
  ) {
    var first = parameter.offset
    let columns = parameter.shape[1]
    for rows in stack {
      let range = first..<(first + rows * columns)
      for i in range { momentum[i] = beta * momentum[i] + gradients(i) }
      let u = DenseMatrix(
        rows: rows, columns: columns,
        values: range.map { gradients($0) + beta * momentum[$0] }
      ).orthogonalized
      for (i, value) in zip(range, u.values) {
        weights[i] -= rate * (decay * weights[i] + value)
      }
      first += rows * columns
    }
  }
}

@Suite struct MuonTests {
  /// The rows of matrices that stand above each other in one parameter: written down once more, so
  /// that a wrong table is noticed.
  private static func stack(_ name: String, _ c: ModelConfiguration) -> [Int]? {
    guard name.hasPrefix("blocks."), name.hasSuffix(".weight"), !name.contains("norm") else {
      return nil
    }
    let (queries, keys) = (c.headCount * c.headWidth, c.keyValueHeadCount * c.headWidth)
    if name.contains("qkv") { return [queries, keys, keys] }
    if name.contains("gate_up") { return [c.hiddenWidth, c.hiddenWidth] }
    return [name.contains("mlp.up") ? c.hiddenWidth : c.modelWidth]
  }

  @Test(arguments: ["gpt2", "modern", "llama-gqa-tied", "modern-mqa-untied"])
  func fiveSteps(_ name: String) throws {
    let model = try SmallModels.model(name)
    let compute = try Compute(threadCount: 2)
    var settings = recipe(AdamWConfiguration(), rate: 0.02)
    settings.muon.adamWRate = 0.003
    let optimizer = try Muon(settings, table: model.table, compute: compute)
    let rest = try SmallModels.model(name)
    let adamW = try AdamW(settings, parameters: rest.table.parameters)
    let gradients = try Arena(byteCount: model.weights.byteCount)
    let copy = try Arena(byteCount: model.weights.byteCount)
    var reference = MuonReference(model.weights.floats.map(Double.init))
    var random = RandomGenerator(seed: 4)
    for step in 1...5 {
      for parameter in model.table.parameters {
        for i in parameter.offset..<(parameter.offset + parameter.shape.count) {
          gradients.floats[i] = Float(random.nextNormal())
          copy.floats[i] = gradients.floats[i]
        }
      }
      let (rate, scale) = (0.02 / Double(step), step % 2 == 0 ? 0.5 : 1)
      var update = OptimizerStep(
        learningRate: rate, step: step, gradientScale: scale, gradientLimit: 2)
      optimizer.update(update, weights: model.weights, gradients: gradients, compute: compute)
      update.learningRate = rate * 0.15
      adamW.update(update, weights: rest.weights, gradients: copy, compute: compute)
      for parameter in model.table.parameters {
        guard let rows = Self.stack(parameter.name, model.configuration) else { continue }
        reference.step(
          parameter, rows, { max(-2, min(2, Double(copy.floats[$0]) * scale)) }, rate: rate,
          decay: 0.1, beta: settings.muon.momentum)
      }
    }
    for parameter in model.table.parameters {
      let isHidden = Self.stack(parameter.name, model.configuration) != nil
      for i in parameter.offset..<(parameter.offset + parameter.shape.count) {
        let found = Double(model.weights.floats[i])
        // What is not a hidden matrix is AdamW's, bit by bit.
        let expected = isHidden ? reference.weights[i] : Double(rest.weights.floats[i])
        #expect(abs(found - expected) <= (isHidden ? 2e-5 : 0), "\(parameter.name) \(i)")
      }
    }
  }

  /// Singular values become about 1, whatever they were: the update's norm is that of the rank.
  @Test func hiddenMatricesMoveByTheirRank() throws {
    let run = try SmallRun(
      "modern", rate: 0.02, optimizer: OptimizerChoice(kind: .muon, format: .float32))
    let before = run.trainer.model.weights.floats.map(Double.init)
    _ = try run.trainer.runStep()
    // Half of the highest rate after the first of two steps of warm-up.
    let parameter = try #require(run.trainer.model.table["blocks.0.mlp.down.weight"])
    let range = parameter.offset..<(parameter.offset + parameter.shape.count)
    let squares = range.reduce(0.0) {
      let moved = Double(run.trainer.model.weights.floats[$1]) - before[$1]
      return $0 + moved * moved
    }
    let rank = Double(min(parameter.shape[0], parameter.shape[1]))
    let relative = squares.squareRoot() / (0.01 * rank.squareRoot())
    #expect(relative > 0.6 && relative < 1.25)
  }
}
