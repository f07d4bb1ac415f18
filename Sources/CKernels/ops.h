/* What the drivers share: thresholds and job plumbing. Private to this target. */
#ifndef MG_OPS_PRIVATE_H
#define MG_OPS_PRIVATE_H
#include "mg_ops.h"

/* Below this much work an operation runs on the caller alone. A fork and join of awake workers
 * costs 0.2 us with two threads (Zen 4), and operations gain from it from about a microsecond on:
 * sums of 4 KB per worker, matrix products of 66 kFLOP ran 1.4 times as fast shared. The limits are
 * a little above that, for workers that are not awake. Part sizes must not change results, so the
 * only effect is on time. */
enum { MG_SERIAL_FLOPS = 100000, MG_SERIAL_BYTES = 16384 };

/* Runs the job on all workers, or on the caller alone where `parallel` is 0. */
static inline void mg_dispatch(const mg_context *context, int parallel, mg_job job,
                               void *argument) {
    if (parallel)
        mg_pool_run(context->pool, job, argument);
    else
        job(argument, 0, 1);
}

static inline float *mg_scratch_of(const mg_context *context, size_t worker) {
    return context->scratch + worker * context->scratch_per_worker;
}

static inline size_t mg_min(size_t a, size_t b) { return a < b ? a : b; }

#endif
