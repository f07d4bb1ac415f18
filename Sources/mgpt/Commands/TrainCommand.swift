// `mgpt train`: sets a run up, tells what it will be, runs it, and leaves checkpoints, metrics and
// a loss curve in its folder. The words are in TrainWords.swift.

import MicroGPT

/// Trains as asked; returns the code to exit with.
func runTrain(_ asked: TrainOptions) throws -> Int32 {
  let compute = try Compute(threadCount: asked.threads ?? SystemInfo.processorCount)
  let setup = try TrainSetup(asked, compute: compute)
  let words = TrainWords(setup: setup, compute: compute)
  if asked.plan {
    Terminal.output.write(try words.plan())
    return 0
  }
  // From here on a signal ends the run in order.
  Signals.install()
  var options = setup.options
  options.peakFlops = compute.measurePeakFlops()
  let trainer = try Trainer(
    model: setup.makeModel(), configuration: setup.configuration, training: setup.corpus.training,
    compute: compute)
  var progress = RunProgress()
  if let file = setup.resumed {
    progress = try TrainingCheckpoint.restore(trainer, from: file, recipe: setup.configuration)
  }
  let run = try TrainingRun(
    trainer: trainer, validation: setup.corpus.validation, tokenizer: setup.tokenizer,
    layout: setup.corpus.layout, options: options, progress: progress, compute: compute)
  try makeWritableFolder(setup.folder, for: setup.options.lastPath)
  // `--json` owns standard output; words for people then go to standard error.
  let terminal = asked.json ? Terminal.error : Terminal.output
  if !asked.quiet {
    let peak = options.peakFlops ?? 0
    terminal.write(words.introduction(trainer, peak: peak))
  }
  let console = try TrainingConsole(
    folder: setup.folder, resumingAfter: setup.resumed == nil ? nil : trainer.step,
    logEvery: setup.logEvery, json: asked.json, quiet: asked.quiet, terminal: terminal)
  let end: TrainingRun.End
  do {
    end = try run.run(console)
  } catch {
    console.finish()
    throw error
  }
  console.finish()
  try console.writeChart(
    title: stem(of: setup.options.source.path), subtitle: words.model)
  let isHeard = asked.json || console.outputFailure == 0
  if !asked.quiet && isHeard { terminal.write(words.conclusion(end, run, trainer)) }
  if let signal = Signals.received { return end == .stopped ? 128 + signal : 0 }
  if console.outputFailure != 0 { Terminal.output.exitBecauseOf(console.outputFailure) }
  return 0
}
