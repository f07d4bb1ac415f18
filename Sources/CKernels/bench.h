/* What a benchmark is written with. Private to this target.
 *
 * A benchmark is one function that chooses a shape, makes operands, states the cost and measures:
 *
 *     void bench_relu_f32(bench *b) {
 *         SHAPES({8192}, {768 * 512});
 *         float *x = bench_floats(b, size[0]), *y = bench_floats(b, size[0]);
 *         bench_describe(b, flops, bytes, "n=%zu", size[0]);
 *         while (bench_continue(b)) b->kernels->relu_f32(size[0], x, y);
 *     }
 */
#ifndef MG_BENCH_PRIVATE_H
#define MG_BENCH_PRIVATE_H
#include "mg_bench.h"

enum { BENCH_SIZES = 6, BENCH_BLOCKS = 16 };

typedef struct {
    const mg_context *context;
    const mg_kernels *kernels;
    size_t shape, shape_count;
    mg_bench_result *result;
    size_t samples, taken;
    double least, *seconds;
    double started;
    int calibrated, failed;
    size_t remaining;           /* runs of this sample */
    float sum;                  /* of what kernels return */
    void *blocks[BENCH_BLOCKS]; /* freed when the benchmark is over */
    size_t block_count;
    uint32_t random;
} bench;

/* Declares `size`, the sizes of the shape to measure. */
#define SHAPES(...)                                                                                \
    static const size_t shapes[][BENCH_SIZES] = {__VA_ARGS__};                                     \
    const size_t *size = shapes[bench_choose(b, sizeof shapes / sizeof *shapes)]

size_t bench_choose(bench *b, size_t shape_count);

/* `byte_count` bytes, uninitialised, 64-byte aligned; NULL if nothing will be measured. */
void *bench_block(bench *b, size_t byte_count);

/* `count` floats, uniform in -1 ... 1 and the same in every run; NULL as above. */
float *bench_floats(bench *b, size_t count);

/* Bytes of small integers: 127 at most, as eight bits want it; any as four. */
void *bench_codes(bench *b, size_t count);

/* A quantised matrix of such codes, with scales of 2^-6 where they are half precision. */
mg_quantized bench_weights(bench *b, mg_quantization format, size_t n, size_t k);

/* Floats that are no operand: the footprint leaves them out. */
float *bench_scratch(bench *b, size_t count);

/* The context with scratch of its own. */
mg_context bench_context(bench *b, size_t scratch_per_worker, size_t shared);

void bench_describe(bench *b, double flops, double bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether to prepare operands beyond random numbers. */
int bench_ready(const bench *b);

/* Ends a sample, begins the next one; 0 when there are enough. */
int bench_next_sample(bench *b);

/* Whether to do one more run. */
static inline int bench_continue(bench *b) {
    if (b->remaining == 0 && !bench_next_sample(b)) return 0;
    b->remaining--;
    return 1;
}

/* Makes the checksum depend on x. */
void bench_consume(bench *b, size_t count, const float *x);
/* The same of numbers that are no float32. */
void bench_consume_bytes(bench *b, size_t count, const void *x);

#endif
