// A mapped file that another program cuts short must end this one with a message, not a crash.

import CKernels

/// While it lives, a fault in these mapped bytes ends the process with one line and exit code 74.
struct MapGuard: ~Copyable {
  private let number: Int32

  /// `name` is how the message calls the file.
  init(_ base: UnsafeRawPointer, byteCount: Int, name: String) {
    number = mg_map_guard(base, byteCount, name)
  }

  deinit { mg_map_unguard(number) }
}
