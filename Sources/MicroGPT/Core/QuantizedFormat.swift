// How quantised matrices are stored: the formats of mg_formats.h as Swift values. What a file calls
// its tensors is in IO and Model; how numbers get there is in Quantization.

import CKernels

/// The storage of a quantised matrix (rows, columns): element = scale · q.
///
/// Rows are padded with zeros to whole blocks of 32. Eight rows lie side by side, block by block.
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

  /// The extents of all blocks: groups of rows, blocks of a row and rows of a group.
  private func blockShape(rows: Int, columns: Int) -> [Int] {
    let group = Int(MG_GROUP)
    return [(rows + group - 1) / group, QuantizedFormat.blockCount(columns), group]
  }

  /// The extents of all values: those of the blocks, and bytes.
  func valueShape(rows: Int, columns: Int) -> [Int] {
    blockShape(rows: rows, columns: columns) + [mg_block_bytes(kernel)]
  }

  /// The extents of all scales: rows, or those of the blocks.
  func scaleShape(rows: Int, columns: Int) -> [Int] {
    self == .int8 ? [rows] : blockShape(rows: rows, columns: columns)
  }

  /// Bytes of all values.
  func valueByteCount(rows: Int, columns: Int) -> Int {
    mg_quantized_value_bytes(kernel, rows, columns)
  }

  /// Bytes of all scales.
  func scaleByteCount(rows: Int, columns: Int) -> Int {
    mg_quantized_scale_bytes(kernel, rows, columns)
  }

  /// Bytes of a matrix: values and scales.
  func byteCount(rows: Int, columns: Int) -> Int {
    valueByteCount(rows: rows, columns: columns) + scaleByteCount(rows: rows, columns: columns)
  }
}
