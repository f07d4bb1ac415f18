// Descriptions of arrays: shape, element type, identity. A `Tensor` owns nothing; where its numbers
// lie is decided by the memory plan and known to the executor only.

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
public enum ElementType: Sendable {
  case float32, bfloat16, int32

  /// Bytes of one element.
  public var byteCount: Int { self == .bfloat16 ? 2 : 4 }
}

/// A value of a graph: an id, a shape, an element type.
public struct Tensor: Sendable, Equatable {
  /// Number within its graph, counted from zero in recording order.
  public let id: Int
  /// Its extents.
  public let shape: Shape
  /// What its elements are.
  public let elementType: ElementType

  var byteCount: Int { shape.count * elementType.byteCount }
  /// Gradients are float32, whatever the value is.
  var gradientByteCount: Int { shape.count * 4 }
}
