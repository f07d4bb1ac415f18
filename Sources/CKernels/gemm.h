/* What the drivers of the matrix multiplies and their epilogue share. Private to this target. */
#ifndef MG_GEMM_H
#define MG_GEMM_H
#include "ops.h"

/* Whether sums need more than what the tile does: bias and adding to c. */
static inline int mg_product_finishes(const mg_product *x) {
    return x->scale != 1.0f || x->finish != MG_KEEP || x->residual.data || x->c.type != MG_F32;
}

/* The epilogue of `count` rows of c from `row` on, in `columns`, whose sums lie in `sums`, rows ld
 * apart: in c itself, or in scratch. `space` holds one row. */
void mg_product_finish(const mg_kernels *kernels, const mg_product *x, size_t row, size_t count,
                       mg_range columns, float *sums, size_t ld, float *space);

/* How many workers to put along m of c (m, n): the divisor of `workers` with the least work for the
 * busiest. */
size_t mg_row_parts(const mg_kernels *kernels, size_t m, size_t n, size_t workers);

#endif
