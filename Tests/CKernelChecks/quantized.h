/* What the checks of quantised products share: random operands and the exact arithmetic of
 * mg_formats.h, element by element, so that results can be compared bit by bit. */
#ifndef MG_CHECK_QUANTIZED_H
#define MG_CHECK_QUANTIZED_H
#include "check.h"

enum { QUANTIZATIONS = 3 };

/* How operands are filled. EXTREME: every q is 127 or -127 (4 bits: -8), a row or column of one
 * sign, so that sums are as large as they can be. SPECIAL: scales are zero, infinite or NaN. */
typedef enum { RANDOM_VALUES, EXTREME_VALUES, SPECIAL_SCALES } quantized_fill;

/* Buffers of the current case. Values of weights stand at an odd address. */
mg_quantized random_quantized(checker *c, mg_quantization format, size_t n, size_t k,
                              quantized_fill fill);
mg_q8_rows random_q8_rows(checker *c, size_t rows, size_t k, quantized_fill fill);

/* `count` rows of either from row `first` on; blocks' scales are copied. */
mg_quantized quantized_part(checker *c, const mg_quantized *w, size_t first, size_t count);
mg_q8_rows q8_rows_part(const mg_q8_rows *x, size_t first, size_t count);

/* q of row i and column j, of the padding too. */
int quantized_value(const mg_quantized *w, size_t i, size_t j);
/* The scale of column j in row i. */
float quantized_scale(const mg_quantized *w, size_t i, size_t j);

/* Element (i, j) of x w^T: on the back end scalar its v_fma, which is not fused on every machine.
 */
float quantized_product(const checker *c, const mg_q8_rows *x, size_t i, const mg_quantized *w,
                        size_t j);

/* a * b + v as the back end computes it. */
float rounded_fma(const checker *c, float a, float b, float v);

/* The same bits, or NaN both. */
void expect_product(checker *c, const char *what, size_t index, float found, float wanted);

#endif
