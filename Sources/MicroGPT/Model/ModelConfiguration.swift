// The hyper-parameters of a model: the whole configuration space, in one value. Families are named
// points in it (ModelFamily.swift); what is impossible is said in one place (validate()).

/// How the rows of the residual stream are normalised.
public enum Normalization: String, Sendable, CaseIterable {
  case rmsnorm, layernorm
}

/// Where the normalisation stands in a block.
public enum NormPlacement: String, Sendable, CaseIterable {
  /// In front of attention and of the MLP.
  case pre
  /// Behind the residual sums of both.
  case post
  /// Behind the sum of the MLP only: one norm per block.
  case postBlock = "post-block"

  /// Whether attention has a norm of its own.
  var normalizesAttention: Bool { self != .postBlock }
}

/// How a token learns where it stands.
public enum PositionEncoding: String, Sendable, CaseIterable {
  case rope, learned
}

/// The standard deviations that weights start from.
public enum Initialization: String, Sendable, CaseIterable {
  /// 1/sqrt(in) for linear maps; output projections of attention and MLP zero; embeddings 0.02.
  case fanIn = "fan-in"
  /// 0.02; output projections 0.02/sqrt(2 · layers): Radford et al. 2019 (GPT-2).
  case gpt2
}

/// A model's hyper-parameters.
///
/// Letters as in the documentation: V, T, C, F, L, H, G.
public struct ModelConfiguration: Equatable, Sendable {
  /// The family this started from; a label, the other properties decide.
  public var family: ModelFamily
  /// V: token ids.
  public var vocabularySize: Int
  /// T: the longest sequence.
  public var contextLength: Int
  /// L: blocks.
  public var layerCount: Int
  /// H: query heads.
  public var headCount: Int
  /// G: key/value heads; a divisor of H.
  public var keyValueHeadCount: Int
  /// C: width of the residual stream.
  public var modelWidth: Int
  /// F: inner width of the MLP.
  public var hiddenWidth: Int

  /// How rows are normalised.
  public var normalization: Normalization
  /// Whether norms multiply by a learnt gain.
  public var normGain: Bool
  /// Whether norms add a learnt bias; LayerNorm only.
  public var normBias: Bool
  /// Whether a block normalises its inputs, its sums or the last of them.
  public var normPlacement: NormPlacement
  /// How the model knows the order of its tokens.
  public var position: PositionEncoding
  /// Whether queries and keys are normalised, head by head.
  public var queryKeyNorm: Bool
  /// The function between the two matrices of the MLP.
  public var activation: Activation
  /// Whether linear layers, the head excepted, add a learnt bias.
  public var linearBias: Bool
  /// Whether the output head is the token embedding.
  public var tiedHead: Bool
  /// Logits become cap · tanh(logits / cap); 0 for none.
  public var logitSoftCap: Double
  /// Multiplies token embeddings on the way in.
  public var embeddingScale: Double
  /// Whether the embedding is normalised before the first block.
  public var embeddingNorm: Bool
  /// Whether the last block's output is normalised before the head.
  public var finalNorm: Bool
  /// Probability that an element is zeroed in training.
  public var dropout: Double
  /// How weights start.
  public var initialization: Initialization
  /// How the core is passed through several times; nil for a plain model.
  public var recursion: Recursion?

  /// D: width of one head, C / H.
  public var headWidth: Int { modelWidth / headCount }

  var heads: HeadLayout {
    HeadLayout(
      headCount: headCount, keyValueHeadCount: keyValueHeadCount, headWidth: headWidth)
  }

  /// Floating-point operations of training on one token, forward and backward: six per weight of a
  /// matrix product (the head counts, the embedding look-up does not) plus attention, whose causal
  /// half is counted: 6 · L · T · H · D.
  public var trainingFlopsPerToken: Double { 3 * inferenceFlopsPerToken }

  /// The forward third of these operations, all passes included.
  public var inferenceFlopsPerToken: Double {
    let projections = (headCount + 2 * keyValueHeadCount) * headWidth + headCount * headWidth
    let mlp = (activation == .swiglu ? 3 : 2) * hiddenWidth
    let layers = passedLayerCount
    let weights = layers * modelWidth * (projections + mlp) + vocabularySize * modelWidth
    let attention = layers * contextLength * headCount * headWidth
    return 2 * Double(weights) + 2 * Double(attention)
  }
}

// MARK: - Validation

extension ModelConfiguration {
  /// Throws the first thing that makes this configuration impossible, in the words of the flags.
  public func validate() throws(ConfigurationError) {
    let sizes: [(String, Int, ClosedRange<Int>)] = [
      ("vocabulary size", vocabularySize, 1...(1 << 24)),
      ("--context", contextLength, 1...(1 << 20)),
      ("--layers", layerCount, 1...1024),
      ("--heads", headCount, 1...1024),
      ("--kv-heads", keyValueHeadCount, 1...1024),
      ("--embed-dim", modelWidth, 1...65536),
      ("--hidden-dim", hiddenWidth, 1...(1 << 20)),
    ]
    for (name, value, range) in sizes where !range.contains(value) {
      throw .outOfRange(
        option: name, found: "\(value)", range: "\(range.lowerBound) to \(range.upperBound)")
    }
    if modelWidth % headCount != 0 {
      // Rotary positions also need an even head width: don't advise what fails next.
      let step = position == .rope ? 2 * headCount : headCount
      throw .notDivisible(width: modelWidth, heads: headCount, step: step)
    }
    if headCount % keyValueHeadCount != 0 {
      throw .keyValueHeads(heads: headCount, keyValueHeads: keyValueHeadCount)
    }
    if position == .rope && headWidth % 2 != 0 {
      throw .oddHeadWidth(width: modelWidth, heads: headCount)
    }
    if normBias && normalization == .rmsnorm {
      throw .contradiction("rmsnorm has no bias. Found norm_bias true, expected false.")
    }
    if !(0..<1).contains(dropout) {
      throw .outOfRange(option: "--dropout", found: "\(dropout)", range: "0 up to but not 1")
    }
    if !(logitSoftCap.isFinite && logitSoftCap >= 0) {
      throw .outOfRange(option: "--logit-soft-cap", found: "\(logitSoftCap)", range: "0 (off) up")
    }
    if !(embeddingScale.isFinite && embeddingScale > 0) {
      throw .outOfRange(option: "embedding scale", found: "\(embeddingScale)", range: "above 0")
    }
    try recursion?.validate(layerCount: layerCount, placement: normPlacement)
  }
}

/// Why a configuration is impossible.
public enum ConfigurationError: UserFacingError, Equatable {
  case outOfRange(option: String, found: String, range: String)
  /// `step`: what the width must be a multiple of, all conditions together.
  case notDivisible(width: Int, heads: Int, step: Int)
  case keyValueHeads(heads: Int, keyValueHeads: Int)
  case oddHeadWidth(width: Int, heads: Int)
  case contradiction(String)
  /// `nearest`: what was probably meant.
  case unknownName(kind: String, found: String, expected: [String], nearest: String? = nil)
  case missingKey(String)

  /// The code the process exits with.
  public var exitCode: ExitCode { .config }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .outOfRange(let option, let found, let range):
      return "\(option) is out of range. Found \(found), expected \(range)."
    case .notDivisible(let width, let heads, let step):
      let lower = max(width / step, 1) * step
      return "--embed-dim must be a multiple of --heads. Found --embed-dim \(width) with --heads "
        + "\(heads). Use --embed-dim \(lower) or \(lower + step), or other --heads."
    case .keyValueHeads(let heads, let keyValueHeads):
      return "--kv-heads must divide --heads. Found --kv-heads \(keyValueHeads) with --heads "
        + "\(heads). Use --kv-heads \(heads) or 1."
    case .oddHeadWidth(let width, let heads):
      return "rotary positions need an even head width. Found --embed-dim \(width) / --heads "
        + "\(heads) = \(width / heads). Use an --embed-dim that is a multiple of \(2 * heads)."
    case .contradiction(let text): return text
    case .unknownName(let kind, let found, let expected, let nearest):
      return "unknown \(kind). Found \"\(found)\", expected one of: "
        + expected.joined(separator: ", ") + "."
        + (nearest.map { " Did you mean \($0)?" } ?? "")
    case .missingKey(let key):
      return "the model's configuration lacks \"\(key)\". The file was not written by mgpt."
    }
  }
}
