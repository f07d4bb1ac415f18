// The graph of a training step.

extension LossGraph {
  /// What a step of `recipe` runs, with so many passes through the core of a recursive model.
  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable,
    _ recipe: TrainingConfiguration, passes: Int
  ) {
    var depth = Depth()
    depth.passes = passes
    self.init(
      configuration, table, batchSize: recipe.batchSize,
      sequenceLength: configuration.contextLength, isTraining: true,
      recomputes: recipe.recomputes, precision: recipe.precision, depth: depth,
      loss: recipe.recursionLoss)
  }
}
