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
