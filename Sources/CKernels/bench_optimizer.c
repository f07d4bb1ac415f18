/* Benchmarks of the optimizer's kernels, on a matrix that fits the cache and on one that does not.
 * How they are written: bench.h. */
#include "bench.h"
#include <math.h>
#include <string.h>

/* Gradient 3, first moment 3, second moment 4, step 5, parameter 2. */
void bench_adamw_f32(bench *b) {
    SHAPES({128 * 512}, {1 << 21});
    size_t n = size[0];
    mg_adamw h = {1e-4f, 0.9f, 0.99f, 1e-8f, 0.1f, 1, 1, 1, INFINITY};
    float *g = bench_floats(b, n), *p = bench_floats(b, n), *m = bench_floats(b, n);
    float *v = bench_floats(b, n);
    for (size_t i = 0; bench_ready(b) && i < n; i++) v[i] = 1.0f;
    bench_describe(b, 17.0 * (double)n, 28.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->adamw_f32(n, &h, g, p, m, v);
    bench_consume(b, n, p);
}

/* Moments in 16 bits, then in 8 bits: fewer bytes, more arithmetic. */
void bench_adamw_bf16(bench *b) {
    SHAPES({128 * 512}, {1 << 21});
    size_t n = size[0];
    mg_adamw h = {1e-4f, 0.9f, 0.99f, 1e-8f, 0.1f, 1, 1, 1, INFINITY};
    float *g = bench_floats(b, n), *p = bench_floats(b, n);
    uint16_t *m = (uint16_t *)(void *)bench_floats(b, n / 2);
    uint16_t *v = (uint16_t *)(void *)bench_floats(b, n / 2);
    if (bench_ready(b)) memset(m, 0, 2 * n), memset(v, 0, 2 * n);
    bench_describe(b, 17.0 * (double)n, 20.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->adamw_bf16(n, &h, 1, 0, g, p, m, v);
    bench_consume(b, n, p);
}

void bench_adamw_q8(bench *b) {
    SHAPES({128 * 512}, {1 << 21});
    size_t n = size[0];
    mg_adamw h = {1e-4f, 0.9f, 0.99f, 1e-8f, 0.1f, 1, 1, 1, INFINITY};
    float *g = bench_floats(b, n), *p = bench_floats(b, n);
    float *scales = bench_floats(b, n / 32);
    int8_t *m = (int8_t *)(void *)bench_floats(b, n / 4);
    uint8_t *v = (uint8_t *)(void *)bench_floats(b, n / 4);
    if (bench_ready(b)) memset(scales, 0, n / 32 * sizeof *scales);
    bench_describe(b, 17.0 * (double)n, 16.25 * (double)n, "n=%zu", n);
    while (bench_continue(b))
        b->kernels->adamw_q8(n, &h, 1, 0, g, p, m, scales, v, scales + n / 64);
    bench_consume(b, n, p);
}

void bench_momentum_f32(bench *b) {
    SHAPES({128 * 512}, {1 << 21});
    size_t n = size[0];
    mg_momentum h = {0.5f, 0.5f, INFINITY};
    float *g = bench_floats(b, n), *m = bench_floats(b, n);
    bench_describe(b, 5.0 * (double)n, 16.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->momentum_f32(n, &h, g, m);
    bench_consume(b, n, g);
}

void bench_momentum_bf16(bench *b) {
    SHAPES({128 * 512}, {1 << 21});
    size_t n = size[0];
    mg_momentum h = {0.5f, 0.5f, INFINITY};
    float *g = bench_floats(b, n);
    uint16_t *m = (uint16_t *)(void *)bench_floats(b, n / 2);
    if (bench_ready(b)) memset(m, 0, 2 * n);
    bench_describe(b, 5.0 * (double)n, 12.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->momentum_bf16(n, &h, 1, 0, g, m);
    bench_consume(b, n, g);
}

void bench_momentum_q8(bench *b) {
    SHAPES({128 * 512}, {1 << 21});
    size_t n = size[0];
    mg_momentum h = {0.5f, 0.5f, INFINITY};
    float *g = bench_floats(b, n), *scales = bench_floats(b, n / 64);
    int8_t *m = (int8_t *)(void *)bench_floats(b, n / 4);
    bench_describe(b, 5.0 * (double)n, 10.1 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->momentum_q8(n, &h, 1, 0, g, m, scales);
    bench_consume(b, n, g);
}

void bench_symmetrize_f32(bench *b) {
    SHAPES({128}, {512});
    size_t n = size[0];
    float *x = bench_floats(b, n * n), *y = bench_floats(b, n * n);
    bench_describe(b, 2.0 * (double)(n * n), 8.0 * (double)(n * n), "n=%zu", n);
    while (bench_continue(b)) b->kernels->symmetrize_f32(n, 0, n, 1, 0.5f, x, 0.5f, y);
    bench_consume(b, n * n, y);
}
