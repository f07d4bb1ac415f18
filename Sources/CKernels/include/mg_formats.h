/* Weights and activations in 8 and 4 bits: what is in memory, and how large it is. Kernels compute
 * with it (mg_kernels.def), operations share it out (mg_quantized.h). No function here computes
 * values.
 *
 * A number is scale * q with a small integer q. Rows are padded with zeros to whole blocks of
 * MG_BLOCK elements, so that kernels need no remainder. A product of a row of activations with a
 * row of weights is, on every path and for any partition the same bits of one back end:
 *
 *   MG_Q8_ROW   S = sum of qx * qw, exact;                 v = (float)S * (sx * sw)
 *   *_BLOCK     S_b = sum of qx * qw in block b, exact;    v = 0, v = fma((float)S_b, sw_b, v) for
 *                                                          all b in order; then v = v * sx
 *
 * Where the weights carry sums, activations are offset + scale * q, and what the offset stands for
 * is added last, behind a bias: v = fma(offset of x, sum of the row of w, v).
 *
 * Integer sums are 32 bits: k is at most 2^17, which 2^17 * 127 * 127 < 2^31 allows. */
#ifndef MG_FORMATS_H
#define MG_FORMATS_H
#include <stddef.h>
#include <stdint.h>

typedef enum {
    MG_Q8_ROW,   /* 8 bits, a scale per row */
    MG_Q8_BLOCK, /* 8 bits, a scale per block */
    MG_Q4_BLOCK  /* 4 bits, a scale per block */
} mg_quantization;

/* Elements that share a scale in the block formats, and what rows are padded to; and rows that lie
 * side by side, block by block, because kernels take them together and then read in order of
 * addresses. */
enum { MG_BLOCK = 32, MG_GROUP = 8 };

/* A matrix of weights (n, k): element (i, j) is scale * q. Any alignment but that of the scales'
 * type. */
typedef struct mg_quantized {
    mg_quantization format;
    size_t n, k;
    const void *values; /* (groups, stride / MG_BLOCK, MG_GROUP) blocks, any for the rows that the
                           last group lacks. In 8 bits a block is int8_t (MG_BLOCK), -127 ... 127,
                           in 4 uint8_t (MG_BLOCK / 2): byte j has element j in its lower half and
                           element 16 + j in its upper one; q = half - 8 */
    const void *scales; /* row: float (n).
                           block: uint16_t (groups, stride / MG_BLOCK, MG_GROUP), IEEE half
                           precision, any for the rows that the last group lacks */
    const float *sums; /* (n): the sum of each row's elements; or NULL, and rows of activations have
                          no offset */
    const struct mg_quantized *next; /* the one that is most likely read after it, or NULL: the
                                        beginning is fetched while workers wait for each other */
} mg_quantized;

/* Activations: each row (token) with one scale. */
typedef struct {
    size_t rows, k;
    int8_t *values; /* (rows, stride): -127 ... 127, zero beyond k */
    int32_t *sums;  /* (rows, stride / MG_BLOCK): the sum of each block */
    float *scales; /* (rows): largest magnitude / 127, of what the offset leaves where it has one */
    float *offsets; /* (rows): for weights that carry sums; otherwise never read or written */
} mg_q8_rows;

/* Elements from one row to the next. */
static inline size_t mg_quantized_stride(size_t k) {
    return (k + MG_BLOCK - 1) / MG_BLOCK * MG_BLOCK;
}

/* Blocks that are stored of n rows, whole groups of them. */
static inline size_t mg_quantized_blocks(size_t n, size_t k) {
    size_t rows = (n + MG_GROUP - 1) / MG_GROUP * MG_GROUP;
    return rows * (mg_quantized_stride(k) / MG_BLOCK);
}

/* Bytes of a block's values. */
static inline size_t mg_block_bytes(mg_quantization format) {
    return format == MG_Q4_BLOCK ? MG_BLOCK / 2 : MG_BLOCK;
}

/* Bytes of `values` and of `scales` of n rows. */
static inline size_t mg_quantized_value_bytes(mg_quantization format, size_t n, size_t k) {
    return mg_quantized_blocks(n, k) * mg_block_bytes(format);
}
static inline size_t mg_quantized_scale_bytes(mg_quantization format, size_t n, size_t k) {
    return format == MG_Q8_ROW ? n * sizeof(float) : mg_quantized_blocks(n, k) * sizeof(uint16_t);
}

/* The place of block b of row i among all blocks, and in the block formats among all scales; that
 * of b + 1 is MG_GROUP further. */
static inline size_t mg_block_index(size_t k, size_t i, size_t b) {
    size_t blocks = mg_quantized_stride(k) / MG_BLOCK;
    return (i / MG_GROUP * blocks + b) * MG_GROUP + i % MG_GROUP;
}

/* The rows from `first` on, a multiple of MG_GROUP. */
static inline mg_quantized mg_quantized_from(mg_quantized w, size_t first) {
    size_t blocks = mg_quantized_blocks(first, w.k);
    w.values = (const char *)w.values + blocks * mg_block_bytes(w.format);
    w.scales = (const char *)w.scales + mg_quantized_scale_bytes(w.format, first, w.k);
    if (w.sums) w.sums += first;
    w.n -= first;
    return w;
}

/* Memory of mg_q8_rows: four planes, each on a boundary of 64 bytes if the first one is. */
static inline size_t mg_whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }
static inline size_t mg_q8_rows_bytes(size_t rows, size_t k) {
    size_t stride = mg_quantized_stride(k);
    return mg_whole_lines(rows * stride) +
           mg_whole_lines(rows * (stride / MG_BLOCK) * sizeof(int32_t)) +
           2 * mg_whole_lines(rows * sizeof(float));
}
static inline mg_q8_rows mg_q8_rows_at(void *memory, size_t rows, size_t k) {
    size_t stride = mg_quantized_stride(k), values = mg_whole_lines(rows * stride);
    size_t sums = mg_whole_lines(rows * (stride / MG_BLOCK) * sizeof(int32_t));
    char *at = memory;
    return (mg_q8_rows){
        .rows = rows,
        .k = k,
        .values = (int8_t *)at,
        .sums = (int32_t *)(void *)(at + values),
        .scales = (float *)(void *)(at + values + sums),
        .offsets = (float *)(void *)(at + values + sums + mg_whole_lines(rows * sizeof(float)))};
}

#endif
