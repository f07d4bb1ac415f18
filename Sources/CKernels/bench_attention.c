/* Benchmarks of attention over a batch, and of what it is compared with: plain attention, which
 * keeps every probability. How they are written: bench.h. */
#include "bench.h"
#include <math.h>
#include "ops.h"

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
    size_t scratch = mg_attention_scratch(b->kernels, size[1], d, backward);
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

/* Forward and backward from short to long. */
void bench_mg_attention_both(bench *b) {
    SHAPES({1, 256, 4, 32}, {1, 512, 4, 32}, {1, 1024, 4, 32}, {1, 2048, 4, 32}, {1, 4096, 4, 32},
           {1, 8192, 4, 32});
    measure_attention(b, size, 1, 1);
}

/* ---- Plain attention ------------------------------------------------------------------------- */

/* One head of it: p and dp are (T, T), p stays from forward to backward. */
typedef struct {
    const attention_case *c;
    size_t head;
    float *p, *dp;
} plain_head;

static const float *plain_qkv(const plain_head *h, size_t part) {
    const mg_attention *a = &h->c->a;
    return a->qkv + (part * a->heads + h->head) * a->head_width;
}

/* Rows of scores are masked and become probabilities. */
static void plain_softmax(void *argument, size_t worker, size_t workers) {
    const plain_head *h = argument;
    size_t t = h->c->a.time;
    float scale = 1.0f / sqrtf((float)h->c->a.head_width);
    mg_range rows = mg_share(t, 1, worker, workers);
    for (size_t i = rows.first; i < rows.end; i++) {
        float *row = h->p + i * t;
        for (size_t j = i + 1; j < t; j++) row[j] = -INFINITY;
        mg_kernels_default()->softmax_f32(t, scale, row, row);
    }
}

/* Rows of dP become dS. */
static void plain_gradient(void *argument, size_t worker, size_t workers) {
    const plain_head *h = argument;
    size_t t = h->c->a.time;
    float scale = 1.0f / sqrtf((float)h->c->a.head_width);
    mg_range rows = mg_share(t, 1, worker, workers);
    for (size_t i = rows.first; i < rows.end; i++) {
        const float *p = h->p + i * t;
        float *row = h->dp + i * t, delta = mg_kernels_default()->dot_f32(t, p, row);
        for (size_t j = 0; j < t; j++) row[j] = p[j] * (row[j] - delta) * scale;
    }
}

static void plain_forward(const mg_context *context, plain_head h) {
    const mg_attention *a = &h.c->a;
    size_t t = a->time, d = a->head_width, width = a->heads * d, ld = 3 * width;
    mg_matmul(context, MG_NT, t, t, d, plain_qkv(&h, 0), ld, plain_qkv(&h, 1), ld, h.p, t, NULL, 0);
    mg_pool_run(context->pool, plain_softmax, &h);
    mg_matmul(context, MG_NN, t, d, t, h.p, t, plain_qkv(&h, 2), ld, a->out + h.head * d, width,
              NULL, 0);
}

static void plain_backward(const mg_context *context, plain_head h) {
    const mg_attention *a = &h.c->a;
    size_t t = a->time, d = a->head_width, width = a->heads * d, ld = 3 * width;
    const float *dout = h.c->dout + h.head * d;
    float *dq = h.c->dqkv + h.head * d, *dk = dq + width, *dv = dk + width;
    mg_matmul(context, MG_TN, t, d, t, h.p, t, dout, width, dv, ld, NULL, 0);
    mg_matmul(context, MG_NT, t, t, d, dout, width, plain_qkv(&h, 2), ld, h.dp, t, NULL, 0);
    mg_pool_run(context->pool, plain_gradient, &h);
    mg_matmul(context, MG_NN, t, d, t, h.dp, t, plain_qkv(&h, 1), ld, dq, ld, NULL, 0);
    mg_matmul(context, MG_TN, t, d, t, h.dp, t, plain_qkv(&h, 0), ld, dk, ld, NULL, 0);
}

/* As one writes it without tiles: every product is a matrix multiply, the probabilities of all
 * heads are stored. Costed as attention_both, so that shares of the peak compare; 8192 would keep
 * 1.2 GB. */
void bench_mg_attention_plain(bench *b) {
    SHAPES({1, 256, 4, 32}, {1, 512, 4, 32}, {1, 1024, 4, 32}, {1, 2048, 4, 32});
    attention_case c = make_attention(b, size, 1);
    size_t t = size[1], d = size[3], count = t * size[2] * d;
    float *p = bench_floats(b, size[2] * t * t), *dp = bench_floats(b, t * t);
    size_t scratch = mg_matmul_scratch(b->kernels);
    mg_context context = bench_context(b, scratch, 0);
    size_t bytes = scratch * mg_pool_workers(context.pool) * sizeof(float);
    bench_describe(b, 14.0 * (double)d * c.pairs, 48.0 * (double)count,
                   "B=%zu T=%zu H=%zu D=%zu, %zu KB", size[0], t, size[2], d,
                   (b->result->footprint + bytes) / 1024);
    while (bench_continue(b)) {
        for (size_t h = 0; h < size[2]; h++)
            plain_forward(&context, (plain_head){&c, h, p + h * t * t, dp});
        for (size_t h = 0; h < size[2]; h++)
            plain_backward(&context, (plain_head){&c, h, p + h * t * t, dp});
    }
    bench_consume(b, count, c.dqkv);
}
