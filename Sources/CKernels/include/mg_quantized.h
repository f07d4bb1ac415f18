/* Operations on quantised matrices and activations, whose layouts are in mg_formats.h. They follow
 * the rules of mg_ops.h: threaded, allocation-free, the same bits for any number of workers. */
#ifndef MG_QUANTIZED_H
#define MG_QUANTIZED_H
#include "mg_ops.h"

/* ---- Activations ----------------------------------------------------------------------------- */

typedef enum {
    MG_SYMMETRIC, /* by quantize_row_q8 */
    MG_OFFSET,    /* by quantize_row_q8_offset: for weights that carry sums */
    MG_TWICE /* symmetric; row rows + r, of 2 * rows, is what row r leaves out. Needs n floats of
                scratch */
} mg_row_quantization;

/* The first rows of `to` = x (rows, n), rows ld apart. Requires: n is to.k, rows at most to.rows.
 */
void mg_quantize_rows(const mg_context *context, size_t rows, size_t n, const float *x, size_t ld,
                      mg_row_quantization how, mg_q8_rows to);

/* ---- Products -------------------------------------------------------------------------------- */

/* c (m, n) = act(a w^T + bias) [+ residual], rows ldc apart, in the arithmetic of mg_formats.h: an
 * element has the same bits for any m, n and number of workers. Requires: a.k == w.k, and where w
 * carries sums, rows of a that have offsets. Needs mg_quantized_matmul_scratch and
 * mg_quantized_matmul_shared. */
typedef struct {
    mg_q8_rows a;
    mg_quantized w;
    float *c;
    size_t ldc;
    const float *bias;   /* (n), or NULL */
    int activation;      /* an mg_activation but MG_SWIGLU, or -1 */
    mg_operand residual; /* (m, n), or NULL; not c */
} mg_quantized_product;

void mg_quantized_matmul(const mg_context *context, const mg_quantized_product *product);

/* Floats per worker, and floats of mg_context.shared, for products of up to `rows` rows and k. */
size_t mg_quantized_matmul_scratch(const mg_kernels *kernels, size_t rows, size_t k);
size_t mg_quantized_matmul_shared(const mg_kernels *kernels, size_t rows, size_t k);

/* ---- Matrices -------------------------------------------------------------------------------- */

/* Quantises w (n, k) into values and scales of the sizes that mg_formats.h gives. With `search`,
 * 4-bit scales are those of the least square error. Requires: finite weights. Needs
 * mg_quantized_stride(k) / 4 floats of scratch. */
void mg_quantize_matrix(const mg_context *context, mg_quantization format, size_t n, size_t k,
                        const float *w, int search, void *values, void *scales);

/* sums[i] = the sum of row i of the numbers that a quantised matrix stands for, in double and
 * rounded once. Needs k floats of scratch. */
void mg_quantized_row_sums(const mg_context *context, const mg_quantized *matrix, float *sums);

/* w (n, k) = those numbers. */
void mg_dequantize_matrix(const mg_context *context, const mg_quantized *matrix, float *w);

/* A matrix beside what became of it. */
typedef struct {
    double squares, square_errors; /* sums of w^2 and of (w - quantised)^2 */
    float least, greatest;         /* of w */
    size_t outliers;               /* farther from zero than six times the root of mean w^2 */
} mg_quantization_statistics;

/* Needs k floats of scratch. */
void mg_compare_quantized(const mg_context *context, const mg_quantized *matrix, const float *w,
                          mg_quantization_statistics *statistics);

#endif
