/* Matrix multiply: cache blocking and partition over workers around gemm_block_f32.
 *
 * Loops as in BLIS: columns by NC, the summed dimension by KC, rows by a few panels. A panel of a
 * (KC * MR) stays in the first-level cache while panels of b (KC * NC in all) stream by. NC divides
 * the cost of packing a, KC that of reading and writing c. KC is the back end's (isa/<name>.c), for
 * it decides the order of additions; NC comes from the machine's caches (Core/Caches.swift).
 * Each worker owns a rectangle of c and packs what it needs itself, unless b is packed in advance,
 * so that no barrier is needed inside. The order of additions into an element depends on k and KC
 * alone, never on the partition or on NC; where c has a few rows, on the back end's gemv_f32
 * instead. */
#include "gemm.h"

/* Panels of a packed at a time where it is stored transposed: there a cache line serves several.
 * Else one, which is still in the first-level cache when it is used. Prefetching the next ones
 * meanwhile gained nothing (Zen 4: 94.1 % of the peak without, 93.3 % with, at 1024^3). */
enum { ROW_PANELS = 4 };

/* Rows whose sums are kept in scratch where c can't hold them, see needs_sums. */
enum { SUM_PANELS = 16 };

typedef struct {
    const mg_context *context;
    const mg_product *product;
    size_t kc;        /* k in equal parts of at most KC */
    size_t row_parts; /* workers along m; the rest along n */
} gemm_job;

/* One worker's scratch. */
typedef struct {
    float *a, *b; /* panels: ROW_PANELS * MR by kc, kc by NC */
    float *sums;  /* SUM_PANELS * MR by NC */
    float *row;   /* NC */
} gemm_space;

static size_t round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}
static size_t element_size(mg_type type) {
    return type == MG_F32 ? sizeof(float) : sizeof(uint16_t);
}
static size_t column_block(const mg_kernels *f) { return round_up(f->nc, f->nr); }

/* `total` in equal parts of at most `most`, each but the last a multiple of `grain`. */
static size_t equal_part(size_t total, size_t most, size_t grain) {
    size_t parts = (total + most - 1) / most;
    return round_up((total + parts - 1) / parts, grain);
}

size_t mg_matmul_scratch(const mg_kernels *kernels) {
    size_t nc = column_block(kernels), mr = kernels->mr;
    return kernels->kc * (ROW_PANELS * mr + nc) + SUM_PANELS * mr * nc + nc + 64;
}

static gemm_space divide(const mg_kernels *kernels, float *scratch) {
    size_t nc = column_block(kernels);
    gemm_space s = {.b = scratch};
    s.a = s.b + kernels->kc * nc;
    s.sums = s.a + kernels->kc * ROW_PANELS * kernels->mr;
    s.row = s.sums + SUM_PANELS * kernels->mr * nc;
    return s;
}

/* ---- One rectangle of c ---------------------------------------------------------------------- */

/* Panels of the rows (m or n) from `first` on and the depth from p on, of a or of b. `columns`: the
 * operand is stored transposed. */
static void pack(const gemm_job *job, const mg_operand *x, int columns, size_t first, size_t count,
                 size_t p, size_t k, size_t width, float *panels) {
    size_t at = columns ? p * x->ld + first : first * x->ld + p;
    mg_panels description = {.src = (const char *)x->data + at * element_size(x->type),
                             .type = x->type,
                             .columns = columns,
                             .count = count,
                             .k = k,
                             .ld = x->ld,
                             .arithmetic = job->product->arithmetic,
                             .width = width,
                             .dst = panels};
    job->context->kernels->pack_panels(&description);
}

typedef void gemm_block(size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                        size_t ldc, const float *bias, int accumulate);

/* Rows i ... i + m, columns j ... j + n, with their panels of b: one part of k. `to` is element
 * (i, j) of where the sums go. */
static void multiply_rows(const gemm_job *job, mg_range rows, mg_range columns, mg_range depth,
                          const float *b, const gemm_space *space, float *to, size_t ld,
                          int accumulate) {
    const mg_product *x = job->product;
    const mg_kernels *f = job->context->kernels;
    size_t k = depth.end - depth.first, n = columns.end - columns.first;
    size_t block = (x->form == MG_TN ? ROW_PANELS : 1) * f->mr;
    int bf16 = x->arithmetic == MG_BF16;
    size_t words = bf16 ? (k + f->bf16_step - 1) / f->bf16_step : k;
    gemm_block *multiply = bf16 ? f->gemm_block_bf16 : f->gemm_block_f32;
    const float *bias = depth.first == 0 && x->scale == 1.0f ? x->bias : NULL;
    if (bias) bias += columns.first;
    for (size_t i = rows.first; i < rows.end; i += block) {
        size_t m = mg_min(block, rows.end - i);
        pack(job, &x->a, x->form == MG_TN, i, m, depth.first, k, f->mr, space->a);
        for (size_t r = 0; r < m; r += f->mr, to += f->mr * ld) {
            size_t height = mg_min(f->mr, m - r);
            multiply(height, n, k, space->a + r * words, b, to, ld, bias, accumulate);
            if (depth.end == x->k && mg_product_finishes(x))
                mg_product_finish(f, x, i + r, height, columns, to, ld, space->row);
        }
    }
}

/* Whether sums go to scratch first: where parts of k can't be added in c, or where c already holds
 * something that the epilogue must not touch. */
static int needs_sums(const mg_product *x) {
    return x->c.type != MG_F32 || (x->accumulate && mg_product_finishes(x));
}

/* The panels of b's columns from j on and of a part of k, packed in advance: part by part. */
static const float *packed_at(const mg_kernels *f, const mg_product *x, mg_range depth, size_t j) {
    return x->panels + depth.first * round_up(x->n, f->nr) + j * (depth.end - depth.first);
}

static void multiply_part(const gemm_job *job, mg_range rows, mg_range columns,
                          const gemm_space *space) {
    const mg_product *x = job->product;
    const mg_kernels *f = job->context->kernels;
    int sums = needs_sums(x);
    size_t mc = sums ? SUM_PANELS * f->mr : rows.end - rows.first;
    size_t nc = equal_part(columns.end - columns.first, f->nc, f->nr);
    for (size_t j = columns.first; j < columns.end; j += nc) {
        mg_range across = {j, mg_min(j + nc, columns.end)};
        for (size_t i = rows.first; i < rows.end; i += mc) {
            mg_range down = {i, mg_min(i + mc, rows.end)};
            float *to = sums ? space->sums : (float *)x->c.data + i * x->c.ld + j;
            size_t p = 0;
            do { /* once where k is 0: an empty sum */
                mg_range depth = {p, mg_min(p + job->kc, x->k)};
                const float *b = x->panels ? packed_at(f, x, depth, j) : space->b;
                if (!x->panels && (i == rows.first || job->kc < x->k)) /* else it is still there */
                    pack(job, &x->b, x->form != MG_NT, j, across.end - j, p, depth.end - p, f->nr,
                         space->b);
                multiply_rows(job, down, across, depth, b, space, to, sums ? nc : x->c.ld,
                              p > 0 || (x->accumulate && !sums));
                p += job->kc;
            } while (p < x->k);
        }
    }
}

/* ---- Partition ------------------------------------------------------------------------------- */

static void multiply_worker(void *argument, size_t worker, size_t workers) {
    const gemm_job *job = argument;
    const mg_kernels *f = job->context->kernels;
    size_t row_parts = workers == 1 ? 1 : job->row_parts, column_parts = workers / row_parts;
    mg_range rows = mg_share(job->product->m, f->mr, worker / column_parts, row_parts);
    mg_range columns = mg_share(job->product->n, f->nr, worker % column_parts, column_parts);
    gemm_space space = divide(f, job->context->scratch + worker * job->context->scratch_per_worker);
    if (rows.first < rows.end && columns.first < columns.end)
        multiply_part(job, rows, columns, &space);
}

/* In vector multiply-adds per k plus elements to pack (three in the time of one of them). */
size_t mg_row_parts(const mg_kernels *f, size_t m, size_t n, size_t workers) {
    size_t best = 1;
    double least = 0;
    for (size_t parts = 1; parts <= workers; parts++) {
        if (workers % parts) continue;
        size_t others = workers / parts;
        double rows = (double)(((m + f->mr - 1) / f->mr + parts - 1) / parts * f->mr);
        double columns = (double)(((n + f->nr - 1) / f->nr + others - 1) / others * f->nr);
        double cost = rows * columns / (double)f->vector_width + (rows + columns) / 3;
        if (parts == 1 || cost < least) {
            best = parts;
            least = cost;
        }
    }
    return best;
}

/* A few rows (decoding) of a float32 product whose sums can stand in c until they are finished.
 * Packing w costs as much as two rows of products with it, so that more than two are better off
 * where it has been packed. */
static int takes_vectors(const mg_product *x) {
    return x->form == MG_NT && x->m <= (x->panels ? 2 : MG_FEW_ROWS) && x->a.type == MG_F32 &&
           x->b.type == MG_F32 && x->arithmetic == MG_F32 && !needs_sums(x);
}

typedef struct {
    const mg_context *context;
    const mg_product *product;
    mg_row_shares shares;
} vector_job;

/* Matrix times vector, some rows of w. */
static void multiply_vector(const void *argument, mg_range r, size_t worker) {
    const vector_job *job = argument;
    const mg_product *x = job->product;
    const mg_kernels *f = job->context->kernels;
    size_t piece = mg_product_finishes(x) ? column_block(f) : x->n; /* what space.row holds */
    const float *bias = x->bias && x->scale == 1.0f ? x->bias + r.first : NULL;
    if (r.first == r.end) return;
    gemm_space space = divide(f, job->context->scratch + worker * job->context->scratch_per_worker);
    float *c = x->c.data;
    f->gemv_f32(x->m, r.end - r.first, x->k, (const float *)x->b.data + r.first * x->b.ld, x->b.ld,
                x->a.data, x->a.ld, bias, x->accumulate, c + r.first, x->c.ld);
    for (size_t j = r.first; mg_product_finishes(x) && j < r.end; j += piece) {
        mg_range columns = {j, mg_min(j + piece, r.end)};
        mg_product_finish(f, x, 0, x->m, columns, c + j, x->c.ld, space.row);
    }
}

static void vector_worker(void *argument, size_t worker, size_t workers) {
    vector_job *job = argument;
    mg_take_shares(&job->shares, multiply_vector, job, worker, workers);
}

static void multiply_vectors(const mg_context *context, const mg_product *x) {
    size_t bytes = x->n * x->k * sizeof(float);
    vector_job job;
    job.context = context;
    job.product = x;
    mg_share_rows(&job.shares, x->n, 16, bytes, mg_pool_workers(context->pool));
    int is_long = x->m > 2 && 2.0 * (double)(x->m * x->n * x->k) >= MG_SERIAL_FLOPS;
    mg_dispatch(context, is_long || bytes >= 4 * MG_SERIAL_BYTES, vector_worker, &job);
}

static size_t depth_part(const mg_kernels *f, const mg_product *x) {
    size_t step = x->arithmetic == MG_BF16 ? f->bf16_step : 1;
    return x->k ? equal_part(x->k, f->kc * step, step) : 1;
}

size_t mg_packed_count(const mg_kernels *kernels, size_t n, size_t k) {
    return round_up(n, kernels->nr) * k;
}

void mg_pack_operand(const mg_context *context, const mg_product *x, float *panels) {
    const mg_kernels *f = context->kernels;
    gemm_job job = {.context = context, .product = x, .kc = depth_part(f, x)};
    for (size_t p = 0; x->n && p < x->k; p += job.kc)
        pack(&job, &x->b, x->form != MG_NT, 0, x->n, p, mg_min(job.kc, x->k - p), f->nr,
             panels + p * round_up(x->n, f->nr));
}

void mg_matmul(const mg_context *context, const mg_product *x) {
    if (x->m == 0 || x->n == 0) return;
    if (takes_vectors(x)) {
        multiply_vectors(context, x);
        return;
    }
    gemm_job job = {.context = context, .product = x, .kc = depth_part(context->kernels, x)};
    job.row_parts = 1;
    int parallel = 2.0 * (double)x->m * (double)x->n * (double)x->k >= MG_SERIAL_FLOPS;
    if (parallel)
        job.row_parts = mg_row_parts(context->kernels, x->m, x->n, mg_pool_workers(context->pool));
    mg_dispatch(context, parallel, multiply_worker, &job);
}
