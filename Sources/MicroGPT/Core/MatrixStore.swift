// Weight matrices that lie outside the parameter block: in a mapped file, read in place. Two
// processes that run the same file share its pages.

import CKernels

/// A weight matrix somewhere in memory.
struct WeightMatrix {
  /// `.float32` or `.quantized`.
  let elementType: ElementType
  let rows: Int
  let columns: Int
  let values: UnsafeRawPointer
  /// nil for float32.
  let scales: UnsafeRawPointer?
  /// The sum of each row, where its input has an offset; see mg_quantized.
  var sums: UnsafeRawPointer?
}

/// Matrices by slot, as operations find them; keeps what they lie in.
///
/// A class for its identity: the executors of a model share it. `@unchecked Sendable`: constant
/// after `init`.
final class MatrixStore: @unchecked Sendable {
  let matrices: [WeightMatrix]
  private let descriptions: UnsafeMutablePointer<mg_quantized>
  private let owner: any Sendable

  /// `owner` is kept alive as long as the store: the pointers lead into it.
  ///
  /// `order` has the slots of quantised matrices as a token meets them; the first follows the last.
  init(_ matrices: [WeightMatrix], order: [Int], owner: any Sendable) {
    self.matrices = matrices
    self.owner = owner
    descriptions = .allocate(capacity: max(matrices.count, 1))
    for (slot, matrix) in matrices.enumerated() {
      var format = QuantizedFormat.int8
      if case .quantized(let other) = matrix.elementType { format = other }
      (descriptions + slot).initialize(
        to: mg_quantized(
          format: format.kernel, n: matrix.rows, k: matrix.columns, values: matrix.values,
          scales: matrix.scales, sums: matrix.sums?.assumingMemoryBound(to: Float.self),
          next: nil))
    }
    for (slot, next) in zip(order, order.dropFirst() + order.prefix(1)) {
      descriptions[slot].next = UnsafePointer(descriptions + next)
    }
  }

  deinit { descriptions.deallocate() }

  /// Bytes of all matrices.
  var byteCount: Int {
    matrices.reduce(0) { sum, matrix in
      guard case .quantized(let format) = matrix.elementType else {
        return sum + matrix.rows * matrix.columns * 4
      }
      return sum + format.byteCount(rows: matrix.rows, columns: matrix.columns)
        + (matrix.sums == nil ? 0 : matrix.rows * 4)
    }
  }

  /// What a tensor's address is: the numbers of a float32 matrix, the description (`mg_quantized`)
  /// of a quantised one.
  func address(_ slot: Int) -> UnsafeMutableRawPointer {
    if matrices[slot].elementType == .float32 {
      return UnsafeMutableRawPointer(mutating: matrices[slot].values)
    }
    return UnsafeMutableRawPointer(descriptions + slot)
  }
}
