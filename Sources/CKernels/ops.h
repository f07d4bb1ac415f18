/* What the drivers share: thresholds and job plumbing. Private to this target. */
#ifndef MG_OPS_PRIVATE_H
#define MG_OPS_PRIVATE_H
#include "mg_ops.h"

/* Below this much work an operation runs on the caller alone: a fork and join costs 1 to 2 us, the
 * time of about 2e5 multiply-adds or 4e4 bytes. Part sizes must not change results, so the only
 * effect is on time. */
enum { MG_SERIAL_FLOPS = 400000, MG_SERIAL_BYTES = 65536 };

/* Runs the job on all workers, or on the caller alone where `parallel` is 0. */
static inline void mg_dispatch(const mg_context *context, int parallel, mg_job job,
                               void *argument) {
    if (parallel)
        mg_pool_run(context->pool, job, argument);
    else
        job(argument, 0, 1);
}

static inline size_t mg_min(size_t a, size_t b) { return a < b ? a : b; }

#endif
