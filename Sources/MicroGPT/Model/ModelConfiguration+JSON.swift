// The configuration as it stands in checkpoints: every property by name, so that a file describes
// its model completely even if a family's defaults change.

extension ModelConfiguration {
  /// The configuration as a JSON object.
  public var json: JSON {
    let plain: JSON = [
      "family": .string(family.rawValue), "vocabulary_size": .integer(vocabularySize),
      "context_length": .integer(contextLength), "layers": .integer(layerCount),
      "heads": .integer(headCount), "kv_heads": .integer(keyValueHeadCount),
      "embed_dim": .integer(modelWidth), "hidden_dim": .integer(hiddenWidth),
      "norm": .string(normalization.rawValue), "norm_gain": .bool(normGain),
      "norm_bias": .bool(normBias), "norm_placement": .string(normPlacement.rawValue),
      "position": .string(position.rawValue), "qk_norm": .bool(queryKeyNorm),
      "activation": .string(activation.rawValue), "linear_bias": .bool(linearBias),
      "tied_head": .bool(tiedHead), "logit_soft_cap": .number(logitSoftCap),
      "embedding_scale": .number(embeddingScale), "embedding_norm": .bool(embeddingNorm),
      "final_norm": .bool(finalNorm), "dropout": .number(dropout),
      "initialization": .string(initialization.rawValue),
    ]
    return plain.adding(recursion?.members ?? [])
  }

  /// Reads what `json` wrote and validates it.
  ///
  /// `initialization` may be missing: it matters only before training.
  public init(json: JSON) throws(ConfigurationError) {
    let reader = ConfigurationReader(json)
    family = try reader.name("family")
    vocabularySize = try reader.integer("vocabulary_size")
    contextLength = try reader.integer("context_length")
    layerCount = try reader.integer("layers")
    headCount = try reader.integer("heads")
    keyValueHeadCount = try reader.integer("kv_heads")
    modelWidth = try reader.integer("embed_dim")
    hiddenWidth = try reader.integer("hidden_dim")
    normalization = try reader.name("norm")
    normGain = try reader.flag("norm_gain")
    normBias = try reader.flag("norm_bias")
    normPlacement = try reader.name("norm_placement")
    position = try reader.name("position")
    queryKeyNorm = try reader.flag("qk_norm")
    activation = try reader.name("activation")
    linearBias = try reader.flag("linear_bias")
    tiedHead = try reader.flag("tied_head")
    logitSoftCap = try reader.number("logit_soft_cap")
    embeddingScale = try reader.number("embedding_scale")
    embeddingNorm = try reader.flag("embedding_norm")
    finalNorm = try reader.flag("final_norm")
    dropout = try reader.number("dropout")
    initialization = json["initialization"] == nil ? .fanIn : try reader.name("initialization")
    recursion = try Recursion.read(reader)
    try validate()
  }
}

/// Reads members of a configuration; what is missing or of another type is an error.
struct ConfigurationReader {
  let json: JSON
  init(_ json: JSON) { self.json = json }

  func integer(_ key: String) throws(ConfigurationError) -> Int {
    guard let value = json[key]?.intValue else { throw .missingKey(key) }
    return value
  }
  func number(_ key: String) throws(ConfigurationError) -> Double {
    guard let value = json[key]?.doubleValue else { throw .missingKey(key) }
    return value
  }
  func flag(_ key: String) throws(ConfigurationError) -> Bool {
    guard let value = json[key]?.boolValue else { throw .missingKey(key) }
    return value
  }
  func name<Name: RawRepresentable & CaseIterable>(
    _ key: String
  ) throws(ConfigurationError) -> Name where Name.RawValue == String {
    guard let text = json[key]?.stringValue else { throw .missingKey(key) }
    guard let value = Name(rawValue: text) else {
      throw .unknownName(kind: key, found: text, expected: Name.allCases.map(\.rawValue))
    }
    return value
  }
}
