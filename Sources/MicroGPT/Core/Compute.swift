// The owner of the C thread pool, the chosen kernel table and the scratch memory that operations
// share. One per process is usual; it must be used from one thread at a time.

import CKernels

/// Threads, kernels and scratch for running graphs.
///
/// `@unchecked Sendable`: it is handed to the one owner that runs graphs; its pool's workers never
/// call back into Swift.
public final class Compute: @unchecked Sendable {
  /// Workers, the calling thread included.
  public let threadCount: Int
  /// The name of the back end, as `MGPT_ISA` spells it.
  public let backEnd: String
  /// What operations are given; its address never changes.
  let context: UnsafeMutablePointer<mg_context>
  private var scratch: Arena
  private var shared: Arena
  /// The back end's table with the column block that suits this machine's caches.
  private let table: UnsafeMutablePointer<mg_kernels>

  var kernels: mg_kernels { context.pointee.kernels.pointee }

  /// Starts `threadCount` workers with the back end of this process, or with `backEnd`.
  ///
  /// - Parameter caches: what blocks are to fit into, by default those of a fast processor.
  public init(threadCount: Int, backEnd: String? = nil, caches: Caches? = nil) throws {
    let found: UnsafePointer<mg_kernels>?
    if let backEnd {
      found = mg_kernels_for(mg_isa_named(backEnd))
    } else {
      found = mg_kernels_default()
    }
    guard let found else {
      throw ComputeError.noBackEnd(
        reason: backEnd.map {
          "the back end \"\($0)\" can't run here. Leave MGPT_ISA unset to use the best one."
        } ?? String(cString: mg_dispatch_error()))
    }
    guard threadCount >= 1, let pool = mg_pool_create(threadCount) else {
      throw ComputeError.noThreads(count: threadCount)
    }
    self.threadCount = threadCount
    self.backEnd = String(cString: mg_isa_name(found.pointee.isa))
    scratch = try Arena(byteCount: 0)
    shared = try Arena(byteCount: 0)
    table = .allocate(capacity: 1)
    table.initialize(to: found.pointee)
    let caches = caches ?? Caches(ofProcessor: Processors().fast.first ?? 0)
    table.pointee.nc = caches.columnBlock(found.pointee)
    context = .allocate(capacity: 1)
    context.initialize(
      to: mg_context(
        pool: pool, kernels: table, scratch: scratch.floats.baseAddress, scratch_per_worker: 0,
        shared: shared.floats.baseAddress))
  }

  deinit {
    mg_pool_destroy(context.pointee.pool)
    context.deallocate()
    table.deallocate()
  }

  /// Makes sure that operations find this much scratch.
  ///
  /// Never shrinks; not during a run.
  func reserve(scratchPerWorker: Int, shared sharedCount: Int) throws(MemoryError) {
    let perWorker = Compute.wholeLines(scratchPerWorker)
    if perWorker > context.pointee.scratch_per_worker {
      scratch = try Arena(byteCount: perWorker * threadCount * 4)
      context.pointee.scratch = scratch.floats.baseAddress
      context.pointee.scratch_per_worker = perWorker
    }
    if sharedCount * 4 > shared.byteCount {
      shared = try Arena(byteCount: sharedCount * 4)
      context.pointee.shared = shared.floats.baseAddress
    }
  }

  /// Floats of a worker's scratch in whole cache lines, as they are reserved.
  static func wholeLines(_ count: Int) -> Int { (count + 15) / 16 * 16 }

  /// Bytes of scratch reserved so far.
  public var scratchByteCount: Int { scratch.byteCount + shared.byteCount }
}

/// Why computing can't begin.
public enum ComputeError: UserFacingError, Equatable {
  case noBackEnd(reason: String)
  case noThreads(count: Int)

  /// The code the process exits with.
  public var exitCode: ExitCode { .unavailable }

  /// One line: what is wrong, what was expected, what to do.
  public var description: String {
    switch self {
    case .noBackEnd(let reason): return reason
    case .noThreads(let count):
      return "\(count) threads could not be started. Use a smaller --threads."
    }
  }
}
