// `mgpt eval`: the loss of a checkpoint on a whole text.

import MicroGPT

/// Evaluates as asked; returns the code to exit with.
func runEval(_ asked: EvalOptions) throws -> Int32 {
  if asked.keyValueCache != nil && asked.batchSize != nil { throw SetupError.decodedOneByOne }
  let model = try requireModel(asked.model)
  let saved = try ModelFile(path: model, for: .inference)
  guard let path = asked.data else {
    throw SetupError.missing(flag: "--data", why: "name a text to evaluate on")
  }
  let split = try evaluationSplit(saved, path)
  let compute = try makeCompute(threads: asked.threads)
  Signals.install()
  if asked.exitSweep { return try runExitSweep(asked, saved, split, compute, model: model) }
  guard let result = try evaluate(asked, saved, split, compute) else {
    return 128 + (Signals.received ?? 0)
  }
  guard result.loss.isFinite else {
    throw EvaluationError.notFinite(
      path: model, found: Format.fixed(result.loss, decimals: 0), tokens: result.tokenCount)
  }
  if asked.json {
    let object: JSON = [
      "loss": .number(result.loss), "perplexity": .number(result.perplexity),
      "bits_per_byte": .number(result.bitsPerByte), "tokens": .integer(result.tokenCount),
      "bytes": .integer(result.byteCount),
    ]
    Terminal.output.write("\(object.adding(recursion(saved, result)))\n")
  } else {
    Terminal.output.write(
      "loss \(Format.fixed(result.loss, decimals: 4)) nats/token, perplexity "
        + "\(Format.fixed(result.perplexity, decimals: 3)), "
        + "\(Format.fixed(result.bitsPerByte, decimals: 4)) bits/byte over "
        + "\(result.tokenCount) tokens\n" + recursionWords(saved, result))
  }
  return 0
}

/// The members of JSON that recursive models have.
private func recursion(_ saved: ModelFile, _ result: Evaluator.Result) -> [JSON.Member] {
  guard saved.model.configuration.recursion != nil else { return [] }
  return [
    JSON.Member("pass_losses", .array(result.passLosses.map { .number($0) })),
    JSON.Member("passes", .number(result.passes)),
  ]
}

private func recursionWords(_ saved: ModelFile, _ result: Evaluator.Result) -> String {
  guard saved.model.configuration.recursion != nil else { return "" }
  if result.passLosses.count > 1 {
    let losses = result.passLosses.map { Format.fixed($0, decimals: 4) }
    return "after each pass: \(losses.joined(separator: ", "))\n"
  }
  return "\(Format.fixed(result.passes, decimals: 2)) of \(saved.model.configuration.passCount) "
    + "passes per token\n"
}

/// The loss, with a cache or without; nil after a signal.
private func evaluate(
  _ asked: EvalOptions, _ saved: ModelFile, _ split: TokenSplit, _ compute: Compute
) throws -> Evaluator.Result? {
  let shouldStop = { Signals.received != nil }
  let depth = try asked.depth.resolved(for: saved.model.configuration)
  if let format = asked.keyValueCache {
    return try CachedEvaluator(
      model: saved.model, split: split, format: format, compute: compute, depth: depth
    ).run(shouldStop: shouldStop)
  }
  return try Evaluator(
    model: saved.model, split: split,
    batchSize: asked.batchSize ?? trainedBatchSize(saved) ?? 12, compute: compute,
    depth: depth
  ).run(shouldStop: shouldStop)
}

/// The batch size of the run that made the model; nil for a model without a run.
func trainedBatchSize(_ saved: ModelFile) -> Int? {
  try? TrainingCheckpoint.recipe(of: saved.file).batchSize
}

/// The text as tokens of the model.
///
/// Unlike in training, another tokenizer is no way out of bad UTF-8.
func evaluationSplit(_ saved: ModelFile, _ path: String) throws -> TokenSplit {
  if TokenFolder.isOne(path) {
    return try TokenFolder(path, tokenizer: saved.tokenizer).corpus.validation
  }
  let source = try TextSource(path)
  let text = try source.read(saved.layout).text
  noteLeftOut(of: text, saved.tokenizer)
  do throws(DataError) {
    return try TokenSplit(
      text: text, layout: saved.layout, tokenizer: saved.tokenizer, path: path)
  } catch {
    guard case .invalidUTF8(let path, let byte, let offset) = source.located(error, saved.layout)
    else { throw error }
    throw SetupError.notText(path: path, byte: byte, offset: offset)
  }
}
