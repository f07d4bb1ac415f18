// The operations of the model in double precision, by naive loops: what the engine's float32
// results and gradients are compared with. Slow on purpose; only forward, because gradients are
// taken by central differences (GradientCheck.swift).
import Foundation

@testable import MicroGPT

/// A row-major matrix of doubles.
struct Matrix {
  let rows: Int
  let columns: Int
  var values: [Double]

  init(_ rows: Int, _ columns: Int, _ values: [Double]) {
    precondition(values.count == rows * columns, "\(values.count) values for \(rows) x \(columns)")
    (self.rows, self.columns, self.values) = (rows, columns, values)
  }

  subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  /// Row `r` as an array.
  func row(_ r: Int) -> [Double] { Array(values[(r * columns)..<((r + 1) * columns)]) }

  /// The matrix whose row r is `f(row r)`.
  func mapRows(_ f: ([Double]) -> [Double]) -> Matrix {
    let results = (0..<rows).map { f(row($0)) }
    return Matrix(rows, results.first?.count ?? columns, results.flatMap { $0 })
  }

  static func + (a: Matrix, b: Matrix) -> Matrix {
    Matrix(a.rows, a.columns, zip(a.values, b.values).map { $0 + $1 })
  }
}

/// The operations, named as in `Graph`.
enum Reference {
  static let epsilon = Double(Float(1e-5))

  /// x W^T + bias.
  static func linear(_ x: Matrix, _ weight: Matrix, bias: [Double]? = nil) -> Matrix {
    var y = [Double](repeating: 0, count: x.rows * weight.rows)
    x.values.withUnsafeBufferPointer { inputs in
      weight.values.withUnsafeBufferPointer { weights in
        for i in 0..<x.rows {
          for o in 0..<weight.rows {
            var sum = bias?[o] ?? 0
            for k in 0..<x.columns { sum += inputs[i * x.columns + k] * weights[o * x.columns + k] }
            y[i * weight.rows + o] = sum
          }
        }
      }
    }
    return Matrix(x.rows, weight.rows, y)
  }

  static func norm(_ x: Matrix, _ kind: NormKind, gain: [Double]?, bias: [Double]?) -> Matrix {
    x.mapRows { row in
      let n = Double(row.count)
      let mean = kind == .layer ? row.reduce(0, +) / n : 0
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
      let factor = 1 / (variance + epsilon).squareRoot()
      return row.indices.map {
        (row[$0] - mean) * factor * (gain?[$0] ?? 1) + (bias?[$0] ?? 0)
      }
    }
  }

  static func activate(_ x: Matrix, _ kind: Activation) -> Matrix {
    x.mapRows { row in
      switch kind {
      case .relu: return row.map { max($0, 0) }
      case .squaredRelu: return row.map { max($0, 0) * max($0, 0) }
      case .gelu:
        return row.map {
          0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0)))
        }
      case .swiglu:
        let width = row.count / 2
        return (0..<width).map { row[$0] / (1 + exp(-row[$0])) * row[width + $0] }
      }
    }
  }

  /// Rows are B·T positions, `time` per sequence.
  static func rotary(
    _ qkv: Matrix, _ heads: HeadLayout, time: Int, rotates: Bool, normalizes: Bool,
    base: Double = 10_000
  ) -> Matrix {
    var result = qkv
    let width = heads.headWidth
    for row in 0..<qkv.rows {
      for head in 0..<(heads.headCount + heads.keyValueHeadCount) {
        var x = (0..<width).map { qkv[row, head * width + $0] }
        if normalizes {
          let square = x.reduce(0) { $0 + $1 * $1 } / Double(width)
          x = x.map { $0 / (square + epsilon).squareRoot() }
        }
        for i in 0..<width { result[row, head * width + i] = x[i] }
        guard rotates else { continue }
        let half = width / 2
        for i in 0..<half {
          let angle = Double(row % time) * pow(base, -2 * Double(i) / Double(width))
          let (a, b) = (x[i], x[i + half])
          result[row, head * width + i] = a * cos(angle) - b * sin(angle)
          result[row, head * width + i + half] = b * cos(angle) + a * sin(angle)
        }
      }
    }
    return result
  }

  /// Each row sees itself and the `window` - 1 rows before it.
  static func attention(
    _ qkv: Matrix, _ heads: HeadLayout, time: Int, window: Int = .max
  ) -> Matrix {
    let (width, group) = (heads.headWidth, heads.headCount / heads.keyValueHeadCount)
    let zeros = [Double](repeating: 0, count: qkv.rows * heads.headCount * width)
    var result = Matrix(qkv.rows, heads.headCount * width, zeros)
    for row in 0..<qkv.rows {
      let first = max(row / time * time, row - min(window, row + 1) + 1)
      for head in 0..<heads.headCount {
        let key = (heads.headCount + head / group) * width
        let value = key + heads.keyValueHeadCount * width
        let scores = (first...row).map { other in
          (0..<width).reduce(0.0) { $0 + qkv[row, head * width + $1] * qkv[other, key + $1] }
            / Double(width).squareRoot()
        }
        for (offset, weight) in softmax(scores).enumerated() {
          for i in 0..<width {
            result[row, head * width + i] += weight * qkv[first + offset, value + i]
          }
        }
      }
    }
    return result
  }

  static func softmax(_ scores: [Double]) -> [Double] {
    let top = scores.max() ?? 0
    let powers = scores.map { exp($0 - top) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  static func embedding(
    _ tokens: [Int32], table: Matrix, positions: Matrix?, scale: Double, time: Int
  ) -> Matrix {
    var values: [Double] = []
    for (i, token) in tokens.enumerated() {
      for j in 0..<table.columns {
        values.append(scale * table[Int(token), j] + (positions?[i % time, j] ?? 0))
      }
    }
    return Matrix(tokens.count, table.columns, values)
  }

  static func softCap(_ z: Double, _ cap: Double) -> Double { cap > 0 ? cap * tanh(z / cap) : z }

  /// Sum of the losses of targets ≥ 0.
  static func crossEntropy(_ logits: Matrix, _ targets: [Int32], cap: Double) -> Double {
    var sum = 0.0
    for (r, target) in targets.enumerated() where target >= 0 {
      let z = logits.row(r).map { softCap($0, cap) }
      let top = z.max() ?? 0
      sum += top + log(z.reduce(0) { $0 + exp($1 - top) }) - z[Int(target)]
    }
    return sum
  }
}

extension Reference {
  static func logarithm(_ x: Double) -> Double { log(x) }
}
