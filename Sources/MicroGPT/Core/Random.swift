// The seeded random generator of the whole project: xoshiro256** with SplitMix64 seeding.
// It is small, saved in every checkpoint, and the same on every machine. Not for cryptography.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A deterministic generator of 64-bit numbers, uniform reals and normal deviates.
///
/// *Source*: D. Blackman and S. Vigna (2021), "Scrambled Linear Pseudorandom Number Generators",
/// doi 10.1145/3460772 (xoshiro256**); G. Steele et al. (2014), "Fast Splittable Pseudorandom
/// Number Generators", doi 10.1145/2660193 (SplitMix64, seeding only).
public struct RandomGenerator: Equatable, Sendable {
  /// The four state words; never all zero.
  public private(set) var state: (UInt64, UInt64, UInt64, UInt64)

  /// Makes a generator whose sequence is a function of `seed` and `stream` only.
  public init(seed: UInt64, stream: UInt64 = 0) {
    let start = seed &+ stream &* 0xD1B5_4A32_D192_ED03
    let step: UInt64 = 0x9E37_79B9_7F4A_7C15
    state = (
      splitMix64(start &+ step), splitMix64(start &+ 2 &* step), splitMix64(start &+ 3 &* step),
      splitMix64(start &+ 4 &* step)
    )
  }

  /// Restores a generator from `words` saved earlier; nil unless there are four, not all zero.
  public init?(words: [UInt64]) {
    guard words.count == 4, words.contains(where: { $0 != 0 }) else { return nil }
    state = (words[0], words[1], words[2], words[3])
  }

  /// The state as four words, for a checkpoint.
  public var words: [UInt64] { [state.0, state.1, state.2, state.3] }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    let result = rotateLeft(state.1 &* 5, by: 7) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = rotateLeft(state.3, by: 45)
    return result
  }

  /// A uniform real number in [0, 1) with 53 random bits.
  public mutating func nextUniform() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// A uniform integer in `0 ..< bound`, without bias.
  ///
  /// *Requires*: `bound > 0`.
  public mutating func next(below bound: Int) -> Int {
    precondition(bound > 0, "bound must be positive, found \(bound)")
    let range = UInt64(bound)
    while true {
      let product = next().multipliedFullWidth(by: range)
      // Lemire's method: reject the few low words that would favour small results.
      if product.low >= range || product.low >= (0 &- range) % range { return Int(product.high) }
    }
  }

  /// A normal deviate with mean 0 and standard deviation 1 (Box-Muller, cosine branch only).
  public mutating func nextNormal() -> Double {
    let radius = (-2 * log(1 - nextUniform())).squareRoot()
    return radius * cos(2 * .pi * nextUniform())
  }

  /// Whether both will give the same numbers.
  public static func == (a: RandomGenerator, b: RandomGenerator) -> Bool { a.state == b.state }
}

/// The finaliser of SplitMix64: a bijection of 64-bit words that scatters neighbouring inputs.
func splitMix64(_ word: UInt64) -> UInt64 {
  var z = word
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}

private func rotateLeft(_ x: UInt64, by n: UInt64) -> UInt64 { (x << n) | (x >> (64 - n)) }
