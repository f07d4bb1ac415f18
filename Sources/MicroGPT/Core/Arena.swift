// One aligned block of memory with one lifetime: parameters, gradients, activations, a cache.
// A class because identity is the point: executors of one model share the block of its parameters,
// and it must outlive all of them.

import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A zeroed, 64-byte-aligned block of memory, freed with its last owner.
///
/// `@unchecked Sendable`: the block itself never changes owner or address; who may write into it is
/// settled by who runs: one trainer, or one generator, on one thread at a time.
public final class Arena: @unchecked Sendable {
  /// The alignment of every arena and of every tensor in it: a cache line, a vector of AVX-512.
  static let alignment = 64
  /// A large page of x86-64, and of AArch64 where small ones have 4 KiB.
  private static let largePage = 2 << 20
  /// The largest of the small pages that a system may have.
  private static let page = 64 << 10

  /// The first byte.
  let base: UnsafeMutableRawPointer
  /// The size asked for.
  public let byteCount: Int

  /// Bytes mapped; 0 for a block of the heap.
  private let mappedByteCount: Int

  /// Reserves `byteCount` zeroed bytes.
  ///
  /// Of a large block, only what has been touched takes memory: in large pages, unless it
  /// `fillsSlowly` and small ones are worth the look-ups.
  ///
  /// *Throws* `MemoryError.exhausted` if the system has no such block.
  public init(byteCount: Int, fillsSlowly: Bool = false) throws(MemoryError) {
    let size = max(Arena.rounded(byteCount), Arena.alignment)
    // Not in whole large pages: half of the last one would be lost.
    let isLarge = size >= 2 * Arena.largePage
    mappedByteCount = isLarge ? (size + Arena.page - 1) & -Arena.page : 0
    guard let base = mappedByteCount > 0 ? Arena.map(mappedByteCount) : Arena.allocate(size) else {
      throw .exhausted(byteCount: byteCount)
    }
    if mappedByteCount > 0 && !fillsSlowly { mg_prefer_large_pages(base, mappedByteCount) }
    self.base = base
    self.byteCount = byteCount
  }

  private static func map(_ size: Int) -> UnsafeMutableRawPointer? {
    mg_map_zeros(size, largePage)
  }

  private static func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    var pointer: UnsafeMutableRawPointer?
    guard posix_memalign(&pointer, alignment, size) == 0, let pointer else { return nil }
    memset(pointer, 0, size)
    return pointer
  }

  deinit {
    if mappedByteCount > 0 { mg_unmap(base, mappedByteCount) } else { free(base) }
  }

  /// The block as floats.
  var floats: UnsafeMutableBufferPointer<Float> {
    let start = base.assumingMemoryBound(to: Float.self)
    return UnsafeMutableBufferPointer(start: start, count: byteCount / 4)
  }

  /// The block as bytes.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

  /// `byteCount` rounded up to a multiple of the alignment.
  static func rounded(_ byteCount: Int) -> Int {
    (byteCount + alignment - 1) / alignment * alignment
  }
}

/// Memory that could not be had.
public enum MemoryError: UserFacingError, Equatable {
  /// The system refused a block.
  case exhausted(byteCount: Int)
  /// The plan does not fit into what is available.
  ///
  /// `note` says what `available` leaves out, in words.
  case doesNotFit(needed: Int, available: Int, note: String = "")
  /// A model that is only to be run does not fit.
  case modelDoesNotFit(weights: Int, cache: Int, available: Int)

  /// The code the process exits with.
  public var exitCode: ExitCode { .unavailable }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .exhausted(let byteCount):
      return "out of memory: \(mebibytes(byteCount)) MiB could not be reserved. "
        + "Use a smaller --batch-size, --context or --embed-dim; to train also --recompute, "
        + "--optimizer-state int8 or --precision bf16."
    case .doesNotFit(let needed, let available, let note):
      return "not enough memory: \(mebibytes(needed)) MiB needed, \(mebibytes(available)) MiB "
        + "available\(note.isEmpty ? "" : " (\(note))"). Use --recompute, --optimizer-state int8, --precision bf16, a smaller "
        + "--batch-size with --grad-accum, a smaller --context or --embed-dim; "
        + "mgpt train --force tries anyway."
    case .modelDoesNotFit(let weights, let cache, let available):
      return "not enough memory for the model: \(mebibytes(weights)) MiB of weights and "
        + "\(mebibytes(cache)) MiB for keys and values needed, \(mebibytes(available)) MiB "
        + "available. End other programs, or make the model smaller with mgpt quantize."
    }
  }
}

/// In MiB, rounded up.
func mebibytes(_ byteCount: Int) -> Int { (byteCount + (1 << 20) - 1) >> 20 }
