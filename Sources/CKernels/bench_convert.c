/* Benchmarks of the conversions between float32 and bfloat16, on rows of a batch of 12 x 64. */
#include "bench.h"

enum { TOKENS = 768 };

void bench_bf16_from_f32(bench *b) {
    SHAPES({64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    float *x = bench_floats(b, n), *y = bench_floats(b, (n + 1) / 2);
    bench_describe(b, 0, 6.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->bf16_from_f32(n, x, (uint16_t *)(void *)y);
    bench_consume(b, n / 2, y);
}

void bench_f32_from_bf16(bench *b) {
    SHAPES({64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    uint16_t *x = bench_block(b, n * sizeof *x);
    float *y = bench_floats(b, n);
    if (bench_ready(b)) b->kernels->bf16_from_f32(n, y, x);
    bench_describe(b, 0, 6.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->f32_from_bf16(n, x, y);
    bench_consume(b, n, y);
}
