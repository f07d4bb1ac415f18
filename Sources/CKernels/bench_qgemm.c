/* Benchmarks of quantised products: their kernels, packing, and mg_quantized_matmul in the three
 * formats. How they are written: bench.h. Shapes: cubes, and the products of GPT-2 124M with 512
 * tokens: the fused projection, the one behind attention, the two of the MLP. */
#include "bench.h"
#include "mg_quantized.h"

static size_t padded(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

static mg_q8_rows rows_of(bench *b, size_t rows, size_t k) {
    size_t stride = mg_quantized_stride(k), blocks = stride / MG_BLOCK;
    mg_q8_rows x = {.rows = rows, .k = k, .values = bench_codes(b, rows * stride)};
    x.sums = bench_block(b, rows * blocks * sizeof *x.sums);
    x.scales = bench_floats(b, rows);
    for (size_t i = 0; bench_ready(b) && i < rows * blocks; i++) {
        x.sums[i] = 0;
        for (size_t j = 0; j < MG_BLOCK; j++) x.sums[i] += x.values[i * MG_BLOCK + j];
    }
    return x;
}

/* ---- Kernels --------------------------------------------------------------------------------- */

void bench_pack_q8_rows(bench *b) {
    SHAPES({512, 768, 0}, {512, 768, 1}, {512, 3072, 0}, {512, 3072, 1}); /* rows, k, by block */
    size_t count = size[0], k = size[1];
    int by_block = (int)size[2];
    size_t words = padded(count, b->kernels->mr) * mg_q8_words(k, by_block);
    mg_q8_rows x = rows_of(b, count, k);
    float *dst = bench_floats(b, words);
    bench_describe(b, 0, (double)(count * k) + 4.0 * (double)words, "rows=%zu k=%zu %s", count, k,
                   by_block ? "block" : "row");
    while (bench_continue(b)) b->kernels->pack_q8_rows(&x, 0, count, by_block, dst);
    bench_consume_bytes(b, words * sizeof *dst, dst);
}

void bench_pack_quantized(bench *b) {
    SHAPES({128, 768, MG_Q8_ROW}, {128, 768, MG_Q8_BLOCK}, {128, 768, MG_Q4_BLOCK});
    size_t count = size[0], k = size[1]; /* of one group of the driver's loops */
    mg_quantization format = (mg_quantization)size[2];
    size_t words = padded(count, b->kernels->nr) * mg_q8_words(k, format != MG_Q8_ROW);
    mg_quantized w = bench_weights(b, format, count, k);
    float *dst = bench_floats(b, words);
    static const char *const names[] = {"8-bit row", "8-bit block", "4-bit block"};
    bench_describe(b, 0, (double)mg_quantized_value_bytes(format, count, k) + 4.0 * (double)words,
                   "rows=%zu k=%zu %s", count, k, names[format]);
    while (bench_continue(b)) b->kernels->pack_quantized(&w, 0, count, dst);
    bench_consume_bytes(b, words * sizeof *dst, dst);
}

static void measure_block(bench *b, mg_quantization format, const size_t *size) {
    const mg_kernels *f = b->kernels;
    size_t m = size[0], n = size[1], k = size[2];
    int by_block = format != MG_Q8_ROW;
    mg_q8_rows x = rows_of(b, m, k);
    mg_quantized w = bench_weights(b, format, n, k);
    float *left = bench_scratch(b, padded(m, f->mr) * mg_q8_words(k, by_block));
    float *right = bench_scratch(b, padded(n, f->nr) * mg_q8_words(k, by_block));
    float *c = bench_floats(b, m * n);
    bench_describe(b, 2.0 * (double)(m * n * k), (double)(m * k + n * k + 4 * m * n),
                   "m=%zu n=%zu k=%zu", m, n, k);
    b->result->arithmetic = MG_Q8;
    if (bench_ready(b)) f->pack_q8_rows(&x, 0, m, by_block, left);
    if (bench_ready(b)) f->pack_quantized(&w, 0, n, right);
    while (bench_continue(b))
        (by_block ? f->gemm_block_q8b : f->gemm_block_q8)(m, n, k, left, right, x.scales, c, n,
                                                          NULL);
    bench_consume(b, m * n, c);
}

void bench_gemm_block_q8(bench *b) {
    SHAPES({96, 128, 768}, {96, 32, 3072}, {96, 65, 128}); /* of the driver's loops */
    measure_block(b, MG_Q8_ROW, size);
}

void bench_gemm_block_q8b(bench *b) {
    SHAPES({96, 128, 768}, {96, 32, 3072}, {96, 65, 128});
    measure_block(b, MG_Q8_BLOCK, size);
}

void bench_dot_peak_q8(bench *b) {
    SHAPES({4096});
    const mg_kernels *f = b->kernels;
    bench_describe(b, 2.0 * 4.0 * (double)(f->mr * f->nr * size[0]), 0, "rounds=%zu", size[0]);
    b->result->arithmetic = MG_Q8;
    while (bench_continue(b)) b->sum += f->dot_peak_q8(size[0]);
}

/* ---- mg_quantized_matmul --------------------------------------------------------------------- */

static void measure_matmul(bench *b, mg_quantization format, const size_t *size) {
    size_t m = size[0], n = size[1], k = size[2];
    mg_quantized_product product = {
        .a = rows_of(b, m, k), .w = bench_weights(b, format, n, k), .ldc = n, .activation = -1};
    product.c = bench_floats(b, m * n);
    mg_context context = bench_context(b, mg_quantized_matmul_scratch(b->kernels, m, k),
                                       mg_quantized_matmul_shared(b->kernels, m, k));
    bench_describe(b, 2.0 * (double)(m * n * k),
                   (double)(m * k + mg_quantized_value_bytes(format, n, k) +
                            mg_quantized_scale_bytes(format, n, k) + 4 * m * n),
                   "m=%zu n=%zu k=%zu", m, n, k);
    b->result->arithmetic = MG_Q8;
    while (bench_continue(b)) mg_quantized_matmul(&context, &product);
    bench_consume(b, m * n, product.c);
}

#define MATMUL(name, format)                                                                       \
    void bench_mg_matmul_##name(bench *b) {                                                        \
        SHAPES({512, 2304, 768}, {512, 768, 768}, {512, 3072, 768}, {512, 768, 3072},              \
               {512, 512, 512}, {1024, 1024, 1024}, {8, 2304, 768}, {1, 2304, 768});               \
        measure_matmul(b, format, size);                                                           \
    }
MATMUL(q8_row, MG_Q8_ROW)
MATMUL(q8_block, MG_Q8_BLOCK)
MATMUL(q4_block, MG_Q4_BLOCK)
