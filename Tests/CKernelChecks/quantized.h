/* Random quantised operands, and what they mean in double precision. */
#ifndef MG_CHECK_QUANTIZED_H
#define MG_CHECK_QUANTIZED_H
#include "check.h"

void *bytes(checker *c, size_t count); /* whole floats of an output(...), markers */

/* The value of a half-precision number, by the definition of IEEE 754. */
double half_value(uint16_t bits);

/* Codes over their whole range, with `extreme` only the largest; random scales. Padding is zero. */
mg_quantized random_quantized(checker *c, mg_quantization format, size_t n, size_t k, bool extreme);
mg_q8_rows random_q8_rows(checker *c, size_t rows, size_t k, bool extreme);

/* One code and its scale. */
int quantized_code(const mg_quantized *w, size_t i, size_t j);
double quantized_scale(const mg_quantized *w, size_t i, size_t j);

/* (rows, k) quantised as mg_q8_rows says, found in `a`, from x: each scale, code and sum. */
void expect_q8_row(checker *c, size_t k, const float *x, const int8_t *values, const int32_t *sums,
                   float scale);

#endif
