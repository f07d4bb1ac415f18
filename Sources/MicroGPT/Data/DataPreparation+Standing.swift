// Whether prepared tokens are those that would be made: what saves making them again.

extension DataPreparation {
  /// What a folder holds before tokens are made in it.
  public enum Standing: Sendable, Equatable {
    /// None of the files.
    case empty
    /// A file that `mgpt data prepare` did not make, or can't tell that it did.
    case foreign(file: String)
    /// The tokens that would be made.
    case upToDate
    /// Other tokens that were made; the reason is a clause.
    case outdated(reason: String)
  }

  /// Compares the record of a folder with the text, the tokenizer and the rules.
  ///
  /// *Cost*: reads both files, for their checksums, and what `PreparedSource.change` reads.
  public func standing() -> Standing {
    let present = ["train.bin", "val.bin", "meta.json"].map { folder + "/" + $0 }
      .filter { PathKind($0) != nil }
    guard let first = present.first else { return .empty }
    guard let meta = try? TokenFolderMeta(readFrom: folder) else { return .foreign(file: first) }
    return reason(meta).map { .outdated(reason: $0) } ?? .upToDate
  }

  /// Why other tokens would be made than those that `meta` describes.
  private func reason(_ meta: TokenFolderMeta) -> String? {
    let old = meta.source
    guard let origin = old.tokenizer, !old.files.isEmpty else {
      return "they do not say of what they were made"
    }
    if old.path != source.path { return "they were made of \(printable(old.path))" }
    if meta.layout != layout { return "their layout was \(meta.layout.rawValue)" }
    if meta.validationFraction != validationFraction {
      return "their --val-fraction was \(meta.validationFraction)"
    }
    let isSameTokenizer =
      switch vocabulary {
      case .given(let tokenizer, _): tokenizer.fingerprint == meta.tokenizer.fingerprint
      case .kind(let kind, let size): origin == .text(kind, size: size)
      }
    if !isSameTokenizer { return "their tokenizer was \(meta.tokenizer.identity)" }
    if let changed = old.change(in: source, layout) { return "\(printable(changed)) has changed" }
    for (name, part) in [("train.bin", meta.training), ("val.bin", meta.validation)]
    where !Self.isWhole(folder + "/" + name, part, meta.width) {
      return "\(name) was damaged"
    }
    return nil
  }

  private static func isWhole(_ path: String, _ part: TokenFolderMeta.Part, _ width: Int) -> Bool {
    guard let file = try? MappedFile(path: path), file.byteCount == part.tokenCount * width
    else { return false }
    return file.withBytes { crc32c($0) } == part.checksum
  }
}
