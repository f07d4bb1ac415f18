// Comparison of gradients with central differences of a double-precision function. Says what is
// wrong as text, so that the checkers can be tested with planted faults.
@testable import MicroGPT

/// Named blocks of numbers and their claimed gradients.
struct GradientCheck {
  var names: [String]
  var values: [[Double]]
  var gradients: [[Double]]
  /// The function, of values in the order of `names`.
  var function: ([[Double]]) -> Double

  /// Derivatives along `count` random directions over all blocks at once: the difference may be
  /// `tolerance` of the gradient's norm, which is the size of a typical derivative.
  func directions(_ count: Int, seed: UInt64, tolerance: Double = 1e-4) -> [String] {
    var random = RandomGenerator(seed: seed)
    let norm = gradients.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
    var faults: [String] = []
    for number in 0..<count {
      let direction = values.map { $0.map { _ in random.nextNormal() } }
      let claimed = zip(gradients.joined(), direction.joined()).reduce(0) { $0 + $1.0 * $1.1 }
      let h = 1e-6
      func at(_ h: Double) -> Double {
        function(zip(values, direction).map { zip($0, $1).map { $0 + h * $1 } })
      }
      let found = (at(h) - at(-h)) / (2 * h)
      if !(abs(found - claimed) <= tolerance * norm) {
        faults.append("direction \(number) of seed \(seed): \(claimed), expected \(found)")
      }
    }
    return faults
  }

  /// Single entries: all of blocks up to `sample` numbers, else `sample` random ones.
  ///
  /// The difference may be `tolerance` of the block's largest gradient.
  func entries(sample: Int, seed: UInt64, tolerance: Double = 1e-4) -> [String] {
    var random = RandomGenerator(seed: seed)
    var faults: [String] = []
    for (block, name) in names.enumerated() {
      let count = values[block].count
      let chosen =
        count <= sample ? Array(0..<count) : (0..<sample).map { _ in random.next(below: count) }
      var moved = values
      // The largest gradient of the block, from claim and differences: a gradient that is wrongly
      // zero must not set its own measure.
      var largest = gradients[block].reduce(0) { max($0, abs($1)) }
      var pairs: [(Int, Double)] = []
      for i in chosen {
        let h = 1e-5 * max(1, abs(values[block][i]))
        moved[block][i] = values[block][i] + h
        let above = function(moved)
        moved[block][i] = values[block][i] - h
        let below = function(moved)
        moved[block][i] = values[block][i]
        pairs.append((i, (above - below) / (2 * h)))
        largest = max(largest, abs(pairs[pairs.count - 1].1))
      }
      // Differences of sums of some tens carry rounding of about 1e-15 / 1e-5.
      let limit = tolerance * largest + 1e-9
      for (i, found) in pairs where !(abs(found - gradients[block][i]) <= limit) {
        faults.append(
          "\(name)[\(i)]: \(gradients[block][i]), expected \(found); largest \(largest)")
      }
    }
    return faults
  }
}
