/* Benchmarks of the conversions between float32 and the 16-bit formats, on rows of a batch of
 * 12 x 64. */
#include "bench.h"

enum { TOKENS = 768 };

typedef void narrow(size_t n, const float *x, uint16_t *y);
typedef void widen(size_t n, const uint16_t *x, float *y);

static void bench_narrow(bench *b, narrow *convert) {
    SHAPES({64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    float *x = bench_floats(b, n), *y = bench_floats(b, (n + 1) / 2);
    bench_describe(b, 0, 6.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) convert(n, x, (uint16_t *)(void *)y);
    bench_consume(b, n / 2, y);
}

static void bench_widen(bench *b, narrow *prepare, widen *convert) {
    SHAPES({64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    uint16_t *x = bench_block(b, n * sizeof *x);
    float *y = bench_floats(b, n);
    if (bench_ready(b)) prepare(n, y, x);
    bench_describe(b, 0, 6.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) convert(n, x, y);
    bench_consume(b, n, y);
}

void bench_bf16_from_f32(bench *b) { bench_narrow(b, b->kernels->bf16_from_f32); }
void bench_f32_from_bf16(bench *b) {
    bench_widen(b, b->kernels->bf16_from_f32, b->kernels->f32_from_bf16);
}
void bench_f16_from_f32(bench *b) { bench_narrow(b, b->kernels->f16_from_f32); }
void bench_f32_from_f16(bench *b) {
    bench_widen(b, b->kernels->f16_from_f32, b->kernels->f32_from_f16);
}
