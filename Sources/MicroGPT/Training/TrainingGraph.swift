// The graph of a training step.

extension LossGraph {
  /// What a step of `recipe` runs in a stage of the run.
  init(
    _ configuration: ModelConfiguration, _ table: ParameterTable,
    _ recipe: TrainingConfiguration, _ stage: TrainingStage
  ) {
    var depth = Depth()
    depth.passes = stage.passes
    self.init(
      configuration, table, batchSize: recipe.batchSize,
      sequenceLength: configuration.contextLength, isTraining: true,
      recomputes: recipe.recomputes, precision: recipe.precision, depth: depth,
      loss: stage.loss)
  }
}
