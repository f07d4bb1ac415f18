// Counts allocations of a piece of work, its pool's threads included.
import CKernelChecks
import CKernels

@testable import MicroGPT

/// The number of allocations that `body` makes on this thread and on the workers of `compute`; nil
/// where this build can't count (sanitizers, musl, Darwin).
func allocations(on compute: Compute, _ body: () throws -> Void) rethrows -> Int? {
  guard mg_malloc_counts(), let counter = mg_malloc_counter_create() else {
    try body()
    return nil
  }
  let pool = compute.context.pointee.pool
  mg_pool_run(pool, mg_malloc_enroll, UnsafeMutableRawPointer(counter))
  defer {
    mg_pool_run(pool, mg_malloc_enroll, nil)
    mg_malloc_counter_destroy(counter)
  }
  try body()
  return mg_malloc_calls(counter)
}
