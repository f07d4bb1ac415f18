/* Counts allocations, for tests that promise none.
 *
 * The test process's malloc, calloc, realloc, memalign, aligned_alloc and posix_memalign are
 * replaced by ones that count calls on enrolled threads and go on to glibc's own. Tests run in
 * parallel: counting per thread keeps others' allocations out. Only in builds by SwiftPM for glibc
 * without sanitizers; elsewhere (the static kernel runner, musl, Darwin) nothing is replaced and
 * mg_malloc_counts() says no. */
#ifndef MG_MALLOC_COUNT_H
#define MG_MALLOC_COUNT_H
#include <stdbool.h>
#include <stddef.h>

typedef struct mg_malloc_counter mg_malloc_counter; /* opaque */

/* Whether this build counts. */
bool mg_malloc_counts(void);

mg_malloc_counter *mg_malloc_counter_create(void);
void mg_malloc_counter_destroy(mg_malloc_counter *counter);

/* Calls counted so far. */
size_t mg_malloc_calls(const mg_malloc_counter *counter);

/* Enrols the calling thread with `counter`, or ends its enrolment if that is NULL. An mg_job, so
 * that mg_pool_run enrols all workers of a pool. A counter outlives its enrolments. */
void mg_malloc_enroll(void *counter, size_t worker, size_t workers);

#endif
