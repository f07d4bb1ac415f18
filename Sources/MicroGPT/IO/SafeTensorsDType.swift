// Element types of safetensors files, and the conversion of floating-point ones to `Float` for
// import. Not a compute path: one element at a time, for weights that are read once.

/// The type of a tensor's elements, under the name that the file uses.
public enum SafeTensorsDType: String, CaseIterable, Sendable {
  case f64 = "F64"
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case f8e4m3 = "F8_E4M3"
  case f8e5m2 = "F8_E5M2"
  case i64 = "I64"
  case i32 = "I32"
  case i16 = "I16"
  case i8 = "I8"
  case u64 = "U64"
  case u32 = "U32"
  case u16 = "U16"
  case u8 = "U8"
  case bool = "BOOL"

  /// Bytes per element.
  public var byteCount: Int {
    switch self {
    case .f64, .i64, .u64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .f8e4m3, .f8e5m2, .i8, .u8, .bool: 1
    }
  }

  /// The bytes of a tensor of `shape`; nil if a dimension is negative or the product overflows.
  public func byteCount(ofShape shape: [Int]) -> Int? {
    var product = byteCount
    for dimension in shape {
      guard dimension >= 0 else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
      if overflow { return nil }
      product = next
    }
    return product
  }

  /// Converts the little-endian elements of `bytes` to `Float`.
  ///
  /// False if this type has no conversion (integers, 8-bit floats). Doubles are rounded, the others
  /// are exact.
  ///
  /// *Requires*: `bytes` holds exactly `floats.count` elements; any alignment.
  func convert(
    _ bytes: UnsafeRawBufferPointer, to floats: UnsafeMutableBufferPointer<Float>
  ) -> Bool {
    precondition(
      bytes.count == floats.count * byteCount, "\(bytes.count) bytes for \(floats.count) elements")
    switch self {
    case .f32: UnsafeMutableRawBufferPointer(floats).copyMemory(from: bytes)
    case .f16:
      for index in floats.indices {
        floats[index] = float(
          halfBits: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
      }
    case .bf16:
      for index in floats.indices {
        let bits = bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
        floats[index] = Float(bitPattern: UInt32(bits) << 16)
      }
    case .f64:
      for index in floats.indices {
        floats[index] = Float(bytes.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
      }
    default: return false
    }
    return true
  }
}

/// The value of an IEEE 754 binary16 number, exactly. (`Float16` is missing on some platforms.)
func float(halfBits bits: UInt16) -> Float {
  let sign = UInt32(bits & 0x8000) << 16
  let exponent = UInt32(bits >> 10) & 31
  let mantissa = UInt32(bits) & 1023
  switch exponent {
  case 0:  // zero and subnormals: mantissa · 2^-24
    let magnitude = Float(mantissa) * 0x1p-24
    return Float(bitPattern: magnitude.bitPattern | sign)
  case 31: return Float(bitPattern: sign | 0x7F80_0000 | mantissa << 13)
  default: return Float(bitPattern: sign | (exponent + 112) << 23 | mantissa << 13)
  }
}
