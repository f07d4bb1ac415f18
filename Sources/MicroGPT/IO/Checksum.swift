// The checksum of checkpoints, for Swift: CRC-32C by the C kernel, as number and as text.

import CKernels

/// CRC-32C of `bytes`, continuing from `checksum`; see mg_checksum.h.
func crc32c(_ bytes: UnsafeRawBufferPointer, continuing checksum: UInt32 = 0) -> UInt32 {
  mg_crc32c(checksum, bytes.baseAddress, bytes.count)
}

/// CRC-32C of the UTF-8 of `text`.
func crc32c(_ text: String) -> UInt32 {
  Array(text.utf8).withUnsafeBytes { crc32c($0) }
}
