// `mgpt inspect`: what a checkpoint contains.

import MicroGPT

/// Prints a description of a checkpoint; returns the code to exit with.
func runInspect(_ asked: InspectOptions) throws -> Int32 {
  let path = try requireModel(asked.model)
  let saved = try ModelFile(path: path)
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
      "tensors": .array(tensors),
    ]
    Terminal.output.write(jsonLine(object) + "\n")
    return 0
  }
  var lines = [
    "\(path): checksums verified",
    "  parameters      \(saved.model.parameterCount)",
    "  tokenizer       \(saved.tokenizer.kind.rawValue), \(c.vocabularySize) ids, "
      + "trained on a \(saved.layout == .stream ? "stream" : "list of documents")",
  ]
  for member in c.json.objectValue ?? [] {
    lines.append("  \(Format.aligned(member.key, to: 16))\(member.value)")
  }
  if let step = training?["step"]?.intValue, let steps = training?["steps"]?.intValue {
    let best = training?["best_loss"]?.doubleValue
    lines.append(
      "  step            \(step) of \(steps)"
        + (best.map { ", best validation loss \(Format.fixed($0, decimals: 4))" } ?? ""))
  }
  lines.append("  tensors")
  for entry in saved.file.entries where !entry.name.hasPrefix("optimizer.") {
    lines.append("    \(entry.name) \(entry.dtype.rawValue) \(entry.shape)")
  }
  Terminal.output.write(lines.joined(separator: "\n") + "\n")
  return 0
}
