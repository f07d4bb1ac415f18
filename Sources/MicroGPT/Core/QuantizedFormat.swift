// How quantised matrices are stored: the formats of mg_formats.h as Swift values. What a file calls
// its tensors is in IO and Model; how numbers get there is in Quantization.

import CKernels

/// The storage of a quantised matrix (rows, columns): element = scale · q.
///
/// Rows are padded with zeros to whole blocks of 32.
public enum QuantizedFormat: String, Sendable, CaseIterable {
  /// q in -127 … 127, one float32 scale per row (output channel).
  case int8
  /// q in -127 … 127, one float16 scale per 32 elements of a row.
  case int8Block = "int8-block"
  /// q in -8 … 7, two to a byte, one float16 scale per 32 elements of a row.
  case int4

  /// Elements that share a scale in the block formats; the unit of padding in all.
  static let blockSize = Int(MG_BLOCK)

  var kernel: mg_quantization {
    switch self {
    case .int8: MG_Q8_ROW
    case .int8Block: MG_Q8_BLOCK
    case .int4: MG_Q4_BLOCK
    }
  }

  /// Blocks of a row.
  static func blockCount(_ columns: Int) -> Int { (columns + blockSize - 1) / blockSize }

  /// Bytes of a row's values.
  func rowByteCount(_ columns: Int) -> Int {
    QuantizedFormat.blockCount(columns) * (self == .int4 ? 16 : 32)
  }

  /// The extents of all scales: rows, or groups of rows, blocks of a row and rows of a group.
  func scaleShape(rows: Int, columns: Int) -> [Int] {
    let group = Int(MG_GROUP)
    return self == .int8
      ? [rows] : [(rows + group - 1) / group, QuantizedFormat.blockCount(columns), group]
  }

  /// Bytes of all scales.
  func scaleByteCount(rows: Int, columns: Int) -> Int {
    scaleShape(rows: rows, columns: columns).reduce(self == .int8 ? 4 : 2, *)
  }

  /// Bytes of a matrix: values and scales.
  func byteCount(rows: Int, columns: Int) -> Int {
    rows * rowByteCount(columns) + scaleByteCount(rows: rows, columns: columns)
  }
}
