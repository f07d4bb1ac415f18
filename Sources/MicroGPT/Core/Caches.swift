// The caches of a processor as the kernel lists them, and how much of a matrix product's operand
// fits into them. Bits never depend on what is found here: see CKernels/gemm.c.

import CKernels

/// The data caches of one processor, from the first level on.
public struct Caches: Sendable, Equatable {
  /// One of them.
  public struct Level: Sendable, Equatable {
    /// Its size.
    public var byteCount: Int
    /// Processors that use it, at least 1.
    public var sharers: Int
  }

  /// By level; empty where the system doesn't say.
  public var levels: [Level]

  /// Asks the system about the processor of this number.
  public init(ofProcessor number: Int, _ tree: SystemTree = .current) {
    let folder = "/sys/devices/system/cpu/cpu\(number)/cache"
    let found = tree.numbered("index", in: folder).compactMap { name -> (Int, Level)? in
      let cache = "\(folder)/\(name)"
      guard tree.line("\(cache)/type") != "Instruction", let level = tree.integer("\(cache)/level"),
        let byteCount = tree.line("\(cache)/size").flatMap(Self.byteCount), byteCount > 0
      else { return nil }
      let sharers = tree.line("\(cache)/shared_cpu_list").flatMap(SystemTree.numbers(ofList:))
      return (level, Level(byteCount: byteCount, sharers: max(1, sharers?.count ?? 1)))
    }
    levels = found.sorted { $0.0 < $1.0 }.map(\.1)
  }

  /// Bytes of the largest; nil if the system doesn't say.
  public var largestByteCount: Int? { levels.map(\.byteCount).max() }

  /// How much of an operand that one worker reads again and again may stay here: three quarters of
  /// the second level, or a quarter of the last, which keeps more beside it; nil if unknown.
  ///
  /// A processor's even share where several use one. At most 4 MiB: beyond, nothing is gained.
  var packedByteCount: Int? {
    guard levels.count >= 2 else { return nil }
    let second = levels[1].byteCount / levels[1].sharers / 4 * 3
    let beyond = levels.dropFirst(2).last.map { $0.byteCount / $0.sharers / 4 } ?? 0
    return min(max(second, beyond), 4 << 20)
  }

  /// Columns of an operand that `mg_matmul` packs at a time, `kernels.kc` words of each: as many
  /// as fit, whole tiles; the back end's own number where nothing is known.
  func columnBlock(_ kernels: mg_kernels) -> Int {
    guard let packedByteCount else { return kernels.nc }
    return max(packedByteCount / (4 * kernels.kc) / kernels.nr, 4) * kernels.nr
  }

  /// The number of bytes that the kernel writes as "32768K" or "1M".
  static func byteCount(_ text: String) -> Int? {
    let units: [Character: Int] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
    guard let last = text.last, let unit = units[last], let count = Int(text.dropLast()) else {
      return Int(text)
    }
    let product = count.multipliedReportingOverflow(by: unit)
    return product.overflow ? nil : product.partialValue
  }
}
