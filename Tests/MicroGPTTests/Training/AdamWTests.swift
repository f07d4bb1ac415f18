// AdamW against the formulas in double precision.
import Foundation
import Testing

@testable import MicroGPT

/// A recipe that has nothing but these hyper-parameters.
func recipe(_ adamW: AdamWConfiguration, rate: Double = 1) -> TrainingConfiguration {
  TrainingConfiguration(
    steps: 10, batchSize: 1, adamW: adamW,
    schedule: LearningRateSchedule(
      kind: .constant, maximum: rate, minimum: 0, warmupSteps: 0, totalSteps: 10, patience: 1))
}

@Suite struct AdamWTests {
  /// Ten steps with changing gradients, rate and clipping: weights and moments of every parameter.
  @Test(arguments: [0.0, 0.1]) func tenSteps(_ decay: Double) throws {
    let model = try SmallModels.model("gpt2")
    let table = model.table
    var configuration = AdamWConfiguration()
    (configuration.beta1, configuration.beta2, configuration.weightDecay) = (0.8, 0.95, decay)
    let optimizer = try AdamW(recipe(configuration), parameters: table.parameters)
    let gradients = try Arena(byteCount: model.weights.byteCount)
    let compute = try Compute(threadCount: 2)
    var p = model.weights.floats.map(Double.init)
    var m = p.map { _ in 0.0 }
    var v = m
    var random = RandomGenerator(seed: 4)
    for step in 1...10 {
      for parameter in table.parameters {
        for i in parameter.offset..<(parameter.offset + parameter.shape.count) {
          gradients.floats[i] = Float(random.nextNormal())
        }
      }
      let (rate, scale) = (0.01 / Double(step), step % 2 == 0 ? 0.5 : 1)
      optimizer.update(
        OptimizerStep(
          learningRate: rate, step: step, gradientScale: scale, gradientLimit: .infinity),
        weights: model.weights, gradients: gradients, compute: compute)
      for parameter in table.parameters {
        let own = parameter.shape.rank > 1 ? decay : 0
        for i in parameter.offset..<(parameter.offset + parameter.shape.count) {
          let g = Double(gradients.floats[i]) * scale
          m[i] = 0.8 * m[i] + 0.2 * g
          v[i] = 0.95 * v[i] + 0.05 * g * g
          let (mean, square) = (
            m[i] / (1 - pow(0.8, Double(step))), v[i] / (1 - pow(0.95, Double(step)))
          )
          p[i] -= rate * (mean / (square.squareRoot() + 1e-8) + own * p[i])
        }
      }
    }
    for (found, expected) in [
      (model.weights, p), (optimizer.moment1.values, m), (optimizer.moment2.values, v),
    ] {
      let error = largestDifference(found.floats, expected.map { Float($0) })
      #expect(error < 3e-6)
    }
  }

  /// Matrices decay, also without a gradient; gains and biases don't.
  @Test func decaysMatricesOnly() throws {
    let model = try SmallModels.model("gpt2")
    let before = Array(model.weights.floats)
    let optimizer = try AdamW(
      recipe(AdamWConfiguration()), parameters: model.table.parameters)
    let gradients = try Arena(byteCount: model.weights.byteCount)
    let compute = try Compute(threadCount: 2)
    optimizer.update(
      OptimizerStep(learningRate: 0.5, step: 1, gradientScale: 1, gradientLimit: .infinity),
      weights: model.weights, gradients: gradients, compute: compute)
    for parameter in model.table.parameters {
      let factor: Float = parameter.shape.rank > 1 ? 1 - 0.5 * 0.1 : 1
      for i in parameter.offset..<(parameter.offset + parameter.shape.count) {
        #expect(abs(model.weights.floats[i] - factor * before[i]) <= 1e-6, "\(parameter.name)")
      }
    }
  }
}
