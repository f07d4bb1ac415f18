// How long a step will take, measured before the first one. Not a benchmark: one short measurement
// for the "about 5 minutes" in front of a run.

extension Trainer {
  /// Seconds of the steps that are left: the fastest of some forward and backward passes over the
  /// next batches, and the update, which is computed from them, as are the graphs of later stages.
  ///
  /// Leaves the run as it was: weights, optimizer and data position. *Cost*: 0.1 s or one pass, and
  /// 0.05 s for the peak.
  public func measureSecondsLeft() -> Double {
    let position = sampler
    let tokenCount = drawBatches()
    var fastest = Double.infinity
    let start = SystemInfo.seconds
    repeat {
      let before = SystemInfo.seconds
      _ = computeGradients(tokenCount: tokenCount)
      fastest = min(fastest, SystemInfo.seconds - before)
    } while SystemInfo.seconds - start < 0.1
    sampler = position
    return secondsLeft(passSeconds: fastest, peak: compute.measurePeakFlops())
  }

  /// The same where the passes of the present stage take `passSeconds`: those of other stages have
  /// as many operations per second.
  func secondsLeft(passSeconds: Double, peak: Double) -> Double {
    let update = updateSeconds(passSeconds: passSeconds, peak: peak)
    let stages = configuration.stages(from: step, of: model.configuration.passCount)
    return stages.reduce(0.0) { sum, part in
      let share = part.stage == stage ? 1 : passFlops(part.stage) / passFlops
      return sum + Double(part.stepCount) * (passSeconds * share + update)
    }
  }

  /// Seconds of an update, beside passes of `passSeconds`.
  ///
  /// Doing one would change the run, or need its weights and moments twice. Instead: products of
  /// Muon run at the rate of the model's, but not above `peak`, for they are float32's; moments and
  /// weights are moved at the rate at which the weights are read.
  func updateSeconds(passSeconds: Double, peak: Double) -> Double {
    let before = SystemInfo.seconds
    _ = squaredWeights
    let reading = SystemInfo.seconds - before
    let traffic = reading * optimizerBytes / Double(model.weights.byteCount)
    return optimizer.flops / min(passFlops / passSeconds, peak) + traffic
  }

  /// Floating-point operations of the forward and backward passes of a step, what is computed again
  /// included.
  private var passFlops: Double { flops(executor.graph, executor.plan.schedule) }

  /// The same of a step in another stage of the run.
  private func passFlops(_ stage: TrainingStage) -> Double {
    let graph = LossGraph(model.configuration, model.table, configuration, stage).graph
    return flops(graph, Schedule(graph))
  }

  private func flops(_ graph: Graph, _ schedule: Schedule) -> Double {
    let once = schedule.moments.reduce(0.0) { sum, moment in
      let operation = graph.operations[moment.operation]
      return sum
        + (moment.direction == .backward ? operation.backwardFlops : operation.forwardFlops)
    }
    return once * Double(configuration.gradientAccumulation)
  }
}
