/* Overrides malloc and its kin for the whole test process and counts the calls of enrolled threads.
 * See include/malloc_count.h. */
#include "malloc_count.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define MG_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MG_SANITIZED 1
#endif

struct mg_malloc_counter {
    _Atomic size_t calls;
};

#if defined(SWIFT_PACKAGE) && defined(__GLIBC__) && !defined(MG_SANITIZED)

/* The allocator itself; memory from it is freed by the C library's own free. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

/* initial-exec: the address is known without a call, which could itself allocate. */
static _Thread_local mg_malloc_counter *enrolled __attribute__((tls_model("initial-exec")));

static inline void note(void) {
    if (enrolled) atomic_fetch_add_explicit(&enrolled->calls, 1, memory_order_relaxed);
}

void *malloc(size_t size) {
    note();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    note();
    return __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size) {
    note();
    return __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    note();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size) {
    note();
    if (alignment % sizeof(void *) || alignment == 0 || (alignment & (alignment - 1)))
        return EINVAL;
    void *block = __libc_memalign(alignment, size);
    if (!block) return ENOMEM;
    *pointer = block;
    return 0;
}

bool mg_malloc_counts(void) { return true; }

void mg_malloc_enroll(void *counter, size_t worker, size_t workers) {
    (void)worker, (void)workers;
    enrolled = counter;
}

#else

bool mg_malloc_counts(void) { return false; }

void mg_malloc_enroll(void *counter, size_t worker, size_t workers) {
    (void)counter, (void)worker, (void)workers;
}

#endif

mg_malloc_counter *mg_malloc_counter_create(void) { return calloc(1, sizeof(mg_malloc_counter)); }

void mg_malloc_counter_destroy(mg_malloc_counter *counter) { free(counter); }

size_t mg_malloc_calls(const mg_malloc_counter *counter) { return atomic_load(&counter->calls); }
