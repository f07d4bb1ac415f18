// `mgpt train`: sets a run up, tells what it will be, runs it, and leaves checkpoints, metrics and
// a loss curve in its folder.

import MicroGPT

/// Trains as asked; returns the code to exit with.
func runTrain(_ asked: TrainOptions) throws -> Int32 {
  let threads = asked.threads ?? SystemInfo.processorCount
  let compute = try Compute(threadCount: threads)
  let setup = try TrainSetup(asked)
  let estimate = MemoryEstimate(
    setup.model.configuration, batchSize: setup.configuration.batchSize,
    gradientAccumulation: setup.configuration.gradientAccumulation,
    samples: setup.options.sampleTokens > 0, compute: compute)
  if asked.plan {
    Terminal.output.write(planReport(setup, estimate, compute))
    return 0
  }
  var options = setup.options
  let peak = compute.measurePeakFlops()
  options.peakFlops = peak
  // `--json` owns standard output; words for people then go to standard error.
  let words = asked.json ? Terminal.error : Terminal.output
  if !asked.quiet { words.write(introduction(setup, estimate, peak: peak, compute)) }

  let trainer = try Trainer(
    model: setup.model, configuration: setup.configuration, training: setup.corpus.training,
    compute: compute)
  var progress = RunProgress()
  if let file = setup.resumed {
    progress = try TrainingCheckpoint.restore(trainer, from: file, recipe: setup.configuration)
  }
  let run = try TrainingRun(
    trainer: trainer, validation: setup.corpus.validation, tokenizer: setup.tokenizer,
    layout: setup.corpus.layout, options: options, progress: progress, compute: compute)
  try makeFolder(setup.folder)
  Signals.install()
  let console = try TrainingConsole(
    folder: setup.folder, resumingAfter: setup.resumed == nil ? nil : trainer.step,
    logEvery: setup.logEvery, json: asked.json, quiet: asked.quiet, terminal: words)
  let end: TrainingRun.End
  do {
    end = try run.run(console)
  } catch {
    console.finish()
    throw error
  }
  console.finish()
  try console.writeChart(
    title: stem(of: setup.options.source.path), subtitle: description(setup.model))
  if !asked.quiet { words.write(conclusion(end, setup, run, trainer.step)) }
  if end == .stopped, let signal = Signals.received { return 128 + signal }
  return 0
}

// MARK: - Words

private func description(_ model: GPT) -> String {
  let c = model.configuration
  return "\(c.family.rawValue), \(c.layerCount) layers, width \(c.modelWidth), "
    + "\(c.headCount) heads, context \(c.contextLength), \(Format.count(model.parameterCount)) "
    + "parameters"
}

/// What is known before step 0.
private func introduction(
  _ setup: TrainSetup, _ estimate: MemoryEstimate, peak: Double, _ compute: Compute
) -> String {
  let c = setup.model.configuration
  let run = setup.configuration
  let training = setup.corpus.training
  let tokens = run.batchSize * c.contextLength * run.gradientAccumulation
  // Half of the peak is what a step reaches at these sizes; the live line soon knows better.
  let seconds = c.trainingFlopsPerToken * Double(tokens * run.steps) / (0.5 * peak)
  var lines = [
    "model   \(description(setup.model))",
    "data    \(setup.options.source.path): \(Format.count(training.tokenCount)) training, "
      + "\(Format.count(setup.corpus.validation.tokenCount)) validation tokens "
      + "(\(setup.corpus.layout.rawValue)), \(setup.tokenizer.kind.rawValue) vocabulary of "
      + "\(c.vocabularySize)",
    "run     \(run.steps) steps of \(tokens) tokens, AdamW \(run.schedule.maximum), "
      + "\(run.schedule.kind.rawValue), seed \(run.seed)",
    "machine \(compute.threadCount) threads, \(compute.backEnd), peak "
      + "\(Format.fixed(peak / 1e9, decimals: 0)) GFLOP/s; about \(Format.duration(seconds))",
    "memory  \(Format.bytes(estimate.byteCount)) needed"
      + (SystemInfo.availableMemoryByteCount.map { ", \(Format.bytes($0)) available" } ?? ""),
  ]
  lines += setup.notes.map { "note    \($0)" }
  if let path = setup.resumed?.path { lines.append("resume  \(path)") }
  lines.append("folder  \(setup.folder)")
  return lines.joined(separator: "\n") + "\n"
}

private func conclusion(
  _ end: TrainingRun.End, _ setup: TrainSetup, _ run: TrainingRun, _ step: Int
) -> String {
  if end == .stopped {
    return "stopped after step \(step); saved. Go on with: mgpt train --resume "
      + "\(quotedIfNeeded(setup.options.lastPath))\n"
  }
  let best = run.progress.bestLoss.map { loss in
    "best validation loss \(Format.fixed(loss, decimals: 4)) nats/token at step "
      + "\(run.progress.bestStep ?? 0). "
  }
  return (best ?? "") + "Generate with: mgpt generate --model "
    + "\(quotedIfNeeded(setup.options.bestPath))\n"
}

/// What `--plan` prints.
private func planReport(
  _ setup: TrainSetup, _ estimate: MemoryEstimate, _ compute: Compute
) -> String {
  var lines = [description(setup.model)]
  let width = estimate.parts.map(\.name.count).max() ?? 0
  for part in estimate.parts {
    lines.append(
      "  " + Format.aligned(part.name, to: width + 2)
        + Format.padded(Format.bytes(part.byteCount), to: 10) + "  \(part.byteCount) bytes")
  }
  lines.append("  total: \(Format.bytes(estimate.byteCount)), \(estimate.byteCount) bytes")
  if let available = SystemInfo.availableMemoryByteCount {
    lines.append("  available: \(Format.bytes(available))")
  }
  return lines.joined(separator: "\n") + "\n"
}
