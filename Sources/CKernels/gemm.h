/* What the drivers of the matrix multiplies and their epilogue share. Private to this target. */
#ifndef MG_GEMM_H
#define MG_GEMM_H
#include "ops.h"
#include <stdatomic.h>

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

/* Rows of a matrix that meets a vector or a few, shared by workers. Who is done with its own rows
 * helps the others: where another program or the system takes a core for a while, nobody waits for
 * it long. */
enum { MG_HELPED_WORKERS = 64 }; /* up to so many help */
typedef struct {
    size_t rows, grain;
    int helps;                               /* whether who is done helps the others */
    _Atomic size_t begun[MG_HELPED_WORKERS]; /* parts of each worker's rows, if so */
} mg_row_shares;

/* For a matrix of so many bytes. */
void mg_share_rows(mg_row_shares *shares, size_t rows, size_t grain, size_t bytes, size_t workers);

/* Calls `take` for rows that nobody has begun until there are none. */
typedef void mg_take_rows(const void *job, mg_range rows, size_t worker);
void mg_take_shares(mg_row_shares *shares, mg_take_rows *take, const void *job, size_t worker,
                    size_t workers);

#endif
