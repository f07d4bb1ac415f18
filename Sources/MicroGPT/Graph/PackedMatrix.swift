// A weight matrix in the order in which products of several rows read it, for where packing it anew
// would cost as much as the product.

import CKernels

/// A float32 weight matrix packed by whoever first needs it; takes as much memory again.
///
/// A class for its identity: the graphs of a model share it. `@unchecked Sendable`: used by one
/// executor at a time, like the executors themselves.
final class PackedMatrix: @unchecked Sendable {
  private let panels: Arena
  let outCount: Int
  let inCount: Int
  /// Whether the weights may have changed since they were packed.
  var isStale = true

  /// Room for a matrix (out, in); *throws* if memory lacks.
  init(_ compute: Compute, outCount: Int, inCount: Int) throws(MemoryError) {
    (self.outCount, self.inCount) = (outCount, inCount)
    var kernels = compute.kernels
    panels = try Arena(byteCount: 4 * mg_packed_count(&kernels, outCount, inCount))
  }

  /// Gives `product`, whose weight this is, its packed form; allocates nothing.
  ///
  /// One or two rows read the weight as it is.
  func attach(to product: inout mg_product, _ context: UnsafePointer<mg_context>) {
    if product.m <= 2 { return }
    let packed = panels.floats.baseAddress.unsafelyUnwrapped
    if isStale {
      mg_pack_operand(context, &product, packed)
      isStale = false
    }
    product.panels = UnsafePointer(packed)
  }
}
