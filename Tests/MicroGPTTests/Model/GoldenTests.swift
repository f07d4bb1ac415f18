// Agreement with PyTorch: logits, loss, every gradient, and 50 optimizer steps, from fixtures that
// tools/golden.py wrote (float64 where possible).
import Foundation
import Testing

@testable import MicroGPT

/// A golden file: a model and what PyTorch computed with it.
struct Golden {
  let file: SafeTensors
  let model: GPT

  init(_ name: String) throws {
    try self.init(path: fixturePath("golden-\(name).safetensors"))
  }

  init(path: String) throws {
    file = try SafeTensors(path: path)
    model = try GPT(ModelConfiguration(json: file.requireJSON("configuration")))
    for stored in model.table.stored(for: model.configuration.family) {
      try stored.read(from: file, as: stored.name, to: model.weights)
    }
  }

  func integers(_ name: String) throws -> [Int32] {
    try file.withBytes(of: name) { bytes in
      (0..<(bytes.count / 4)).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
    }
  }

  func shape(_ name: String) throws -> [Int] { try file.require(name).shape }
}

/// The path of a file in Tests/Fixtures.
func fixturePath(_ name: String, file: String = #filePath) -> String {
  var parts = file.split(separator: "/", omittingEmptySubsequences: false)
  while let last = parts.popLast(), last != "Tests" {}
  return parts.joined(separator: "/") + "/Tests/Fixtures/" + name
}

/// The largest |a - b|.
func largestDifference(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Float {
  zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) }
}

@Suite struct GoldenTests {
  static let names = [
    "gpt2", "microgpt", "randygpt", "picogpt", "llama", "llama-gqa", "modern", "modern-gqa",
    "rlm-gate", "rlm-outer", "rlm-input",
  ]

  @Test(arguments: names) func logits(_ name: String) throws {
    let golden = try Golden(name)
    let shape = try golden.shape("golden.inputs")
    let compute = try Compute(threadCount: 2)
    let graph = LogitsGraph(
      golden.model.configuration, golden.model.table, batchSize: shape[0],
      sequenceLength: shape[1], cached: false)
    let executor = try Executor(graph.graph, compute: compute, parameters: golden.model.weights)
    _ = executor.integers(graph.tokens).update(fromContentsOf: try golden.integers("golden.inputs"))
    executor.forward()
    let expected = try golden.file.floats(of: "golden.logits")
    #expect(expected.count == graph.logits.shape.count)
    #expect(largestDifference(executor.floats(graph.logits), expected) < 1e-4)
  }

  /// One token at a time, and a prefill of five followed by single tokens.
  @Test(arguments: names) func cachedLogits(_ name: String) throws {
    let golden = try Golden(name)
    let (batch, time) = (
      try golden.shape("golden.inputs")[0], try golden.shape("golden.inputs")[1]
    )
    let vocabulary = golden.model.configuration.vocabularySize
    let tokens = try golden.integers("golden.inputs")
    let expected = try golden.file.floats(of: "golden.logits")
    let decoder = try Decoder(model: golden.model, compute: Compute(threadCount: 1))
    for row in 0..<batch {
      for prefill in [0, 5] {
        decoder.reset()
        var t = 0
        while t < time {
          let count = t == 0 && prefill > 0 ? prefill : 1
          let first = row * time + t
          let logits = try decoder.append(Array(tokens[first..<(first + count)]))
          t += count
          let at = (row * time + t - 1) * vocabulary
          let found = UnsafeBufferPointer(start: logits, count: vocabulary)
          #expect(largestDifference(found, expected[at..<(at + vocabulary)]) < 1e-4, "\(row) \(t)")
        }
      }
    }
  }

  /// Of recursive models the gradient is that of the loss named in the file.
  @Test(arguments: names, [1, 3]) func lossAndGradients(_ name: String, threads: Int) throws {
    let golden = try Golden(name)
    let shape = try golden.shape("golden.inputs")
    let compute = try Compute(threadCount: threads)
    let gradients = try Arena(byteCount: golden.model.table.elementCount * 4)
    let loss = LossGraph(
      golden.model.configuration, golden.model.table, batchSize: shape[0],
      sequenceLength: shape[1], isTraining: true, recomputes: threads == 3,
      loss: golden.file.metadata["recursion_loss"].flatMap(RecursionLoss.init(rawValue:)) ?? .final)
    let executor = try Executor(
      loss.graph, compute: compute, parameters: golden.model.weights, gradients: gradients)
    let targets = try golden.integers("golden.targets")
    let count = targets.count { $0 >= 0 }
    _ = executor.integers(loss.tokens).update(fromContentsOf: try golden.integers("golden.inputs"))
    _ = executor.integers(loss.targets).update(fromContentsOf: targets)
    executor.state.pointee.lossWeight = 1 / Float(count)
    executor.forward()
    executor.backward()
    let expectedLoss = Double(try golden.file.floats(of: "golden.loss")[0])
    #expect(abs(executor.state.pointee.lossSum / Double(count) - expectedLoss) < 1e-5)
    for stored in golden.model.table.stored(for: golden.model.configuration.family) {
      let block = try Arena(byteCount: gradients.byteCount)
      try stored.read(from: golden.file, as: "golden.gradient." + stored.name, to: block)
      let range = stored.parameter.offset..<(stored.parameter.offset + stored.parameter.shape.count)
      let largest = block.floats[range].reduce(0) { max($0, abs($1)) }
      let error = largestDifference(gradients.floats[range], block.floats[range])
      #expect(error <= 1e-4 * largest, "\(stored.name): \(error) of \(largest)")
    }
  }

  @Test func fiftyStepsOfAdamW() throws {
    try compareTraining(Golden("gpt2-training"))
  }

  /// The training cases in MGPT_GOLDEN_DIR, too large for the repository: `python tools/golden.py
  /// --full --out DIR` writes them.
  @Test func trainingAtFullSize() throws {
    guard let folder = ProcessInfo.processInfo.environment["MGPT_GOLDEN_DIR"] else {
      print("skipped: MGPT_GOLDEN_DIR is not set")
      return
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted().filter {
      $0.hasPrefix("golden-") && $0.contains("-training") && $0.hasSuffix(".safetensors")
    }
    try #require(!names.isEmpty, "no golden-*-training*.safetensors in \(folder)")
    for name in names { try compareTraining(Golden(path: folder + "/" + name)) }
  }
}

/// Trains on the batches of `golden` and compares each step's loss and the final weights.
func compareTraining(_ golden: Golden, threads: Int = 2) throws {
  let settings = try golden.file.requireJSON("training")
  func number(_ key: String) throws -> Double { try #require(settings[key]?.doubleValue) }
  let shape = try golden.shape("golden.batches")
  let (steps, batchSize, width) = (shape[0], shape[1], shape[2])
  let context = golden.model.configuration.contextLength
  var adamW = AdamWConfiguration()
  adamW.beta1 = try number("beta1")
  adamW.beta2 = try number("beta2")
  adamW.epsilon = try number("epsilon")
  adamW.weightDecay = try number("weight_decay")
  let rate = try number("learning_rate")
  let configuration = TrainingConfiguration(
    steps: steps, batchSize: batchSize, adamW: adamW,
    schedule: LearningRateSchedule(
      kind: .constant, maximum: rate, minimum: rate, warmupSteps: 0, totalSteps: steps,
      patience: 1),
    gradientClip: try number("gradient_clip"))
  let batches = try golden.integers("golden.batches")
  // The split is only there to make a trainer: the batches are written into its buffers.
  let split = try TokenSplit(
    text: Array(repeating: 65, count: 4096), layout: .stream, tokenizer: ByteTokenizer(), path: "")
  let trainer = try Trainer(
    model: golden.model, configuration: configuration, training: split,
    compute: Compute(threadCount: threads))
  let losses = try golden.file.floats(of: "golden.losses")
  for step in 0..<steps {
    let (inputs, targets) = trainer.buffers(0)
    for b in 0..<batchSize {
      for t in 0..<context {
        let at = (step * batchSize + b) * width + t
        inputs[b * context + t] = t < width - 1 ? batches[at] : 0
        targets[b * context + t] = t < width - 1 ? batches[at + 1] : -1
      }
    }
    let result = try trainer.update(tokenCount: batchSize * (width - 1))
    #expect(abs(result.loss - Double(losses[step])) < 1e-4, "step \(step + 1)")
  }
  for stored in golden.model.table.stored(for: golden.model.configuration.family) {
    let block = try Arena(byteCount: golden.model.weights.byteCount)
    try stored.read(from: golden.file, as: "golden.final." + stored.name, to: block)
    let range = stored.parameter.offset..<(stored.parameter.offset + stored.parameter.shape.count)
    let found = golden.model.weights.floats[range]
    let expected = block.floats[range]
    var differences = zip(found, expected).map { abs($0 - $1) }
    if stored.name.hasSuffix("c_attn.bias") {
      // A key's bias moves all scores of a query alike: its true gradient is zero, and Adam blows
      // up whatever rounding leaves. Queries' and values' biases are compared.
      let width = golden.model.configuration.modelWidth
      differences.removeSubrange(width..<(2 * width))
    }
    let error = differences.max() ?? 0
    #expect(error < 1e-3, "\(stored.name): \(error)")
  }
}
