// Quantised models against the models they were made from, and against themselves on other paths.
import Testing

@testable import MicroGPT

@Suite struct QuantizerTests {
  static let targets = QuantizationTarget.allCases
  static let names = SmallModels.families + ["llama-gqa-tied", "post-rope-qk", "layernorm-no-gain"]

  private func tokens(_ count: Int) -> [Int32] {
    randomBatch(count, vocabulary: 256, seed: 5).tokens
  }

  /// The numbers a quantised model computes with are those that dequantising writes: their logits
  /// differ by the rounding of activations only.
  @Test(arguments: names, targets)
  func dequantizedModelsAgree(_ name: String, _ target: QuantizationTarget) throws {
    let made = try QuantizedCase(name, target)
    let path = made.folder.file("c")
    try Quantizer(compute: made.compute).dequantize(made.quantized, path: path)
    let back = try ModelFile(path: path)
    let found = try uncachedLogits(made.quantized.model, tokens(7), made.compute)
    let expected = try uncachedLogits(back.model, tokens(7), made.compute)
    let scale = expected.map(\.magnitude).max() ?? 0
    #expect(largestDifference(found, expected) < 0.2 * scale)
    // With int8 the weights themselves are close to the originals.
    let original = try uncachedLogits(made.original.model, tokens(7), made.compute)
    if target == .int8 { #expect(largestDifference(found, original) < 0.2 * scale) }
    #expect(made.quantized.model.parameterCount == made.original.model.parameterCount)
  }

  /// Behind SwiGLU a large element that counts for nothing does not spoil the small ones.
  @Test(arguments: [QuantizationTarget.int8, .int8Block])
  func gatedRowsKeepTheirSmallElements(_ target: QuantizationTarget) throws {
    let made = try QuantizedCase("llama", target, width: 64) { model in
      let (width, hidden) = (model.configuration.modelWidth, model.configuration.hiddenWidth)
      for layer in 0..<model.configuration.layerCount {
        guard let inner = model.table["blocks.\(layer).mlp.gate_up.weight"],
          let down = model.table["blocks.\(layer).mlp.down.weight"]
        else { continue }
        for row in [0, hidden] {
          for column in 0..<width { model.values(of: inner)[row * width + column] *= 30 }
        }
        for row in 0..<width { model.values(of: down)[row * hidden] = 0 }
      }
    }
    let path = made.folder.file("c")
    try Quantizer(compute: made.compute).dequantize(made.quantized, path: path)
    let found = try uncachedLogits(made.quantized.model, tokens(7), made.compute)
    let expected = try uncachedLogits(ModelFile(path: path).model, tokens(7), made.compute)
    let scale = expected.map(\.magnitude).max() ?? 0
    let difference = largestDifference(found, expected)
    #expect(difference < 0.03 * scale, "\(difference) of \(scale)")
  }

  /// Behind a GELU that gives numbers around 50, and before weights that add up to zero, codes are
  /// spent on differences.
  ///
  /// A file without the sums of rows, as older programs wrote it, is used without offsets.
  @Test(arguments: targets)
  func oneSidedRowsHaveAnOffset(_ target: QuantizationTarget) throws {
    let made = try QuantizedCase("gpt2", target, width: 64) { model in
      for layer in 0..<model.configuration.layerCount {
        guard let bias = model.table["blocks.\(layer).mlp.up.bias"],
          let down = model.table["blocks.\(layer).mlp.down.weight"]
        else { continue }
        model.values(of: bias).update(repeating: 50)
        let (weights, count) = (model.values(of: down), down.shape[1])
        for row in stride(from: 0, to: weights.count, by: count) {
          let mean = weights[row..<row + count].reduce(0, +) / Float(count)
          for i in row..<row + count { weights[i] -= mean }
        }
      }
    }
    let path = made.folder.file("d")
    try Quantizer(compute: made.compute).dequantize(made.quantized, path: path)
    let expected = try uncachedLogits(ModelFile(path: path).model, tokens(7), made.compute)
    func error(_ model: GPT) throws -> Double {
      let found = try uncachedLogits(model, tokens(7), made.compute)
      return zip(found, expected).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    }
    let sums = made.quantized.file.entries.filter { $0.name.hasSuffix(".sum") }
    #expect(sums.map(\.name) == (0..<2).map { "blocks.\($0).mlp.down.weight.sum" })
    let older = try ModelFile(
      path: made.changed { $0.name.hasSuffix(".sum") ? nil : $0 }, for: .inference)
    let (with, without) = (try error(made.quantized.model), try error(older.model))
    #expect(with > 0 && with < 0.3 * without, "\(with), without \(without)")
  }

  @Test func sumsOfAnotherShapeAreRefused() throws {
    let made = try QuantizedCase("gpt2", .int8)
    let path = try made.changed { tensor in
      guard tensor.name.hasSuffix(".sum") else { return tensor }
      return TensorSpecification(name: tensor.name, shape: [1] + tensor.shape)
    }
    #expect(
      made.folder.failure { _ = try ModelFile(path: path, for: .inference) }
        == "65 DIR/c does not fit the model. Found tensor blocks.0.mlp.down.weight.sum of shape "
        + "(1, 12), expected (12). Check the model's configuration or name another checkpoint.")
  }

  /// Rounding to a grid of step s is off by s / 2 at most; the errors of a normal distribution
  /// follow from that.
  @Test(arguments: targets)
  func errorsAreThoseOfTheGrid(_ target: QuantizationTarget) throws {
    let made = try QuantizedCase("modern", target, width: 128)
    #expect(made.reports.count == 2 * 4 + 1)
    for report in made.reports {
      let isTable = report.name == "embedding.token.weight"
      #expect(report.format == (isTable ? .int8 : target.format))
      let range: ClosedRange<Double> =
        switch report.format {
        case .int8: 0.005...0.012
        case .int8Block: 0.004...0.008
        case .int4: 0.06...0.11
        }
      #expect(range.contains(report.relativeError), "\(report)")
      #expect(report.least < 0 && report.greatest > 0 && report.outlierCount == 0)
    }
  }

  @Test func searchedScalesAreBetter() throws {
    let plain = try QuantizedCase("modern", .int4, width: 128)
    let searched = try QuantizedCase("modern", .int4Search, width: 128)
    for (a, b) in zip(plain.reports, searched.reports) where a.format == .int4 {
      #expect(b.relativeError < 0.95 * a.relativeError, "\(a.name)")
    }
  }

  /// The bytes known from the configuration are those of the tensors in the file.
  @Test(arguments: names, targets)
  func sizesAreKnownBeforehand(_ name: String, _ target: QuantizationTarget) throws {
    let made = try QuantizedCase(name, target)
    let stored = made.quantized.file.entries.reduce(0) { $0 + $1.range.count }
    #expect(target.byteCount(of: made.original.model.configuration) == stored)
  }

  @Test func filesAreSmall() throws {
    for (target, bits) in [(QuantizationTarget.int8, 8.3), (.int8Block, 8.7), (.int4, 5.1)] {
      let made = try QuantizedCase("modern", target, width: 128)
      let bytes = made.quantized.file.entries.reduce(0) { $0 + $1.range.count }
      #expect(Double(bytes) * 8 < bits * Double(made.quantized.model.parameterCount), "\(target)")
    }
  }

  /// The same bits for any number of threads, and on the path of a single row.
  @Test(arguments: targets, ["modern", "gpt2", "llama-gqa-tied", "picogpt", "rlm"])
  func cachedEqualsUncached(_ target: QuantizationTarget, _ name: String) throws {
    let made = try QuantizedCase(name, target, width: 64)
    let model = made.quantized.model
    let tokens = tokens(33)
    let whole = try uncachedLogits(model, tokens, made.compute)
    let two = try uncachedLogits(model, tokens, Compute(threadCount: 2))
    #expect(whole == two)
    let decoder = try Decoder(model: model, compute: made.compute)
    let vocabulary = model.configuration.vocabularySize
    var start = try decoder.prefill(Array(tokens[..<20]))
    for position in 19..<33 {
      if position > 19 { start = decoder.decode(tokens[position]) }
      let found = Array(UnsafeBufferPointer(start: start, count: vocabulary))
      let expected = Array(whole[(position * vocabulary)..<((position + 1) * vocabulary)])
      #expect(found == expected, "position \(position)")
    }
  }

  @Test func comparisonWithItselfFindsNothing() throws {
    let made = try QuantizedCase("modern", .int8, width: 64)
    let bytes = (0..<20).flatMap { _ in Array("the quick brown fox.\n".utf8) }
    let text = try TokenSplit(
      text: bytes, layout: .stream, tokenizer: ByteTokenizer(), path: "t")
    let same = try ModelComparison.run(
      original: made.original.model, changed: made.original.model, split: text,
      compute: made.compute)
    #expect(same?.divergence == 0 && same?.agreement == 1 && same?.loss == same?.changedLoss)
    let changed = try ModelComparison.run(
      original: made.original.model, changed: made.quantized.model, split: text,
      compute: made.compute)
    let evaluator = try Evaluator(
      model: made.quantized.model, split: text, batchSize: 2, compute: made.compute)
    let result = try #require(evaluator.run())
    let difference = try #require(changed).changedLoss - result.loss
    #expect(difference.magnitude < 1e-5)
    #expect(changed?.tokenCount == result.tokenCount)
    #expect(changed.map { $0.divergence > 0 && $0.agreement > 0.5 } == true)
  }
}

@Suite struct QuantizedFileErrorTests {
  @Test func quantizedModelsAreNotTrained() throws {
    let made = try QuantizedCase("modern", .int4)
    let path = made.quantized.file.path
    #expect(
      made.folder.failure { _ = try ModelFile(path: path) }
        == "65 DIR/b is quantised and can't be trained. Found weights in int4, expected float32. "
        + "Train the checkpoint it was made from, or one that mgpt dequantize makes of it.")
    #expect(
      made.folder.failure {
        _ = try Quantizer(compute: made.compute).quantize(
          made.quantized, to: .int8, path: made.folder.file("c"))
      }
        == "65 DIR/b is quantised already. Found weights in int4, expected float32. Quantise the "
        + "checkpoint it was made from; doing it twice adds the errors.")
    #expect(
      made.folder.failure {
        try Quantizer(compute: made.compute).dequantize(
          made.original, path: made.folder.file("c"))
      }
        == "65 DIR/a is not quantised. Found weights of 16 bits or more, expected int8 or int4. "
        + "Use it as it is.")
  }

  @Test func weightsThatAreNoNumbers() throws {
    let folder = try TemporaryFolder()
    let path = try QuantizedCase.write("modern", to: folder.file("a")) { model in
      model.weights.floats[model.table["blocks.1.mlp.up.weight"]!.offset + 25] = .nan
    }
    let file = try ModelFile(path: path, for: .inference)
    let compute = try Compute(threadCount: 1)
    #expect(
      folder.failure {
        _ = try Quantizer(compute: compute).quantize(file, to: .int8, path: folder.file("b"))
      }
        == "65 DIR/a can't be quantised. Found nan in blocks.1.mlp.up.weight at row 2, column 1, "
        + "expected finite weights. Use a checkpoint from before the loss became NaN.")
    #expect(folder.names == ["a"])
  }

  @Test func unknownVersionsAndFormats() throws {
    let made = try QuantizedCase("modern", .int8)
    func message(_ header: String) throws -> String {
      let path = try made.changed(header: header)
      return made.folder.failure { _ = try ModelFile(path: path, for: .inference) }
    }
    #expect(
      try message("{\"version\":4,\"format\":\"int8\"}")
        == "65 DIR/c is quantised in an unknown way. Found version 4, expected version 3. Quantise the "
        + "model again with this mgpt, or use a newer one.")
    #expect(
      try message("{\"version\":3,\"format\":\"int3\"}")
        == "65 DIR/c is quantised in an unknown way. Found format \"int3\", expected int8, int8-block, "
        + "int4. Quantise the model again with this mgpt, or use a newer one.")
    #expect(
      try message("{\"version\":3,\"format\":\"int4\"}")
        == "65 DIR/c does not fit the model. Found tensor blocks.0.attention.qkv.weight of shape "
        + "(5, 1, 8, 32), expected (5, 1, 8, 16). Check the model's configuration or name another "
        + "checkpoint.")
    // Older versions have rows one after the other.
    for version in 1...2 {
      #expect(
        try message("{\"version\":\(version),\"format\":\"int8\"}")
          == "65 DIR/c is quantised in an unknown way. Found version \(version), expected version 3. "
          + "Quantise the model again with this mgpt, or use a newer one.")
    }
  }
}

@Suite struct ModelMemoryTests {
  @Test func modelsThatDoNotFitAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = try QuantizedCase.write("modern", width: 64, to: folder.file("a"))
    func failure(_ available: Int?) -> String {
      folder.failure {
        _ = try ModelFile(path: path, for: .inference, availableMemory: available)
      }
    }
    #expect(
      failure(100_000)
        == "69 not enough memory for the model: 1 MiB of weights and 1 MiB for keys and values "
        + "needed, 1 MiB available. End other programs, or make the model smaller with mgpt "
        + "quantize.")
    #expect(failure(1_000_000) == "no error")
    #expect(failure(nil) == "no error")
  }
}
