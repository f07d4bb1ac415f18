/* CRC-32C, the checksum of checkpoints. It finds damage, not forgery: not a cryptographic hash. */
#ifndef MG_CHECKSUM_H
#define MG_CHECKSUM_H
#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `n` bytes at `data`, continuing from `crc`.
///
/// Start with 0; `mg_crc32c(mg_crc32c(0, a, n), b, m)` is the checksum of a followed by b.
/// Polynomial 0x1EDC6F41, reflected, initial value and final xor 0xFFFFFFFF; "123456789" gives
/// 0xE3069283. Requires: n bytes readable, any alignment; `data` may be NULL when n is 0.
/// Cost: one instruction per 8 bytes where the CPU has it (SSE4.2, ARM's CRC), else eight table
/// look-ups; allocates nothing. Thread-safe.
/// Source: M. Kounavis and F. Berry (2005), "A Systematic Approach to Building High Performance
/// Software-Based CRC Generators", ISCC, doi 10.1109/ISCC.2005.18 (slicing-by-8).
uint32_t mg_crc32c(uint32_t crc, const void *data, size_t n);

/// The same without the CPU's instruction, for tests.
uint32_t mg_crc32c_portable(uint32_t crc, const void *data, size_t n);

#endif
