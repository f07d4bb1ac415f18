// The speed of inference: a checkpoint is opened like a user's, takes in a prompt of random tokens
// and goes on greedily. What it says means nothing; the time doesn't depend on it.

/// The speed of generating with the model in a file.
public struct InferenceBenchmark: Sendable {
  /// The checkpoint, in any format.
  public var path: String
  /// Tokens of the prompt; nil for 512, or the context if that is shorter.
  public var promptTokens: Int?
  /// Tokens decoded, each at the cost of one pass over the weights; nil for 64, or half of a shorter
  /// context.
  public var decodedTokens: Int?
  /// Tokens in front of the first decoded one; nil for the prompt, or what of it leaves room in the
  /// context.
  public var decodeAfter: Int?
  /// Times that loading, prefill and decoding are measured, at least.
  public var runs = 5
  /// Prefill and decoding are repeated for at least so long.
  public var leastSeconds = 0.5
  /// Of the tokens of the prompt.
  public var seed: UInt64 = 1

  /// Describes a benchmark of the model at `path`; nothing is read yet.
  public init(path: String) { self.path = path }

  /// What was measured.
  public struct Result: Equatable, Sendable {
    /// From opening the file to being ready for a prompt; its pages are in the system's cache.
    public var loadSeconds: SampleSummary
    /// From opening the file to the first token, the first prefill included.
    public var firstTokenSeconds: Double
    /// Taking in the whole prompt.
    public var prefillSeconds: SampleSummary
    /// Decoding all tokens, the choice of each included.
    public var decodeSeconds: SampleSummary
    /// Tokens of the prompt.
    public var promptTokens: Int
    /// Tokens in front of the first decoded one.
    public var decodeAfter: Int
    /// Tokens decoded.
    public var decodedTokens: Int
    /// Bytes of weights that one decoded token reads.
    public var weightBytesPerToken: Int
    /// Bytes of keys and values that one decoded token reads, in the mean.
    public var cacheBytesPerToken: Int
    /// Bytes per second of reading memory on as many threads, measured before and after; the larger
    /// one.
    public var bandwidth: Double
    /// The size of the file.
    public var fileByteCount: Int
    /// The whole cache of keys and values.
    public var cacheByteCount: Int
    /// Largest resident memory from opening the file on, mapped pages of it included.
    public var peakResidentByteCount: Int
    /// Resident memory before the file was opened, which the peak contains.
    public var baseByteCount: Int
    /// Weights of the model.
    public var parameterCount: Int
    /// Workers, the calling thread included.
    public var threads: Int
    /// The name of the back end.
    public var backEnd: String

    /// Tokens of a prompt taken in per second, at the median, as all rates.
    public var prefillTokensPerSecond: Double { Double(promptTokens) / prefillSeconds.median }
    /// Tokens decoded per second.
    public var decodeTokensPerSecond: Double { Double(decodedTokens) / decodeSeconds.median }
    /// Weights and cache.
    public var bytesPerToken: Int { weightBytesPerToken + cacheBytesPerToken }
    /// Bytes that decoding reads per second over those that reading memory does; above 1 where a
    /// cache holds the model.
    public var shareOfBandwidth: Double {
      bandwidth > 0 ? Double(bytesPerToken) * decodeTokensPerSecond / bandwidth : 0
    }
  }

  /// Loads, prefills and decodes; nil if `shouldStop` said so, which is asked for every token.
  ///
  /// *Throws* if the file can't be used, memory lacks, or the context is too short for the tokens.
  public func run(_ compute: Compute, shouldStop: () -> Bool = { false }) throws -> Result? {
    precondition(runs >= 1, "nothing to do")
    let bandwidth = compute.measureReadBandwidth()
    SystemInfo.resetOwnPeakResident()
    let base = SystemInfo.ownPeakResidentByteCount
    guard let (session, loads, firstToken) = try load(compute, shouldStop) else { return nil }
    var (prefills, decodes): ([Double], [Double]) = ([], [])
    var (prefilling, decoding) = (0.0, 0.0)
    while prefills.count < runs || prefilling < leastSeconds || decoding < leastSeconds {
      let seconds = try session.prefill(session.promptCount)
      if session.decodeAfter != session.promptCount {
        _ = try session.prefill(session.decodeAfter)
      }
      guard let decodeSeconds = session.decode(shouldStop) else { return nil }
      prefills.append(seconds)
      decodes.append(decodeSeconds)
      prefilling += seconds
      decoding += decodeSeconds
    }
    let peak = SystemInfo.ownPeakResidentByteCount
    let model = session.saved.model
    let middle = session.decodeAfter + (session.decodedTokens + 1) / 2
    return Result(
      loadSeconds: SampleSummary(loads), firstTokenSeconds: firstToken,
      prefillSeconds: SampleSummary(prefills), decodeSeconds: SampleSummary(decodes),
      promptTokens: session.promptCount, decodeAfter: session.decodeAfter,
      decodedTokens: session.decodedTokens, weightBytesPerToken: model.byteCountReadPerToken,
      cacheBytesPerToken: KeyValueCache.byteCountRead(model.configuration, tokens: middle),
      bandwidth: max(bandwidth, compute.measureReadBandwidth()),
      fileByteCount: session.saved.file.byteCount,
      cacheByteCount: KeyValueCache.byteCount(model.configuration), peakResidentByteCount: peak,
      baseByteCount: base, parameterCount: model.parameterCount, threads: compute.threadCount,
      backEnd: compute.backEnd)
  }

  /// Tokens of the prompt, decoded, and in front of these, in a model of this configuration.
  ///
  /// *Throws* if the context is too short for them.
  @discardableResult public func tokenCounts(
    _ c: ModelConfiguration
  ) throws(ConfigurationError) -> (prompt: Int, decoded: Int, before: Int) {
    let prompt = promptTokens ?? min(512, c.contextLength)
    let decoded = decodedTokens ?? max(1, min(64, c.contextLength / 2))
    let before = decodeAfter ?? max(1, min(prompt, c.contextLength - decoded))
    for (option, value, largest) in [
      ("--prompt-tokens", prompt, c.contextLength),
      ("--max-tokens", decoded, c.contextLength - 1),
      ("--decode-after", before, c.contextLength - decoded),
    ] where !(1...max(1, largest)).contains(value) {
      throw .outOfRange(
        option: option, found: "\(value)",
        range: "1 to \(largest), the context being \(c.contextLength)")
    }
    return (prompt, decoded, before)
  }

  /// Loads the model as often as asked; the first time up to its first token, which also warms up.
  private func load(
    _ compute: Compute, _ shouldStop: () -> Bool
  ) throws -> (session: Session, loads: [Double], firstToken: Double)? {
    var loads: [Double] = []
    var firstToken = 0.0
    var session: Session?
    for run in 0..<runs {
      if shouldStop() { return nil }
      session = nil  // unmapped before it is mapped again
      let start = SystemInfo.seconds
      let next = try Session(self, compute)
      loads.append(SystemInfo.seconds - start)
      if run == runs - 1 {
        _ = try next.prefill(next.promptCount)
        firstToken = SystemInfo.seconds - start
      }
      session = next
    }
    return session.map { ($0, loads, firstToken) }
  }
}

/// A loaded model with its prompt.
private final class Session {
  let saved: ModelFile
  let promptCount: Int
  let decodeAfter: Int
  let decodedTokens: Int
  private let tokens: [Int32]
  private let decoder: Decoder
  private var token: Int32 = 0

  init(_ asked: InferenceBenchmark, _ compute: Compute) throws {
    saved = try ModelFile(path: asked.path, for: .inference)
    let c = saved.model.configuration
    (promptCount, decodedTokens, decodeAfter) = try asked.tokenCounts(c)
    var generator = RandomGenerator(seed: asked.seed, stream: RandomStream.sampling)
    tokens = (0..<max(promptCount, decodeAfter)).map { _ in
      Int32(generator.next(below: c.vocabularySize))
    }
    decoder = try Decoder(model: saved.model, compute: compute)
  }

  /// Begins a new sequence with so many tokens; the seconds that it took.
  func prefill(_ count: Int) throws -> Double {
    let prompt = Array(tokens.prefix(count))
    decoder.reset()
    let start = SystemInfo.seconds
    token = greatest(try decoder.prefill(prompt))
    return SystemInfo.seconds - start
  }

  /// Goes on greedily; the seconds that it took, or nil if `shouldStop` said so.
  func decode(_ shouldStop: () -> Bool) -> Double? {
    let start = SystemInfo.seconds
    for _ in 0..<decodedTokens {
      if shouldStop() { return nil }
      token = greatest(decoder.decode(token))
    }
    return SystemInfo.seconds - start
  }

  /// The index of the largest of all logits.
  private func greatest(_ logits: UnsafeMutablePointer<Float>) -> Int32 {
    var best = 0
    for i in 0..<saved.model.configuration.vocabularySize where logits[i] > logits[best] {
      best = i
    }
    return Int32(best)
  }
}

extension GPT {
  /// Bytes of weights that decoding one token reads: all but the rows of tables that it doesn't
  /// look up.
  var byteCountReadPerToken: Int {
    let looked =
      ["embedding.position.weight"] + (configuration.tiedHead ? [] : ["embedding.token.weight"])
    return table.parameters.reduce(0) { sum, parameter in
      let rows = looked.contains(parameter.name) ? 1 : parameter.shape[0]
      let columns = parameter.shape.rank == 2 ? parameter.shape[1] : 1
      if case .matrix(_, .quantized(let format)) = parameter.place {
        return sum + format.byteCount(rows: rows, columns: columns)
      }
      return sum + 4 * rows * columns
    }
  }
}

extension KeyValueCache {
  /// Bytes of keys and values of so many tokens, all layers together.
  static func byteCountRead(_ c: ModelConfiguration, tokens: Int) -> Int {
    2 * c.layerCount * tokens * c.keyValueHeadCount * c.headWidth * 4
  }
}

extension InferenceBenchmark.Result {
  /// The object that `mgpt bench generate --json` prints for each format.
  public var json: JSON {
    [
      "load_ms": .number(loadSeconds.median * 1e3),
      "first_token_ms": .number(firstTokenSeconds * 1e3),
      "prompt_tokens": .integer(promptTokens), "prefill_ms": .number(prefillSeconds.median * 1e3),
      "prefill_tokens_per_second": .number(prefillTokensPerSecond),
      "decode_after": .integer(decodeAfter), "decoded_tokens": .integer(decodedTokens),
      "decode_ms": .number(decodeSeconds.median * 1e3),
      "decode_ms_min": .number(decodeSeconds.minimum * 1e3),
      "decode_ms_max": .number(decodeSeconds.maximum * 1e3),
      "runs": .integer(decodeSeconds.count),
      "decode_tokens_per_second": .number(decodeTokensPerSecond),
      "weight_bytes_per_token": .integer(weightBytesPerToken),
      "cache_bytes_per_token": .integer(cacheBytesPerToken),
      "bytes_per_token": .integer(bytesPerToken),
      "read_gb_per_second": .number(bandwidth / 1e9),
      "share_of_bandwidth": .number(shareOfBandwidth),
      "file_bytes": .integer(fileByteCount), "cache_bytes": .integer(cacheByteCount),
      "peak_rss_bytes": .integer(peakResidentByteCount), "base_rss_bytes": .integer(baseByteCount),
      "parameters": .integer(parameterCount), "threads": .integer(threads),
      "back_end": .string(backEnd),
    ]
  }
}
