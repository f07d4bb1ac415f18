// The speed of inference: a checkpoint is opened like a user's, takes in a prompt of random tokens
// and goes on greedily. What it says means nothing; the time doesn't depend on it.

/// The speed of generating with the model in a file.
public struct InferenceBenchmark: Sendable {
  /// The checkpoint, in any format.
  public var path: String
  /// Tokens of the prompt; nil for 512, or the context if that is shorter.
  public var promptTokens: Int?
  /// Tokens decoded, each at the cost of one pass over the weights; nil for 64, or half of a
  /// shorter context.
  public var decodedTokens: Int?
  /// Tokens in front of the first decoded one; nil for the prompt, or what of it leaves room in the
  /// context.
  public var decodeAfter: Int?
  /// How keys and values are stored.
  public var cacheFormat = KeyValueFormat.float32
  /// Sequences that are decoded at once; the prompt is that of one.
  public var sequences = 1
  /// Times that loading, prefill and decoding are measured, at least.
  public var runs = 5
  /// Prefill and decoding are repeated for at least so long.
  public var leastSeconds = 0.5
  /// Of the memory whose reading is timed; nil for more than the caches hold.
  public var readByteCount: Int?
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
    /// Tokens decoded in each sequence.
    public var decodedTokens: Int
    /// Sequences decoded at once.
    public var sequences: Int
    /// Bytes of weights that one pass reads: a token of each sequence.
    public var weightBytesPerPass: Int
    /// Bytes of keys and values that one decoded token reads, in the mean.
    public var cacheBytesPerToken: Int
    /// Bytes per second of reading memory on as many threads, in front of decodings; 0 if memory
    /// lacks.
    public var readings: SampleSummary
    /// Bytes per second that such a decoding reads over those of the reading in front of it; above
    /// 1 where a cache holds the model.
    public var shares: SampleSummary
    /// The size of the file.
    public var fileByteCount: Int
    /// The whole cache of keys and values, of all sequences.
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
    /// Tokens decoded per second, of all sequences.
    public var decodeTokensPerSecond: Double {
      Double(sequences * decodedTokens) / decodeSeconds.median
    }
    /// Weights and cache.
    public var bytesPerToken: Int { weightBytesPerPass / sequences + cacheBytesPerToken }
  }

  /// Loads, prefills and decodes; nil if `shouldStop` said so, which is asked for every token.
  ///
  /// *Throws* if the file can't be used, memory lacks, or the context is too short for the tokens.
  public func run(_ compute: Compute, shouldStop: () -> Bool = { false }) throws -> Result? {
    precondition(runs >= 1, "nothing to do")
    SystemInfo.resetOwnPeakResident()
    let base = SystemInfo.ownPeakResidentByteCount
    guard let (session, loads, firstToken) = try load(compute, shouldStop) else { return nil }
    guard let warmUp = try session.decode(shouldStop) else { return nil }
    let peak = SystemInfo.ownPeakResidentByteCount
    // In small pages, as the file's are.
    let memory = try Arena(
      byteCount: readByteCount ?? Compute.uncachedByteCount, fillsSlowly: true)
    memory.floats.update(repeating: 1)
    var (prefills, decodes): ([Double], [Double]) = ([], [])
    var readings: [(rate: Double, decodeSeconds: Double)] = []
    var (prefilling, decoding, reading) = (0.0, 0.0, 0.0)
    while prefills.count < runs || prefilling < leastSeconds || decoding < leastSeconds {
      let seconds = try session.prefill()
      // A pass over the memory may take longer than decoding.
      let reads = readings.count < runs || reading < decoding
      let start = SystemInfo.seconds
      let rate =
        reads ? compute.measureReadBandwidth(of: memory, seconds: min(warmUp, 0.1)) : 0
      reading += SystemInfo.seconds - start
      guard let decodeSeconds = try session.decode(shouldStop) else { return nil }
      if reads { readings.append((rate, decodeSeconds)) }
      prefills.append(seconds)
      decodes.append(decodeSeconds)
      prefilling += seconds
      decoding += decodeSeconds
    }
    let (model, counts) = (session.saved.model, session.counts)
    let middle = counts.before + (counts.decoded + 1) / 2
    var result = Result(
      loadSeconds: SampleSummary(loads), firstTokenSeconds: firstToken,
      prefillSeconds: SampleSummary(prefills), decodeSeconds: SampleSummary(decodes),
      promptTokens: counts.prompt, decodeAfter: counts.before, decodedTokens: counts.decoded,
      sequences: sequences, weightBytesPerPass: model.byteCountReadPerPass,
      cacheBytesPerToken: KeyValueCache.byteCountRead(
        model.configuration, cacheFormat, tokens: middle),
      readings: SampleSummary(readings.map(\.rate)), shares: SampleSummary([0]),
      fileByteCount: session.saved.file.byteCount,
      cacheByteCount: sequences
        * KeyValueCache.byteCount(model.configuration, format: cacheFormat),
      peakResidentByteCount: peak, baseByteCount: base, parameterCount: model.parameterCount,
      threads: compute.threadCount, backEnd: compute.backEnd)
    let bytes = Double(result.bytesPerToken * sequences * counts.decoded)
    result.shares = SampleSummary(
      readings.map { $0.rate > 0 ? bytes / $0.decodeSeconds / $0.rate : 0 })
    return result
  }

  /// Tokens of the prompt, decoded, and in front of these, in a model of this configuration.
  ///
  /// *Throws* if the context is too short for them, or if there is only one token to say.
  @discardableResult public func tokenCounts(
    _ c: ModelConfiguration
  ) throws(ConfigurationError) -> (prompt: Int, decoded: Int, before: Int) {
    if c.vocabularySize < 2 {
      throw .outOfRange(option: "vocabulary size", found: "\(c.vocabularySize)", range: "2 up")
    }
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
        _ = try next.prefill()
        firstToken = SystemInfo.seconds - start
      }
      session = next
    }
    return session.map { ($0, loads, firstToken) }
  }
}

/// A loaded model with sequences of random tokens.
private final class Session {
  let saved: ModelFile
  let counts: (prompt: Int, decoded: Int, before: Int)
  private let decoder: BatchDecoder
  /// Long enough for all; the first one changes from run to run, so that no prefill finds its
  /// prompt in the cache.
  private var tokens: [Int32]
  /// The newest of each sequence.
  private var newest: [Int32]

  init(_ asked: InferenceBenchmark, _ compute: Compute) throws {
    saved = try ModelFile(path: asked.path, for: .inference)
    let c = saved.model.configuration
    counts = try asked.tokenCounts(c)
    var generator = RandomGenerator(seed: asked.seed, stream: RandomStream.sampling)
    tokens = (0..<max(counts.prompt, counts.before)).map { _ in
      Int32(generator.next(below: c.vocabularySize))
    }
    newest = [Int32](repeating: 0, count: asked.sequences)
    decoder = try BatchDecoder(
      model: saved.model, compute: compute, sequenceCount: asked.sequences,
      format: asked.cacheFormat)
  }

  /// Begins the first sequence anew with the prompt; the seconds that it took.
  func prefill() throws -> Double {
    let prompt = nextTokens(counts.prompt)
    let start = SystemInfo.seconds
    newest[0] = greatest(try decoder.prefill(prompt, sequence: 0))
    return SystemInfo.seconds - start
  }

  /// Begins all sequences anew and goes on greedily; the seconds that going on took, or nil if
  /// `shouldStop` said so.
  func decode(_ shouldStop: () -> Bool) throws -> Double? {
    let width = saved.model.configuration.vocabularySize
    for index in newest.indices {
      if shouldStop() { return nil }
      newest[index] = greatest(try decoder.prefill(nextTokens(counts.before), sequence: index))
    }
    let start = SystemInfo.seconds
    for _ in 0..<counts.decoded {
      if shouldStop() { return nil }
      let logits = decoder.decode(newest)
      for index in newest.indices { newest[index] = greatest(logits + index * width) }
    }
    return SystemInfo.seconds - start
  }

  /// The first tokens of a text that is not the one before.
  private func nextTokens(_ count: Int) -> [Int32] {
    tokens[0] = (tokens[0] + 1) % Int32(saved.model.configuration.vocabularySize)
    return Array(tokens.prefix(count))
  }

  /// The index of the largest of a row of logits.
  private func greatest(_ logits: UnsafeMutablePointer<Float>) -> Int32 {
    var best = 0
    let count = saved.model.configuration.vocabularySize
    for i in 0..<count where logits[i] > logits[best] { best = i }
    return Int32(best)
  }
}

extension GPT {
  /// Bytes of weights that decoding one token, or one of each sequence, reads: all but the rows of
  /// tables that it doesn't look up.
  var byteCountReadPerPass: Int {
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
  fileprivate static func byteCountRead(
    _ c: ModelConfiguration, _ format: KeyValueFormat, tokens: Int
  ) -> Int {
    let unit = 64  // of a cache's capacity
    return byteCount(layerCount: c.layerCount, heads: c.heads, capacity: unit, format: format)
      * tokens / unit
  }
}
