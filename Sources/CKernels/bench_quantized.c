/* Benchmarks of quantised weights: conversions, and products with few rows of activations, whose
 * bytes are those of the weights. Shapes: a layer of width 128, one of width 768, 100 MB. */
#include "bench.h"
#include <string.h>

enum { TOKENS = 768 };

typedef void gemv_function(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                           const float *bias, float *c, size_t ldc);

static mg_q8_rows activations(bench *b, size_t rows, size_t k) {
    size_t stride = mg_quantized_stride(k);
    void *memory = bench_block(b, mg_q8_rows_bytes(rows, k));
    float *x = bench_scratch(b, rows * k);
    if (!memory) return (mg_q8_rows){.rows = rows, .k = k}; /* only described */
    mg_q8_rows a = mg_q8_rows_at(memory, rows, k);
    for (size_t t = 0; bench_ready(b) && t < rows; t++)
        b->kernels->quantize_row_q8(k, x + t * k, a.values + t * stride,
                                    a.sums + t * (stride / MG_BLOCK), a.scales + t);
    return a;
}

/* One multiply-add is two operations, as in float32, although the peak is another one. */
static void bench_gemv(bench *b, gemv_function *gemv, mg_quantization format) {
    SHAPES({1, 384, 128}, {1, 3072, 768}, {8, 3072, 768}, {1, 131072, 768}, {8, 131072, 768});
    size_t rows = size[0], n = size[1], k = size[2];
    mg_q8_rows a = activations(b, rows, k);
    mg_quantized w = bench_weights(b, format, n, k);
    float *c = bench_floats(b, rows * n);
    size_t weights =
        mg_quantized_value_bytes(format, n, k) + mg_quantized_scale_bytes(format, n, k);
    bench_describe(b, 2.0 * (double)(rows * n * k),
                   (double)(weights + mg_q8_rows_bytes(rows, k) + rows * n * sizeof *c),
                   "tokens=%zu n=%zu k=%zu", rows, n, k);
    while (bench_continue(b)) gemv(&a, &w, 0, n, NULL, c, n);
    bench_consume(b, rows * n, c);
}

void bench_gemv_q8_row(bench *b) { bench_gemv(b, b->kernels->gemv_q8_row, MG_Q8_ROW); }
void bench_gemv_q8_block(bench *b) { bench_gemv(b, b->kernels->gemv_q8_block, MG_Q8_BLOCK); }
void bench_gemv_q4_block(bench *b) { bench_gemv(b, b->kernels->gemv_q4_block, MG_Q4_BLOCK); }

/* A row of activations: 2 to find the largest, 1 for what is not finite, 1 product, 1 sum. */
void bench_quantize_row_q8(bench *b) {
    SHAPES({128}, {768}, {3072});
    size_t k = size[0];
    float *x = bench_floats(b, k), *scale = bench_floats(b, 1);
    int8_t *values = bench_block(b, mg_quantized_stride(k));
    int32_t *sums = bench_block(b, mg_quantized_stride(k) / MG_BLOCK * sizeof *sums);
    bench_describe(b, 6.0 * (double)k, 5.125 * (double)k, "k=%zu", k);
    while (bench_continue(b)) b->kernels->quantize_row_q8(k, x, values, sums, scale);
    bench_consume(b, 1, scale);
}

/* The same and, of the range, 1 comparison, 1 change of sign and 1 difference. */
void bench_quantize_row_q8_offset(bench *b) {
    SHAPES({512}, {3072});
    size_t k = size[0];
    float *x = bench_floats(b, k), *scale = bench_floats(b, 1), *offset = bench_floats(b, 1);
    int8_t *values = bench_block(b, mg_quantized_stride(k));
    int32_t *sums = bench_block(b, mg_quantized_stride(k) / MG_BLOCK * sizeof *sums);
    bench_describe(b, 9.0 * (double)k, 5.125 * (double)k, "k=%zu", k);
    while (bench_continue(b)) b->kernels->quantize_row_q8_offset(k, x, values, sums, scale, offset);
    bench_consume(b, 1, scale);
}

/* A group of rows; as quantize_row_q8, and 2 comparisons. */
void bench_quantize_blocks_q8(bench *b) {
    SHAPES({768}, {TOKENS * 64});
    size_t k = size[0], n = MG_GROUP * k;
    float *x = bench_floats(b, n), *scales = bench_floats(b, n / 64);
    int8_t *values = bench_block(b, n);
    bench_describe(b, 7.0 * (double)n, 5.0625 * (double)n, "rows=%d k=%zu", MG_GROUP, k);
    while (bench_continue(b))
        for (size_t r = 0; r < MG_GROUP; r++)
            b->kernels->quantize_blocks_q8(k, x + r * k, values + r * MG_BLOCK,
                                           (uint16_t *)(void *)scales + r);
    bench_consume(b, n / 64, scales);
}

/* With the search: 34 + 2 times 1 product, 2 comparisons, 1 rounding, 4 multiply-adds, 2 products.
 */
void bench_quantize_blocks_q4(bench *b) {
    SHAPES({768}, {TOKENS * 8});
    size_t k = size[0], n = MG_GROUP * k;
    float *x = bench_floats(b, n), *scales = bench_floats(b, n / 64);
    uint8_t *values = bench_block(b, n / 2);
    bench_describe(b, 36 * 14.0 * (double)n, 4.5625 * (double)n, "rows=%d k=%zu", MG_GROUP, k);
    while (bench_continue(b))
        for (size_t r = 0; r < MG_GROUP; r++)
            b->kernels->quantize_blocks_q4(k, x + r * k, NULL, 1, values + r * (MG_BLOCK / 2),
                                           (uint16_t *)(void *)scales + r);
    bench_consume(b, n / 64, scales);
}

void bench_dequantize_row(bench *b) {
    SHAPES({128}, {768});
    size_t k = size[0];
    mg_quantized w = bench_weights(b, MG_Q8_ROW, 1, k);
    float *y = bench_floats(b, k);
    bench_describe(b, (double)k, 5.0 * (double)k, "k=%zu", k);
    while (bench_continue(b)) b->kernels->dequantize_row(&w, 0, y);
    bench_consume(b, k, y);
}
