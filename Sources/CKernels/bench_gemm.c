/* Benchmarks of the matrix multiply: its kernels, the conversions it packs with, and mg_matmul in
 * all forms and both arithmetics. How they are written: bench.h. Shapes: cubes, and the products of
 * two models: width 128, 768 tokens (batch 12, context 64), vocabulary 65; and width 256, 4096
 * tokens, vocabulary 500. */
#include "bench.h"

/* ---- Kernels --------------------------------------------------------------------------------- */

static size_t padded(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

void bench_pack_rows_f32(bench *b) {
    SHAPES({384, 128}, {768, 256}); /* rows, depth */
    size_t count = size[0], k = size[1], width = b->kernels->nr;
    float *src = bench_floats(b, count * k), *dst = bench_floats(b, padded(count, width) * k);
    bench_describe(b, 0, 8.0 * (double)(count * k), "rows=%zu k=%zu width=%zu", count, k, width);
    while (bench_continue(b)) b->kernels->pack_rows_f32(count, k, src, k, width, dst);
    bench_consume(b, count, dst);
}

void bench_pack_columns_f32(bench *b) {
    SHAPES({384, 128}, {768, 256});
    size_t count = size[0], k = size[1], width = b->kernels->nr;
    float *src = bench_floats(b, count * k), *dst = bench_floats(b, padded(count, width) * k);
    bench_describe(b, 0, 8.0 * (double)(count * k), "columns=%zu k=%zu width=%zu", count, k, width);
    while (bench_continue(b)) b->kernels->pack_columns_f32(count, k, src, count, width, dst);
    bench_consume(b, count, dst);
}

void bench_gemm_block_f32(bench *b) {
    SHAPES({96, 384, 128}, {96, 768, 256}, {96, 65, 128}); /* one block of the driver's loops */
    const mg_kernels *f = b->kernels;
    size_t m = size[0], n = size[1], k = size[2];
    float *left = bench_floats(b, padded(m, f->mr) * k);
    float *right = bench_floats(b, padded(n, f->nr) * k);
    float *c = bench_floats(b, m * n);
    bench_describe(b, 2.0 * (double)(m * n * k), 4.0 * (double)(m * k + n * k + m * n),
                   "m=%zu n=%zu k=%zu", m, n, k);
    while (bench_continue(b)) f->gemm_block_f32(m, n, k, left, right, c, n, NULL, 0);
    bench_consume(b, m * n, c);
}

/* Rows of a and of b as bf16 arithmetic wants them, from float32. */
void bench_pack_panels(bench *b) {
    SHAPES({384, 128, 0}, {384, 128, 1}, {768, 256, 0}, {768, 256, 1}); /* count, depth, columns */
    size_t count = size[0], k = size[1], width = b->kernels->nr;
    float *src = bench_floats(b, count * k), *dst = bench_floats(b, padded(count, width) * k);
    mg_panels p = {.src = src,
                   .type = MG_F32,
                   .columns = (int)size[2],
                   .count = count,
                   .k = k,
                   .ld = size[2] ? count : k,
                   .arithmetic = MG_BF16,
                   .width = width,
                   .dst = dst};
    bench_describe(b, 0, (4.0 + 4.0 / (double)b->kernels->bf16_step) * (double)(count * k),
                   "%s=%zu k=%zu width=%zu", size[2] ? "columns" : "rows", count, k, width);
    while (bench_continue(b)) b->kernels->pack_panels(&p);
    bench_consume(b, count * k / 2, dst);
}

void bench_gemm_block_bf16(bench *b) {
    SHAPES({96, 384, 128}, {96, 768, 256}, {96, 65, 128});
    const mg_kernels *f = b->kernels;
    size_t m = size[0], n = size[1], k = size[2];
    float *left = bench_floats(b, padded(m, f->mr) * k);
    float *right = bench_floats(b, padded(n, f->nr) * k);
    float *c = bench_floats(b, m * n);
    bench_describe(b, 2.0 * (double)(m * n * k), 2.0 * (double)(m * k + n * k + 2 * m * n),
                   "m=%zu n=%zu k=%zu", m, n, k);
    b->result->arithmetic = MG_BF16;
    float *x = bench_scratch(b, (m > n ? m : n) * k);
    mg_panels a = {.src = x, .count = m, .k = k, .ld = k, .arithmetic = MG_BF16, .width = f->mr};
    mg_panels w = {.src = x, .count = n, .k = k, .ld = k, .arithmetic = MG_BF16, .width = f->nr};
    a.dst = left;
    w.dst = right;
    if (bench_ready(b)) f->pack_panels(&a);
    if (bench_ready(b)) f->pack_panels(&w);
    while (bench_continue(b)) f->gemm_block_bf16(m, n, k, left, right, c, n, NULL, 0);
    bench_consume(b, m * n, c);
}

void bench_fma_peak_f32(bench *b) {
    SHAPES({4096});
    double flops = 2.0 * (double)(b->kernels->mr * b->kernels->nr * size[0]);
    bench_describe(b, flops, 0, "rounds=%zu", size[0]);
    while (bench_continue(b)) b->sum += b->kernels->fma_peak_f32(size[0]);
}

void bench_dot_peak_bf16(bench *b) {
    SHAPES({4096});
    const mg_kernels *f = b->kernels;
    double flops = 2.0 * (double)(f->mr * f->nr * f->bf16_step * size[0]);
    bench_describe(b, flops, 0, "rounds=%zu", size[0]);
    b->result->arithmetic = MG_BF16;
    while (bench_continue(b)) b->sum += f->dot_peak_bf16(size[0]);
}

/* ---- mg_matmul ------------------------------------------------------------------------------- */

static void measure_matmul(bench *b, mg_form form, mg_type arithmetic, const size_t *size) {
    size_t m = size[0], n = size[1], k = size[2];
    float *left = bench_floats(b, m * k), *right = bench_floats(b, n * k);
    float *c = bench_floats(b, m * n);
    mg_context context = bench_context(b, mg_matmul_scratch(b->kernels), 0);
    bench_describe(b, 2.0 * (double)(m * n * k), 4.0 * (double)(m * k + n * k + m * n),
                   "m=%zu n=%zu k=%zu", m, n, k);
    b->result->arithmetic = arithmetic;
    mg_product product = mg_dense_product(form, m, n, k, left, right, c);
    product.arithmetic = arithmetic;
    while (bench_continue(b)) mg_matmul(&context, &product);
    bench_consume(b, m * n, c);
}

#define CUBES                                                                                      \
    {512, 512, 512}, {256, 256, 256}, {1024, 1024, 1024}, { 2048, 2048, 2048 }
/* dx = dy W: the fused projection, the one behind attention, the MLP, the head; width 128, 256. */
#define NN_SHAPES                                                                                  \
    CUBES, {768, 128, 384}, {768, 128, 128}, {768, 128, 512}, {768, 512, 128}, {768, 128, 65},     \
        {4096, 256, 768}, {4096, 256, 256}, {4096, 256, 1024}, {4096, 1024, 256}, {                \
        4096, 256, 500                                                                             \
    }
/* y = x W^T of the same, and one row of decoding. */
#define NT_SHAPES                                                                                  \
    CUBES, {768, 384, 128}, {768, 128, 128}, {768, 512, 128}, {768, 128, 512}, {768, 65, 128},     \
        {4096, 768, 256}, {4096, 256, 256}, {4096, 1024, 256}, {4096, 256, 1024},                  \
        {4096, 500, 256}, {16, 16, 16}, {                                                          \
        1, 3072, 768                                                                               \
    }
/* dW = dy^T x of the same. */
#define TN_SHAPES                                                                                  \
    CUBES, {384, 128, 768}, {128, 128, 768}, {512, 128, 768}, {128, 512, 768}, {65, 128, 768},     \
        {768, 256, 4096}, {256, 256, 4096}, {1024, 256, 4096}, {256, 1024, 4096}, {                \
        500, 256, 4096                                                                             \
    }

#define MATMUL(form, FORM)                                                                         \
    void bench_mg_matmul_##form(bench *b) {                                                        \
        SHAPES(FORM##_SHAPES);                                                                     \
        measure_matmul(b, MG_##FORM, MG_F32, size);                                                \
    }                                                                                              \
    void bench_mg_matmul_bf16_##form(bench *b) {                                                   \
        SHAPES(FORM##_SHAPES);                                                                     \
        measure_matmul(b, MG_##FORM, MG_BF16, size);                                               \
    }
MATMUL(nn, NN)
MATMUL(nt, NT)
MATMUL(tn, TN)
