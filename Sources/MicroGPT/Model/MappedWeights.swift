// Matrices that inference reads where they stand in a checkpoint: float32 ones whose layout in the
// file is that of memory, and all quantised ones. What a quantised tensor looks like in a file is
// decided here; Quantization writes it.

/// What a checkpoint says of its quantisation, in the metadata under "quantization".
struct QuantizationHeader: Sendable, Equatable {
  /// The format of the linear maps; tables (embedding, head) are `.int8`.
  var format: QuantizedFormat
  /// How scales were chosen, for `inspect`: "largest" or "search".
  var method: String

  static let key = "quantization"
  /// The layout of values and scales.
  ///
  /// 3 has eight rows side by side, block by block. 1 and 2, of the days before in November 2026,
  /// had rows one after the other and are not read.
  static let version = 3

  var json: JSON {
    [
      "version": .integer(QuantizationHeader.version), "format": .string(format.rawValue),
      "method": .string(method),
    ]
  }

  init(format: QuantizedFormat, method: String) {
    self.format = format
    self.method = method
  }

  /// The header of `file`; nil if its weights are not quantised.
  init?(of file: SafeTensors) throws(CheckpointError) {
    guard file.metadata[QuantizationHeader.key] != nil else { return nil }
    let json = try file.requireJSON(QuantizationHeader.key)
    func damage(_ fault: String) -> CheckpointError {
      .damagedMetadata(path: file.path, key: QuantizationHeader.key, fault: fault)
    }
    guard let version = json["version"]?.intValue else { throw damage("Found no version") }
    guard let name = json["format"]?.stringValue else { throw damage("Found no format") }
    guard version == QuantizationHeader.version else {
      throw .unknownQuantization(
        path: file.path, found: "version \(version)",
        expected: "version \(QuantizationHeader.version)")
    }
    guard let format = QuantizedFormat(rawValue: name) else {
      throw .unknownQuantization(
        path: file.path, found: "format \"\(printable(name))\"",
        expected: QuantizedFormat.allCases.map(\.rawValue).joined(separator: ", "))
    }
    self.init(format: format, method: json["method"]?.stringValue ?? "")
  }

  /// The type of `parameter` in a model of this format; nil if it stays float32.
  func elementType(of parameter: Parameter) -> ElementType? {
    if !parameter.stackedRows.isEmpty { return .quantized(format) }
    let isTable = parameter.name == "embedding.token.weight" || parameter.name == "head.weight"
    return isTable ? .quantized(.int8) : nil
  }
}

/// A quantised matrix as two or three tensors of a file.
struct QuantizedTensors {
  let values: TensorSpecification
  let scales: TensorSpecification
  /// The sum of each row, where its input has an offset; files of older programs lack it, and are
  /// used without.
  let sums: TensorSpecification?

  init(_ parameter: Parameter, _ format: QuantizedFormat) {
    let (rows, columns) = (parameter.shape[0], parameter.shape[1])
    values = TensorSpecification(
      name: parameter.name, dtype: format == .int4 ? .u8 : .i8,
      shape: format.valueShape(rows: rows, columns: columns))
    scales = TensorSpecification(
      name: "\(parameter.name).scale", dtype: format == .int8 ? .f32 : .f16,
      shape: format.scaleShape(rows: rows, columns: columns))
    sums =
      parameter.hasOneSidedInput
      ? TensorSpecification(name: "\(parameter.name).sum", shape: [rows]) : nil
  }
}

extension SafeTensors {
  /// The entry that `specification` describes, at an address that its elements may have.
  fileprivate func require(_ specification: TensorSpecification) throws(CheckpointError)
    -> UnsafeRawPointer
  {
    let entry = try require(specification.name, shape: specification.shape)
    guard entry.dtype == specification.dtype else {
      throw .wrongDType(
        path: path, name: entry.name, found: entry.dtype.rawValue,
        expected: specification.dtype.rawValue)
    }
    guard isAligned(entry) else {
      throw .damagedHeader(
        path: path,
        fault: "Found tensor \(printable(entry.name)) at byte \(entry.range.lowerBound), expected"
          + " a multiple of \(entry.dtype.byteCount)")
    }
    return address(of: entry)
  }

  /// Whether elements can be read where they are.
  fileprivate func isAligned(_ entry: TensorEntry) -> Bool {
    entry.range.lowerBound.isMultiple(of: entry.dtype.byteCount)
  }
}

/// The matrices of a checkpoint that can be used in place.
struct MappedWeights {
  /// Types by name of the parameters that stay in the file.
  private(set) var types: [String: ElementType] = [:]
  private let file: SafeTensors
  private let names: [String: String]

  /// Looks which parameters of `stored` can stay in `file`.
  init(_ stored: [StoredParameter], in file: SafeTensors, _ header: QuantizationHeader?) {
    self.file = file
    var names: [String: String] = [:]
    for entry in stored where entry.parameter.shape.rank == 2 {
      let name = entry.parameter.name
      names[name] = entry.name
      if let header {
        types[name] = header.elementType(of: entry.parameter)
      } else if !entry.isTransposed, entry.parameter.shape.count > 0,
        let tensor = file.entry(named: entry.name), tensor.dtype == .f32, file.isAligned(tensor)
      {
        types[name] = .float32
      }
    }
    self.names = names
  }

  /// The matrices in the order of the slots of `table`, which was made with `types`.
  ///
  /// *Throws* if a tensor is missing, or of another type or shape.
  func matrices(of table: ParameterTable) throws(CheckpointError) -> MatrixStore {
    var matrices: [WeightMatrix] = []
    var order: [Int] = []
    for parameter in table.parameters {
      guard case .matrix(let slot, let type) = parameter.place else { continue }
      if case .quantized = type, !parameter.stackedRows.isEmpty { order.append(slot) }
      var (values, scales): (UnsafeRawPointer, UnsafeRawPointer?)
      var sums: UnsafeRawPointer?
      if case .quantized(let format) = type {
        let tensors = QuantizedTensors(parameter, format)
        (values, scales) = (try file.require(tensors.values), try file.require(tensors.scales))
        if let tensor = tensors.sums, file.entry(named: tensor.name) != nil {
          sums = try file.require(tensor)
        }
      } else {
        let specification = TensorSpecification(
          name: names[parameter.name] ?? parameter.name, shape: parameter.shape.array)
        (values, scales) = (try file.require(specification), nil)
      }
      matrices.append(
        WeightMatrix(
          elementType: type, rows: parameter.shape[0], columns: parameter.shape[1],
          values: values, scales: scales, sums: sums))
    }
    // A token meets the blocks' matrices as the table has them, then the head.
    let head = table["head.weight"] ?? table["embedding.token.weight"]
    if case .matrix(let slot, .quantized) = head?.place { order.append(slot) }
    return MatrixStore(matrices, order: order, owner: file)
  }
}
