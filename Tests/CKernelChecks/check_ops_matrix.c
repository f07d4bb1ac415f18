/* Checks of the threaded matrix multiply, attention and rotation. */
#include "checks.h"
#include "compare.h"

/* ---- Matrix multiply ----------------------------------------------------------------------------
 */

typedef struct {
    size_t m, n, k;
} product_size;

/* start: 0 overwrite, 1 accumulate, 2 bias. */
static void check_product(checker *c, mg_form form, const product_size *s, int start) {
    size_t m = s->m, n = s->n, k = s->k, gap = random_below(c, 2) * 3;
    case_begin(c, "form %d, m %zu, n %zu, k %zu, start %d, ld +%zu", form, m, n, k, start, gap);
    size_t lda = (form == MG_TN ? m : k) + gap, ldb = (form == MG_NT ? k : n) + gap, ldc = n + gap;
    float *a = form == MG_TN ? matrix(c, k, m, lda, 1) : matrix(c, m, k, lda, 1);
    float *b = form == MG_NT ? matrix(c, n, k, ldb, 1) : matrix(c, k, n, ldb, 1);
    float *bias = start == 2 ? normals(c, n, 1) : NULL, *before = matrix(c, m, n, ldc, 1);
    size_t size = m ? (m - 1) * ldc + n : 0;
    float *y[3];
    for (size_t w = 0; w < 3; w++) {
        mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
        y[w] = copied(c, size, before);
        mg_product product = mg_dense_product(form, m, n, k, a, b, y[w]);
        product.a.ld = lda;
        product.b.ld = ldb;
        product.c.ld = ldc;
        product.bias = bias;
        product.accumulate = start == 1;
        mg_matmul(&context, &product);
        expect_same(c, "c by workers", size, y[w], y[0]);
        context_free(&context);
    }
    double *sums = doubles(c, m * n), *magnitudes = doubles(c, m * n);
    ref_matmul(m, n, k, a, form == MG_TN ? 1 : lda, form == MG_TN ? lda : 1, b,
               form == MG_NT ? 1 : ldb, form == MG_NT ? ldb : 1, sums, magnitudes);
    for (size_t i = 0; i < m * n; i++) {
        size_t at = i / n * ldc + i % n;
        double first = start == 1 ? (double)before[at] : start == 2 ? (double)bias[i % n] : 0;
        expect(c, "c", at, (double)y[0][at], sums[i] + first,
               sum_bound(k + 1, magnitudes[i] + fabs(first)));
    }
    expect_gaps(c, "c", y[0], m, n, ldc);
    case_end(c);
}

void check_op_matmul(checker *c) {
    size_t mr = c->k->mr, nr = c->k->nr;
    const product_size sizes[] = {{0, 3, 4},
                                  {3, 0, 4},
                                  {3, 4, 0},
                                  {1, 1, 1},
                                  {1, 301, 700},
                                  {2, 40, 257},
                                  {3, 500, 256},
                                  {2 * mr, 2 * nr, 300},
                                  {mr + 1, 150, 258},
                                  {97, nr + 1, 129},
                                  {5 * mr, 5 * nr, 64},
                                  {101, 53, 67},
                                  {4 * mr - 1, 7, 511}};
    size_t count = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < 3 * count; i++)
        for (int form = 0; form < 3; form++) {
            if (c->scale == MG_CHECK_QUICK && i >= 8 && form != MG_NT && i % 3) continue;
            check_product(c, (mg_form)form, &sizes[i % count], (int)(i / count));
        }
    /* More rows than MC, more columns than NC, deeper than KC. */
    if (c->scale == MG_CHECK_QUICK) return;
    check_product(c, MG_NN, &(product_size){200, 801, 130}, 1);
    check_product(c, MG_NT, &(product_size){100, 1601, 70}, 2);
    check_product(c, MG_TN, &(product_size){250, 90, 600}, 0);
    if (c->scale == MG_CHECK_LONG) check_product(c, MG_NT, &(product_size){301, 1700, 1031}, 0);
}

/* ---- Attention
 * --------------------------------------------------------------------------------------- */

static size_t qkv_width(const mg_attention *a) {
    return (a->heads + 2 * a->kv_heads) * a->head_width;
}

/* Head h of sequence b as the kernel must see it. */
static mg_attention_head head_of(const mg_attention *a, size_t b, size_t h) {
    size_t d = a->head_width, width = qkv_width(a), g = h / (a->heads / a->kv_heads);
    const float *rows = (const float *)a->qkv + b * a->time * width;
    mg_attention_head head = {.query_count = a->time,
                              .key_count = a->time,
                              .head_width = d,
                              .q = rows + h * d,
                              .k = rows + (a->heads + g) * d,
                              .v = rows + (a->heads + a->kv_heads + g) * d,
                              .ld_q = width,
                              .ld_kv = width,
                              .scale = 1.0f / sqrtf((float)d)};
    return head;
}

static void compare_attention(checker *c, const mg_attention *a) {
    size_t d = a->head_width;
    for (size_t b = 0; b < a->batch; b++)
        for (size_t h = 0; h < a->heads; h++) {
            mg_attention_head head = head_of(a, b, h);
            attention_result r = attention_reference(c, &head);
            const float *lse = a->lse ? a->lse + (b * a->heads + h) * a->time : NULL;
            expect_attention(c, &r, (const float *)a->out + b * a->time * a->heads * d + h * d,
                             a->heads * d, lse);
        }
}

static const mg_attention shapes[] = {
    {.batch = 2, .time = 7, .heads = 3, .kv_heads = 3, .head_width = 8},
    {.batch = 3, .time = 37, .heads = 4, .kv_heads = 2, .head_width = 16},
    {.batch = 1, .time = 83, .heads = 6, .kv_heads = 1, .head_width = 12},
    {.batch = 2, .time = 1, .heads = 2, .kv_heads = 1, .head_width = 4},
    /* Workers share the blocks of queries of a head; the last query is left over. */
    {.batch = 1, .time = 321, .heads = 1, .kv_heads = 1, .head_width = 16},
    {.batch = 1, .time = 129, .heads = 3, .kv_heads = 1, .head_width = 12},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

void check_op_attention(checker *c) {
    for (size_t i = 0; i < SHAPES; i++) {
        mg_attention a = shapes[i];
        case_begin(c, "B %zu, T %zu, H %zu, G %zu, D %zu", a.batch, a.time, a.heads, a.kv_heads,
                   a.head_width);
        size_t rows = a.batch * a.time, size = rows * a.heads * a.head_width;
        a.qkv = normals(c, rows * qkv_width(&a), 1);
        float *out[3], *lse[3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], a.time, a.head_width, 1, 1);
            a.out = out[w] = output(c, size);
            a.lse = lse[w] = output(c, rows * a.heads);
            mg_attention_forward(&context, &a);
            expect_same(c, "out by workers", size, out[w], out[0]);
            expect_same(c, "lse by workers", rows * a.heads, lse[w], lse[0]);
            context_free(&context);
        }
        compare_attention(c, &a);
        case_end(c);
    }
}

static void compare_gradient(checker *c, const mg_attention *a, const float *dout,
                             const float *dqkv) {
    size_t d = a->head_width, width = qkv_width(a), group = a->heads / a->kv_heads, t = a->time;
    for (size_t unit = 0; unit < a->batch * a->kv_heads; unit++) {
        size_t b = unit / a->kv_heads, g = unit % a->kv_heads;
        attention_sums s = {doubles(c, t * d), doubles(c, t * d), doubles(c, t * d),
                            doubles(c, t * d)};
        const float *row = dqkv + b * t * width;
        for (size_t h = g * group; h < (g + 1) * group; h++) {
            mg_attention_head head = head_of(a, b, h);
            attention_result r = attention_reference(c, &head);
            expect_attention_gradient(c, &r, dout + b * t * a->heads * d + h * d, a->heads * d,
                                      row + h * d, width, &s);
        }
        for (size_t i = 0; i < t * d; i++) {
            size_t at = i / d * width + (a->heads + g) * d + i % d;
            double more = TINY + EPS * (double)group * (fabs(s.dk[i]) + fabs(s.dv[i]));
            expect(c, "dk", at, (double)row[at], s.dk[i], s.dk_bound[i] + more);
            at += a->kv_heads * d;
            expect(c, "dv", at, (double)row[at], s.dv[i], s.dv_bound[i] + more);
        }
    }
}

void check_op_attention_backward(checker *c) {
    for (size_t i = 0; i < SHAPES; i++) {
        mg_attention a = shapes[i];
        case_begin(c, "B %zu, T %zu, H %zu, G %zu, D %zu", a.batch, a.time, a.heads, a.kv_heads,
                   a.head_width);
        size_t rows = a.batch * a.time, size = rows * a.heads * a.head_width;
        size_t inputs = rows * qkv_width(&a);
        a.qkv = normals(c, inputs, 1);
        float *dout = normals(c, size, 1), *dqkv[3];
        a.out = output(c, size);
        a.lse = output(c, rows * a.heads);
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], a.time, a.head_width, 1, 1);
            dqkv[w] = output(c, inputs);
            mg_attention_forward(&context, &a);
            mg_attention_backward(&context, &a, dout, dqkv[w]);
            expect_same(c, "dqkv by workers", inputs, dqkv[w], dqkv[0]);
            context_free(&context);
        }
        compare_gradient(c, &a, dout, dqkv[0]);
        case_end(c);
    }
}

/* ---- Rotation
 * ------------------------------------------------------------------------------------------ */

/* Whether heads turn and are normalised; qk-norm with learned positions normalises only. */
static mg_rope rope_shape(checker *c, size_t i) {
    mg_rope p = {.batch = 2 + i % 2 * 3, .time = i & 4 ? 41 : 5, .heads = 4, .kv_heads = 2};
    p.head_width = 16;
    p.epsilon = 1e-5f;
    p.normalize = (int)(i & 1);
    if (i & 2) {
        size_t positions = p.time, half = p.head_width / 2;
        float *cosine = output(c, positions * half), *sine = output(c, positions * half);
        mg_rope_table(positions, half, 10000, cosine, sine);
        p.cosine = cosine;
        p.sine = sine;
        p.period = p.time;
    }
    return p;
}

/* A rotation by nothing stands in where there is no table. */
static rope_head rope_row(checker *c, const mg_rope *p, size_t row) {
    size_t half = p->head_width / 2, at = row % p->time * half;
    const float *cosine = p->cosine ? p->cosine + at : constant(c, half, 1);
    const float *sine = p->cosine ? p->sine + at : constant(c, half, 0);
    return (rope_head){half, cosine, sine, p->normalize, p->epsilon};
}

static void check_rotation(checker *c, size_t i, bool backward) {
    case_begin(c, "turn %zu, normalize %zu, long %zu", i >> 1 & 1, i & 1, i >> 2);
    mg_rope p = rope_shape(c, i);
    size_t turning = p.heads + p.kv_heads, d = p.head_width, width = (turning + p.kv_heads) * d;
    size_t rows = p.batch * p.time, size = rows * width;
    float *x = normals(c, size, 1), *dz = normals(c, size, 1), *z[3], *dx[3], *factors[3];
    for (size_t w = 0; w < 3; w++) {
        mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
        p.factors = factors[w] = constant(c, rows * turning, 1);
        z[w] = copied(c, size, x);
        dx[w] = copied(c, size, dz);
        mg_rope_forward(&context, &p, z[w]);
        if (backward) mg_rope_backward(&context, &p, z[w], dx[w]);
        expect_same(c, "z by workers", size, z[w], z[0]);
        expect_same(c, "dx by workers", size, dx[w], dx[0]);
        expect_same(c, "factors by workers", rows * turning, factors[w], factors[0]);
        context_free(&context);
    }
    for (size_t r = 0; r < rows; r++) {
        rope_head head = rope_row(c, &p, r);
        for (size_t h = 0; h < turning; h++) {
            size_t at = r * width + h * d;
            expect_rope(c, &head, x + at, z[0] + at, factors[0] + r * turning + h);
            if (backward) expect_rope_gradient(c, &head, x + at, dz + at, dx[0] + at);
        }
        size_t values = r * width + turning * d;
        expect_same(c, "values", p.kv_heads * d, z[0] + values, x + values);
        expect_same(c, "dvalues", p.kv_heads * d, dx[0] + values, dz + values);
    }
    case_end(c);
}

/* Rows anywhere: those of a table, and beyond it the bits that a larger one would have. */
static void check_rope_rows(checker *c) {
    enum { KNOWN = 50, ALL = 400, HALF = 12, TIME = 7 };
    static const size_t positions[] = {0, 46, 300};
    case_begin(c, "rows at positions 0, 46, 300 of a table of 50");
    float *large = output(c, 2 * ALL * HALF), *table = output(c, 2 * KNOWN * HALF);
    float *cosine = output(c, 3 * TIME * HALF), *sine = output(c, 3 * TIME * HALF);
    mg_rope_table(ALL, HALF, 10000, large, large + ALL * HALF);
    mg_rope_table(KNOWN, HALF, 10000, table, table + KNOWN * HALF);
    double frequencies[HALF];
    for (size_t i = 0; i < HALF; i++) frequencies[i] = mg_rope_frequency(i, HALF, 10000);
    mg_rope_rows rows = {3, TIME, HALF, KNOWN, frequencies, table, positions};
    mg_rope_rows_forward(&rows, cosine, sine);
    for (size_t b = 0; b < 3; b++) {
        const float *wanted = large + positions[b] * HALF;
        expect_same(c, "cosine", TIME * HALF, cosine + b * TIME * HALF, wanted);
        expect_same(c, "sine", TIME * HALF, sine + b * TIME * HALF, wanted + ALL * HALF);
    }
    mg_rope turn = {.batch = 6, .time = TIME, .heads = 2, .kv_heads = 1, .head_width = 2 * HALF};
    size_t width = 4 * 2 * HALF, size = 6 * TIME * width;
    float *x = normals(c, size, 1), *y = copied(c, size, x);
    mg_context context = context_make(c, 1, 1, 1, 1, 1);
    turn.cosine = cosine;
    turn.sine = sine;
    turn.period = 3 * TIME;
    mg_rope_forward(&context, &turn, x);
    for (size_t r = 0; r < 6 * TIME; r++) {
        size_t at = r % (3 * TIME) * HALF;
        c->k->rope_f32(3, HALF, cosine + at, sine + at, 0, 0, y + r * width, NULL);
    }
    expect_same(c, "row by row", size, x, y);
    context_free(&context);
    case_end(c);
}

void check_op_rope(checker *c) {
    for (size_t i = 0; i < 8; i++) check_rotation(c, i, false);
    check_rope_rows(c);
    enum { POSITIONS = 300, HALF = 24 };
    case_begin(c, "table");
    float *cosine = output(c, POSITIONS * HALF), *sine = output(c, POSITIONS * HALF);
    mg_rope_table(POSITIONS, HALF, 10000, cosine, sine);
    for (size_t i = 0; i < POSITIONS * HALF; i++) {
        double angle = (double)(i / HALF) * exp(-log(10000.0) * (double)(i % HALF) / HALF);
        expect(c, "cosine", i, (double)cosine[i], cos(angle), EPS);
        expect(c, "sine", i, (double)sine[i], sin(angle), EPS);
    }
    case_end(c);
}

void check_op_rope_backward(checker *c) {
    for (size_t i = 0; i < 8; i++) check_rotation(c, i, true);
}
