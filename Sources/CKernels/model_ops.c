/* Embedding, and output head with loss: the two ends of a model. See mg_ops.h. */
#include "ops.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Embedding ----------------------------------------------------------------------------------
 */

typedef struct {
    const mg_context *context;
    const mg_embedding *e;
    const float *table, *positions;
    const mg_quantized *quantized; /* instead of a table */
    float *y;
    const float *dy;
    float *dtable, *dpositions;
} embedding_job;

/* The position of row r. */
static size_t embedding_position(const mg_embedding *e, size_t r) {
    return (e->first ? e->first[r / e->time] : 0) + r % e->time;
}

static void embedding_forward_worker(void *argument, size_t worker, size_t workers) {
    const embedding_job *job = argument;
    const mg_embedding *e = job->e;
    const mg_kernels *f = job->context->kernels;
    size_t c = e->width;
    mg_range rows = mg_share(e->batch * e->time, 1, worker, workers);
    for (size_t r = rows.first; r < rows.end; r++) {
        size_t at = embedding_position(e, r);
        const float *row = job->quantized ? NULL : job->table + (size_t)e->tokens[r] * c;
        if (job->quantized) {
            f->dequantize_row(job->quantized, (size_t)e->tokens[r], job->y + r * c);
            row = job->y + r * c;
        }
        f->scale_add_f32(c, e->scale, row, job->positions ? job->positions + at * c : NULL,
                         job->y + r * c);
    }
}

static void embedding_run(embedding_job job) {
    const mg_embedding *e = job.e;
    mg_dispatch(job.context, e->batch * e->time * e->width * sizeof(float) >= MG_SERIAL_BYTES,
                embedding_forward_worker, &job);
}

void mg_embedding_forward(const mg_context *context, const mg_embedding *e, const float *table,
                          const float *positions, float *y) {
    embedding_run((embedding_job){
        .context = context, .e = e, .table = table, .positions = positions, .y = y});
}

void mg_embedding_forward_quantized(const mg_context *context, const mg_embedding *e,
                                    const mg_quantized *table, const float *positions, float *y) {
    embedding_run((embedding_job){
        .context = context, .e = e, .quantized = table, .positions = positions, .y = y});
}

/* A worker owns some columns and walks all rows in order: no two workers meet in an element. */
static void embedding_backward_worker(void *argument, size_t worker, size_t workers) {
    const embedding_job *job = argument;
    const mg_embedding *e = job->e;
    const mg_kernels *f = job->context->kernels;
    mg_range columns = mg_share(e->width, 16, worker, workers);
    size_t n = columns.end - columns.first;
    for (size_t r = 0; r < e->batch * e->time; r++) {
        const float *dy = job->dy + r * e->width + columns.first;
        float *row = job->dtable + (size_t)e->tokens[r] * e->width + columns.first;
        f->axpy_f32(n, e->scale, dy, row);
        if (job->dpositions) {
            size_t at = embedding_position(e, r);
            f->axpy_f32(n, 1.0f, dy, job->dpositions + at * e->width + columns.first);
        }
    }
}

void mg_embedding_backward(const mg_context *context, const mg_embedding *e, const float *dy,
                           float *dtable, float *dpositions) {
    embedding_job job = {
        .context = context, .e = e, .dy = dy, .dtable = dtable, .dpositions = dpositions};
    mg_dispatch(context, e->batch * e->time * e->width * sizeof(float) >= MG_SERIAL_BYTES,
                embedding_backward_worker, &job);
}

/* ---- Head and loss
 * --------------------------------------------------------------------------------- */

typedef struct {
    const mg_context *context;
    const mg_loss *loss;
    size_t first, count; /* rows of this chunk */
} loss_job;

static void loss_worker(void *argument, size_t worker, size_t workers) {
    const loss_job *job = argument;
    const mg_loss *p = job->loss;
    mg_range rows = mg_share(job->count, 1, worker, workers);
    for (size_t i = rows.first; i < rows.end; i++) {
        size_t r = job->first + i;
        float *logits = p->logits + i * p->vocabulary;
        float weight = p->weight_per_token * (p->weights ? p->weights[r] : 1.0f);
        if (p->targets[r] < 0) {
            p->losses[r] = 0.0f;
            if (p->dweights) p->dweights[r] = 0.0f;
            if (p->dx) memset(logits, 0, p->vocabulary * sizeof *logits);
        } else {
            p->losses[r] = job->context->kernels->cross_entropy_f32(p->vocabulary, logits,
                                                                    (size_t)p->targets[r], p->cap,
                                                                    weight, p->dx ? logits : NULL);
            /* d(q log q) = log q + 1, of a q that is never quite zero. */
            if (p->dweights)
                p->dweights[r] =
                    p->weight_per_token *
                    (p->losses[r] + p->entropy * (logf(p->weights[r] + FLT_MIN) + 1.0f));
        }
    }
}

/* The logits of a chunk, from a head of either kind. */
static void compute_logits(const mg_context *context, const mg_loss *loss, size_t first,
                           size_t count) {
    size_t c = loss->width, v = loss->vocabulary;
    const float *x = loss->x + first * c;
    if (loss->quantized_head) {
        mg_q8_rows rows = mg_q8_rows_at(loss->rows_memory, count, c);
        mg_quantize_rows(context, count, c, x, c, MG_SYMMETRIC, rows);
        mg_quantized_product logits = {
            .a = rows, .w = *loss->quantized_head, .c = loss->logits, .ldc = v, .activation = -1};
        mg_quantized_matmul(context, &logits);
    } else {
        mg_product logits = mg_dense_product(MG_NT, count, v, c, x, loss->head, loss->logits);
        logits.arithmetic = loss->arithmetic;
        mg_matmul(context, &logits);
    }
}

double mg_linear_cross_entropy(const mg_context *context, const mg_loss *loss) {
    size_t c = loss->width, v = loss->vocabulary;
    for (size_t first = 0; first < loss->rows; first += loss->chunk) {
        size_t count = mg_min(loss->chunk, loss->rows - first);
        const float *x = loss->x + first * c;
        compute_logits(context, loss, first, count);
        loss_job job = {context, loss, first, count};
        mg_dispatch(context, count * v * sizeof(float) >= MG_SERIAL_BYTES, loss_worker, &job);
        if (!loss->dx) continue;
        mg_product dx =
            mg_dense_product(MG_NN, count, c, v, loss->logits, loss->head, loss->dx + first * c);
        dx.accumulate = loss->accumulate;
        dx.arithmetic = loss->arithmetic;
        mg_matmul(context, &dx);
        mg_product dhead = mg_dense_product(MG_TN, v, c, count, loss->logits, x, loss->dhead);
        dhead.accumulate = 1;
        dhead.arithmetic = loss->arithmetic;
        mg_matmul(context, &dhead);
    }
    double total = 0;
    for (size_t r = 0; r < loss->rows; r++) total += loss->losses[r];
    return total;
}

/* ---- Two models side by side ----------------------------------------------------------------- */

static size_t largest(size_t n, const float *x) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

typedef struct {
    const mg_context *context;
    const mg_comparison *comparison;
} comparison_job;

static void comparison_worker(void *argument, size_t worker, size_t workers) {
    const comparison_job *job = argument;
    const mg_comparison *x = job->comparison;
    const mg_kernels *f = job->context->kernels;
    size_t v = x->vocabulary;
    float *probabilities = job->context->scratch + worker * job->context->scratch_per_worker;
    mg_range rows = mg_share(x->rows, 1, worker, workers);
    for (size_t r = rows.first; r < rows.end; r++) {
        const float *p = x->p + r * v, *q = x->q + r * v;
        x->losses_p[r] = x->losses_q[r] = x->divergences[r] = x->agreements[r] = 0.0f;
        if (x->targets[r] < 0) continue;
        size_t target = (size_t)x->targets[r];
        x->losses_p[r] = f->cross_entropy_f32(v, p, target, 0.0f, 0.0f, NULL);
        x->losses_q[r] = f->cross_entropy_f32(v, q, target, 0.0f, 0.0f, NULL);
        /* log softmax(p)_i - log softmax(q)_i = (p_i - q_i) - shift */
        double shift = ((double)x->losses_p[r] + p[target]) - ((double)x->losses_q[r] + q[target]);
        f->softmax_f32(v, 1.0f, p, probabilities);
        double sum = 0;
        for (size_t i = 0; i < v; i++)
            if (probabilities[i] > 0) sum += probabilities[i] * (((double)p[i] - q[i]) - shift);
        x->divergences[r] = (float)(sum > 0 ? sum : 0); /* rounding may fall below zero */
        x->agreements[r] = largest(v, p) == largest(v, q) ? 1.0f : 0.0f;
    }
}

void mg_compare_predictions(const mg_context *context, const mg_comparison *comparison) {
    comparison_job job = {context, comparison};
    mg_dispatch(context,
                comparison->rows * comparison->vocabulary * sizeof(float) >= MG_SERIAL_BYTES,
                comparison_worker, &job);
}
