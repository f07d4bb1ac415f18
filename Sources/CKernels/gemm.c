/* Matrix multiply: cache blocking and partition over workers around gemm_block_f32.
 *
 * Loops as in BLIS: columns by NC, the summed dimension by KC, rows by MC. Each worker owns a
 * rectangle of c and packs what it needs itself, so that no barrier is needed inside. The order of
 * additions into an element depends on KC alone, never on the partition. */
#include "ops.h"
#include <string.h>

/* KC * NR floats of b and KC * MR of a stand in the first-level cache beside the tile of c; MC * KC
 * in the second-level cache of the smallest target (512 KB on the Cortex-A76). NC bounds scratch.
 */
enum { KC = 256, MC = 96, NC = 768 };

typedef struct {
    const mg_context *context;
    mg_form form;
    size_t m, n, k;
    const float *a, *b;
    size_t lda, ldb;
    float *c;
    size_t ldc;
    const float *bias;
    int accumulate;
    size_t row_parts; /* workers along m; the rest along n */
} matmul;

static size_t row_block(const mg_kernels *kernels) {
    return (MC + kernels->mr - 1) / kernels->mr * kernels->mr;
}
static size_t column_block(const mg_kernels *kernels) {
    return (NC + kernels->nr - 1) / kernels->nr * kernels->nr;
}

size_t mg_matmul_scratch(const mg_kernels *kernels) {
    return KC * (row_block(kernels) + column_block(kernels)) + 32;
}

/* The rectangle rows x columns of c. */
static void multiply_part(const matmul *job, mg_range rows, mg_range columns, float *scratch) {
    const mg_kernels *f = job->context->kernels;
    size_t mc = row_block(f), nc = column_block(f);
    float *a_panels = scratch, *b_panels = scratch + KC * mc;
    for (size_t j = columns.first; j < columns.end; j += nc) {
        size_t n = mg_min(nc, columns.end - j);
        for (size_t p = 0; p < job->k; p += KC) {
            size_t k = mg_min(KC, job->k - p);
            if (job->form == MG_NT)
                f->pack_rows_f32(n, k, job->b + j * job->ldb + p, job->ldb, f->nr, b_panels);
            else
                f->pack_columns_f32(n, k, job->b + p * job->ldb + j, job->ldb, f->nr, b_panels);
            for (size_t i = rows.first; i < rows.end; i += mc) {
                size_t m = mg_min(mc, rows.end - i);
                if (job->form == MG_TN)
                    f->pack_columns_f32(m, k, job->a + p * job->lda + i, job->lda, f->mr, a_panels);
                else
                    f->pack_rows_f32(m, k, job->a + i * job->lda + p, job->lda, f->mr, a_panels);
                const float *bias = job->bias && p == 0 ? job->bias + j : NULL;
                f->gemm_block_f32(m, n, k, a_panels, b_panels, job->c + i * job->ldc + j, job->ldc,
                                  bias, job->accumulate || p > 0);
            }
        }
    }
}

static void multiply_worker(void *argument, size_t worker, size_t workers) {
    const matmul *job = argument;
    const mg_kernels *f = job->context->kernels;
    size_t row_parts = workers == 1 ? 1 : job->row_parts, column_parts = workers / row_parts;
    mg_range rows = mg_share(job->m, f->mr, worker / column_parts, row_parts);
    mg_range columns = mg_share(job->n, f->nr, worker % column_parts, column_parts);
    multiply_part(job, rows, columns,
                  job->context->scratch + worker * job->context->scratch_per_worker);
}

/* How many workers to put along m: the divisor of `workers` with the least work for the busiest,
 * in tile steps of k plus elements to pack (about eight packed per vector multiply-add). */
static size_t choose_row_parts(const mg_kernels *f, size_t m, size_t n, size_t workers) {
    size_t best = 1;
    double least = 0;
    for (size_t parts = 1; parts <= workers; parts++) {
        if (workers % parts) continue;
        size_t others = workers / parts;
        double rows = (double)((((m + f->mr - 1) / f->mr) + parts - 1) / parts * f->mr);
        double columns = (double)((((n + f->nr - 1) / f->nr) + others - 1) / others * f->nr);
        double cost = rows * columns / (double)f->vector_width + (rows + columns) * 2;
        if (parts == 1 || cost < least) {
            best = parts;
            least = cost;
        }
    }
    return best;
}

/* A single row (decoding): matrix times vector, rows of w shared by workers. */
static void multiply_vector(void *argument, size_t worker, size_t workers) {
    const matmul *job = argument;
    mg_range r = mg_share(job->n, 16, worker, workers);
    if (r.first == r.end) return;
    for (size_t i = 0; i < job->m; i++)
        job->context->kernels->gemv_f32(r.end - r.first, job->k, job->b + r.first * job->ldb,
                                        job->ldb, job->a + i * job->lda,
                                        job->bias ? job->bias + r.first : NULL, job->accumulate,
                                        job->c + i * job->ldc + r.first);
}

void mg_matmul(const mg_context *context, mg_form form, size_t m, size_t n, size_t k,
               const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc,
               const float *bias, int accumulate) {
    if (m == 0 || n == 0) return;
    matmul job = {.context = context,
                  .form = form,
                  .m = m,
                  .n = n,
                  .k = k,
                  .a = a,
                  .b = b,
                  .lda = lda,
                  .ldb = ldb,
                  .c = c,
                  .ldc = ldc,
                  .bias = bias,
                  .accumulate = accumulate,
                  .row_parts = 1};
    if (k == 0) { /* an empty sum */
        for (size_t i = 0; i < m && !accumulate; i++)
            for (size_t j = 0; j < n; j++) c[i * ldc + j] = bias ? bias[j] : 0.0f;
        return;
    }
    /* Packing w costs as much as two rows of products with it. */
    if (form == MG_NT && m <= 2) {
        mg_dispatch(context, n * k * sizeof(float) >= 4 * MG_SERIAL_BYTES, multiply_vector, &job);
        return;
    }
    job.row_parts = choose_row_parts(context->kernels, m, n, mg_pool_workers(context->pool));
    mg_dispatch(context, 2.0 * (double)m * (double)n * (double)k >= MG_SERIAL_FLOPS,
                multiply_worker, &job);
}
