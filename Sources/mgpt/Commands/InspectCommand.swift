// `mgpt inspect`: what a checkpoint contains.

import MicroGPT

/// Prints a description of a checkpoint; returns the code to exit with.
func runInspect(_ asked: InspectOptions) throws -> Int32 {
  let path = try requireModel(asked.model)
  let saved = try ModelFile(path: path, for: .inference)
  let c = saved.model.configuration
  let training = try? saved.file.requireJSON("training")
  if asked.json {
    let tensors = saved.file.entries.map { entry -> JSON in
      [
        "name": .string(entry.name), "dtype": .string(entry.dtype.rawValue),
        "shape": .array(entry.shape.map { .integer($0) }),
      ]
    }
    let object: JSON = [
      "path": .string(path), "parameters": .integer(saved.model.parameterCount),
      "configuration": c.json, "tokenizer": .string(saved.tokenizer.kind.rawValue),
      "layout": .string(saved.layout.rawValue), "training": training ?? .null,
      "quantization": saved.quantizedFormat.map { .string($0.rawValue) } ?? .null,
      "tensors": .array(tensors),
    ]
    Terminal.output.write("\(object)\n")
    return 0
  }
  var lines = [
    "\(path), all checksums right",
    "  parameters      \(saved.model.parameterCount)",
    "  tokenizer       \(saved.tokenizer.kind.rawValue), \(c.vocabularySize) ids, "
      + "trained on \(layoutWords(saved.layout))",
  ]
  if let format = saved.quantizedFormat {
    lines.append("  quantisation    weights in \(format.rawValue), embedding and head in int8")
  }
  for member in c.json.objectValue ?? [] {
    lines.append(
      "  \(Format.aligned(member.key, to: 16))\(member.value.stringValue ?? member.value.description)"
    )
  }
  lines += recursionLines(c)
  if let step = training?["step"]?.intValue, let steps = training?["steps"]?.intValue {
    let best = training?["best_loss"]?.doubleValue
    lines.append(
      "  step            \(step) of \(steps)"
        + (best.map { ", best validation loss \(Format.fixed($0, decimals: 4))" } ?? ""))
  }
  let weights = saved.file.entries.filter { !$0.name.hasPrefix("optimizer.") }
  let others = saved.file.entries.count - weights.count
  let width = weights.map(\.name.count).max() ?? 0
  lines.append(
    "  tensors         \(weights.count)"
      + (others > 0 ? ", and \(others) of the optimizer's state" : ""))
  for entry in weights {
    lines.append(
      "    \(Format.aligned(entry.name, to: width))  \(entry.dtype.rawValue)  \(entry.shape)")
  }
  Terminal.output.write(lines.joined(separator: "\n") + "\n")
  return 0
}

/// What recursion costs: what a token takes, once and beside the same layers passed through once.
private func recursionLines(_ c: ModelConfiguration) -> [String] {
  guard c.recursion != nil else { return [] }
  var plain = c
  plain.recursion = nil
  let (flops, plainFlops) = (c.inferenceFlopsPerToken, plain.inferenceFlopsPerToken)
  let (cache, plainCache) = (c.cacheByteCount, plain.cacheByteCount)
  return [
    "  recursion       \(c.passCount) passes through \(counted(c.coreLayers.count, "layer")) of "
      + "\(c.layerCount): a token passes \(c.passedLayerCount) layers",
    "    a token       \(Format.count(Int(flops))) FLOP, \(ratio(flops, plainFlops)) times one pass",
    "    cache         \(Format.bytes(cache)) in float32, "
      + "\(ratio(Double(cache), Double(plainCache))) times one pass",
  ]
}

private func ratio(_ a: Double, _ b: Double) -> String { Format.fixed(a / b, decimals: 2) }
