// `mgpt generate`: text from a checkpoint, streamed to standard output; the figures go to standard
// error.

import MicroGPT

/// Generates as asked; returns the code to exit with.
func runGenerate(_ asked: GenerateOptions) throws -> Int32 {
  let saved = try ModelFile(path: try requireModel(asked.model))
  var options = GenerationOptions()
  options.sampling.temperature = asked.temperature
  options.sampling.topK = asked.topK
  options.sampling.topP = asked.topP
  options.sampling.minP = asked.minP
  options.sampling.repetitionPenalty = asked.repetitionPenalty
  options.maxTokens = asked.maxTokens
  options.stop = asked.stop
  options.seed = asked.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
  let generator = try TextGenerator(
    model: saved.model, tokenizer: saved.tokenizer,
    compute: Compute(threadCount: asked.threads ?? SystemInfo.processorCount),
    cache: KeyValueFormat(rawValue: asked.keyValueCache.rawValue) ?? .float32)
  Signals.install()
  let prompt = Array((asked.prompt ?? "").utf8)
  var results: [GenerationResult] = []
  for sample in 0..<asked.numSamples where Signals.received == nil {
    Terminal.output.write(asked.prompt ?? "")
    var endsLine = asked.prompt?.hasSuffix("\n") ?? true
    let isTerminal = Terminal.output.isTerminal
    results.append(
      try generator.generate(
        prompt: prompt, layout: saved.layout, options: options, sample: sample,
        clock: { SystemInfo.seconds },
        emit: { piece in
          let text = String(decoding: piece, as: UTF8.self)
          Terminal.output.write(isTerminal ? printableText(text) : text)
          endsLine = piece.last == UInt8(ascii: "\n")
          return Signals.received == nil
        }))
    if !endsLine { Terminal.output.write("\n") }
    if saved.layout == .stream && sample + 1 < asked.numSamples { Terminal.output.write("---\n") }
  }
  Terminal.error.write(summary(results, seed: options.seed, context: saved.model.configuration))
  return Signals.received.map { 128 + $0 } ?? 0
}

/// Tokens and speed of all samples together.
private func summary(
  _ results: [GenerationResult], seed: UInt64, context: ModelConfiguration
) -> String {
  let prompt = results.reduce(0) { $0 + $1.promptTokenCount }
  let tokens = results.reduce(0) { $0 + $1.tokenCount }
  let prefill = results.reduce(0) { $0 + $1.prefillSeconds }
  let decode = results.reduce(0) { $0 + $1.decodeSeconds }
  // Each sample's first token comes from the prefill's logits.
  let decoded = max(tokens - results.count, 0)
  let promptTime = prefill < 1 ? milliseconds(prefill) : Format.duration(prefill)
  var line = "\(counted(prompt, "prompt token")) in \(promptTime), \(tokens) generated"
  if decode > 0 && decoded > 0 {
    line += " at \(Format.rate(Double(decoded) / decode)) tokens/s"
  }
  line += ", seed \(seed)"
  if let longest = results.map(\.promptTokenCount).max(), longest > context.contextLength {
    line +=
      ". The prompt is longer than the context: its last \(context.contextLength) tokens count"
  }
  return line + "\n"
}

private func milliseconds(_ seconds: Double) -> String {
  Format.fixed(seconds * 1000, decimals: seconds < 0.01 ? 2 : 0) + " ms"
}

/// The checkpoint that the parser has made sure is named; of a run's folder the best one.
func requireModel(_ path: String?) throws -> String {
  guard let path else { throw SetupError.missing(flag: "--model", why: "name a checkpoint") }
  guard isFolder(path) else { return path }
  let files = [path + "/best.safetensors", path + "/last.safetensors"]
  guard let file = files.first(where: fileExists) else { throw SetupError.noSuchModel(path: path) }
  return file
}
