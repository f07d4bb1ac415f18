/* What the operating system says and what Swift can't ask it portably (glibc and musl differ):
 * signals, clocks, memory, terminals. Not here: files (Swift does those) and CPU features
 * (mg_cpu.h). */
#ifndef MG_SYSTEM_H
#define MG_SYSTEM_H
#include <stddef.h>
#include <stdint.h>

/* Seconds of the monotonic clock; only differences mean anything. */
double mg_seconds(void);

#endif
