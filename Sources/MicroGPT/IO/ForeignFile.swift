// What a file that is no safetensors file is instead, guessed from its first bytes, with advice
// on how to get a safetensors file out of it.

/// Recognises other formats that people have models in.
enum ForeignFile {
  private static let saveFromPython =
    "Load it in PyTorch and write it with safetensors.torch.save_file."

  /// First bytes, what they mean, what to do.
  private static let signatures: [(start: [UInt8], name: String, advice: String)] = [
    (
      [0x50, 0x4B, 0x03, 0x04], "a ZIP archive, as PyTorch's .pt and .pth files are", saveFromPython
    ),
    ([0x80, 0x02], "a Python pickle, as old PyTorch .pt files are", saveFromPython),
    (Array("GGUF".utf8), "a GGUF file of llama.cpp", "Use the model's original .safetensors file."),
    ([0x89, 0x48, 0x44, 0x46], "an HDF5 file, as Keras writes", saveFromPython),
    (Array("\u{93}NUMPY".unicodeScalars.map { UInt8($0.value) }), "a NumPy array", saveFromPython),
    ([0x1F, 0x8B], "a gzip archive", "Unpack it with gunzip."),
    (Array("version https://git-lfs".utf8), "a Git LFS pointer", "Fetch it with git lfs pull."),
  ]

  /// The error for a file that is certainly something else; nil if it may be a safetensors file.
  ///
  /// A safetensors file has `{` in byte 8. That decides; signatures only name the other format,
  /// since a header length may happen to look like one.
  static func error(for bytes: UnsafeRawBufferPointer, path: String) -> CheckpointError? {
    if bytes.count > 8 && bytes[8] == UInt8(ascii: "{") { return nil }
    for (start, name, advice) in signatures where bytes.starts(with: start) {
      return .foreign(path: path, found: name, advice: advice)
    }
    let advice = "Name a .safetensors file."
    let first = bytes.prefix(8)
    // One or two letters may also be the start of a header length.
    if first.count > 2 && first.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 >= 0x09 && $0 <= 0x0D })
    {
      let words = "text that starts with \(JSON.string(String(decoding: first, as: UTF8.self)))"
      return .foreign(path: path, found: words, advice: advice)
    }
    if bytes.count <= 8 { return nil }
    let words = first.map { hexadecimal($0, digits: 2) }.joined(separator: " ")
    return .foreign(path: path, found: "the first bytes \(words)", advice: advice)
  }
}
