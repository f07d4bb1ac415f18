// `mgpt generate`: text from a checkpoint, streamed to standard output; the figures go to standard
// error.

import MicroGPT

/// Generates as asked; returns the code to exit with.
func runGenerate(_ asked: GenerateOptions) throws -> Int32 {
  let saved = try ModelFile(path: try requireModel(asked.model), for: .inference)
  var options = try asked.generation(saved.tokenizer)
  options.logProbabilities = asked.logProbabilities ?? (asked.logProbabilitiesFile == nil ? nil : 0)
  let generator = try asked.generator(saved)
  let writer = try LogProbabilityWriter(asked, saved.tokenizer)
  Signals.install()
  let prompt = Array((asked.prompt ?? "").utf8)
  noteLeftOut(of: prompt, saved.tokenizer)
  var results: [GenerationResult] = []
  for sample in 0..<asked.numSamples where Signals.received == nil {
    var text = SampleText(
      prompt: asked.prompt ?? "", isShown: writer?.replacesText != true,
      deepest: asked.showDepth ? saved.model.configuration.passCount : nil)
    // What an error leaves behind ends with a line break too.
    var hasNext = false
    defer { text.finish(separated: hasNext) }
    results.append(
      try generator.generate(
        prompt: prompt, layout: saved.layout, options: options, sample: sample,
        clock: { SystemInfo.seconds }, shouldStop: { Signals.received != nil },
        onToken: {
          text.passes = $0.passes
          writer?.append($0, sample: sample)
        },
        emit: {
          text.show($0)
          return Signals.received == nil && writer?.failure == nil
        }))
    hasNext = saved.layout != .documents && sample + 1 < asked.numSamples
    if writer?.failure != nil { break }
  }
  try writer?.finish()
  Terminal.error.write(
    summary(
      results, seed: options.seed, context: saved.model.configuration, depth: asked.showDepth))
  return Signals.received.map { 128 + $0 } ?? 0
}

/// `text` in a colour between green (one pass) and red (`deepest`), for terminals.
func depthColored(_ text: String, passes: Int, of deepest: Int) -> String {
  // Of the 256 colours: 46 is green, 226 yellow, 196 red.
  let ramp = [46, 82, 118, 154, 190, 226, 220, 214, 208, 202, 196]
  let place = deepest > 1 ? (passes - 1) * (ramp.count - 1) / (deepest - 1) : 0
  return "\u{1B}[38;5;\(ramp[place])m\(text)\u{1B}[0m"
}

/// One sample on standard output, as it comes.
private struct SampleText {
  private let isShown: Bool
  private let isTerminal = Terminal.output.isTerminal
  private var endsLine: Bool
  /// The passes of the deepest tokens, where text is coloured by them.
  private let deepest: Int?
  /// Those of the token that comes next.
  var passes = 1

  init(prompt: String, isShown: Bool, deepest: Int?) {
    self.isShown = isShown
    self.deepest = deepest
    endsLine = prompt.isEmpty || prompt.hasSuffix("\n")
    if isShown { Terminal.output.write(prompt) }
  }

  mutating func show(_ piece: UnsafeBufferPointer<UInt8>) {
    guard isShown else { return }
    let text = String(decoding: piece, as: UTF8.self)
    if isTerminal, let deepest {
      Terminal.output.write(depthColored(printableText(text), passes: passes, of: deepest))
    } else {
      Terminal.output.write(isTerminal ? printableText(text) : text)
    }
    endsLine = piece.last == UInt8(ascii: "\n")
  }

  /// Ends the line, and a stream from the one after it.
  func finish(separated: Bool) {
    guard isShown else { return }
    if !endsLine { Terminal.output.write("\n") }
    if separated { Terminal.output.write("---\n") }
  }
}

/// Tokens and speed of all samples together.
private func summary(
  _ results: [GenerationResult], seed: UInt64, context: ModelConfiguration, depth: Bool
) -> String {
  let prompt = results.reduce(0) { $0 + $1.promptTokenCount }
  let tokens = results.reduce(0) { $0 + $1.tokenCount }
  let prefill = results.reduce(0) { $0 + $1.prefillSeconds }
  let decode = results.reduce(0) { $0 + $1.decodeSeconds }
  // Each sample's first token comes from the prefill's logits.
  let decoded = tokens - results.count { $0.tokenCount > 0 }
  let promptTime = prefill < 1 ? milliseconds(prefill) : Format.duration(prefill)
  var line = "\(counted(prompt, "prompt token")) in \(promptTime), \(tokens) generated"
  if let last = results.last, last.end == .cancelled && last.tokenCount == 0 {
    line = "stopped in the prompt after " + line
  }
  if decode > 0 && decoded > 0 {
    line += " at \(Format.rate(Double(decoded) / decode)) tokens/s"
  }
  if depth && tokens > 0 {
    let passes = Double(results.reduce(0) { $0 + $1.passCount }) / Double(tokens)
    line += ", \(Format.fixed(passes, decimals: 2)) of \(context.passCount) passes per token"
  }
  line += ", seed \(seed)"
  if let longest = results.map(\.promptTokenCount).max(), longest > context.contextLength {
    line +=
      ". The prompt is longer than the context: its last \(context.contextLength) tokens count"
  }
  return line + "\n"
}

func milliseconds(_ seconds: Double) -> String {
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
