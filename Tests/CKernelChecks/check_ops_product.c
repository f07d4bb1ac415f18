/* Checks of what mg_matmul does beyond the plain product: types, bf16 arithmetic, epilogue. Random
 * combinations, so that every pair of settings meets. */
#include "checks.h"
#include "compare.h"

/* A matrix as it is stored and as float32 reads it. */
typedef struct {
    mg_type type;
    size_t rows, n, ld;
    float *wide;   /* (rows, n), rows ld apart */
    void *data;    /* the same in `type` */
    size_t length; /* elements from the first to the last */
} stored;

static stored store(checker *c, size_t rows, size_t n, mg_type type) {
    stored s = {.type = type, .rows = rows, .n = n, .ld = n + random_below(c, 3) * 3};
    s.wide = matrix(c, rows, n, s.ld, 1);
    s.length = rows ? (rows - 1) * s.ld + n : 0;
    s.data = s.wide;
    if (type == MG_F32) return s;
    uint16_t *narrow = (uint16_t *)(void *)output(c, s.length / 2 + 1);
    for (size_t i = 0; i < s.length; i++) {
        bool gap = is_marker(s.wide[i]);
        narrow[i] = ref_bf16_round(s.wide[i]);
        if (!gap) s.wide[i] = ref_bf16(narrow[i]);
    }
    s.data = narrow;
    return s;
}

static mg_operand operand(const stored *s) { return (mg_operand){s->data, s->ld, s->type}; }

/* A copy to write to, and what it holds afterwards, as float32. */
static void *fresh(checker *c, const stored *s) {
    size_t floats = s->type == MG_F32 ? s->length : s->length / 2 + 1;
    return copied(c, floats, s->data);
}
static double at(const stored *s, const void *data, size_t i, size_t j) {
    size_t place = i * s->ld + j;
    return s->type == MG_F32 ? (double)((const float *)data)[place]
                             : (double)ref_bf16(((const uint16_t *)data)[place]);
}

typedef struct {
    mg_product x; /* c and z not set */
    stored a, b, c, z, residual;
} product_case;

/* With `decoding`: one of those that matrix times vector may compute. */
static product_case make_case(checker *c, size_t m, size_t n, size_t k, bool decoding) {
    product_case p = {.x = {.m = m, .n = n, .k = k}};
    p.x.form = (mg_form)random_below(c, 3);
    p.x.arithmetic = random_below(c, 2) ? MG_BF16 : MG_F32;
    p.x.accumulate = (int)random_below(c, 2);
    p.x.scale = random_below(c, 2) ? 0.7f : 1.0f;
    p.x.bias = random_below(c, 2) ? normals(c, n, 1) : NULL;
    p.x.finish = (mg_finish)random_below(c, 3);
    p.x.activation = (int)random_below(c, 3);
    mg_type types[5];
    for (int i = 0; i < 5; i++) types[i] = random_below(c, 2) ? MG_BF16 : MG_F32;
    if (decoding) {
        p.x.form = MG_NT;
        p.x.arithmetic = types[0] = types[1] = types[2] = MG_F32;
    }
    bool down = p.x.form == MG_TN, across = p.x.form == MG_NT;
    p.a = store(c, down ? k : m, down ? m : k, types[0]);
    p.b = store(c, across ? n : k, across ? k : n, types[1]);
    p.c = store(c, m, n, p.x.accumulate ? MG_F32 : types[2]);
    p.z = store(c, m, n, types[3]);
    p.residual = store(c, m, n, types[4]);
    p.x.a = operand(&p.a);
    p.x.b = operand(&p.b);
    if (random_below(c, 2)) p.x.residual = operand(&p.residual);
    return p;
}

/* What one element must be: the value before the activation and the result, with their bounds. */
typedef struct {
    double v, v_bound, y, y_bound;
} wanted;

static wanted expected(const product_case *p, size_t i, size_t j, double sum, double magnitude) {
    double (*value[])(double) = {ref_relu, ref_relu2, ref_gelu};
    double (*slope[])(double) = {ref_relu_slope, ref_relu2_slope, ref_gelu_slope};
    const mg_product *x = &p->x;
    double bias = x->bias ? (double)x->bias[j] : 0, scale = (double)x->scale;
    wanted w = {.v = scale * sum + bias};
    w.v_bound = sum_bound(x->k + 2, scale * magnitude + fabs(bias)) + 2 * EPS * fabs(w.v);
    double act = 40 * EPS * (1 + fabs(w.v)) * (1 + fabs(w.v)), z = at(&p->z, p->z.data, i, j);
    w.y = w.v;
    w.y_bound = w.v_bound;
    if (x->finish == MG_ACTIVATE) {
        w.y = value[x->activation](w.v);
        w.y_bound = 2 * (1 + fabs(w.v)) * w.v_bound + act;
    } else if (x->finish == MG_DIFFERENTIATE) {
        double d = slope[x->activation](z);
        w.y = w.v * d;
        w.y_bound = fabs(d) * w.v_bound + 40 * EPS * (1 + fabs(z)) * fabs(w.v);
    }
    if (x->residual.data) w.y += at(&p->residual, p->residual.data, i, j);
    if (x->accumulate) w.y += at(&p->c, p->c.data, i, j);
    w.y_bound += 4 * EPS * (fabs(w.y) + 3);
    /* half a unit of eight bits */
    if (p->c.type == MG_BF16) w.y_bound += 0x1p-8 * (fabs(w.y) + w.y_bound);
    if (p->z.type == MG_BF16) w.v_bound += 0x1p-8 * (fabs(w.v) + w.v_bound);
    return w;
}

static void compare_product(checker *c, const product_case *p, const void *y, const void *z) {
    size_t m = p->x.m, n = p->x.n, k = p->x.k;
    if (p->x.arithmetic == MG_BF16) {
        for (size_t i = 0; i < p->a.length; i++)
            p->a.wide[i] = ref_bf16(ref_bf16_round(p->a.wide[i]));
        for (size_t i = 0; i < p->b.length; i++)
            p->b.wide[i] = ref_bf16(ref_bf16_round(p->b.wide[i]));
    }
    bool down = p->x.form == MG_TN, across = p->x.form == MG_NT;
    double *sums = doubles(c, m * n), *magnitudes = doubles(c, m * n);
    ref_matmul(m, n, k, p->a.wide, down ? 1 : p->a.ld, down ? p->a.ld : 1, p->b.wide,
               across ? 1 : p->b.ld, across ? p->b.ld : 1, sums, magnitudes);
    for (size_t i = 0; i < m * n; i++) {
        wanted w = expected(p, i / n, i % n, sums[i], magnitudes[i]);
        expect(c, "c", i, at(&p->c, y, i / n, i % n), w.y, w.y_bound);
        if (p->x.finish == MG_ACTIVATE)
            expect(c, "z", i, at(&p->z, z, i / n, i % n), w.v, w.v_bound);
    }
    if (p->c.type == MG_F32) expect_gaps(c, "c", y, m, n, p->c.ld);
}

/* The same where b is packed in advance; the same bits, unless few rows don't pack it. */
static void check_packed(checker *c, const mg_context *context, const product_case *p,
                         const void *wanted) {
    mg_product x = p->x;
    size_t size = p->c.length * (p->c.type == MG_F32 ? 4 : 2);
    float *panels = output(c, mg_packed_count(c->k, x.n, x.k));
    x.c.data = fresh(c, &p->c);
    x.z.data = fresh(c, &p->z);
    mg_pack_operand(context, &x, panels);
    x.panels = panels;
    x.b.data = NULL;
    mg_matmul(context, &x);
    if (x.m > MG_FEW_ROWS || x.form != MG_NT)
        expect_true(c, "c of packed b", 0, memcmp(x.c.data, wanted, size) == 0);
    compare_product(c, p, x.c.data, x.z.data);
}

static void check_case(checker *c, size_t number, size_t m, size_t n, size_t k, bool decoding) {
    case_begin(c, "m %zu, n %zu, k %zu, combination %zu", m, n, k, number);
    product_case p = make_case(c, m, n, k, decoding);
    void *y[3], *z[3];
    for (size_t w = 0; w < 3; w++) {
        mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
        y[w] = fresh(c, &p.c);
        z[w] = fresh(c, &p.z);
        p.x.c = (mg_result){y[w], p.c.ld, p.c.type};
        p.x.z = (mg_result){z[w], p.z.ld, p.z.type};
        mg_matmul(&context, &p.x);
        size_t size = p.c.length * (p.c.type == MG_F32 ? 4 : 2);
        expect_true(c, "c by workers", w, memcmp(y[w], y[0], size) == 0);
        bool is_packed = p.x.arithmetic == MG_F32 && !decoding && m > 2;
        if (is_packed) check_packed(c, &context, &p, y[0]);
        context_free(&context);
    }
    compare_product(c, &p, y[0], z[0]);
    case_end(c);
}

void check_op_product(checker *c) {
    size_t mr = c->k->mr, nr = c->k->nr, deep = c->k->kc * c->k->bf16_step + 5;
    size_t times = by_scale(c, 12, 60);
    for (size_t i = 0; i < times; i++) {
        check_case(c, i, mr + 1, nr + 3, 37, false);
        check_case(c, i, 1, 5, 64, false);
        check_case(c, i, 4 * mr + 3, 2 * nr, 130, false);
        check_case(c, i, 1 + i % 9, 2 * nr + 5, 37, true);
        check_case(c, i, 1 + i % 9, 600, 70, true); /* shared by workers */
    }
    if (c->scale == MG_CHECK_QUICK) return;
    for (size_t i = 0; i < 12; i++) { /* several parts of k, more rows than scratch has sums */
        check_case(c, i, 5, nr + 1, deep, false);
        check_case(c, i, 17 * mr, 9, 3, false);
    }
    check_case(c, 0, 19 * mr, 5, deep, false);
    check_case(c, 0, 3, c->k->nc + 7, 9, false);
    for (size_t i = 0; i < 12; i++) /* the epilogue in pieces */
        check_case(c, i, 1 + i % 9, c->k->nc + 7 + c->k->nr, 9, true);
}
