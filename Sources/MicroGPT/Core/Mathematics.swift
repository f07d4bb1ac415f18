// The few functions of the C mathematics library that Swift code above the kernels needs, in one
// place, so that no other file has to know which C library it is.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The cosine.
func cosine(_ x: Double) -> Double { cos(x) }
/// The exponential.
func exponential(_ x: Double) -> Double { exp(x) }
/// The power.
func power(_ x: Double, _ y: Double) -> Double { pow(x, y) }
/// The natural logarithm.
func logarithm(_ x: Double) -> Double { log(x) }

/// exp(-x) in straight-line arithmetic that compilers turn into vector code, the same on every
/// machine.
///
/// *Requires*: 0 <= x <= 87, so that the result is a normal number; anything else, NaN included,
/// gives some number.
///
/// *Precision*: relative error below 3e-7. exp(-x) = 2^n exp(r), n whole and |r| <= ln 2 / 2; the
/// series to r^7 leaves out 0.35^8 / 8! = 5e-9, and the rest is rounding.
@inline(__always)
func exponentialOfNegated(_ x: Float) -> Float {
  let magic: Float = 12_582_912  // 1.5 * 2^23: adding it leaves no bits behind the point
  let shifted = x * -1.442_695_04 + magic
  let n = shifted - magic
  // ln 2 in two parts; the first has nine bits, so that n times it is exact.
  let r = (-x - n * 0.693_359_375) + n * 2.121_944_4e-4
  let high = ((r * (1 / 5040) + (1 / 720)) * r + (1 / 120)) * r + (1 / 24)
  let sum = (((high * r + (1 / 6)) * r + 0.5) * r + 1) * r + 1
  // The low bits of `shifted` are n; 127 is the exponent's bias, and 23 its place.
  return sum * Float(bitPattern: (shifted.bitPattern &+ 127) &<< 23)
}
