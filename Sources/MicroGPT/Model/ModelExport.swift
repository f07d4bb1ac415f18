// Names and orientations of parameters in files: ours, and those of other projects where a family
// has a home elsewhere.

/// How one parameter stands in a file.
struct StoredParameter: Sendable {
  let parameter: Parameter
  /// Its name in the file.
  let name: String
  /// Whether the file holds (in, out) where memory holds (out, in).
  let isTransposed: Bool

  /// Its shape in the file.
  var shape: [Int] { isTransposed ? parameter.shape.array.reversed() : parameter.shape.array }
}

extension ParameterTable {
  /// The parameters under the names of their files.
  ///
  /// For the `gpt2` family these are the names and orientations of Hugging Face's GPT-2 ("Conv1D"
  /// weights are (in, out)); others, and nil, have our own.
  func stored(for family: ModelFamily?) -> [StoredParameter] {
    parameters.map { parameter in
      guard family == .gpt2, let name = gpt2Name(parameter.name) else {
        return StoredParameter(parameter: parameter, name: parameter.name, isTransposed: false)
      }
      let isLinear = parameter.shape.rank == 2 && parameter.name.hasPrefix("blocks.")
      return StoredParameter(parameter: parameter, name: name, isTransposed: isLinear)
    }
  }
}

/// GPT-2's name for one of ours: `blocks.0.attention.qkv.weight` is `h.0.attn.c_attn.weight`.
private func gpt2Name(_ name: String) -> String? {
  let ends = [
    "embedding.token.weight": "wte.weight", "embedding.position.weight": "wpe.weight",
    "norm.weight": "ln_f.weight", "norm.bias": "ln_f.bias", "head.weight": "lm_head.weight",
  ]
  if let end = ends[name] { return end }
  let modules = [
    "attention.norm": "ln_1", "attention.qkv": "attn.c_attn", "attention.output": "attn.c_proj",
    "mlp.norm": "ln_2", "mlp.up": "mlp.c_fc", "mlp.gate_up": "mlp.c_fc", "mlp.down": "mlp.c_proj",
  ]
  let parts = name.split(separator: ".")
  guard parts.count == 5, parts[0] == "blocks",
    let module = modules[parts[2...3].joined(separator: ".")]
  else { return nil }
  return "h.\(parts[1]).\(module).\(parts[4])"
}

// MARK: - Moving numbers between a block and a file

extension StoredParameter {
  /// Writes the parameter's part of `block` (weights, or a moment of the optimizer), which begins
  /// where it does in the block of weights or at `start`.
  func write(
    from block: Arena, at start: Int? = nil, as name: String, to file: inout SafeTensorsWriter
  ) throws(FileError) {
    let values = UnsafeBufferPointer(rebasing: block.floats[range(at: start)])
    if !isTransposed {
      try file.write(values, of: name)
      return
    }
    let (rows, columns) = (parameter.shape[0], parameter.shape[1])
    let turned = [Float](unsafeUninitializedCapacity: values.count) { buffer, count in
      for i in 0..<rows { for j in 0..<columns { buffer[j * rows + i] = values[i * columns + j] } }
      count = values.count
    }
    var failure: FileError?
    turned.withUnsafeBufferPointer { buffer in
      do throws(FileError) { try file.write(buffer, of: name) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Reads the tensor `name` of the file into the parameter's part of `block`, see `write`.
  func read(
    from file: SafeTensors, as name: String, to block: Arena, at start: Int? = nil
  ) throws(CheckpointError) {
    _ = try file.require(name, shape: shape)
    let target = UnsafeMutableBufferPointer(rebasing: block.floats[range(at: start)])
    if !isTransposed {
      try file.read(name, into: target)
      return
    }
    let values = try file.floats(of: name)
    let (rows, columns) = (parameter.shape[0], parameter.shape[1])
    for i in 0..<rows { for j in 0..<columns { target[i * columns + j] = values[j * rows + i] } }
  }

  private func range(at start: Int?) -> Range<Int> {
    let first = start ?? parameter.offset
    return first..<(first + parameter.shape.count)
  }
}
