// `mgpt train`: sets a run up, tells what it will be, runs it, and leaves checkpoints, metrics and
// a loss curve in its folder. The words are in TrainWords.swift.

import MicroGPT

/// Trains as asked; returns the code to exit with.
func runTrain(_ asked: TrainOptions) throws -> Int32 {
  let sensors = MachineSensors()
  if asked.maxTemp != nil && !sensors.hasTemperature { throw SetupError.noTemperature }
  let processors = Processors()
  let compute = try makeCompute(threads: asked.threads, processors)
  let setup = try TrainSetup(asked, compute: compute)
  if let warning = setup.warning { Terminal.error.write("mgpt: \(warning)\n") }
  let words = TrainWords(setup: setup, compute: compute, processors: processors)
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
    layout: setup.corpus.layout, options: options, progress: progress, compute: compute,
    sensors: sensors)
  try makeWritableFolder(setup.folder, for: setup.options.lastPath)
  // `--json` owns standard output; words for people then go to standard error.
  let terminal = asked.json ? Terminal.error : Terminal.output
  if !asked.quiet {
    let peak = options.peakFlops ?? 0
    terminal.write(words.introduction(trainer, peak: peak))
  }
  if asked.profile {
    // Now rather than after the run: a trace that can't be written.
    _ = try AtomicFile(path: setup.tracePath)
    trainer.startProfile()
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
  let isHeard = !asked.quiet && (asked.json || console.outputFailure == 0)
  if isHeard { terminal.write(words.conclusion(end, run, trainer)) }
  try finishProfile(of: trainer, trace: setup.tracePath, terminal: isHeard ? terminal : nil)
  if let signal = Signals.received { return end == .stopped ? 128 + signal : 0 }
  if console.outputFailure != 0 { Terminal.output.exitBecauseOf(console.outputFailure) }
  return 0
}

/// Writes the trace and shows the table, if a profile was asked for.
private func finishProfile(of trainer: Trainer, trace: String, terminal: Terminal?) throws {
  guard let profile = trainer.profile else { return }
  try profile.writeTrace(to: trace)
  guard let terminal, let report = trainer.profileReport() else { return }
  terminal.write("\n" + profileTable(report) + "trace: \(shellWord(trace))\n")
}
