/* What the checks of quantisers share, of kernels and of operations. */
#ifndef MG_CHECK_QUANTIZERS_H
#define MG_CHECK_QUANTIZERS_H
#include "check.h"

void *bytes(checker *c, size_t count); /* whole floats of an output(...), markers */

/* The value of a half-precision number, by the definition of IEEE 754. */
double half_value(uint16_t bits);

/* A row of k activations as mg_formats.h says, from x: scale, codes and, if not NULL, sums. */
void expect_q8_row(checker *c, size_t k, const float *x, const int8_t *values, const int32_t *sums,
                   float scale);
/* The same of a row with an offset. */
void expect_q8_row_offset(checker *c, size_t k, const float *x, const int8_t *values,
                          const int32_t *sums, float scale, float offset);

#endif
