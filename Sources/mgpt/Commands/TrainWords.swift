// What `mgpt train` says before and after a run, and what `--plan` prints. The lines in between are
// in Report/ProgressLine.swift.

import MicroGPT

/// The words around one run.
struct TrainWords {
  let setup: TrainSetup
  let compute: Compute
  let processors: Processors

  /// The model in one line.
  var model: String {
    let c = setup.architecture
    return "\(c.family.rawValue), \(counted(c.layerCount, "layer")), width \(c.modelWidth), "
      + "\(counted(c.headCount, "head")), context \(c.contextLength), "
      + "\(Format.count(setup.estimate.parameterCount)) parameters"
  }

  /// What is known before the first step.
  func introduction(_ trainer: Trainer, peak: Double) -> String {
    var lines = [
      "model    \(model)", "data     \(data)", "tokens   \(tokens)", "run      \(run)",
    ]
    lines.append(
      "machine  \(MachineWords.threads(compute.threadCount, on: processors)), \(compute.backEnd), "
        + (processors.governor.map { "governor \($0), " } ?? "")
        + "measured peak \(Format.fixed(peak / 1e9, decimals: 0)) GFLOP/s")
    lines.append("memory   \(memory)")
    lines.append("time     \(time(trainer))")
    lines += (setup.notes + [MachineWords.hint(processors)].compactMap { $0 })
      .map { "note     \($0)" }
    if let limit = setup.options.maximumCelsius {
      lines.append(
        "cooling  pauses above \(Format.fixed(limit, decimals: 0)) °C, goes on 5 °C below")
    }
    if let path = setup.resumed?.path {
      lines.append("resumed  \(path), after step \(trainer.step)")
    }
    lines.append("folder   \(setup.folder)")
    return lines.joined(separator: "\n") + "\n"
  }

  private var data: String {
    let unit = layoutWords(setup.corpus.layout, isShort: true)
    return "\(setup.options.source.path), \(unit), \(setup.tokenizer.kind.rawValue) vocabulary of "
      + "\(setup.tokenizer.vocabularySize)"
  }

  private var tokens: String {
    "\(Format.count(setup.corpus.training.tokenCount)) for training, "
      + "\(Format.count(setup.corpus.validation.tokenCount)) for validation"
  }

  private var run: String {
    let run = setup.configuration
    let tokens = run.batchSize * setup.architecture.contextLength * run.gradientAccumulation
    let isMuon = run.optimizer == .muon
    return "\(counted(run.steps, "step")) of \(tokens) tokens, \(isMuon ? "Muon" : "AdamW"), "
      + "learning rate \(run.schedule.maximum) "
      + (isMuon ? "and AdamW's \(run.muon.adamWRate) " : "")
      + "(\(run.schedule.kind.rawValue)), seed \(run.seed)" + unusual
  }

  /// What a run does about memory and speed, where that is not the default.
  private var unusual: String {
    let run = setup.configuration
    return (run.precision == .float32 ? "" : ", precision \(run.precision.rawValue)")
      + (run.optimizerState == .float32 ? "" : ", moments in \(run.optimizerState.rawValue)")
      + (run.recomputes ? ", recomputing" : "")
  }

  private var memory: String {
    let supply = MemorySupply()
    return "\(Format.bytes(setup.estimate.byteCount)) needed"
      + (supply.byteCount.map { ", \(Format.bytes($0)) available" } ?? "")
      + (supply.note.isEmpty ? "" : " (\(supply.note))")
  }

  private func time(_ trainer: Trainer) -> String {
    let steps = setup.configuration.steps - trainer.step
    let seconds = setup.stepSeconds.map { $0 * Double(steps) } ?? trainer.measureSecondsLeft()
    let words = seconds < 1 ? "less than a second" : "about \(Format.duration(seconds))"
    return "\(words), evaluations not counted"
  }

  /// What to do next.
  func conclusion(_ end: TrainingRun.End, _ run: TrainingRun, _ trainer: Trainer) -> String {
    let options = setup.options
    if end == .stopped {
      let isInTime = Signals.received == nil && options.timeLimit != nil
      let why = isInTime ? "the time is up, " : ""
      return why + "stopped after step \(trainer.step) and saved. Go on with: mgpt train --resume "
        + "\(shellWord(options.lastPath))\n"
    }
    var lines: [String] = []
    if let loss = run.progress.bestLoss, let step = run.progress.bestStep {
      lines.append(
        "best validation loss \(Format.fixed(loss, decimals: 4)) nats/token, at step \(step)")
    }
    let model = fileExists(options.bestPath) ? options.bestPath : options.lastPath
    lines.append("Generate with: mgpt generate --model \(shellWord(model))")
    return lines.joined(separator: "\n") + "\n"
  }

  /// What `--plan` prints: parameters, memory arena by arena, time.
  ///
  /// *Throws* if memory lacks for measuring the time, which is left out where the plan doesn't fit.
  func plan() throws -> String {
    let estimate = setup.estimate
    var lines = [
      "model    \(model)", "data     \(data)", "tokens   \(tokens)", "run      \(run)",
      "memory   \(memory)",
    ]
    let width = estimate.parts.map(\.name.count).max() ?? 0
    for part in estimate.parts {
      lines.append(
        "  " + Format.aligned(part.name, to: width + 1)
          + Format.padded(Format.bytes(part.byteCount), to: 8)
          + Format.padded("\(part.byteCount) bytes", to: 22))
    }
    if estimate.byteCount > SystemInfo.availableMemoryByteCount ?? Int.max {
      lines.append("It does not fit into the memory that is available.")
    } else {
      let trainer = try Trainer(
        model: setup.makeModel(), configuration: setup.configuration,
        training: setup.corpus.training, compute: compute)
      lines.append("time     \(time(trainer))")
    }
    lines += setup.notes.map { "note     \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }
}

/// How a text was cut into sequences.
func layoutWords(_ layout: CorpusLayout, isShort: Bool = false) -> String {
  switch layout {
  case .stream: isShort ? "one stream" : "one stream of text"
  case .documents: "a document per line"
  case .blankLine: "documents between blank lines"
  case .endOfText: "documents between <|endoftext|>"
  }
}

/// "1 layer", "2 layers".
func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}
