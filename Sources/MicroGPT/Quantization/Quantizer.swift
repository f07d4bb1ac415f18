// From a checkpoint of numbers to one of small integers and scales, and back. The integers are made
// by kernels; here is what becomes of which tensor, and the report.

import CKernels

/// How a model is to be quantised.
public enum QuantizationTarget: String, Sendable, CaseIterable {
  /// Linear maps in int8 with a scale per output channel.
  case int8
  /// Linear maps in int8 with a scale per 32 elements.
  case int8Block = "int8-block"
  /// Linear maps in 4 bits with a scale per 32 elements, the largest of them exact.
  case int4
  /// The same format with the scales that make the smallest square error.
  case int4Search = "int4-search"

  var format: QuantizedFormat {
    switch self {
    case .int8: .int8
    case .int8Block: .int8Block
    case .int4, .int4Search: .int4
    }
  }
  var method: String { self == .int4Search ? "search" : "largest" }
}

/// What quantisation did to one matrix.
public struct QuantizationReport: Sendable, Equatable {
  /// The parameter's name.
  public var name: String
  /// Its extents.
  public var shape: [Int]
  /// Its new format.
  public var format: QuantizedFormat
  /// Root of the mean square error over root of the mean square.
  public var relativeError: Double
  /// Smallest weight.
  public var least: Double
  /// Largest weight.
  public var greatest: Double
  /// Weights farther from zero than six times the root of the mean square.
  public var outlierCount: Int
}

/// Why a model can't be quantised or dequantised.
public enum QuantizationError: UserFacingError, Equatable {
  case alreadyQuantized(path: String, format: String)
  case notQuantized(path: String)
  case notFinite(path: String, name: String, row: Int, column: Int, found: String)

  /// The code the process exits with.
  public var exitCode: ExitCode { .data }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .alreadyQuantized(let path, let format):
      "\(printable(path)) is quantised already. Found weights in \(format), expected float32. "
        + "Quantise the checkpoint it was made from; doing it twice adds the errors."
    case .notQuantized(let path):
      "\(printable(path)) is not quantised. Found weights of 16 bits or more, expected int8 or int4. "
        + "Use it as it is."
    case .notFinite(let path, let name, let row, let column, let found):
      "\(printable(path)) can't be quantised. Found \(found) in \(printable(name)) at row \(row), "
        + "column \(column), expected finite weights. Use a checkpoint from before the loss became "
        + "NaN."
    }
  }
}

/// Quantises whole checkpoints.
public struct Quantizer {
  private let compute: Compute

  /// Works on the threads of `compute`.
  public init(compute: Compute) { self.compute = compute }

  /// Writes `source` in another format to `path`: aside, synced, renamed.
  ///
  /// Linear maps get the target's format; embedding and head, whose rows are looked up or are
  /// classes, int8 by rows; everything else stays float32. What a training run would need to go on
  /// is left out. `progress` is told the weights done and to do, and answers whether to go on; nil
  /// if not, and then nothing is written.
  public func quantize(
    _ source: ModelFile, to target: QuantizationTarget, path: String,
    progress: (Int, Int) -> Bool = { _, _ in true }
  ) throws -> [QuantizationReport]? {
    if let format = source.quantizedFormat {
      throw QuantizationError.alreadyQuantized(path: source.file.path, format: format.rawValue)
    }
    let header = QuantizationHeader(format: target.format, method: target.method)
    let parameters = source.model.table.parameters
    var plan: [(parameter: Parameter, format: QuantizedFormat, tensors: QuantizedTensors)] = []
    var kept: [Parameter] = []
    for parameter in parameters {
      if case .quantized(let format)? = header.elementType(of: parameter) {
        plan.append((parameter, format, QuantizedTensors(parameter, format)))
      } else {
        kept.append(parameter)
      }
    }
    let scales = plan.map(\.tensors.scales)
    let beside = scales.filter { $0.dtype == .f32 } + plan.compactMap(\.tensors.sums)
    let order =
      plan.map(\.tensors.values) + beside
      + kept.map { TensorSpecification(name: $0.name, shape: $0.shape.array) }
      + scales.filter { $0.dtype == .f16 }
    var file = try SafeTensorsWriter(
      path: path, tensors: order, metadata: metadata(of: source, header))
    var reports: [QuantizationReport] = []
    var bytes: [String: Arena] = [:]
    let total = plan.reduce(0) { $0 + $1.parameter.shape.count }
    var done = 0
    for (parameter, format, tensors) in plan {
      let matrix = try QuantizedMatrix(
        source.model.floats(of: parameter), parameter.shape, format,
        searches: target == .int4Search, compute)
      if let place = matrix.firstNotFinite {
        throw QuantizationError.notFinite(
          path: source.file.path, name: parameter.name, row: place.row, column: place.column,
          found: "\(place.value)")
      }
      try file.write(matrix.values.bytes, of: tensors.values.name)
      bytes[tensors.scales.name] = matrix.scales
      if let sums = tensors.sums { bytes[sums.name] = try matrix.sums() }
      reports.append(try matrix.report(parameter.name))
      done += parameter.shape.count
      if !progress(done, total) { return nil }
    }
    for tensor in beside { try write(tensor, bytes, to: &file) }
    for parameter in kept {
      try file.write(source.model.floats(of: parameter), of: parameter.name)
    }
    for tensor in scales where tensor.dtype == .f16 { try write(tensor, bytes, to: &file) }
    try file.commit()
    return reports
  }

  private func write(
    _ tensor: TensorSpecification, _ bytes: [String: Arena], to file: inout SafeTensorsWriter
  ) throws(FileError) {
    guard let bytes = bytes[tensor.name] else { preconditionFailure("nothing for \(tensor.name)") }
    try file.write(bytes.bytes, of: tensor.name)
  }

  /// Writes the quantised model `source` as float32 to `path`: the numbers that it computes with.
  public func dequantize(_ source: ModelFile, path: String) throws {
    guard source.quantizedFormat != nil else {
      throw QuantizationError.notQuantized(path: source.file.path)
    }
    let model = try GPT(source.model.configuration)
    for (target, parameter) in zip(model.table.parameters, source.model.table.parameters) {
      let values = model.values(of: target)
      guard case .matrix(let slot, .quantized) = parameter.place,
        let matrix = source.model.matrices?.matrices[slot]
      else {
        _ = values.update(fromContentsOf: source.model.floats(of: parameter))
        continue
      }
      dequantize(matrix, into: values)
    }
    let stored = model.table.stored(for: model.configuration.family)
    var file = try SafeTensorsWriter(
      path: path, tensors: stored.map { TensorSpecification(name: $0.name, shape: $0.shape) },
      metadata: metadata(of: source, nil))
    for parameter in stored {
      try parameter.write(from: model.weights, as: parameter.name, to: &file)
    }
    try file.commit()
  }

  private func dequantize(_ matrix: WeightMatrix, into values: UnsafeMutableBufferPointer<Float>) {
    guard case .quantized(let format) = matrix.elementType, let base = values.baseAddress else {
      return
    }
    var description = mg_quantized(
      format: format.kernel, n: matrix.rows, k: matrix.columns, values: matrix.values,
      scales: matrix.scales, sums: nil, next: nil)
    mg_dequantize_matrix(compute.context, &description, base)
  }

  /// What the two files say of the model; of the training nothing.
  private func metadata(
    of source: ModelFile, _ header: QuantizationHeader?
  ) -> [(key: String, value: String)] {
    [
      (ModelFile.Key.format, "pt"),
      (ModelFile.Key.configuration, source.model.configuration.json.description),
      (ModelFile.Key.tokenizer, source.tokenizer.json.description),
      (ModelFile.Key.layout, source.layout.rawValue),
    ] + (header.map { [(QuantizationHeader.key, $0.json.description)] } ?? [])
  }
}

/// One matrix, quantised in memory.
private struct QuantizedMatrix {
  let values: Arena
  let scales: Arena
  private let source: UnsafeBufferPointer<Float>
  private let shape: Shape
  private let format: QuantizedFormat
  private let compute: Compute

  init(
    _ source: UnsafeBufferPointer<Float>, _ shape: Shape, _ format: QuantizedFormat,
    searches: Bool, _ compute: Compute
  ) throws {
    self.source = source
    self.shape = shape
    self.format = format
    self.compute = compute
    let (rows, columns) = (shape[0], shape[1])
    values = try Arena(byteCount: format.valueByteCount(rows: rows, columns: columns))
    scales = try Arena(byteCount: format.scaleByteCount(rows: rows, columns: columns))
    try compute.reserve(scratchPerWorker: mg_quantized_stride(columns) / 4, shared: 0)
    mg_quantize_matrix(
      compute.context, format.kernel, rows, columns, source.baseAddress, searches ? 1 : 0,
      values.base, scales.base)
  }

  /// The first weight that is NaN or infinite.
  var firstNotFinite: (row: Int, column: Int, value: Float)? {
    guard let index = source.firstIndex(where: { !$0.isFinite }) else { return nil }
    return (index / shape[1], index % shape[1], source[index])
  }

  private var description: mg_quantized {
    mg_quantized(
      format: format.kernel, n: shape[0], k: shape[1], values: values.base, scales: scales.base,
      sums: nil, next: nil)
  }

  /// The sum of each row of the quantised weights.
  func sums() throws(MemoryError) -> Arena {
    let sums = try Arena(byteCount: 4 * shape[0])
    var description = description
    try compute.reserve(scratchPerWorker: shape[1], shared: 0)
    mg_quantized_row_sums(compute.context, &description, sums.floats.baseAddress)
    return sums
  }

  func report(_ name: String) throws(MemoryError) -> QuantizationReport {
    var description = description
    var report = QuantizationReport(
      name: name, shape: shape.array, format: format, relativeError: 0, least: 0, greatest: 0,
      outlierCount: 0)
    try compute.reserve(scratchPerWorker: shape[1], shared: 0)
    var statistics = mg_quantization_statistics()
    mg_compare_quantized(compute.context, &description, source.baseAddress, &statistics)
    report.relativeError =
      statistics.squares > 0 ? (statistics.square_errors / statistics.squares).squareRoot() : 0
    report.least = Double(statistics.least)
    report.greatest = Double(statistics.greatest)
    report.outlierCount = statistics.outliers
    return report
  }
}
