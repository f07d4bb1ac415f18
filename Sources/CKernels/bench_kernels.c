/* One benchmark per line of mg_kernels.def but attention's, on shapes of real models: width 128,
 * 256 or 768, head width 32 or 64, vocabulary 65 or 50257. How they are written: bench.h.
 *
 * FLOPs are those of the bodies in kernels/, counted per element in the comments. Bytes are the
 * compulsory ones. */
#include "bench.h"
#include <math.h>

enum {
    EXP_FLOPS = 23,     /* 2 clamps, 1 mul, 1 round, 9 fma, 1 scaling */
    EXP2_FLOPS = 16,    /* 1 clamp, 1 round, 1 sub, 6 fma, 1 scaling */
    TANH_FLOPS = 42,    /* exp, 7 fma or div, 5 single ones around each branch */
    SIGMOID_FLOPS = 26, /* exp, sub, add, div */
    TOKENS = 768        /* rows of a batch of 12 x 64 */
};

/* ---- Matrix times vector ----------------------------------------------------------------------
 */

void bench_gemv_f32(bench *b) {
    SHAPES({1, 384, 128}, {1, 3072, 768}, {1, 50257, 768}, {2, 50257, 768}, {4, 50257, 768},
           {8, 50257, 768}, {4, 384, 128}, {8, 384, 128}); /* tokens, rows, columns: decoding */
    size_t m = size[0], n = size[1], k = size[2];
    float *w = bench_floats(b, n * k), *x = bench_floats(b, m * k), *y = bench_floats(b, m * n);
    bench_describe(b, 2.0 * (double)(m * n * k), 4.0 * (double)(n * k + m * (n + k)),
                   "m=%zu n=%zu k=%zu", m, n, k);
    while (bench_continue(b)) b->kernels->gemv_f32(m, n, k, w, k, x, k, NULL, 0, y, n);
    bench_consume(b, m * n, y);
}

/* ---- Normalisation: rows of a batch ---------------------------------------------------------- */

/* What the four benchmarks of norms share: rows of width n. */
typedef struct {
    size_t n, count;
    float *x, *y, *sum, *residual, *gain, *bias; /* (rows, n), the last two (n) */
} norm_case;

static norm_case make_norm(bench *b, const size_t *size, double flops, int backward) {
    size_t rows = size[0], n = size[1], count = rows * n;
    bench_describe(b, flops * (double)count, 16.0 * (double)count, "rows=%zu C=%zu", rows, n);
    return (norm_case){
        .n = n,
        .count = count,
        .x = bench_floats(b, count),
        .y = bench_floats(b, count),
        .sum = backward ? NULL : bench_floats(b, count),
        .residual = bench_floats(b, count),
        .gain = bench_floats(b, n),
        .bias = bench_floats(b, n),
    };
}

/* The fused form of the model: residual addition in front. 1 add, 2 of the sum, 2 mul. */
void bench_rmsnorm_f32(bench *b) {
    SHAPES({TOKENS, 128}, {256, 768});
    norm_case c = make_norm(b, size, 5, 0);
    while (bench_continue(b))
        for (size_t i = 0; i < c.count; i += c.n)
            b->sum += b->kernels->rmsnorm_f32(c.n, 1e-5f, c.x + i, c.residual + i, c.sum + i,
                                              c.gain, c.y + i);
    bench_consume(b, c.n, c.y);
}

/* Accumulating into dx: xhat twice, dgain and dot 2 each, gain twice, 5 of the result. */
void bench_rmsnorm_backward_f32(bench *b) {
    SHAPES({TOKENS, 128}, {256, 768});
    norm_case c = make_norm(b, size, 13, 1);
    while (bench_continue(b))
        for (size_t i = 0; i < c.count; i += c.n)
            b->kernels->rmsnorm_backward_f32(c.n, c.x + i, c.gain, 1.0f, c.residual + i, c.y + i, 1,
                                             c.bias);
    bench_consume(b, c.n, c.bias);
}

/* 1 add, 1 of the mean, 3 of the variance, 4 of the result. */
void bench_layernorm_f32(bench *b) {
    SHAPES({TOKENS, 128}, {256, 768});
    norm_case c = make_norm(b, size, 9, 0);
    float stats[2] = {0};
    while (bench_continue(b))
        for (size_t i = 0; i < c.count; i += c.n)
            b->kernels->layernorm_f32(c.n, 1e-5f, c.x + i, c.residual + i, c.sum + i, c.gain,
                                      c.bias, c.y + i, stats);
    bench_consume(b, c.n, c.y);
}

/* xhat 2 twice, dgain and dot 2 each, dbias and sum 1 each, gain twice, 6 of the result. */
void bench_layernorm_backward_f32(bench *b) {
    SHAPES({TOKENS, 128}, {256, 768});
    norm_case c = make_norm(b, size, 18, 1);
    const float stats[2] = {0, 1};
    float *dbias = bench_floats(b, c.n);
    while (bench_continue(b))
        for (size_t i = 0; i < c.count; i += c.n)
            b->kernels->layernorm_backward_f32(c.n, c.x + i, c.gain, stats, c.residual + i, c.y + i,
                                               1, c.bias, dbias);
    bench_consume(b, c.n, c.bias);
}

/* ---- Element by element ---------------------------------------------------------------------- */

/* y = f(x) on the hidden layer: 64 rows, and a batch, of width 4 * 128. */
static void measure_map1(bench *b, void (*f)(size_t, const float *, float *), double flops) {
    SHAPES({64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    float *x = bench_floats(b, n), *y = bench_floats(b, n);
    bench_describe(b, flops * (double)n, 8.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) f(n, x, y);
    bench_consume(b, n, y);
}

static void measure_map2(bench *b, void (*f)(size_t, const float *, const float *, float *),
                         double flops) {
    SHAPES({64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    float *x = bench_floats(b, n), *dy = bench_floats(b, n), *y = bench_floats(b, n);
    bench_describe(b, flops * (double)n, 12.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) f(n, x, dy, y);
    bench_consume(b, n, y);
}

void bench_relu_f32(bench *b) { measure_map1(b, b->kernels->relu_f32, 1); }
void bench_relu_backward_f32(bench *b) { measure_map2(b, b->kernels->relu_backward_f32, 1); }
void bench_relu2_f32(bench *b) { measure_map1(b, b->kernels->relu2_f32, 2); }
void bench_relu2_backward_f32(bench *b) { measure_map2(b, b->kernels->relu2_backward_f32, 3); }
void bench_gelu_f32(bench *b) { measure_map1(b, b->kernels->gelu_f32, SIGMOID_FLOPS + 5); }
void bench_gelu_backward_f32(bench *b) {
    measure_map2(b, b->kernels->gelu_backward_f32, SIGMOID_FLOPS + 14);
}
void bench_swiglu_f32(bench *b) { measure_map2(b, b->kernels->swiglu_f32, SIGMOID_FLOPS + 2); }
void bench_exp_f32(bench *b) { measure_map1(b, b->kernels->exp_f32, EXP_FLOPS); }
void bench_tanh_f32(bench *b) { measure_map1(b, b->kernels->tanh_f32, TANH_FLOPS); }
void bench_sigmoid_f32(bench *b) { measure_map1(b, b->kernels->sigmoid_f32, SIGMOID_FLOPS); }
void bench_add_f32(bench *b) { measure_map2(b, b->kernels->add_f32, 1); }

void bench_swiglu_backward_f32(bench *b) {
    SHAPES({64 * 352}, {TOKENS * 352}); /* llama's hidden width at C = 128 */
    size_t n = size[0];
    float *gate = bench_floats(b, n), *up = bench_floats(b, n), *dy = bench_floats(b, n);
    float *dgate = bench_floats(b, n), *dup = bench_floats(b, n);
    bench_describe(b, (SIGMOID_FLOPS + 7.0) * (double)n, 20.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->swiglu_backward_f32(n, gate, up, dy, dgate, dup);
    bench_consume(b, n, dgate);
}

void bench_axpy_f32(bench *b) {
    SHAPES({64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    float *x = bench_floats(b, n), *y = bench_floats(b, n);
    bench_describe(b, 2.0 * (double)n, 12.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->axpy_f32(n, 1e-3f, x, y);
    bench_consume(b, n, y);
}

void bench_scale_add_f32(bench *b) {
    SHAPES({64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    float *x = bench_floats(b, n), *add = bench_floats(b, n), *y = bench_floats(b, n);
    bench_describe(b, 2.0 * (double)n, 12.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->scale_add_f32(n, 0.5f, x, add, y);
    bench_consume(b, n, y);
}

void bench_multiply_add_f32(bench *b) {
    SHAPES({128}, {64 * 512}, {TOKENS * 512});
    size_t n = size[0];
    float *add = bench_floats(b, n), *x = bench_floats(b, n), *y = bench_floats(b, n);
    float *z = bench_floats(b, n);
    bench_describe(b, 2.0 * (double)n, 16.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) b->kernels->multiply_add_f32(n, add, x, y, z);
    bench_consume(b, n, z);
}

/* Twelve integer operations of the hash are not FLOPs: the bound is far off. */
void bench_dropout_f32(bench *b) {
    SHAPES({64 * 128}, {TOKENS * 128});
    size_t n = size[0];
    float *x = bench_floats(b, n), *y = bench_floats(b, n);
    bench_describe(b, (double)n, 8.0 * (double)n, "n=%zu", n);
    while (bench_continue(b))
        b->kernels->dropout_f32(n, 0x1234567890ABCDEF, 0, 429496730u, 1.0f / 0.9f, x, y);
    bench_consume(b, n, y);
}

/* ---- Softmax and loss ------------------------------------------------------------------------ */

/* Scale and maximum, argument 2, sum, factor. */
void bench_softmax_f32(bench *b) {
    SHAPES({TOKENS, 65}, {1, 50257}); /* rows, vocabulary */
    size_t rows = size[0], n = size[1], count = rows * n;
    float *x = bench_floats(b, count), *y = bench_floats(b, count);
    bench_describe(b, (EXP2_FLOPS + 6.0) * (double)count, 8.0 * (double)count, "rows=%zu V=%zu",
                   rows, n);
    while (bench_continue(b))
        for (size_t i = 0; i < count; i += n) b->kernels->softmax_f32(n, 1.0f, x + i, y + i);
    bench_consume(b, count, y);
}

/* Maximum 1, sum EXP + 2, gradient 1; a cap adds tanh and 2, and 4 of its slope. */
void bench_cross_entropy_f32(bench *b) {
    SHAPES({TOKENS, 65, 0}, {TOKENS, 65, 15}, {16, 50257, 0}); /* rows, vocabulary, cap */
    size_t rows = size[0], n = size[1], count = rows * n;
    float *logits = bench_floats(b, count), *dlogits = bench_floats(b, count);
    double flops = EXP_FLOPS + 4 + (size[2] ? TANH_FLOPS + 6 : 0);
    bench_describe(b, flops * (double)count, 8.0 * (double)count, "rows=%zu V=%zu cap=%zu", rows, n,
                   size[2]);
    while (bench_continue(b))
        for (size_t i = 0; i < rows; i++)
            b->sum += b->kernels->cross_entropy_f32(n, logits + i * n, i % n, (float)size[2],
                                                    1.0f / 768, dlogits + i * n);
    bench_consume(b, count, dlogits);
}

/* ---- Position: the head vectors of a batch, with the normalisation of queries and keys ------- */

/* Rotates by the same angles again and again: lengths stay, so that nothing becomes subnormal. */
typedef struct {
    size_t tokens, heads, half, width, count;
    float *x, *cosine, *sine, *factors; /* (tokens, heads, 2 * half), (half), (half), (heads) */
} rope_case;

static rope_case make_rope(bench *b, const size_t *size, double flops, double bytes) {
    size_t tokens = size[0], heads = size[1], half = size[2], count = 2 * tokens * heads * half;
    bench_describe(b, flops * (double)count, bytes * (double)count, "rows=%zu H+G=%zu D=%zu",
                   tokens, heads, 2 * half);
    rope_case c = {.tokens = tokens,
                   .heads = heads,
                   .half = half,
                   .width = 2 * heads * half,
                   .count = count,
                   .x = bench_floats(b, count),
                   .cosine = bench_floats(b, half),
                   .sine = bench_floats(b, half),
                   .factors = bench_floats(b, heads)};
    for (size_t i = 0; bench_ready(b) && i < half; i++) {
        c.cosine[i] = cosf((float)i);
        c.sine[i] = sinf((float)i);
    }
    for (size_t i = 0; bench_ready(b) && i < heads; i++) c.factors[i] = 1.0f;
    return c;
}

/* Sum 2, factor 1, rotation 3. */
void bench_rope_f32(bench *b) {
    SHAPES({TOKENS, 8, 16}, {256, 24, 32}); /* tokens, query and key heads, half of head width */
    rope_case c = make_rope(b, size, 6, 8);
    while (bench_continue(b))
        for (size_t r = 0; r < c.tokens; r++)
            b->kernels->rope_f32(c.heads, c.half, c.cosine, c.sine, 1, 1e-5f, c.x + r * c.width,
                                 c.factors);
    bench_consume(b, c.count, c.x);
}

/* Sum 2, projection 2, factor 1, rotation 3. z = 0: with another z the projections of many
 * repetitions, each after a rotation, would leave nothing of dz. */
void bench_rope_backward_f32(bench *b) {
    SHAPES({TOKENS, 8, 16}, {256, 24, 32});
    rope_case c = make_rope(b, size, 8, 12);
    float *z = bench_floats(b, c.count);
    for (size_t i = 0; bench_ready(b) && i < c.count; i++) z[i] = 0.0f;
    while (bench_continue(b))
        for (size_t r = 0; r < c.tokens; r++)
            b->kernels->rope_backward_f32(c.heads, c.half, c.cosine, c.sine, c.factors,
                                          z + r * c.width, c.x + r * c.width);
    bench_consume(b, c.count, c.x);
}

/* ---- Reductions and optimizer ---------------------------------------------------------------- */

void bench_sum_f32(bench *b) {
    SHAPES({64 * 128}, {1 << 20});
    float *x = bench_floats(b, size[0]);
    bench_describe(b, (double)size[0], 4.0 * (double)size[0], "n=%zu", size[0]);
    while (bench_continue(b)) b->sum += b->kernels->sum_f32(size[0], x);
}

void bench_dot_f32(bench *b) {
    SHAPES({64 * 128}, {1 << 20});
    float *x = bench_floats(b, size[0]), *y = bench_floats(b, size[0]);
    bench_describe(b, 2.0 * (double)size[0], 8.0 * (double)size[0], "n=%zu", size[0]);
    while (bench_continue(b)) b->sum += b->kernels->dot_f32(size[0], x, y);
}

/* The maximum, and a multiply-add on x - x that finds NaN. */
void bench_max_f32(bench *b) {
    SHAPES({64 * 128}, {50257});
    float *x = bench_floats(b, size[0]);
    bench_describe(b, 4.0 * (double)size[0], 4.0 * (double)size[0], "n=%zu", size[0]);
    while (bench_continue(b)) b->sum += b->kernels->max_f32(size[0], x);
}

void bench_column_sum_f32(bench *b) {
    SHAPES({TOKENS, 128}, {TOKENS, 512}); /* the gradient of a bias */
    size_t rows = size[0], n = size[1];
    float *x = bench_floats(b, rows * n), *y = bench_floats(b, n);
    bench_describe(b, (double)(rows * n), 4.0 * (double)(rows * n), "rows=%zu n=%zu", rows, n);
    while (bench_continue(b)) b->kernels->column_sum_f32(rows, n, x, n, y);
    bench_consume(b, n, y);
}
