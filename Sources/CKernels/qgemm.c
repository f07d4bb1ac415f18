/* Product of 8-bit activations with 8- or 4-bit weights: partition over workers, packing, epilogue.
 *
 * A few rows (decoding) are dot products with the rows of w as they are stored. Of more, the rows
 * of x are packed once, all workers at it. Then each worker owns a rectangle of c and packs its
 * weights a group of panels at a time; a panel of x passes by each group. There are no blocks of
 * the summed dimension: panels of bytes are short enough, and sums of integers stay in registers
 * from the first to the last. */
#include "gemm.h"

/* Words of packed weights that a worker holds at a time, if that is more than a panel: 128 KB,
 * which leaves the second-level cache room for x and c. */
enum { GROUP_WORDS = 32768 };

/* Rows of x up to which the kernels that need no packing are called. Zen 4, both take the same time
 * at: rows of w with a scale 24 rows, blocks of 8 bits 12, of 4 bits 16 (n 2304, k 768); 8, 12, 13
 * (n 384, k 128). */
enum { DOT_ROWS = 8 };

typedef struct {
    const mg_context *context;
    const mg_quantized_product *product;
    size_t row_parts; /* workers along m; the rest along n */
} q8_job;

static size_t round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* Columns of a group: whole panels, no more than mg_matmul would take. */
static size_t group_columns(const mg_kernels *f, size_t k, int by_block) {
    size_t columns = mg_min(GROUP_WORDS / (mg_q8_words(k, by_block) + 1), f->nc);
    return columns < f->nr ? f->nr : columns / f->nr * f->nr;
}

static size_t group_scratch(const mg_kernels *f, size_t k, int by_block) {
    return group_columns(f, k, by_block) * (mg_q8_words(k, by_block) + 1);
}

size_t mg_quantized_matmul_scratch(const mg_kernels *kernels, size_t rows, size_t k) {
    (void)rows;
    size_t row = group_scratch(kernels, k, 0), block = group_scratch(kernels, k, 1);
    return round_up(row > block ? row : block, 16);
}

size_t mg_quantized_matmul_shared(const mg_kernels *kernels, size_t rows, size_t k) {
    size_t words = mg_q8_words(k, 0);
    if (words < mg_q8_words(k, 1)) words = mg_q8_words(k, 1);
    return round_up(round_up(rows, kernels->mr) * words, 16);
}

static int by_block(const mg_quantized_product *x) { return x->w.format != MG_Q8_ROW; }

/* The epilogue as that of a product of floats whose sums stand in c. */
static mg_product epilogue(const mg_quantized_product *x) {
    return (mg_product){.m = x->a.rows,
                        .n = x->w.n,
                        .k = x->w.k,
                        .c = {x->c, x->ldc, MG_F32},
                        .scale = 1.0f,
                        .finish = x->activation < 0 ? MG_KEEP : MG_ACTIVATE,
                        .activation = x->activation,
                        .residual = x->residual};
}

/* Elements of c from (row, column) on, `count` rows of n, += what the offsets of x stand for. */
static void add_offsets(const mg_kernels *f, const mg_quantized_product *x, size_t row,
                        size_t count, size_t column, size_t n) {
    for (size_t i = row; x->w.sums && i < row + count; i++)
        f->axpy_f32(n, x->a.offsets[i], x->w.sums + column, x->c + i * x->ldc + column);
}

/* Where rows r of w are. */
static void stretches_of(const mg_quantized *w, mg_range r, mg_stretch stretches[MG_STRETCHES]) {
    const char *values = w->values, *scales = w->scales;
    stretches[0] = (mg_stretch){values + mg_quantized_value_bytes(w->format, r.first, w->k),
                                values + mg_quantized_value_bytes(w->format, r.end, w->k)};
    stretches[1] = (mg_stretch){scales + mg_quantized_scale_bytes(w->format, r.first, w->k),
                                scales + mg_quantized_scale_bytes(w->format, r.end, w->k)};
}

/* ---- Panels ---------------------------------------------------------------------------------- */

/* Asks memory for part `part` of `parts` of the weights that are packed next. */
static void fetch_part(const mg_stretch ahead[MG_STRETCHES], size_t part, size_t parts) {
    for (size_t i = 0; i < MG_STRETCHES; i++) {
        size_t lines = ((size_t)(ahead[i].end - ahead[i].at) + 63) / 64;
        size_t last = lines * (part + 1) / parts;
        for (size_t line = lines * part / parts; line < last; line++)
            __builtin_prefetch(ahead[i].at + 64 * line, 0, 2);
    }
}

static void pack_worker(void *argument, size_t worker, size_t workers) {
    const q8_job *job = argument;
    const mg_quantized_product *x = job->product;
    const mg_kernels *f = job->context->kernels;
    mg_range r = mg_share(x->a.rows, f->mr, worker, workers);
    float *to = job->context->shared + r.first * mg_q8_words(x->a.k, by_block(x));
    f->pack_q8_rows(&x->a, r.first, r.end - r.first, by_block(x), to);
}

/* Columns of c from one group of packed weights; meanwhile the next ones are fetched. */
static void multiply_group(const q8_job *job, mg_range rows, mg_range columns, const float *panels,
                           const mg_stretch ahead[MG_STRETCHES], float *space) {
    const mg_quantized_product *x = job->product;
    const mg_kernels *f = job->context->kernels;
    const mg_product finish = epilogue(x);
    const float *bias = x->bias ? x->bias + columns.first : NULL;
    size_t words = mg_q8_words(x->w.k, by_block(x)), n = columns.end - columns.first;
    size_t parts = (rows.end - rows.first + f->mr - 1) / f->mr;
    for (size_t i = rows.first, part = 0; i < rows.end; i += f->mr, part++) {
        size_t m = mg_min(f->mr, rows.end - i);
        fetch_part(ahead, part, parts);
        float *to = x->c + i * x->ldc + columns.first;
        (by_block(x) ? f->gemm_block_q8b
                     : f->gemm_block_q8)(m, n, x->w.k, job->context->shared + i * words, panels,
                                         x->a.scales + i, to, x->ldc, bias);
        add_offsets(f, x, i, m, columns.first, n);
        if (mg_product_finishes(&finish))
            mg_product_finish(f, &finish, i, m, columns, to, x->ldc, space);
    }
}

static void multiply_worker(void *argument, size_t worker, size_t workers) {
    const q8_job *job = argument;
    const mg_quantized_product *x = job->product;
    const mg_context *context = job->context;
    const mg_kernels *f = context->kernels;
    size_t row_parts = workers == 1 ? 1 : job->row_parts, column_parts = workers / row_parts;
    mg_range rows = mg_share(x->a.rows, f->mr, worker / column_parts, row_parts);
    mg_range columns = mg_share(x->w.n, f->nr, worker % column_parts, column_parts);
    size_t group = group_columns(f, x->w.k, by_block(x));
    float *panels = context->scratch + worker * context->scratch_per_worker;
    float *space = panels + group * mg_q8_words(x->w.k, by_block(x));
    if (rows.first == rows.end) return;
    mg_range part = {columns.first, mg_min(columns.first + group, columns.end)};
    mg_stretch ahead[MG_STRETCHES];
    stretches_of(&x->w, part, ahead);
    fetch_part(ahead, 0, 1);
    while (part.first < part.end) {
        mg_range next = {part.end, mg_min(part.end + group, columns.end)};
        f->pack_quantized(&x->w, part.first, part.end - part.first, panels);
        stretches_of(&x->w, next, ahead);
        multiply_group(job, rows, part, panels, ahead, space);
        part = next;
    }
}

/* ---- A few rows ------------------------------------------------------------------------------ */

/* Of the next matrix, per worker: a quarter of a Cortex-A76's cache. */
enum { EXPECTED_BYTES = 131072 };

typedef struct {
    const mg_context *context;
    const mg_quantized_product *product;
    mg_row_shares shares; /* in groups of the eight rows that the kernels take at a time */
} dot_job;

/* Rows of w. */
static void dot_rows(const void *argument, mg_range r, size_t worker) {
    const dot_job *job = argument;
    const mg_quantized_product *x = job->product;
    const mg_context *context = job->context;
    const mg_kernels *f = context->kernels;
    const mg_product finish = epilogue(x);
    float *space = context->scratch + worker * context->scratch_per_worker;
    size_t piece = group_columns(f, x->w.k, by_block(x)); /* less than what scratch holds */
    if (r.first >= r.end) return;
    (x->w.format == MG_Q8_ROW ? f->gemv_q8_row
     : x->w.format == MG_Q8_BLOCK
         ? f->gemv_q8_block
         : f->gemv_q4_block)(&x->a, &x->w, r.first, r.end, x->bias, x->c, x->ldc);
    add_offsets(f, x, 0, x->a.rows, r.first, r.end - r.first);
    for (size_t j = r.first; mg_product_finishes(&finish) && j < r.end; j += piece) {
        mg_range columns = {j, mg_min(j + piece, r.end)};
        mg_product_finish(f, &finish, 0, x->a.rows, columns, x->c + j, x->ldc, space);
    }
}

/* Where this worker will begin to read the next matrix. */
static void expect_next(const dot_job *job, size_t worker, size_t workers) {
    const mg_quantized *w = job->product->w.next;
    if (!w) return;
    mg_range r = mg_share(w->n, MG_GROUP, worker, workers);
    size_t group = mg_quantized_value_bytes(w->format, MG_GROUP, w->k);
    size_t rows = (EXPECTED_BYTES / (group + 1) + 1) * MG_GROUP;
    if (r.end - r.first > rows) r.end = r.first + rows;
    mg_stretch stretches[MG_STRETCHES];
    stretches_of(w, r, stretches);
    mg_pool_expect(job->context->pool, worker, stretches);
}

static void dot_worker(void *argument, size_t worker, size_t workers) {
    dot_job *job = argument;
    mg_take_shares(&job->shares, dot_rows, job, worker, workers);
    expect_next(job, worker, workers);
}

static void dot_products(const mg_context *context, const mg_quantized_product *x) {
    size_t matrix = mg_quantized_value_bytes(x->w.format, x->w.n, x->w.k);
    dot_job job;
    job.context = context;
    job.product = x;
    mg_share_rows(&job.shares, x->w.n, MG_GROUP, matrix, mg_pool_workers(context->pool));
    mg_dispatch(context, x->a.rows * matrix >= 4 * MG_SERIAL_BYTES, dot_worker, &job);
}

void mg_quantized_matmul(const mg_context *context, const mg_quantized_product *x) {
    size_t m = x->a.rows, n = x->w.n;
    if (m == 0 || n == 0) return;
    q8_job job = {.context = context, .product = x, .row_parts = 1};
    /* Four times as many of these operations in the time of one on floats. */
    int parallel = 2.0 * (double)m * (double)n * (double)x->w.k >= 4.0 * MG_SERIAL_FLOPS;
    if (m <= DOT_ROWS) {
        dot_products(context, x);
        return;
    }
    if (parallel)
        job.row_parts = mg_row_parts(context->kernels, m, n, mg_pool_workers(context->pool));
    mg_dispatch(context, parallel, pack_worker, &job);
    mg_dispatch(context, parallel, multiply_worker, &job);
}
