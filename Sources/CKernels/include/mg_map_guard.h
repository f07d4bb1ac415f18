/* Files that are mapped and cut short by another program while they are read: the processor then
 * finds no page behind an address and the system sends SIGBUS. The guard turns that into one line
 * that names the file, and exit code 74 (EX_IOERR). */
#ifndef MG_MAP_GUARD_H
#define MG_MAP_GUARD_H
#include <stddef.h>

enum { MG_GUARDED_MAPS = 64 };

/// Guards the `byte_count` bytes mapped at `base`; the message calls the file `name`, cut to 255
/// bytes. Returns a number for mg_map_unguard, or -1 where MG_GUARDED_MAPS maps are guarded
/// already: such a map works, without the message. From any thread.
int mg_map_guard(const void *base, size_t byte_count, const char *name);

/// Ends the guard that has this number; -1 is allowed.
void mg_map_unguard(int number);

#endif
