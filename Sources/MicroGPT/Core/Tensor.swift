// Descriptions of arrays: shape, element type, identity. A `Tensor` owns nothing; where its numbers
// lie is decided by the memory plan and known to the executor only.

import CKernels

/// Extents of an array, outermost first, one to four dimensions, row-major.
public struct Shape: Equatable, Sendable, CustomStringConvertible {
  private let extents: SIMD4<Int>
  /// The number of dimensions, 1 … 4.
  public let rank: Int

  /// Makes a shape.
  ///
  /// *Requires*: one to four extents, none negative.
  public init(_ extents: Int...) {
    precondition((1...4).contains(extents.count), "1 to 4 dimensions, found \(extents)")
    precondition(extents.allSatisfy { $0 >= 0 }, "negative extent in \(extents)")
    var lanes = SIMD4(1, 1, 1, 1)
    for (i, extent) in extents.enumerated() { lanes[i] = extent }
    self.extents = lanes
    rank = extents.count
  }

  /// The extent of dimension `i`, counted from the outermost.
  public subscript(i: Int) -> Int {
    precondition(i < rank, "dimension \(i) of a shape of rank \(rank)")
    return extents[i]
  }

  /// The number of elements.
  public var count: Int { extents[0] * extents[1] * extents[2] * extents[3] }
  /// The extent of the innermost dimension.
  public var last: Int { extents[rank - 1] }
  /// The product of all extents but the innermost.
  public var rows: Int {
    var product = 1
    for i in 0..<(rank - 1) { product *= extents[i] }
    return product
  }
  /// The extents as an array, outermost first.
  public var array: [Int] { (0..<rank).map { extents[$0] } }
  /// The extents, for messages: `(2, 3)`.
  public var description: String {
    "(" + array.map(String.init).joined(separator: ", ") + ")"
  }
}

/// What an array consists of.
public enum ElementType: Sendable, Equatable {
  case float32, bfloat16, int32
  /// Rows of activations in int8 with a scale and block sums each; see mg_q8_rows.
  case quantizedRows
  /// A weight matrix in one of the quantised formats.
  case quantized(QuantizedFormat)
}

/// A value of a graph: an id, a shape, an element type.
public struct Tensor: Sendable, Equatable {
  /// Number within its graph, counted from zero in recording order.
  public let id: Int
  /// Its extents.
  public let shape: Shape
  /// What its elements are.
  public let elementType: ElementType

  /// The bytes it takes, scales and padding of quantised ones included.
  var byteCount: Int {
    switch elementType {
    case .float32, .int32: shape.count * 4
    case .bfloat16: shape.count * 2
    case .quantizedRows: mg_q8_rows_bytes(shape.rows, shape.last)
    case .quantized(let format): format.byteCount(rows: shape.rows, columns: shape.last)
    }
  }
  /// Gradients are float32, whatever the value is.
  var gradientByteCount: Int { shape.count * 4 }

  /// The format of a quantised weight; nil for everything else.
  var quantizedFormat: QuantizedFormat? {
    if case .quantized(let format) = elementType { format } else { nil }
  }
}
