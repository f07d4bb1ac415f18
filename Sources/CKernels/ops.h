/* What the drivers share: thresholds and job plumbing. Private to this target. */
#ifndef MG_OPS_PRIVATE_H
#define MG_OPS_PRIVATE_H
#include "mg_quantized.h"

/* Below this much work an operation runs on the caller alone. A fork and join of awake workers
 * costs 0.12 us with two threads (Zen 4), and operations gain from it from about a microsecond on:
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

/* Row r of `to` from x. */
static inline void mg_quantize_one(const mg_kernels *kernels, const float *x, const mg_q8_rows *to,
                                   size_t r) {
    size_t stride = mg_quantized_stride(to->k);
    kernels->quantize_row_q8(to->k, x, to->values + r * stride, to->sums + r * (stride / MG_BLOCK),
                             to->scales + r);
}

/* The same with an offset. */
static inline void mg_quantize_one_offset(const mg_kernels *kernels, const float *x,
                                          const mg_q8_rows *to, size_t r) {
    size_t stride = mg_quantized_stride(to->k);
    kernels->quantize_row_q8_offset(to->k, x, to->values + r * stride,
                                    to->sums + r * (stride / MG_BLOCK), to->scales + r,
                                    to->offsets + r);
}

static inline float *mg_scratch_of(const mg_context *context, size_t worker) {
    return context->scratch + worker * context->scratch_per_worker;
}

static inline size_t mg_min(size_t a, size_t b) { return a < b ? a : b; }

/* Rows of a gradient sum are added in at most this many blocks, each of so many rows or more and
 * into a buffer of its own; the caller then adds the buffers in order. More would cost memory,
 * fewer would idle workers. */
enum { MG_ROW_BLOCKS = 16, MG_BLOCK_ROWS = 16 };

/* Depends on the rows only, never on the workers. */
static inline size_t mg_row_blocks(size_t rows) {
    size_t blocks = rows / MG_BLOCK_ROWS;
    return blocks < 1 ? 1 : mg_min(blocks, MG_ROW_BLOCKS);
}

#endif
