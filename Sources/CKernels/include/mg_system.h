/* What the operating system says and what Swift can't ask it portably (glibc, musl and Darwin
 * differ): clock, memory, processors, terminals, signals, whole writes. Not here: reading and
 * replacing files (Swift does those) and CPU features (mg_cpu.h). Nothing here allocates. */
#ifndef MG_SYSTEM_H
#define MG_SYSTEM_H
#include <stddef.h>
#include <stdint.h>

/// Seconds of the monotonic clock; only differences mean anything.
double mg_seconds(void);

/// `size` bytes of zeros that take memory only where they have been touched, for mg_unmap; NULL if
/// the system refuses. At a multiple of `alignment`, a power of two of whole pages.
void *mg_map_zeros(size_t size, size_t alignment);

/// Gives back what mg_map_zeros gave for the same size; NULL is nothing.
void mg_unmap(void *memory, size_t size);

/// Asks for large pages behind `size` bytes that nobody has written to yet: matrices whose rows are
/// pages apart then cost no look-up of an address per row. A system without them does nothing.
void mg_prefer_large_pages(void *memory, size_t size);

/// Waits for so many seconds, an hour at most, or until a signal comes.
void mg_sleep(double seconds);

/// Largest resident set of this process so far, in bytes; 0 if unknown.
/// Linux counts what the process held before exec, such as the memory of a script that started it.
uint64_t mg_peak_resident_bytes(void);

/// The same of this program alone; on Linux it reads a file of /proc, which takes some 20 us.
uint64_t mg_own_peak_resident_bytes(void);

/// Begins mg_own_peak_resident_bytes anew from what is resident now. Returns 1, or 0 where the
/// system can't (Linux can, through /proc).
int mg_reset_own_peak_resident(void);

/// Memory that can be had without swapping, in bytes; 0 if unknown.
/// Linux: MemAvailable (before Linux 3.14 MemFree) of `meminfo_path`, NULL = /proc/meminfo.
/// Darwin with NULL: all physical memory, because its kernel publishes no such estimate.
uint64_t mg_available_memory_bytes(const char *meminfo_path);

/// Processors that this process may run on (its affinity mask), at least 1. A container's
/// CPU-time quota is not a number of processors and is not considered.
int mg_processor_count(void);

/// Reads the file at `path` as one number in `base` 10 or 16, with blanks and line breaks allowed
/// behind it only. Returns 1, or 0 if it is none or can't be read; then `*value` is unchanged.
int mg_read_number(const char *path, int base, int64_t *value);

/// Lets the calling thread, and those that it starts from now on, run on the processors `i` with
/// `used[i]` != 0 only. Returns 1, or 0 where the system can't or none of them is there.
int mg_run_on_processors(const unsigned char *used, size_t count);

/// Writes the processor's or board's name into `out`, cut to `capacity - 1` bytes and terminated.
/// Linux: "model name" of `cpuinfo_path`, else the device tree's model (Raspberry Pi).
/// NULL paths mean the real files. Returns the length written; 0 if unknown.
/// *Requires*: `capacity` > 0.
size_t mg_processor_name(char *out, size_t capacity, const char *cpuinfo_path,
                         const char *device_tree_path);

/// 1 if `fd` is a terminal, else 0.
int mg_is_terminal(int fd);

/// Columns of the terminal at `fd` at this moment; 0 if it is none or doesn't say.
int mg_terminal_columns(int fd);

/// Writes all `byte_count` bytes, going on after interruptions and waiting for a full pipe.
/// Returns 0, or the errno of the failure (then an unknown part was written).
int mg_write_all(int fd, const void *bytes, size_t byte_count);

/// From now on the first SIGINT or SIGTERM is only remembered, for the program to stop at a safe
/// point; a second one ends the current line of the terminal and exits at once with 128 + signal.
/// SIGPIPE is ignored, so that writing to a closed pipe fails with EPIPE. System calls restart.
/// Catches them also where the parent had them ignored, as a shell script does with SIGINT for
/// background jobs: who sends one to a training run wants it to stop and save.
void mg_signals_install(void);

/// The signal remembered since mg_signals_install, or 0.
int mg_signal_received(void);

/// Forgets the remembered signal and restores what mg_signals_install replaced.
void mg_signals_reset(void);

#endif
