/* Checks of operations on bf16 tensors: they must give what they give on the same numbers in
 * float32, rounded once at the end. Those results are checked elsewhere. */
#include "checks.h"

/* The numbers of x (n), which become ones that bf16 holds. */
static uint16_t *narrowed(checker *c, size_t n, float *x) {
    uint16_t *y = (uint16_t *)(void *)output(c, (n + 1) / 2);
    c->k->bf16_from_f32(n, x, y);
    c->k->f32_from_bf16(n, y, x);
    return y;
}

static void expect_narrow(checker *c, const char *what, size_t n, const uint16_t *found, float *x) {
    float *wide = output(c, n);
    c->k->f32_from_bf16(n, found, wide);
    narrowed(c, n, x);
    expect_same(c, what, n, wide, x);
}

static void check_attention(checker *c, const mg_attention *shape, size_t workers) {
    mg_attention wide = *shape, narrow = *shape;
    size_t rows = wide.batch * wide.time, d = wide.head_width, size = rows * wide.heads * d;
    size_t inputs = rows * (wide.heads + 2 * wide.kv_heads) * d;
    case_begin(c, "attention: B %zu, T %zu, H %zu, G %zu, D %zu, %zu workers", wide.batch,
               wide.time, wide.heads, wide.kv_heads, d, workers);
    float *x = normals(c, inputs, 1), *dout = normals(c, size, 1);
    narrow.type = MG_BF16;
    narrow.qkv = narrowed(c, inputs, x);
    wide.qkv = x;
    wide.out = output(c, size);
    narrow.out = output(c, (size + 1) / 2);
    wide.lse = output(c, rows * wide.heads);
    narrow.lse = output(c, rows * wide.heads);
    float *expected = output(c, inputs), *found = output(c, inputs);
    mg_context context = context_make(c, workers, wide.time, d, 1, 1);
    mg_attention_forward(&context, &wide);
    mg_attention_forward(&context, &narrow);
    expect_narrow(c, "out", size, narrow.out, wide.out);
    expect_same(c, "lse", rows * wide.heads, narrow.lse, wide.lse);
    mg_attention_backward(&context, &wide, dout, expected); /* with out rounded, as just above */
    mg_attention_backward(&context, &narrow, dout, found);
    expect_same(c, "dqkv", inputs, found, expected);
    context_free(&context);
    case_end(c);
}

static void check_rope(checker *c, size_t workers, int normalize) {
    mg_rope wide = {.batch = 2, .time = 33, .heads = 4, .kv_heads = 2, .head_width = 12};
    size_t rows = wide.batch * wide.time, turning = 6, width = 8 * wide.head_width;
    case_begin(c, "rope: %zu rows, normalize %d, %zu workers", rows, normalize, workers);
    wide.normalize = normalize;
    wide.epsilon = 1e-5f;
    wide.cosine = normals(c, wide.time * wide.head_width / 2, 1);
    wide.sine = normals(c, wide.time * wide.head_width / 2, 1);
    wide.period = wide.time;
    wide.factors = constant(c, rows * turning, 1);
    float *x = normals(c, rows * width, 1), *expected = normals(c, rows * width, 1);
    float *found = copied(c, rows * width, expected);
    uint16_t *y = narrowed(c, rows * width, x);
    mg_rope narrow = wide;
    narrow.type = MG_BF16;
    narrow.factors = constant(c, rows * turning, 1);
    mg_context context = context_make(c, workers, 1, 1, 1, 1);
    mg_rope_forward(&context, &wide, x);
    mg_rope_forward(&context, &narrow, y);
    expect_narrow(c, "z", rows * width, y, x); /* rounds x */
    mg_rope_backward(&context, &wide, x, expected);
    mg_rope_backward(&context, &narrow, y, found);
    expect_same(c, "dx", rows * width, found, expected);
    context_free(&context);
    case_end(c);
}

static void check_norm(checker *c, size_t workers, mg_norm_kind kind) {
    size_t rows = 70, n = 97;
    case_begin(c, "norm %d: %zu rows of %zu, %zu workers", (int)kind, rows, n, workers);
    mg_norm wide = {.kind = kind, .rows = rows, .n = n, .epsilon = 1e-5f};
    wide.x = normals(c, rows * n, 1);
    wide.gain = normals(c, n, 1);
    wide.y = output(c, rows * n);
    wide.stats = output(c, 2 * rows);
    mg_norm narrow = wide;
    narrow.y_type = MG_BF16;
    narrow.y = output(c, (rows * n + 1) / 2);
    narrow.stats = output(c, 2 * rows);
    mg_context context = context_make(c, workers, 1, 1, n, 1);
    mg_norm_forward(&context, &wide);
    mg_norm_forward(&context, &narrow);
    expect_narrow(c, "y", rows * n, narrow.y, wide.y);
    expect_same(c, "stats", 2 * rows, narrow.stats, wide.stats);
    context_free(&context);
    case_end(c);
}

void check_op_bf16(checker *c) {
    static const mg_attention shapes[] = {
        {.batch = 3, .time = 37, .heads = 4, .kv_heads = 2, .head_width = 16},
        {.batch = 1, .time = 83, .heads = 6, .kv_heads = 1, .head_width = 12},
        {.batch = 2, .time = 1, .heads = 2, .kv_heads = 1, .head_width = 4},
        {.batch = 1, .time = 193, .heads = 3, .kv_heads = 3, .head_width = 7},
    };
    for (size_t w = 0; w < 3; w++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            check_attention(c, &shapes[i], worker_counts[w]);
        check_rope(c, worker_counts[w], 0);
        check_rope(c, worker_counts[w], 1);
        check_norm(c, worker_counts[w], MG_RMSNORM);
        check_norm(c, worker_counts[w], MG_LAYERNORM);
    }
}
