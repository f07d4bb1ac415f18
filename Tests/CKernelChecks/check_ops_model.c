/* Checks of the threaded ends of a training step (embedding, loss, optimizer) and of the pool. */
#define _POSIX_C_SOURCE 200809L
#include "checks.h"
#include "compare.h"
#include <stdatomic.h>
#include <time.h>

/* ---- Embedding ---------------------------------------------------------------------------------
 */

typedef struct {
    mg_embedding e;
    int32_t tokens[600];
    size_t first[9], vocabulary;
    float *table, *positions;
} embedding_input;

/* The position of row r. */
static size_t embedding_at(const embedding_input *in, size_t r) {
    return (in->e.first ? in->first[r / in->e.time] : 0) + r % in->e.time;
}

static void embedding_make(checker *c, embedding_input *in, size_t i) {
    size_t batch = i & 1 ? 9 : 2, time = i & 1 ? 61 : 5, width = i & 1 ? 53 : 16;
    case_begin(c, "B %zu, T %zu, C %zu, positions %zu", batch, time, width, i >> 1);
    in->vocabulary = 19;
    in->e = (mg_embedding){batch, time, width, in->tokens, i & 2 ? 1.0f : 7.5f, NULL};
    for (size_t b = 0; b < batch; b++) in->first[b] = random_below(c, 3);
    if (i & 1) in->e.first = in->first;
    for (size_t r = 0; r < batch * time; r++) in->tokens[r] = (int32_t)random_below(c, 19);
    in->table = normals(c, in->vocabulary * width, 1);
    in->positions = i & 2 ? normals(c, (time + 2) * width, 1) : NULL;
}

void check_op_embedding(checker *c) {
    for (size_t i = 0; i < 4; i++) {
        embedding_input in;
        embedding_make(c, &in, i);
        size_t width = in.e.width, size = in.e.batch * in.e.time * width;
        float *y[3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
            y[w] = output(c, size);
            mg_embedding_forward(&context, &in.e, in.table, in.positions, y[w]);
            expect_same(c, "y by workers", size, y[w], y[0]);
            context_free(&context);
        }
        for (size_t j = 0; j < size; j++) {
            size_t row = j / width, at = embedding_at(&in, row) * width + j % width;
            double token =
                (double)in.e.scale * (double)in.table[(size_t)in.tokens[row] * width + j % width];
            double wanted = token + (in.positions ? (double)in.positions[at] : 0);
            expect(c, "y", j, (double)y[0][j], wanted, EPS * (fabs(token) + fabs(wanted)) / 2);
        }
        case_end(c);
    }
}

void check_op_embedding_backward(checker *c) {
    for (size_t i = 0; i < 4; i++) {
        embedding_input in;
        embedding_make(c, &in, i);
        size_t width = in.e.width, rows = in.e.batch * in.e.time, n = in.vocabulary * width;
        size_t p = (in.e.time + 2) * width;
        float *dy = normals(c, rows * width, 1), *dtable[3], *dpositions[3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
            dtable[w] = copied(c, n, in.table); /* added to whatever is there */
            dpositions[w] = in.positions ? copied(c, p, in.positions) : NULL;
            mg_embedding_backward(&context, &in.e, dy, dtable[w], dpositions[w]);
            expect_same(c, "dtable by workers", n, dtable[w], dtable[0]);
            if (in.positions) expect_same(c, "dpositions", p, dpositions[w], dpositions[0]);
            context_free(&context);
        }
        double *token = widened(c, 1, n, in.table, n), *size = doubles(c, n);
        double *place = in.positions ? widened(c, 1, p, in.positions, p) : NULL;
        double *place_size = doubles(c, p);
        for (size_t j = 0; j < rows * width; j++) {
            size_t t = (size_t)in.tokens[j / width] * width + j % width;
            size_t at = embedding_at(&in, j / width) * width + j % width;
            token[t] += (double)in.e.scale * (double)dy[j];
            size[t] += fabs((double)in.e.scale * (double)dy[j]);
            if (place) place[at] += (double)dy[j];
            place_size[at] += fabs((double)dy[j]);
        }
        for (size_t j = 0; j < n; j++)
            expect(c, "dtable", j, (double)dtable[0][j], token[j],
                   sum_bound(rows, size[j] + fabs((double)in.table[j])));
        for (size_t j = 0; place && j < p; j++)
            expect(c, "dpositions", j, (double)dpositions[0][j], place[j],
                   sum_bound(in.e.batch + 1, place_size[j] + fabs((double)in.positions[j])));
        case_end(c);
    }
}

/* ---- Head and loss
 * -------------------------------------------------------------------------------- */

typedef struct {
    size_t rows, width, vocabulary;
    float cap, weight;
    float *x, *head, *dx_before, *dhead_before;
    int32_t targets[128];
} loss_input;

typedef struct {
    float *losses, *dx, *dhead;
    double total;
} loss_output;

static loss_output loss_run(checker *c, const loss_input *in, size_t chunk, size_t workers,
                            bool gradient) {
    size_t rows = in->rows, width = in->width;
    loss_output o = {.losses = output(c, rows)};
    if (gradient) {
        o.dx = in->dx_before ? copied(c, rows * width, in->dx_before) : output(c, rows * width);
        o.dhead = copied(c, in->vocabulary * width, in->dhead_before);
    }
    mg_loss loss = {.rows = rows,
                    .width = width,
                    .vocabulary = in->vocabulary,
                    .chunk = chunk,
                    .x = in->x,
                    .head = in->head,
                    .targets = in->targets,
                    .cap = in->cap,
                    .weight_per_token = in->weight,
                    .logits = output(c, chunk * in->vocabulary),
                    .losses = o.losses,
                    .dx = o.dx,
                    .accumulate = in->dx_before != NULL,
                    .dhead = o.dhead};
    mg_context context = context_make(c, workers, 1, 1, 1, 1);
    o.total = mg_linear_cross_entropy(&context, &loss);
    context_free(&context);
    return o;
}

/* The logits are wrong by `z` each at most: relative errors of that size in every probability. */
static void compare_loss(checker *c, const loss_input *in, const loss_output *o) {
    size_t rows = in->rows, width = in->width, v = in->vocabulary;
    double *logits = doubles(c, v), *magnitudes = doubles(c, v), *d = doubles(c, v), total = 0;
    double *dhead = widened(c, 1, v * width, in->dhead_before, v * width);
    double *dhead_bound = doubles(c, v * width);
    for (size_t r = 0; r < rows; r++) {
        double z = 0, largest = 0, loss = 0;
        ref_matmul(1, v, width, in->x + r * width, width, 1, in->head, 1, width, logits,
                   magnitudes);
        for (size_t i = 0; i < v; i++) z = fmax(z, sum_bound(width, magnitudes[i]));
        for (size_t i = 0; i < v; i++) largest = fmax(largest, fabs(logits[i]));
        double relative = 2 * z + EPS * (20 * largest + 40 + 2 * sqrt((double)v));
        bool counts = in->targets[r] >= 0;
        if (counts)
            loss = ref_cross_entropy(v, logits, (size_t)in->targets[r], (double)in->cap,
                                     (double)in->weight, d);
        total += loss;
        expect(c, "losses", r, (double)o->losses[r], loss, counts ? relative * (1 + loss) : 0);
        for (size_t x = 0; x < width && o->dx; x++) {
            double old = in->dx_before ? (double)in->dx_before[r * width + x] : 0, sum = old;
            double size = fabs(old) + (double)in->weight * 0.01;
            for (size_t i = 0; i < v && counts; i++) {
                double w = (double)in->head[i * width + x];
                double g = d[i] * (double)in->x[r * width + x];
                sum += d[i] * w;
                /* |dlogit| <= weight: what 1 - p lost of p comes in through weight. */
                size += fabs(d[i] * w) + EPS * (double)in->weight * fabs(w);
                dhead[i * width + x] += g;
                dhead_bound[i * width + x] +=
                    (relative + EPS * 12) * (fabs(g) + (double)in->weight * 0.1);
            }
            double bound = (relative + EPS * (2 + sqrt((double)v))) * size;
            expect(c, "dx", r * width + x, (double)o->dx[r * width + x], sum, bound);
        }
    }
    expect(c, "total", 0, o->total, total, 1e-5 * (1 + total));
    for (size_t i = 0; i < v * width && o->dhead; i++)
        expect(c, "dhead", i, (double)o->dhead[i], dhead[i],
               dhead_bound[i] + EPS * (double)rows * fabs(dhead[i]));
}

void check_op_loss(checker *c) {
    for (size_t i = 0; i < 8; i++) {
        loss_input in = {.rows = i & 1 ? 97 : 5, .width = 24, .vocabulary = i & 1 ? 301 : 13};
        in.cap = i & 2 ? 15 : 0;
        in.weight = 1.0f / 64;
        case_begin(c, "rows %zu, vocabulary %zu, cap %g, gradient %d", in.rows, in.vocabulary,
                   (double)in.cap, !(i & 4));
        in.x = normals(c, in.rows * in.width, 1);
        in.head = normals(c, in.vocabulary * in.width, 0.5);
        in.dhead_before = constant(c, in.vocabulary * in.width, 0.0078125);
        if (i & 2) in.dx_before = constant(c, in.rows * in.width, -0.03125);
        for (size_t r = 0; r < in.rows; r++)
            in.targets[r] = (int32_t)random_below(c, in.vocabulary) * (r % 7 != 3) - (r % 7 == 3);
        size_t chunk = i & 1 ? 40 : 2;
        loss_output o[3];
        for (size_t w = 0; w < 3; w++) {
            o[w] = loss_run(c, &in, chunk, worker_counts[w], !(i & 4));
            expect_true(c, "total by workers", w, o[w].total == o[0].total);
            expect_same(c, "losses by workers", in.rows, o[w].losses, o[0].losses);
            if (i & 4) continue;
            expect_same(c, "dx by workers", in.rows * in.width, o[w].dx, o[0].dx);
            expect_same(c, "dhead by workers", in.vocabulary * in.width, o[w].dhead, o[0].dhead);
        }
        compare_loss(c, &in, &o[0]);
        loss_output whole = loss_run(c, &in, in.rows, 1, false); /* chunks don't change the loss */
        expect(c, "total in one chunk", 0, whole.total, o[0].total, 1e-5 * o[0].total);
        case_end(c);
    }
}

/* ---- Optimizer
 * ------------------------------------------------------------------------------------- */

/* ---- Pool
 * ------------------------------------------------------------------------------------------- */

enum { LIMIT = 8 };
typedef struct {
    size_t calls[LIMIT]; /* each worker writes its own: a race is the pool's fault */
    size_t workers;
    atomic_size_t total;
} pool_job;

static void count_call(void *argument, size_t worker, size_t workers) {
    pool_job *job = argument;
    job->calls[worker]++;
    if (worker == 0) job->workers = workers;
    atomic_fetch_add(&job->total, 1);
}

static void pause_for(long microseconds) {
    nanosleep(&(struct timespec){0, microseconds * 1000}, NULL);
}

static void check_jobs(checker *c, size_t workers, size_t jobs, long pause) {
    case_begin(c, "workers %zu, jobs %zu, pause %ld us", workers, jobs, pause);
    mg_pool *pool = workers ? mg_pool_create(workers) : NULL;
    size_t expected = workers ? workers : 1;
    expect_true(c, "pool has the workers asked for", workers, mg_pool_workers(pool) == expected);
    pool_job job = {0};
    for (size_t i = 0; i < jobs; i++) {
        c->subject->pool_run(pool, count_call, &job);
        expect_true(c, "all parts are done on return", i,
                    atomic_load(&job.total) == (i + 1) * expected && job.workers == expected);
        if (pause) pause_for(i % 3 ? pause : 0);
    }
    for (size_t w = 0; w < LIMIT; w++)
        expect_true(c, "every worker did one part of every job", w,
                    job.calls[w] == (w < expected ? jobs : 0));
    mg_pool_destroy(pool);
    case_end(c);
}

static void check_share(checker *c) {
    const size_t counts[] = {0, 1, 15, 16, 17, 1000, 4099}, grains[] = {1, 7, 16, 64};
    for (size_t i = 0; i < 7 * 4 * 8; i++) {
        size_t count = counts[i % 7], grain = grains[i / 7 % 4], workers = 1 + i / 28, end = 0;
        case_begin(c, "share of %zu by %zu among %zu", count, grain, workers);
        for (size_t w = 0; w < workers; w++) {
            mg_range r = c->subject->share(count, grain, w, workers);
            size_t fair = (count / grain / workers + 2) * grain;
            expect_true(c, "shares follow one another", w, r.first == end && r.end >= r.first);
            expect_true(c, "shares are whole grains", w, r.first % grain == 0 || r.first == count);
            expect_true(c, "shares are even", w, r.end - r.first <= fair);
            end = r.end;
        }
        expect_true(c, "shares cover everything", workers, end == count);
        case_end(c);
    }
}

void check_pool(checker *c) {
    check_share(c);
    for (size_t workers = 0; workers <= 4; workers++) {
        check_jobs(c, workers, by_scale(c, 50, workers > 2 ? 300 : 5000), 0);
        check_jobs(c, workers, 20, 300); /* long enough to sleep */
        for (size_t i = 0; i < by_scale(c, 5, 20); i++) check_jobs(c, workers, i % 3, 0);
    }
    case_begin(c, "no workers");
    expect_true(c, "no pool without workers", 0, mg_pool_create(0) == NULL);
    mg_pool_destroy(NULL);
    case_end(c);
}
