// meta.json of a folder of token files: what they hold, which tokenizer made them, and from which
// text. Read with distrust; written by DataPreparation.swift.

/// What meta.json says.
struct TokenFolderMeta {
  static let format = "mgpt-tokens"
  static let version = 1

  /// One of the two files.
  struct Part: Equatable {
    var tokenCount: Int
    /// Bytes of text that the tokens stand for, an end of a document counted as one.
    var byteCount: Int
    /// CRC-32C of the file.
    var checksum: UInt32
  }

  var layout: CorpusLayout
  var tokenizer: any TextTokenizer
  /// Bytes of a token.
  var width: Int
  var training: Part
  var validation: Part
  var validationFraction: Double
  var source: PreparedSource

  /// Bytes of a token for a vocabulary: 16 bits as long as they hold all ids.
  static func width(vocabularySize: Int) -> Int { vocabularySize <= 1 << 16 ? 2 : 4 }

  var json: JSON {
    func part(_ part: Part) -> JSON {
      [
        "tokens": .integer(part.tokenCount), "bytes": .integer(part.byteCount),
        "crc32c": .string(hexadecimal(part.checksum, digits: 8)),
      ]
    }
    let end = layout.hasDocuments ? tokenizer.endToken.map { JSON.integer(Int($0)) } : nil
    return [
      "format": .string(Self.format), "version": .integer(Self.version),
      "dtype": .string(width == 2 ? "uint16" : "uint32"), "byte_order": "little",
      "vocab_size": .integer(tokenizer.vocabularySize), "layout": .string(layout.rawValue),
      "document_end": end ?? .null, "val_fraction": .number(validationFraction),
      "train": part(training), "val": part(validation),
      "source": source.json,
      "tokenizer_fingerprint": .string(tokenizer.fingerprint), "tokenizer": tokenizer.json,
    ]
  }
}

extension TokenFolderMeta {
  /// Reads the meta.json of `folder`.
  ///
  /// *Throws* `notJSON`, `damaged`, `DataError` where it can't be read, `TokenizerError` of a
  /// damaged tokenizer.
  init(readFrom folder: String) throws {
    let path = folder + "/meta.json"
    let reader = try Reader(path: path, bytes: try readFile(path))
    guard reader.json["format"]?.stringValue == Self.format else {
      throw reader.damaged("format", "\"\(Self.format)\"")
    }
    guard reader.json["version"]?.intValue == Self.version else {
      throw reader.damaged("version", "\(Self.version), of this mgpt")
    }
    guard let width = ["uint16": 2, "uint32": 4][reader.json["dtype"]?.stringValue ?? ""] else {
      throw reader.damaged("dtype", "uint16 or uint32")
    }
    guard let layout = CorpusLayout(rawValue: reader.json["layout"]?.stringValue ?? "") else {
      throw reader.damaged(
        "layout", CorpusLayout.allCases.map(\.rawValue).joined(separator: " or "))
    }
    guard let fraction = reader.json["val_fraction"]?.doubleValue, fraction > 0, fraction < 1 else {
      throw reader.damaged("val_fraction", "a share between 0 and 1")
    }
    tokenizer = try reader.tokenizer()
    guard !layout.hasDocuments || tokenizer.endToken != nil else {
      throw reader.damaged("tokenizer", "one with a token that ends documents")
    }
    guard reader.json["tokenizer_fingerprint"]?.stringValue == tokenizer.fingerprint else {
      throw reader.damaged("tokenizer_fingerprint", tokenizer.fingerprint)
    }
    (self.width, self.layout, validationFraction) = (width, layout, fraction)
    (training, validation) = (try reader.part("train"), try reader.part("val"))
    let text = try reader.part("source", "bytes")
    source = PreparedSource(
      path: reader.json["source"]?["path"]?.stringValue ?? "", byteCount: text.byteCount,
      checksum: text.checksum)
    source.readRecord(reader.json["source"])
  }

  private struct Reader {
    let path: String
    let json: JSON

    init(path: String, bytes: [UInt8]) throws(TokenFileError) {
      self.path = path
      do {
        json = try JSON.parse(bytes)
      } catch {
        throw .notJSON(path: path, error)
      }
    }

    func tokenizer() throws -> any TextTokenizer {
      do throws(TokenizerError) {
        return try makeTokenizer(from: json["tokenizer"] ?? .null)
      } catch {
        guard case .damaged(let field, let found, let expected) = error else { throw error }
        throw TokenFileError.damaged(
          path: path, field: "tokenizer.\(field)", found: found, expected: expected)
      }
    }

    func damaged(_ field: String, _ expected: String, in object: JSON? = nil) -> TokenFileError {
      let name = String(field.split(separator: ".").last ?? "")
      let value = (object ?? json)[name]
      let found = value?.stringValue.map { quotedForMessage($0) } ?? describe(value)
      return .damaged(path: path, field: field, found: found, expected: expected)
    }

    func part(_ name: String, _ count: String = "tokens") throws(TokenFileError) -> Part {
      guard let object = json[name] else { throw damaged(name, "an object") }
      func integer(_ key: String) throws(TokenFileError) -> Int {
        guard let number = object[key]?.intValue, number >= 0 else {
          throw damaged("\(name).\(key)", "a count", in: object)
        }
        return number
      }
      guard let text = object["crc32c"]?.stringValue, let checksum = UInt32(text, radix: 16) else {
        throw damaged("\(name).crc32c", "8 hexadecimal digits", in: object)
      }
      return Part(
        tokenCount: try integer(count), byteCount: try integer("bytes"), checksum: checksum)
    }
  }
}
