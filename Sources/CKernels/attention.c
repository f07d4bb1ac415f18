/* Attention over a batch: which worker takes which head. See mg_ops.h. */
#include "ops.h"
#include <math.h>

typedef struct {
    const mg_context *context;
    const mg_attention *attention;
    const float *dout;
    float *dqkv;
} attention_job;

static size_t row_width(const mg_attention *a) {
    return (a->heads + 2 * a->kv_heads) * a->head_width;
}

/* The queries of head `h` of sequence `b`, from `first` on, and the keys that they see. */
static mg_attention_head describe(const attention_job *job, size_t b, size_t h, size_t first,
                                  size_t count, size_t worker) {
    const mg_attention *a = job->attention;
    size_t d = a->head_width, width = row_width(a), g = h / (a->heads / a->kv_heads);
    size_t row = b * a->time, ld_out = a->heads * d;
    mg_attention_head head = {
        .query_count = count,
        .key_count = a->time,
        .head_width = d,
        .position = first,
        .scale = 1.0f / sqrtf((float)d),
        .ld_q = width,
        .ld_kv = width,
        .ld_out = ld_out,
        .lse = a->lse ? a->lse + (b * a->heads + h) * a->time + first : NULL,
        .scratch = mg_scratch_of(job->context, worker),
    };
    if (a->type == MG_BF16) return head; /* widen_head adds the rest */
    const float *rows = (const float *)a->qkv + row * width;
    head.q = rows + first * width + h * d;
    head.out = (float *)a->out + (row + first) * ld_out + h * d;
    head.k = rows + (a->heads + g) * d;
    head.v = head.k + a->kv_heads * d;
    return head;
}

/* ---- Operands in bf16: one head at a time is float32, in scratch behind the kernel's own
 * --------- */

static float *widened(const mg_kernels *f, size_t rows, size_t n, const uint16_t *x, size_t ld,
                      float *y) {
    for (size_t r = 0; r < rows; r++) f->f32_from_bf16(n, x + r * ld, y + r * n);
    return y;
}

/* q, k and v of `group` query heads from `h` on; backward reads `out` too, forward writes it. */
static void widen_head(const attention_job *job, size_t b, size_t h, size_t first, size_t group,
                       mg_attention_head *head) {
    const mg_attention *a = job->attention;
    const mg_kernels *f = job->context->kernels;
    size_t d = a->head_width, width = row_width(a), g = h / (a->heads / a->kv_heads);
    size_t count = head->query_count, keys = first + count;
    int backward = job->dout != NULL;
    const uint16_t *rows = (const uint16_t *)a->qkv + b * a->time * width;
    float *space = head->scratch + f->attention_scratch(a->time, d, backward);
    head->q = widened(f, count, group * d, rows + first * width + h * d, width, space);
    space += count * group * d;
    head->k = widened(f, keys, d, rows + (a->heads + g) * d, width, space);
    space += keys * d;
    head->v = widened(f, keys, d, rows + (a->heads + a->kv_heads + g) * d, width, space);
    head->out = space + keys * d;
    head->ld_q = head->ld_out = group * d;
    head->ld_kv = d;
    head->key_count = keys;
    if (!backward) return;
    const uint16_t *out = (const uint16_t *)a->out + (b * a->time + first) * a->heads * d + h * d;
    widened(f, count, group * d, out, a->heads * d, head->out);
}

static void narrow_result(const attention_job *job, size_t b, size_t h, size_t first,
                          const mg_attention_head *head) {
    const mg_attention *a = job->attention;
    size_t d = a->head_width, ld = a->heads * d;
    uint16_t *out = (uint16_t *)a->out + (b * a->time + first) * ld + h * d;
    for (size_t r = 0; r < head->query_count; r++)
        job->context->kernels->bf16_from_f32(d, head->out + r * head->ld_out, out + r * ld);
}

/* ---- Partition ------------------------------------------------------------------------------- */

/* Workers share queries, not heads, so that one long sequence keeps all of them busy: a part is
 * whole blocks of the kernel, whose results then don't depend on where the cut is. What is left
 * over goes to the last block. A block costs as many units as it has blocks of keys to look at. */

static size_t cost_of(size_t blocks) { return blocks * (blocks + 1) / 2; }

/* How many of `count` blocks from the first on cost `cost` or less. */
static size_t blocks_within(size_t count, size_t cost) {
    size_t n = 0;
    while (n < count && cost_of(n + 1) <= cost) n++;
    return n;
}

static void forward_worker(void *argument, size_t worker, size_t workers) {
    const attention_job *job = argument;
    const mg_attention *a = job->attention;
    size_t blocks = a->time < MG_QUERY_BLOCK ? 1 : a->time / MG_QUERY_BLOCK;
    size_t each = cost_of(blocks);
    mg_range costs = mg_share(a->batch * a->heads * each, 1, worker, workers);
    for (size_t u = costs.first / each; u * each < costs.end; u++) {
        size_t from = costs.first > u * each ? costs.first - u * each : 0;
        size_t first = blocks_within(blocks, from),
               end = blocks_within(blocks, costs.end - u * each);
        if (first == end) continue;
        size_t b = u / a->heads, h = u % a->heads, skip = first * MG_QUERY_BLOCK;
        size_t count = end == blocks ? a->time - skip : (end - first) * MG_QUERY_BLOCK;
        mg_attention_head head = describe(job, b, h, skip, count, worker);
        if (a->type == MG_BF16) widen_head(job, b, h, skip, 1, &head);
        job->context->kernels->attention_forward_f32(&head);
        if (a->type == MG_BF16) narrow_result(job, b, h, skip, &head);
    }
}

/* All query heads of one key/value head are one unit: it owns its part of dk and dv. */
static void backward_worker(void *argument, size_t worker, size_t workers) {
    const attention_job *job = argument;
    const mg_attention *a = job->attention;
    size_t d = a->head_width, width = row_width(a), group = a->heads / a->kv_heads;
    mg_range units = mg_share(a->batch * a->kv_heads, 1, worker, workers);
    for (size_t u = units.first; u < units.end; u++) {
        size_t b = u / a->kv_heads, g = u % a->kv_heads;
        float *rows = job->dqkv + b * a->time * width;
        mg_attention_gradient gradient = {
            .head = describe(job, b, g * group, 0, a->time, worker),
            .group_size = group,
            .group_stride_q = d,
            .group_stride_out = d,
            .group_stride_lse = a->time,
            .ld_dout = a->heads * d,
            .ld_dq = width,
            .ld_dkv = width,
            .dout = job->dout + b * a->time * a->heads * d + g * group * d,
            .dq = rows + g * group * d,
            .dk = rows + (a->heads + g) * d,
            .dv = rows + (a->heads + a->kv_heads + g) * d,
        };
        if (a->type == MG_BF16) widen_head(job, b, g * group, 0, group, &gradient.head);
        job->context->kernels->attention_backward_f32(&gradient);
    }
}

static double attention_flops(const mg_attention *a) {
    return 4.0 * (double)(a->batch * a->heads * a->time) * (double)(a->time * a->head_width);
}

void mg_attention_forward(const mg_context *context, const mg_attention *attention) {
    attention_job job = {.context = context, .attention = attention};
    mg_dispatch(context, attention_flops(attention) >= MG_SERIAL_FLOPS, forward_worker, &job);
}

void mg_attention_backward(const mg_context *context, const mg_attention *attention,
                           const float *dout, float *dqkv) {
    attention_job job = {context, attention, dout, dqkv};
    mg_dispatch(context, attention_flops(attention) >= MG_SERIAL_FLOPS, backward_worker, &job);
}

size_t mg_attention_scratch(const mg_kernels *kernels, const mg_attention *a, size_t key_count,
                            int backward) {
    size_t own = kernels->attention_scratch(key_count, a->head_width, backward);
    if (a->type == MG_F32) return own;
    size_t group = backward ? a->heads / a->kv_heads : 1;
    return own + key_count * (2 * group + 2) * a->head_width;
}
