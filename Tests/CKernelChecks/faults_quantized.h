/* Planted faults of the kernels of quantised weights and 16-bit numbers: a part of faults.c, which
 * includes it once, after its macros. */

FAULTS(pack_q8_rows, (const mg_q8_rows *x, size_t first, size_t count, int by_block, float *dst),
       (x, first, count, by_block, dst), dst,
       (count + good()->mr - 1) / good()->mr * good()->mr * mg_q8_words(x->k, by_block))
FAULTS(pack_quantized, (const mg_quantized *w, size_t first, size_t count, float *dst),
       (w, first, count, dst), dst,
       (count + good()->nr - 1) / good()->nr * good()->nr *
           mg_q8_words(w->k, w->format != MG_Q8_ROW))
FAULTS(gemm_block_q8,
       (size_t m, size_t n, size_t k, const float *a, const float *b, const float *scales, float *c,
        size_t ldc, const float *bias),
       (m, n, k, a, b, scales, c, ldc, bias), c, m &&n ? (m - 1) * ldc + n : 0)
FAULTS(gemm_block_q8b,
       (size_t m, size_t n, size_t k, const float *a, const float *b, const float *scales, float *c,
        size_t ldc, const float *bias),
       (m, n, k, a, b, scales, c, ldc, bias), c, m &&n ? (m - 1) * ldc + n : 0)
SPLIT_FAULT(gemm_block_q8,
            (size_t m, size_t n, size_t k, const float *a, const float *b, const float *scales,
             float *c, size_t ldc, const float *bias),
            (m, n, k, a, b, scales, c, ldc, bias), c, m &&n)

/* The last element that a product with first ... end writes. */
static float *gemv_end(const mg_q8_rows *a, size_t end, float *c, size_t ldc) {
    return a->rows ? c + (a->rows - 1) * ldc + end : c;
}
#define GEMV                                                                                       \
    (const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end, const float *bias,      \
     float *c, size_t ldc),                                                                        \
        (a, w, first, end, bias, c, ldc), gemv_end(a, end, c, ldc) - 1, a->rows &&first < end
EXPAND(FAULTS, gemv_q8_row, GEMV)
EXPAND(FAULTS, gemv_q8_block, GEMV)
EXPAND(FAULTS, gemv_q4_block, GEMV)
FAULTS(quantize_row_q8, (size_t k, const float *x, int8_t *values, int32_t *sums, float *scale),
       (k, x, values, sums, scale), scale, 1)
FAULTS(quantize_row_q8_offset,
       (size_t k, const float *x, int8_t *values, int32_t *sums, float *scale, float *offset),
       (k, x, values, sums, scale, offset), offset, 1)
/* The words of a row's last block; behind it is that of another row. */
static uint32_t *last_block(size_t k, void *values, size_t bytes) {
    size_t blocks = mg_quantized_stride(k) / MG_BLOCK;
    return (uint32_t *)values + (blocks ? (blocks - 1) * MG_GROUP * bytes / 4 : 0);
}
FAULTS(quantize_blocks_q8, (size_t k, const float *x, int8_t *values, uint16_t *scales),
       (k, x, values, scales), last_block(k, values, MG_BLOCK), k ? MG_BLOCK / 4 : 0)
FAULTS(quantize_blocks_q4,
       (size_t k, const float *x, const float *weights, int search, uint8_t *values,
        uint16_t *scales),
       (k, x, weights, search, values, scales), last_block(k, values, MG_BLOCK / 2),
       k ? MG_BLOCK / 8 : 0)
FAULTS(dequantize_row, (const mg_quantized *w, size_t row, float *y), (w, row, y), y, w->k)

/* A search that finds nothing, sums of blocks that belong to the next one, a row without offset. */
static void idle_quantize_blocks_q4(size_t k, const float *x, const float *weights, int search,
                                    uint8_t *values, uint16_t *scales) {
    good()->quantize_blocks_q4(k, x, weights, search - search, values, scales);
}
static void shifted_quantize_row_q8(size_t k, const float *x, int8_t *values, int32_t *sums,
                                    float *scale) {
    good()->quantize_row_q8(k, x, values, sums, scale);
    size_t blocks = mg_quantized_stride(k) / MG_BLOCK;
    if (sums && blocks > 1) memmove(sums, sums + 1, (blocks - 1) * sizeof *sums);
}

static void idle_quantize_row_q8_offset(size_t k, const float *x, int8_t *values, int32_t *sums,
                                        float *scale, float *offset) {
    good()->quantize_row_q8(k, x, values, sums, scale);
    *offset = 0;
}

/* Numbers in 16 bits. */
FAULTS(bf16_from_f32, (size_t n, const float *x, uint16_t *y), (n, x, y), y, n)
FAULTS(f32_from_bf16, (size_t n, const uint16_t *x, float *y), (n, x, y), y, n)
FAULTS(f16_from_f32, (size_t n, const float *x, uint16_t *y), (n, x, y), y, n)
FAULTS(f32_from_f16, (size_t n, const uint16_t *x, float *y), (n, x, y), y, n)
