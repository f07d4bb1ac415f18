// The named families: points of the configuration space that rebuild published models exactly.

/// A named family of models.
public enum ModelFamily: String, Sendable, CaseIterable {
  /// Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
  case gpt2
  /// Gain-free RMSNorm, also on the embedding; ReLU; untied; no biases.
  case microgpt
  /// RMSNorm, learned positions, squared ReLU, no biases.
  case randygpt
  /// LayerNorm without bias behind the MLP's residual sum and before the head, none at attention;
  /// ReLU, hidden width 2C, tied, no biases.
  case picogpt
  /// Touvron et al. 2023, arXiv 2302.13971: RMSNorm, RoPE, SwiGLU, grouped queries.
  case llama
  /// The defaults of this project: RMSNorm, RoPE, normalised queries and keys, squared ReLU, tied
  /// head, logits capped at 15.
  case modern

  /// The family's configuration for these sizes.
  ///
  /// `keyValueHeadCount` and `hiddenWidth` default to what the family has: one key/value head per
  /// head; 4C (picogpt 2C, llama 8C/3 rounded up to 32).
  public func configuration(
    vocabularySize: Int, contextLength: Int, layerCount: Int, headCount: Int, modelWidth: Int,
    keyValueHeadCount: Int? = nil, hiddenWidth: Int? = nil
  ) -> ModelConfiguration {
    var c = ModelConfiguration(
      family: self, vocabularySize: vocabularySize, contextLength: contextLength,
      layerCount: layerCount, headCount: headCount,
      keyValueHeadCount: keyValueHeadCount ?? headCount, modelWidth: modelWidth,
      hiddenWidth: hiddenWidth ?? (modelWidth <= 65536 ? 4 * modelWidth : modelWidth),
      normalization: .rmsnorm, normGain: true, normBias: false, normPlacement: .pre,
      position: .learned, queryKeyNorm: false, activation: .squaredRelu, linearBias: false,
      tiedHead: true, logitSoftCap: 0, embeddingScale: 1, embeddingNorm: false, finalNorm: true,
      dropout: 0, initialization: .fanIn)
    switch self {
    case .gpt2:
      c.normalization = .layernorm
      c.normBias = true
      c.activation = .gelu
      c.linearBias = true
    case .microgpt:
      c.normGain = false
      c.activation = .relu
      c.tiedHead = false
      c.embeddingNorm = true
      c.finalNorm = false
    case .randygpt:
      c.tiedHead = false
    case .picogpt:
      c.normalization = .layernorm
      c.normPlacement = .postBlock
      c.activation = .relu
      c.hiddenWidth = hiddenWidth ?? 2 * modelWidth
    case .llama:
      c.position = .rope
      c.activation = .swiglu
      c.tiedHead = false
      c.hiddenWidth = hiddenWidth ?? (8 * modelWidth / 3 + 31) / 32 * 32
    case .modern:
      c.position = .rope
      c.queryKeyNorm = true
      c.logitSoftCap = 15
      c.embeddingScale = Double(modelWidth).squareRoot()
    }
    return c
  }
}
