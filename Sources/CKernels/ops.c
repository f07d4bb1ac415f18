/* Row-wise and element-wise operations over the pool. See mg_ops.h. */
#include "ops.h"
#include <string.h>

enum { SQUARE_BLOCK = 4096 };

size_t mg_shared_scratch(size_t width, size_t elements) {
    size_t norms = 2 * MG_ROW_BLOCKS * width;
    size_t squares = 2 * ((elements + SQUARE_BLOCK - 1) / SQUARE_BLOCK); /* doubles */
    return (norms > squares ? norms : squares) + 16;
}

/* ---- Quantised activations ------------------------------------------------------------------- */

typedef struct {
    const mg_context *context;
    size_t rows;
    const float *x;
    size_t ld;
    mg_q8_rows to;
    mg_row_quantization how;
} quantize_job;

static void quantize_worker(void *argument, size_t worker, size_t workers) {
    const quantize_job *job = argument;
    const mg_kernels *f = job->context->kernels;
    mg_range rows = mg_share(job->rows, 1, worker, workers);
    for (size_t r = rows.first; r < rows.end; r++)
        (job->how == MG_OFFSET ? mg_quantize_one_offset : mg_quantize_one)(f, job->x + r * job->ld,
                                                                           &job->to, r);
    if (job->how != MG_TWICE) return;
    float *rest = mg_scratch_of(job->context, worker);
    for (size_t r = rows.first; r < rows.end; r++) {
        const float *x = job->x + r * job->ld, scale = job->to.scales[r];
        const int8_t *values = job->to.values + r * mg_quantized_stride(job->to.k);
        for (size_t j = 0; j < job->to.k; j++) rest[j] = x[j] - scale * (float)values[j];
        mg_quantize_one(f, rest, &job->to, job->rows + r);
    }
}

void mg_quantize_rows(const mg_context *context, size_t rows, size_t n, const float *x, size_t ld,
                      mg_row_quantization how, mg_q8_rows to) {
    quantize_job job = {context, rows, x, ld, to, how};
    mg_dispatch(context, rows * n * sizeof(float) >= MG_SERIAL_BYTES, quantize_worker, &job);
}

/* ---- Normalisation ----------------------------------------------------------------------------
 */

typedef struct {
    const mg_context *context;
    const mg_norm *norm;
    const float *dy;
    float *dx;
    int accumulate;
    size_t blocks;
    float *dgain, *dbias; /* (blocks, n) each, or NULL; with one block the result itself */
} norm_job;

/* y of one row, where the kernel can write it: in place, or in scratch if it is not float32. */
static float *norm_result(const norm_job *job, size_t row, size_t worker) {
    const mg_norm *p = job->norm;
    if (p->y_type != MG_F32)
        return job->context->scratch + worker * job->context->scratch_per_worker;
    return (float *)p->y + row * p->n;
}

static void norm_forward_worker(void *argument, size_t worker, size_t workers) {
    const norm_job *job = argument;
    const mg_norm *p = job->norm;
    const mg_kernels *f = job->context->kernels;
    mg_range rows = mg_share(p->rows, 1, worker, workers);
    mg_q8_rows codes = {0};
    if (p->y_type == MG_Q8) codes = mg_q8_rows_at(p->y, p->rows, p->n);
    for (size_t r = rows.first; r < rows.end; r++) {
        size_t at = r * p->n;
        const float *add = p->add ? p->add + at : NULL;
        float *sum = p->add ? p->sum + at : NULL, *y = norm_result(job, r, worker);
        if (p->kind == MG_RMSNORM) {
            p->stats[2 * r] = 0.0f;
            p->stats[2 * r + 1] = f->rmsnorm_f32(p->n, p->epsilon, p->x + at, add, sum, p->gain, y);
        } else {
            f->layernorm_f32(p->n, p->epsilon, p->x + at, add, sum, p->gain, p->bias, y,
                             p->stats + 2 * r);
        }
        if (p->y_type == MG_BF16) f->bf16_from_f32(p->n, y, (uint16_t *)p->y + at);
        if (p->y_type == MG_Q8) mg_quantize_one(f, y, &codes, r);
    }
}

void mg_norm_forward(const mg_context *context, const mg_norm *norm) {
    norm_job job = {.context = context, .norm = norm};
    mg_dispatch(context, norm->rows * norm->n * sizeof(float) >= MG_SERIAL_BYTES,
                norm_forward_worker, &job);
}

static void norm_backward_worker(void *argument, size_t worker, size_t workers) {
    const norm_job *job = argument;
    const mg_norm *p = job->norm;
    const mg_kernels *f = job->context->kernels;
    const float *x = p->add ? p->sum : p->x;
    mg_range blocks = mg_share(job->blocks, 1, worker, workers);
    for (size_t block = blocks.first; block < blocks.end; block++) {
        float *dgain = job->dgain ? job->dgain + block * p->n : NULL;
        float *dbias = job->dbias ? job->dbias + block * p->n : NULL;
        if (dgain && job->blocks > 1) memset(dgain, 0, p->n * sizeof *dgain);
        if (dbias && job->blocks > 1) memset(dbias, 0, p->n * sizeof *dbias);
        mg_range rows = mg_share(p->rows, 1, block, job->blocks);
        for (size_t r = rows.first; r < rows.end; r++) {
            size_t at = r * p->n;
            if (p->kind == MG_RMSNORM)
                f->rmsnorm_backward_f32(p->n, x + at, p->gain, p->stats[2 * r + 1], job->dy + at,
                                        job->dx + at, job->accumulate, dgain);
            else
                f->layernorm_backward_f32(p->n, x + at, p->gain, p->stats + 2 * r, job->dy + at,
                                          job->dx + at, job->accumulate, dgain, dbias);
        }
    }
}

void mg_norm_backward(const mg_context *context, const mg_norm *norm, const float *dy, float *dx,
                      int accumulate, float *dgain, float *dbias) {
    size_t blocks = mg_row_blocks(norm->rows);
    norm_job job = {.context = context,
                    .norm = norm,
                    .dy = dy,
                    .dx = dx,
                    .accumulate = accumulate,
                    .blocks = blocks,
                    .dgain = dgain && blocks > 1 ? context->shared : dgain,
                    .dbias = dbias && blocks > 1 ? context->shared + blocks * norm->n : dbias};
    mg_dispatch(context, norm->rows * norm->n * sizeof(float) >= MG_SERIAL_BYTES,
                norm_backward_worker, &job);
    for (size_t block = 0; block < blocks && blocks > 1; block++) {
        if (dgain) context->kernels->axpy_f32(norm->n, 1.0f, job.dgain + block * norm->n, dgain);
        if (dbias) context->kernels->axpy_f32(norm->n, 1.0f, job.dbias + block * norm->n, dbias);
    }
}

/* ---- Element by element -------------------------------------------------------------------------
 */

typedef enum { ADD, ACCUMULATE, ZERO, DROPOUT, SOFT_CAP } element_kind;

typedef struct {
    const mg_context *context;
    element_kind kind;
    size_t n;
    const float *a, *b;
    float *y;
    uint64_t key;
    float number; /* dropout rate, soft cap */
} element_job;

static void element_worker(void *argument, size_t worker, size_t workers) {
    const element_job *job = argument;
    const mg_kernels *f = job->context->kernels;
    mg_range range = mg_share(job->n, 64, worker, workers);
    size_t n = range.end - range.first;
    if (n == 0) return;
    const float *a = job->a ? job->a + range.first : NULL;
    float *y = job->y + range.first;
    switch (job->kind) {
    case ADD:
        f->add_f32(n, a, job->b + range.first, y);
        break;
    case ACCUMULATE:
        f->axpy_f32(n, 1.0f, a, y);
        break;
    case ZERO:
        memset(y, 0, n * sizeof *y);
        break;
    case DROPOUT: {
        double threshold = (double)job->number * 4294967296.0;
        f->dropout_f32(n, job->key, range.first,
                       threshold < 4294967295.0 ? (uint32_t)threshold : UINT32_MAX,
                       job->number < 1.0f ? 1.0f / (1.0f - job->number) : 0.0f, a, y);
        break;
    }
    case SOFT_CAP:
        f->scale_add_f32(n, 1.0f / job->number, y, NULL, y);
        f->tanh_f32(n, y, y);
        f->scale_add_f32(n, job->number, y, NULL, y);
        break;
    }
}

static void element_run(element_job job) {
    mg_dispatch(job.context, job.n * sizeof(float) >= MG_SERIAL_BYTES, element_worker, &job);
}

void mg_add(const mg_context *context, size_t n, const float *a, const float *b, float *y) {
    element_run((element_job){.context = context, .kind = ADD, .n = n, .a = a, .b = b, .y = y});
}

void mg_accumulate(const mg_context *context, size_t n, const float *x, float *y) {
    element_run((element_job){.context = context, .kind = ACCUMULATE, .n = n, .a = x, .y = y});
}

void mg_zero(const mg_context *context, size_t n, float *x) {
    element_run((element_job){.context = context, .kind = ZERO, .n = n, .y = x});
}

void mg_dropout(const mg_context *context, size_t n, uint64_t key, float rate, const float *x,
                float *y) {
    element_run((element_job){
        .context = context, .kind = DROPOUT, .n = n, .a = x, .y = y, .key = key, .number = rate});
}

void mg_soft_cap(const mg_context *context, size_t n, float cap, float *x) {
    element_run((element_job){.context = context, .kind = SOFT_CAP, .n = n, .y = x, .number = cap});
}

/* ---- Activations
 * ----------------------------------------------------------------------------------- */

typedef struct {
    const mg_context *context;
    mg_activation kind;
    size_t rows, f;
    const float *x, *dy;
    float *y; /* result: y forward, dx backward */
} activation_job;

static void swiglu_rows(const activation_job *job, mg_range rows) {
    const mg_kernels *k = job->context->kernels;
    size_t f = job->f;
    for (size_t r = rows.first; r < rows.end; r++) {
        const float *gate = job->x + 2 * r * f, *up = gate + f;
        float *y = job->y + (job->dy ? 2 * r * f : r * f);
        if (job->dy)
            k->swiglu_backward_f32(f, gate, up, job->dy + r * f, y, y + f);
        else
            k->swiglu_f32(f, gate, up, y);
    }
}

static void activation_worker(void *argument, size_t worker, size_t workers) {
    const activation_job *job = argument;
    const mg_kernels *k = job->context->kernels;
    if (job->kind == MG_SWIGLU) {
        swiglu_rows(job, mg_share(job->rows, 1, worker, workers));
        return;
    }
    mg_range range = mg_share(job->rows * job->f, 64, worker, workers);
    size_t n = range.end - range.first;
    if (n == 0) return;
    const float *x = job->x + range.first, *dy = job->dy ? job->dy + range.first : NULL;
    float *y = job->y + range.first;
    switch (job->kind) {
    case MG_RELU:
        dy ? k->relu_backward_f32(n, x, dy, y) : k->relu_f32(n, x, y);
        break;
    case MG_RELU2:
        dy ? k->relu2_backward_f32(n, x, dy, y) : k->relu2_f32(n, x, y);
        break;
    default:
        dy ? k->gelu_backward_f32(n, x, dy, y) : k->gelu_f32(n, x, y);
        break;
    }
}

static void activation_run(activation_job job) {
    mg_dispatch(job.context, job.rows * job.f * sizeof(float) >= MG_SERIAL_BYTES, activation_worker,
                &job);
}

void mg_activation_forward(const mg_context *context, mg_activation kind, size_t rows, size_t f,
                           const float *x, float *y) {
    activation_run((activation_job){context, kind, rows, f, x, NULL, y});
}

void mg_activation_backward(const mg_context *context, mg_activation kind, size_t rows, size_t f,
                            const float *x, const float *dy, float *dx) {
    activation_run((activation_job){context, kind, rows, f, x, dy, dx});
}

/* ---- Sums over rows and blocks
 * ------------------------------------------------------------------------ */

typedef struct {
    const mg_context *context;
    size_t rows, n;
    const float *x;
    float *y;
} sum_job;

static void column_sum_worker(void *argument, size_t worker, size_t workers) {
    const sum_job *job = argument;
    mg_range r = mg_share(job->n, 16, worker, workers);
    job->context->kernels->column_sum_f32(job->rows, r.end - r.first, job->x + r.first, job->n,
                                          job->y + r.first);
}

void mg_column_sum(const mg_context *context, size_t rows, size_t n, const float *x, float *y) {
    sum_job job = {context, rows, n, x, y};
    mg_dispatch(context, rows * n * sizeof(float) >= MG_SERIAL_BYTES, column_sum_worker, &job);
}

static void square_worker(void *argument, size_t worker, size_t workers) {
    const sum_job *job = argument;
    double *sums = (double *)(void *)job->y;
    mg_range blocks = mg_share((job->n + SQUARE_BLOCK - 1) / SQUARE_BLOCK, 1, worker, workers);
    for (size_t b = blocks.first; b < blocks.end; b++) {
        const float *x = job->x + b * SQUARE_BLOCK;
        sums[b] =
            job->context->kernels->dot_f32(mg_min(SQUARE_BLOCK, job->n - b * SQUARE_BLOCK), x, x);
    }
}

double mg_sum_squares(const mg_context *context, size_t n, const float *x) {
    sum_job job = {.context = context, .n = n, .x = x, .y = context->shared};
    mg_dispatch(context, n * sizeof(float) >= MG_SERIAL_BYTES, square_worker, &job);
    const double *sums = (const double *)(const void *)context->shared;
    double total = 0;
    for (size_t b = 0; b * SQUARE_BLOCK < n; b++) total += sums[b];
    return total;
}
