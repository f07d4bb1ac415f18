/* Benchmarks of attention: of the kernels, over a batch, and of what it is compared with: attention
 * that keeps every probability, as matrix products and row by row. How they are written: bench.h.
 *
 * FLOPs are the multiply-adds of visible keys only. Bytes are the compulsory ones. */
#include "bench.h"
#include <math.h>
#include <string.h>
#include "ops.h"

/* ---- One head -------------------------------------------------------------------------------- */

void bench_attention_scratch(bench *b) {
    SHAPES({64, 32}, {1024, 64});
    bench_describe(b, 0, 0, "T=%zu D=%zu", size[0], size[1]);
    while (bench_continue(b)) b->sum += (float)b->kernels->attention_scratch(size[0], size[1], 1);
}

/* One head: `queries` queries, the last of which sees all `keys`. */
static mg_attention_head make_head(bench *b, size_t queries, size_t keys, size_t d, int backward) {
    return (mg_attention_head){
        .query_count = queries,
        .key_count = keys,
        .head_width = d,
        .position = keys - queries,
        .q = bench_floats(b, queries * d),
        .k = bench_floats(b, keys * d),
        .v = bench_floats(b, keys * d),
        .ld_q = d,
        .ld_kv = d,
        .scale = 1.0f / sqrtf((float)d),
        .out = bench_floats(b, queries * d),
        .ld_out = d,
        .lse = bench_floats(b, queries),
        .scratch = bench_scratch(b, b->kernels->attention_scratch(keys, d, backward)),
    };
}

/* Pairs of a query and a key that it sees. */
static double visible_pairs(size_t queries, size_t keys) {
    double last = (double)keys, first = (double)(keys - queries + 1);
    return (double)queries * (first + last) / 2;
}

void bench_attention_forward_f32(bench *b) {
    SHAPES({64, 64, 32}, {1024, 1024, 64}); /* queries, keys, head width */
    size_t queries = size[0], keys = size[1], d = size[2];
    mg_attention_head head = make_head(b, queries, keys, d, 0);
    bench_describe(b, 4 * visible_pairs(queries, keys) * (double)d,
                   8.0 * (double)((queries + keys) * d), "queries=%zu keys=%zu D=%zu", queries,
                   keys, d);
    while (bench_continue(b)) b->kernels->attention_forward_f32(&head);
    bench_consume(b, queries * d, head.out);
}

void bench_attention_backward_f32(bench *b) {
    SHAPES({64, 32}, {1024, 64}); /* queries = keys, head width */
    size_t t = size[0], d = size[1];
    mg_attention_gradient gradient = {
        .head = make_head(b, t, t, d, 1),
        .group_size = 1,
        .dout = bench_floats(b, t * d),
        .dq = bench_floats(b, t * d),
        .dk = bench_floats(b, t * d),
        .dv = bench_floats(b, t * d),
        .ld_dout = d,
        .ld_dq = d,
        .ld_dkv = d,
    };
    bench_describe(b, 10 * visible_pairs(t, t) * (double)d, 32.0 * (double)(t * d), "T=%zu D=%zu",
                   t, d);
    if (bench_ready(b)) b->kernels->attention_forward_f32(&gradient.head);
    while (bench_continue(b)) b->kernels->attention_backward_f32(&gradient);
    bench_consume(b, t * d, gradient.dk);
}

/* ---- The cache ------------------------------------------------------------------------------- */

/* A cache of `slots` tokens, filled with numbers as they come: a NaN costs what a number does. */
static mg_kv_cache make_cache(bench *b, mg_type type, size_t slots, size_t heads, size_t d) {
    size_t bytes = mg_kv_cache_bytes(type, slots, heads, d);
    void *memory = bench_block(b, bytes);
    if (!memory) return (mg_kv_cache){.type = type}; /* only described */
    mg_kv_cache cache = mg_kv_cache_at(memory, type, slots, heads, d);
    if (!bench_ready(b)) return cache;
    float *x = bench_scratch(b, d);
    for (size_t i = 0; i < d; i++) x[i] = (float)i / (float)d - 0.5f;
    for (size_t s = 0; s < slots * heads; s++)
        b->kernels->kv_store(&cache, s % heads, s / heads, 1, x, x, d);
    return cache;
}

/* A block of tokens, all heads: one token after the other, or head by head. */
void bench_kv_store(bench *b) {
    SHAPES({12, 64, MG_F32, 1}, {12, 64, MG_F16, 1}, {12, 64, MG_Q8, 1}, {12, 64, MG_F32, 64},
           {12, 64, MG_F16, 64}, {12, 64, MG_Q8, 64}); /* heads, head width, format, at once */
    size_t heads = size[0], d = size[1], count = MG_KEY_BLOCK * heads, some = size[3];
    mg_kv_cache cache = make_cache(b, (mg_type)size[2], MG_KEY_BLOCK, heads, d);
    float *k = bench_floats(b, count * d), *v = bench_floats(b, count * d);
    size_t bytes = mg_kv_cache_bytes((mg_type)size[2], MG_KEY_BLOCK, heads, d);
    bench_describe(b, 0, (double)(bytes + 8 * count * d), "tokens=%d by %zu G=%zu D=%zu, %zu KB",
                   MG_KEY_BLOCK, some, heads, d, bytes / 1024);
    while (bench_continue(b))
        for (size_t s = 0; s < MG_KEY_BLOCK; s += some)
            for (size_t h = 0; h < heads; h++) {
                size_t at = (s * heads + h) * d;
                b->kernels->kv_store(&cache, h, s, some, k + at, v + at, heads * d);
            }
    const unsigned char *stored = cache.values;
    for (size_t i = 0; bench_ready(b) && i < d; i++) b->sum += (float)stored[i];
}

void bench_kv_load(bench *b) {
    SHAPES({1024, 64, MG_F32}, {1024, 64, MG_F16}, {1024, 64, MG_Q8}); /* slots, width, format */
    size_t slots = size[0], d = size[1];
    mg_kv_cache cache = make_cache(b, (mg_type)size[2], slots, 1, d);
    float *k = bench_floats(b, slots * d), *v = bench_floats(b, slots * d);
    float *space = bench_scratch(b, MG_KEY_BLOCK * d);
    size_t bytes = mg_kv_cache_bytes((mg_type)size[2], slots, 1, d);
    bench_describe(b, 0, (double)bytes + 8.0 * (double)(slots * d), "keys=%zu D=%zu, %zu KB", slots,
                   d, bytes / 1024);
    while (bench_continue(b)) b->kernels->kv_load(&cache, 0, slots, k, v, space);
    bench_consume(b, slots * d, k);
}

/* All heads of a layer, one query head each: 256 keys of 4 heads come from the second level of the
 * cache, 1024 of 12 from the third. */
void bench_attention_query(bench *b) {
    SHAPES({4, 256, 32, MG_F32}, {4, 256, 32, MG_F16}, {4, 256, 32, MG_Q8}, {12, 1024, 64, MG_F32},
           {12, 1024, 64, MG_F16}, {12, 1024, 64, MG_Q8});
    size_t heads = size[0], keys = size[1], d = size[2];
    mg_kv_cache cache = make_cache(b, (mg_type)size[3], keys, heads, d);
    mg_attention_query query = {.cache = &cache,
                                .group = 1,
                                .key_count = keys,
                                .q = bench_floats(b, heads * d),
                                .scale = 1.0f / sqrtf((float)d),
                                .out = bench_floats(b, heads * d),
                                .scratch = bench_scratch(b, mg_query_scratch(keys, 1))};
    size_t bytes = mg_kv_cache_bytes((mg_type)size[3], keys, heads, d);
    bench_describe(b, 4.0 * (double)(heads * keys * d), (double)bytes,
                   "G=%zu keys=%zu D=%zu, %zu KB", heads, keys, d, bytes / 1024);
    while (bench_continue(b))
        for (query.kv_head = 0; query.kv_head < heads; query.kv_head++)
            b->kernels->attention_query(&query);
    bench_consume(b, d, query.out);
}

/* ---- A batch --------------------------------------------------------------------------------- */

/* What forward and backward of one shape work on. */
typedef struct {
    mg_attention a;
    float *dout, *dqkv;
    double pairs; /* of a query and a key that it sees */
} attention_case;

/* Sizes: batch, time, heads, head width. */
static attention_case make_attention(bench *b, const size_t *size, int backward) {
    size_t d = size[3], rows = size[0] * size[1], width = size[2] * d;
    return (attention_case){
        .a = {.batch = size[0],
              .time = size[1],
              .heads = size[2],
              .kv_heads = size[2],
              .head_width = d,
              .qkv = bench_floats(b, rows * 3 * width),
              .out = bench_floats(b, rows * width),
              .lse = bench_floats(b, rows * size[2])},
        .dout = backward ? bench_floats(b, rows * width) : NULL,
        .dqkv = backward ? bench_floats(b, rows * 3 * width) : NULL,
        .pairs = (double)(size[0] * size[2]) * (double)size[1] * (double)(size[1] + 1) / 2,
    };
}

/* Multiply-adds on visible keys only: 4 * D a pair forward, 10 * D backward. */
static void measure_attention(bench *b, const size_t *size, int forward, int backward) {
    attention_case c = make_attention(b, size, backward);
    size_t d = size[3], count = size[0] * size[1] * size[2] * d;
    size_t scratch = mg_attention_scratch(b->kernels, &c.a, size[1], backward);
    mg_context context = bench_context(b, scratch, 0);
    size_t bytes = scratch * mg_pool_workers(context.pool) * sizeof(float);
    bench_describe(b, (4 * forward + 10 * backward) * (double)d * c.pairs,
                   (16.0 * forward + 32.0 * backward) * (double)count,
                   "B=%zu T=%zu H=%zu D=%zu, %zu KB", size[0], size[1], size[2], d,
                   (b->result->footprint + bytes) / 1024);
    if (bench_ready(b)) mg_attention_forward(&context, &c.a);
    while (bench_continue(b)) {
        if (forward) mg_attention_forward(&context, &c.a);
        if (backward) mg_attention_backward(&context, &c.a, c.dout, c.dqkv);
    }
    bench_consume(b, count, backward ? c.dqkv : c.a.out);
}

void bench_mg_attention_forward(bench *b) {
    SHAPES({12, 64, 4, 32}, {1, 1024, 12, 64}, {1, 16, 4, 4});
    measure_attention(b, size, 1, 0);
}

void bench_mg_attention_backward(bench *b) {
    SHAPES({12, 64, 4, 32}, {1, 1024, 12, 64}, {1, 16, 4, 4});
    measure_attention(b, size, 0, 1);
}

/* Forward and backward from short to long, and a batch. */
void bench_mg_attention_both(bench *b) {
    SHAPES({1, 256, 4, 32}, {1, 512, 4, 32}, {1, 1024, 4, 32}, {1, 2048, 4, 32}, {1, 4096, 4, 32},
           {1, 8192, 4, 32}, {4, 1024, 4, 32}, {1, 64, 4, 32});
    measure_attention(b, size, 1, 1);
}

/* ---- Plain attention ------------------------------------------------------------------------- */

/* One head of one sequence of it: p and dp are (T, T), p stays from forward to backward. */
typedef struct {
    const mg_kernels *kernels;
    size_t t, d, ld, ld_out; /* rows of qkv are ld apart, of out ld_out */
    float scale;
    const float *q, *k, *v, *dout;
    float *out, *dq, *dk, *dv, *p, *dp;
} plain_head;

static plain_head plain_describe(const bench *b, const attention_case *c, size_t unit, float *p,
                                 float *dp) {
    const mg_attention *a = &c->a;
    size_t t = a->time, d = a->head_width, width = a->heads * d;
    size_t row = unit / a->heads * t, column = unit % a->heads * d;
    const float *qkv = (const float *)a->qkv + row * 3 * width + column;
    float *dqkv = c->dqkv + row * 3 * width + column;
    return (plain_head){
        .kernels = b->kernels,
        .t = t,
        .d = d,
        .ld = 3 * width,
        .ld_out = width,
        .scale = 1.0f / sqrtf((float)d),
        .q = qkv,
        .k = qkv + width,
        .v = qkv + 2 * width,
        .dout = c->dout + row * width + column,
        .out = (float *)a->out + row * width + column,
        .dq = dqkv,
        .dk = dqkv + width,
        .dv = dqkv + 2 * width,
        .p = p + unit * t * t,
        .dp = dp,
    };
}

/* Rows of scores are masked and become probabilities. */
static void plain_softmax(void *argument, size_t worker, size_t workers) {
    const plain_head *h = argument;
    mg_range rows = mg_share(h->t, 1, worker, workers);
    for (size_t i = rows.first; i < rows.end; i++) {
        float *row = h->p + i * h->t;
        for (size_t j = i + 1; j < h->t; j++) row[j] = -INFINITY;
        h->kernels->softmax_f32(h->t, h->scale, row, row);
    }
}

/* Rows of dP become dS. */
static void plain_gradient(void *argument, size_t worker, size_t workers) {
    const plain_head *h = argument;
    mg_range rows = mg_share(h->t, 1, worker, workers);
    for (size_t i = rows.first; i < rows.end; i++) {
        const float *p = h->p + i * h->t;
        float *row = h->dp + i * h->t, delta = h->kernels->dot_f32(h->t, p, row);
        for (size_t j = 0; j < h->t; j++) row[j] = p[j] * (row[j] - delta) * h->scale;
    }
}

/* The products are those of all other layers. */
static void plain_product(const mg_context *context, mg_form form, size_t m, size_t n, size_t k,
                          const float *a, size_t lda, const float *b, size_t ldb, float *c,
                          size_t ldc) {
    mg_product product = mg_dense_product(form, m, n, k, a, b, c);
    product.a.ld = lda;
    product.b.ld = ldb;
    product.c.ld = ldc;
    mg_matmul(context, &product);
}

static void plain_forward(const mg_context *context, plain_head h) {
    size_t t = h.t, d = h.d;
    plain_product(context, MG_NT, t, t, d, h.q, h.ld, h.k, h.ld, h.p, t);
    mg_pool_run(context->pool, plain_softmax, &h);
    plain_product(context, MG_NN, t, d, t, h.p, t, h.v, h.ld, h.out, h.ld_out);
}

static void plain_backward(const mg_context *context, plain_head h) {
    size_t t = h.t, d = h.d;
    plain_product(context, MG_TN, t, d, t, h.p, t, h.dout, h.ld_out, h.dv, h.ld);
    plain_product(context, MG_NT, t, t, d, h.dout, h.ld_out, h.v, h.ld, h.dp, t);
    mg_pool_run(context->pool, plain_gradient, &h);
    plain_product(context, MG_NN, t, d, t, h.dp, t, h.k, h.ld, h.dq, h.ld);
    plain_product(context, MG_TN, t, d, t, h.dp, t, h.q, h.ld, h.dk, h.ld);
}

/* As one writes it without tiles: every product is a matrix multiply, the probabilities of all
 * heads are stored. Costed as attention_both, so that times and shares of the peak compare; 8192
 * would keep 1.2 GB. */
void bench_mg_attention_plain(bench *b) {
    SHAPES({1, 256, 4, 32}, {1, 512, 4, 32}, {1, 1024, 4, 32}, {1, 2048, 4, 32}, {4, 1024, 4, 32},
           {1, 64, 4, 32});
    attention_case c = make_attention(b, size, 1);
    size_t t = size[1], d = size[3], units = size[0] * size[2], count = t * units * d;
    float *p = bench_floats(b, units * t * t), *dp = bench_floats(b, t * t);
    size_t scratch = mg_matmul_scratch(b->kernels);
    mg_context context = bench_context(b, scratch, 0);
    size_t bytes = scratch * mg_pool_workers(context.pool) * sizeof(float);
    bench_describe(b, 14.0 * (double)d * c.pairs, 48.0 * (double)count,
                   "B=%zu T=%zu H=%zu D=%zu, %zu KB", size[0], t, size[2], d,
                   (b->result->footprint + bytes) / 1024);
    while (bench_continue(b)) {
        for (size_t u = 0; u < units; u++) plain_forward(&context, plain_describe(b, &c, u, p, dp));
        for (size_t u = 0; u < units; u++)
            plain_backward(&context, plain_describe(b, &c, u, p, dp));
    }
    bench_consume(b, count, c.dqkv);
}

/* ---- Row by row ------------------------------------------------------------------------------ */

typedef struct {
    const bench *b;
    const attention_case *c;
    float *p, *dp; /* (heads of all sequences, T, T) each */
    int backward;
} rows_job;

/* Row i of p, then of the result. */
static void rows_forward(const plain_head *h, size_t i) {
    const mg_kernels *f = h->kernels;
    float *p = h->p + i * h->t, *out = h->out + i * h->ld_out;
    for (size_t j = 0; j <= i; j++) p[j] = f->dot_f32(h->d, h->q + i * h->ld, h->k + j * h->ld);
    f->softmax_f32(i + 1, h->scale, p, p);
    memset(out, 0, h->d * sizeof *out);
    for (size_t j = 0; j <= i; j++) f->axpy_f32(h->d, p[j], h->v + j * h->ld, out);
}

/* What row i adds to the gradients. */
static void rows_backward(const plain_head *h, size_t i) {
    const mg_kernels *f = h->kernels;
    const float *p = h->p + i * h->t, *dout = h->dout + i * h->ld_out;
    float *dp = h->dp + i * h->t;
    for (size_t j = 0; j <= i; j++) {
        dp[j] = f->dot_f32(h->d, dout, h->v + j * h->ld);
        f->axpy_f32(h->d, p[j], dout, h->dv + j * h->ld);
    }
    float delta = f->dot_f32(i + 1, p, dp);
    for (size_t j = 0; j <= i; j++) dp[j] = p[j] * (dp[j] - delta) * h->scale;
    for (size_t j = 0; j <= i; j++) {
        f->axpy_f32(h->d, dp[j], h->k + j * h->ld, h->dq + i * h->ld);
        f->axpy_f32(h->d, dp[j], h->q + i * h->ld, h->dk + j * h->ld);
    }
}

static void rows_worker(void *argument, size_t worker, size_t workers) {
    const rows_job *job = argument;
    const mg_attention *a = &job->c->a;
    mg_range units = mg_share(a->batch * a->heads, 1, worker, workers);
    for (size_t u = units.first; u < units.end; u++) {
        float *dp = job->dp + u * a->time * a->time;
        plain_head h = plain_describe(job->b, job->c, u, job->p, dp);
        for (size_t i = 0; i < h.t && !job->backward; i++) rows_forward(&h, i);
        for (size_t i = 0; i < h.t && job->backward; i++) {
            memset(h.dq + i * h.ld, 0, h.d * sizeof *h.dq);
            memset(h.dk + i * h.ld, 0, h.d * sizeof *h.dk);
            memset(h.dv + i * h.ld, 0, h.d * sizeof *h.dv);
        }
        for (size_t i = 0; i < h.t && job->backward; i++) rows_backward(&h, i);
    }
}

/* As the formula is written down: loops over queries and the keys that each sees, with a dot
 * product or a multiple of a row inside, both vector code; workers share heads. Costed as above. */
void bench_mg_attention_rows(bench *b) {
    SHAPES({1, 256, 4, 32}, {1, 512, 4, 32}, {1, 1024, 4, 32}, {1, 2048, 4, 32}, {4, 1024, 4, 32},
           {1, 64, 4, 32});
    attention_case c = make_attention(b, size, 1);
    size_t t = size[1], units = size[0] * size[2], count = t * units * size[3];
    rows_job job = {.b = b, .c = &c};
    job.p = bench_floats(b, units * t * t);
    job.dp = bench_floats(b, units * t * t);
    bench_describe(b, 14.0 * (double)size[3] * c.pairs, 48.0 * (double)count,
                   "B=%zu T=%zu H=%zu D=%zu, %zu KB", size[0], t, size[2], size[3],
                   b->result->footprint / 1024);
    while (bench_continue(b)) {
        for (job.backward = 0; job.backward < 2; job.backward++)
            mg_pool_run(b->context->pool, rows_worker, &job);
    }
    bench_consume(b, count, c.dqkv);
}
