/* Embedding, and output head with loss: the two ends of a model. See mg_ops.h. */
#include "ops.h"
#include <string.h>

/* ---- Embedding ----------------------------------------------------------------------------------
 */

typedef struct {
    const mg_context *context;
    const mg_embedding *e;
    const float *table, *positions;
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
    size_t c = e->width;
    mg_range rows = mg_share(e->batch * e->time, 1, worker, workers);
    for (size_t r = rows.first; r < rows.end; r++) {
        size_t at = embedding_position(e, r);
        job->context->kernels->scale_add_f32(c, e->scale, job->table + (size_t)e->tokens[r] * c,
                                             job->positions ? job->positions + at * c : NULL,
                                             job->y + r * c);
    }
}

void mg_embedding_forward(const mg_context *context, const mg_embedding *e, const float *table,
                          const float *positions, float *y) {
    embedding_job job = {context, e, table, positions, y, NULL, NULL, NULL};
    mg_dispatch(context, e->batch * e->time * e->width * sizeof(float) >= MG_SERIAL_BYTES,
                embedding_forward_worker, &job);
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
    embedding_job job = {context, e, NULL, NULL, NULL, dy, dtable, dpositions};
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
        if (p->targets[r] < 0) {
            p->losses[r] = 0.0f;
            if (p->dx) memset(logits, 0, p->vocabulary * sizeof *logits);
        } else {
            p->losses[r] = job->context->kernels->cross_entropy_f32(
                p->vocabulary, logits, (size_t)p->targets[r], p->cap, p->weight_per_token,
                p->dx ? logits : NULL);
        }
    }
}

double mg_linear_cross_entropy(const mg_context *context, const mg_loss *loss) {
    size_t c = loss->width, v = loss->vocabulary;
    for (size_t first = 0; first < loss->rows; first += loss->chunk) {
        size_t count = mg_min(loss->chunk, loss->rows - first);
        const float *x = loss->x + first * c;
        mg_product logits = mg_dense_product(MG_NT, count, v, c, x, loss->head, loss->logits);
        logits.arithmetic = loss->arithmetic;
        mg_matmul(context, &logits);
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
