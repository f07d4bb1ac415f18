/* Operations of recursive models, see mg_recursion.h. Sums over rows are added by the blocks of
 * mg_row_blocks, so that no result depends on the workers. */
#include "mg_recursion.h"
#include "ops.h"
#include <string.h>

/* ---- Blends ---------------------------------------------------------------------------------- */

typedef struct {
    const mg_context *context;
    const mg_blend *blend;
    const mg_blend_gradient *gradient;
    size_t blocks;
    float *da, *db; /* (blocks, n) each, or NULL; with one block the result itself */
} blend_job;

/* y = [x +] [factor] * d */
static void add_scaled(const mg_kernels *f, size_t n, const float *x, const float *factor,
                       const float *d, float *y) {
    if (factor)
        f->multiply_add_f32(n, x, factor, d, y);
    else if (x)
        f->add_f32(n, x, d, y);
    else if (y != d)
        memcpy(y, d, n * sizeof *y);
}

static void blend_forward_worker(void *argument, size_t worker, size_t workers) {
    const blend_job *job = argument;
    const mg_blend *p = job->blend;
    const mg_kernels *f = job->context->kernels;
    float *scaled = mg_scratch_of(job->context, worker);
    mg_range rows = mg_share(p->rows, 1, worker, workers);
    for (size_t r = rows.first; r < rows.end; r++) {
        const float *x = p->x ? p->x + r * p->n : NULL, *d = p->d + r * p->n;
        float *y = p->y + r * p->n;
        if (p->active && p->active[r] == 0.0f) {
            if (y != x && x) memcpy(y, x, p->n * sizeof *y);
            continue;
        }
        if (p->a && x) {
            f->multiply_add_f32(p->n, NULL, p->a, x, scaled);
            x = scaled;
        }
        add_scaled(f, p->n, x, p->b, d, y);
    }
}

static int is_parallel(size_t rows, size_t n) {
    return rows * n * sizeof(float) >= MG_SERIAL_BYTES;
}

void mg_blend_forward(const mg_context *context, const mg_blend *blend) {
    blend_job job = {.context = context, .blend = blend};
    mg_dispatch(context, is_parallel(blend->rows, blend->n), blend_forward_worker, &job);
}

static void blend_backward_worker(void *argument, size_t worker, size_t workers) {
    const blend_job *job = argument;
    const mg_blend *p = job->blend;
    const mg_blend_gradient *g = job->gradient;
    const mg_kernels *f = job->context->kernels;
    size_t n = p->n;
    mg_range blocks = mg_share(job->blocks, 1, worker, workers);
    for (size_t block = blocks.first; block < blocks.end; block++) {
        float *da = job->da ? job->da + block * n : NULL;
        float *db = job->db ? job->db + block * n : NULL;
        if (da && job->blocks > 1) memset(da, 0, n * sizeof *da);
        if (db && job->blocks > 1) memset(db, 0, n * sizeof *db);
        mg_range rows = mg_share(p->rows, 1, block, job->blocks);
        for (size_t r = rows.first; r < rows.end; r++) {
            const float *dy = g->dy + r * n;
            if (da) f->multiply_add_f32(n, da, dy, p->x + r * n, da);
            if (db) f->multiply_add_f32(n, db, dy, p->d + r * n, db);
            float *dx = g->dx ? g->dx + r * n : NULL, *dd = g->dd ? g->dd + r * n : NULL;
            if (dd) add_scaled(f, n, g->accumulate_d ? dd : NULL, p->b, dy, dd);
            if (dx) add_scaled(f, n, g->accumulate_x ? dx : NULL, p->a, dy, dx);
        }
    }
}

/* Adds the parts of the blocks to a sum over rows, in order. */
static void add_blocks(const mg_context *context, size_t blocks, size_t n, const float *parts,
                       float *sum) {
    for (size_t block = 0; block < blocks && blocks > 1 && sum; block++)
        context->kernels->axpy_f32(n, 1.0f, parts + block * n, sum);
}

void mg_blend_backward(const mg_context *context, const mg_blend *blend,
                       const mg_blend_gradient *gradient) {
    size_t n = blend->n, blocks = mg_row_blocks(blend->rows);
    float *da = gradient->da, *db = gradient->db;
    blend_job job = {.context = context,
                     .blend = blend,
                     .gradient = gradient,
                     .blocks = blocks,
                     .da = da && blocks > 1 ? context->shared : da,
                     .db = db && blocks > 1 ? context->shared + blocks * n : db};
    mg_dispatch(context, is_parallel(blend->rows, n), blend_backward_worker, &job);
    add_blocks(context, blocks, n, job.da, da);
    add_blocks(context, blocks, n, job.db, db);
}

void mg_sigmoid(const mg_context *context, size_t n, const float *x, float *y) {
    context->kernels->sigmoid_f32(n, x, y);
}

void mg_sigmoid_backward(const mg_context *context, size_t n, const float *y, const float *dy,
                         float *dx) {
    (void)context;
    for (size_t i = 0; i < n; i++) dx[i] += dy[i] * y[i] * (1.0f - y[i]);
}

/* ---- Gates ----------------------------------------------------------------------------------- */

typedef struct {
    const mg_context *context;
    const mg_exit_gate *gate;
    const mg_exit_gate_gradient *gradient;
    size_t blocks;
    float *dw; /* (blocks, n + 1): weights, then the bias */
} gate_job;

static void gate_forward_worker(void *argument, size_t worker, size_t workers) {
    const gate_job *job = argument;
    const mg_exit_gate *p = job->gate;
    const mg_kernels *f = job->context->kernels;
    mg_range rows = mg_share(p->rows, 1, worker, workers);
    for (size_t r = rows.first; r < rows.end; r++)
        p->chance[r] = f->dot_f32(p->n, p->x + r * p->n, p->w) + p->c[0];
    f->sigmoid_f32(rows.end - rows.first, p->chance + rows.first, p->chance + rows.first);
    for (size_t r = rows.first; r < rows.end; r++) {
        float before = p->before ? p->before[r] : 1.0f;
        p->leave[r] = before * p->chance[r];
        p->stay[r] = before * (1.0f - p->chance[r]);
    }
}

void mg_exit_gate_forward(const mg_context *context, const mg_exit_gate *gate) {
    gate_job job = {.context = context, .gate = gate};
    mg_dispatch(context, is_parallel(gate->rows, gate->n), gate_forward_worker, &job);
}

static void gate_backward_worker(void *argument, size_t worker, size_t workers) {
    const gate_job *job = argument;
    const mg_exit_gate *p = job->gate;
    const mg_exit_gate_gradient *g = job->gradient;
    const mg_kernels *f = job->context->kernels;
    size_t n = p->n;
    mg_range blocks = mg_share(job->blocks, 1, worker, workers);
    for (size_t block = blocks.first; block < blocks.end; block++) {
        float *dw = job->dw + block * (n + 1);
        memset(dw, 0, (n + 1) * sizeof *dw);
        mg_range rows = mg_share(p->rows, 1, block, job->blocks);
        for (size_t r = rows.first; r < rows.end; r++) {
            float chance = p->chance[r], before = p->before ? p->before[r] : 1.0f;
            float dchance = before * (g->dleave[r] - g->dstay[r]);
            float dz = dchance * chance * (1.0f - chance), *dx = g->dx + r * n;
            if (g->accumulate_x)
                f->axpy_f32(n, dz, p->w, dx);
            else
                f->scale_add_f32(n, dz, p->w, NULL, dx);
            f->axpy_f32(n, dz, p->x + r * n, dw);
            dw[n] += dz;
            if (!g->dbefore) continue;
            float share = chance * g->dleave[r] + (1.0f - chance) * g->dstay[r];
            g->dbefore[r] = g->accumulate_before ? g->dbefore[r] + share : share;
        }
    }
}

void mg_exit_gate_backward(const mg_context *context, const mg_exit_gate *gate,
                           const mg_exit_gate_gradient *gradient) {
    size_t n = gate->n, blocks = mg_row_blocks(gate->rows);
    gate_job job = {context, gate, gradient, blocks, context->shared};
    mg_dispatch(context, is_parallel(gate->rows, n), gate_backward_worker, &job);
    for (size_t block = 0; block < blocks; block++) {
        context->kernels->axpy_f32(n, 1.0f, job.dw + block * (n + 1), gradient->dw);
        gradient->dc[0] += job.dw[block * (n + 1) + n];
    }
}

/* ---- Exit rules ------------------------------------------------------------------------------ */

typedef struct {
    const mg_context *context;
    size_t rows, v;
    const float *logits;
    float *entropies;
} entropy_job;

/* log(sum of exp(z)) - sum of p z; the first part is the loss of token 0 plus its logit. */
static void entropy_worker(void *argument, size_t worker, size_t workers) {
    const entropy_job *job = argument;
    const mg_kernels *f = job->context->kernels;
    size_t v = job->v;
    float *p = mg_scratch_of(job->context, worker);
    mg_range rows = mg_share(job->rows, 1, worker, workers);
    for (size_t r = rows.first; r < rows.end; r++) {
        const float *z = job->logits + r * v;
        f->softmax_f32(v, 1.0f, z, p);
        float largest = f->max_f32(v, z), first = f->cross_entropy_f32(v, z, 0, 0, 0, NULL);
        /* Both parts relative to the largest logit, or they would cancel. */
        float sum = 0;
        for (size_t i = 0; i < v; i++) sum += p[i] * (z[i] - largest);
        float entropy = (first + (z[0] - largest)) - sum;
        job->entropies[r] = entropy < 0 ? 0 : entropy; /* rounding may fall below zero */
    }
}

void mg_row_entropies(const mg_context *context, size_t rows, size_t v, const float *logits,
                      float *entropies) {
    entropy_job job = {context, rows, v, logits, entropies};
    mg_dispatch(context, is_parallel(rows, v), entropy_worker, &job);
}

void mg_keep_columns(const mg_context *context, size_t rows, size_t n, size_t first, size_t end,
                     const float *active, const float *from, float *to) {
    (void)context;
    for (size_t r = 0; r < rows; r++)
        if (active[r] == 0.0f)
            memcpy(to + r * n + first, from + r * n + first, (end - first) * sizeof *to);
}
