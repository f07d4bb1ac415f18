// A checkpoint with random weights: what benchmarks of inference run when there is no model. Such a
// file looks like that of a trained model; what it predicts means nothing.

extension ModelFile {
  /// Writes a checkpoint of random weights in float32 to `path`, without holding the model.
  ///
  /// Weights are uniform with the deviations of GPT-2's initialisation, none of the matrices zero;
  /// they are a function of configuration and seed. The tokenizer is one of bytes, whatever the
  /// vocabulary: the file is for token ids. `shouldStop` is asked every million weights; nothing is
  /// left behind then and false is returned.
  ///
  /// *Throws* `ConfigurationError`, or `FileError` also if the disk has not enough space.
  public static func writeRandom(
    _ configuration: ModelConfiguration, seed: UInt64 = 1, to path: String,
    shouldStop: () -> Bool = { false }
  ) throws -> Bool {
    var configuration = configuration
    configuration.initialization = .gpt2
    try configuration.validate()
    let stored = ParameterTable(configuration).stored(for: configuration.family)
    var file = try SafeTensorsWriter(
      path: path,
      tensors: stored.map { TensorSpecification(name: $0.name, shape: $0.shape) },
      metadata: [
        (Key.format, "pt"), (Key.configuration, configuration.json.description),
        (Key.tokenizer, ByteTokenizer().json.description),
        (Key.layout, CorpusLayout.stream.rawValue),
      ])
    var generator = RandomGenerator(seed: seed, stream: RandomStream.weights)
    let piece = try Arena(byteCount: 4 << 20)
    for entry in stored {
      var left = entry.parameter.shape.count
      while left > 0 {
        if shouldStop() { return false }
        let values = UnsafeMutableBufferPointer(rebasing: piece.floats.prefix(left))
        entry.parameter.fill(values, &generator)
        try file.write(UnsafeBufferPointer(values), of: entry.name)
        left -= values.count
      }
    }
    try file.commit()
    return true
  }
}

extension Parameter {
  /// Numbers such as it starts with, but uniform: four times as fast to draw as normal ones.
  fileprivate func fill(
    _ values: UnsafeMutableBufferPointer<Float>, _ generator: inout RandomGenerator
  ) {
    switch start {
    case .zero: values.update(repeating: 0)
    case .one: values.update(repeating: 1)
    case .constant(let value): values.update(repeating: Float(value))
    case .normal(let deviation):
      // Of the width of an interval, the deviation is 1 / sqrt 12.
      let width = deviation * 12.0.squareRoot()
      for i in values.indices { values[i] = Float(width * (generator.nextUniform() - 0.5)) }
    }
  }
}
