// What can be wrong with a checkpoint, and the words for it. Facts come from SafeTensors*.swift
// and from whoever builds a model out of the file; all words are here.

/// A `.safetensors` file that can't be used.
///
/// Also for the layers above: they throw `missingTensor`, `wrongShape`, `missingMetadata` … about
/// tensors and keys that they need and this layer does not know.
public enum CheckpointError: UserFacingError, Equatable {
  /// The file itself can't be opened.
  case file(FileError)
  /// Sizes in bytes.
  case truncated(path: String, found: Int, expected: Int)
  /// Another kind of file; `found` says which, as far as the first bytes tell.
  case foreign(path: String, found: String, advice: String)
  /// `fault`: what was found and expected where, without a full stop.
  case damagedHeader(path: String, fault: String)
  /// `part` is `tensor NAME` or `metadata KEY`; CRC-32C found in the file and expected.
  case checksumMismatch(path: String, part: String, found: UInt32, expected: UInt32)
  case missingChecksum(path: String, part: String)
  case missingTensor(path: String, name: String)
  case unexpectedTensor(path: String, name: String)
  case wrongShape(path: String, name: String, found: [Int], expected: [Int])
  case unknownDType(path: String, name: String, found: String)
  case wrongDType(path: String, name: String, found: String, expected: String)
  case missingMetadata(path: String, key: String)
  /// A checkpoint that can only be run, asked to be trained.
  case quantized(path: String, format: String)
  /// `found` and `expected`: a version or a format.
  case unknownQuantization(path: String, found: String, expected: String)
  /// `fault`: what was found and expected, without a full stop.
  case damagedMetadata(path: String, key: String, fault: String)

  /// The code the process exits with.
  public var exitCode: ExitCode {
    if case .file(let error) = self { error.exitCode } else { .data }
  }

  /// The message, one line.
  public var description: String {
    switch self {
    case .file(let error): error.description
    case .truncated(let path, let found, let expected):
      "\(printable(path)) is truncated. Found \(found) bytes, expected \(expected)."
        + " \(Self.tryAnother)"
    case .foreign(let path, let found, let advice):
      "\(printable(path)) is not a safetensors file. Found \(printable(found)), expected a header"
        + " length and JSON. \(advice)"
    case .damagedHeader(let path, let fault):
      "\(printable(path)) has a damaged header. \(fault). \(Self.tryAnother)"
    case .checksumMismatch(let path, let part, let found, let expected):
      "\(printable(path)) is damaged in \(printable(part)). Found checksum"
        + " \(hexadecimal(found, digits: 8)), expected \(hexadecimal(expected, digits: 8))."
        + " \(Self.tryAnother)"
    case .missingChecksum(let path, let part):
      "\(printable(path)) is damaged. Found no checksum for \(printable(part)), expected one."
        + " \(Self.tryAnother)"
    case .missingTensor(let path, let name):
      "\(printable(path)) does not fit the model. Found no tensor \(printable(name)), expected one."
        + " \(Self.checkModel)"
    case .unexpectedTensor(let path, let name):
      "\(printable(path)) does not fit the model. Found a tensor \(printable(name)), expected none"
        + " of that name. \(Self.checkModel)"
    case .wrongShape(let path, let name, let found, let expected):
      "\(printable(path)) does not fit the model. Found tensor \(printable(name)) of shape"
        + " \(Self.words(found)), expected \(Self.words(expected)). \(Self.checkModel)"
    case .unknownDType(let path, let name, let found):
      "\(printable(path)) can't be read. Found tensor \(printable(name)) of type"
        + " \(printable(found)), expected a type such as F32, F16 or BF16."
        + " Convert it with Python's safetensors."
    case .wrongDType(let path, let name, let found, let expected):
      "\(printable(path)) can't be used. Found tensor \(printable(name)) of type \(found),"
        + " expected \(expected). Convert it with Python's safetensors."
    case .quantized(let path, let format):
      "\(printable(path)) is quantised and can't be trained. Found weights in \(format), expected"
        + " float32. Train the checkpoint it was made from, or one that mgpt dequantize makes of it."
    case .unknownQuantization(let path, let found, let expected):
      "\(printable(path)) is quantised in an unknown way. Found \(found), expected \(expected)."
        + " Quantise the model again with this mgpt, or use a newer one."
    case .missingMetadata(let path, let key):
      "\(printable(path)) has no metadata \(printable(key)): mgpt did not write it, or another"
        + " program dropped it. Name a checkpoint that mgpt wrote."
    case .damagedMetadata(let path, let key, let fault):
      "\(printable(path)) has damaged metadata \(printable(key)). \(fault). \(Self.tryAnother)"
    }
  }

  private static let tryAnother = "Copy the file again or use another checkpoint."
  private static let checkModel = "Check the model's configuration or name another checkpoint."

  /// `(256, 64)`; `()` for a scalar.
  private static func words(_ shape: [Int]) -> String {
    "(" + shape.map(\.description).joined(separator: ", ") + ")"
  }
}
