/* Checks of attention of one head, forward and backward. */
#include "checks.h"
#include "compare.h"

typedef struct {
    size_t queries, keys, d, position;
    double deviation; /* of q and k: 1 ordinary, 30 saturates the softmax */
    int kind;         /* 1: equal rows of k, 2: a query with a NaN */
} shape;

static void case_named(checker *c, const shape *s, size_t group) {
    case_begin(c, "queries %zu, keys %zu, head width %zu, position %zu, group %zu, q %g, kind %d",
               s->queries, s->keys, s->d, s->position, group, s->deviation, s->kind);
}

/* Strided input, exact scratch. */
static mg_attention_head head_make(checker *c, const shape *s, int backward, size_t heads) {
    size_t d = s->d, ld_q = heads * d + random_below(c, 3) * 3, ld_kv = d + random_below(c, 3) * 5;
    float *q = matrix(c, s->queries, heads * d, ld_q, s->deviation);
    float *k = matrix(c, s->keys, d, ld_kv, s->deviation);
    for (size_t j = 1; s->kind == 1 && j < s->keys; j++) memcpy(k + j * ld_kv, k, d * sizeof *k);
    if (s->kind == 2) q[(s->queries - 1) * ld_q] = NAN;
    size_t scratch = c->k->attention_scratch(s->keys, d, backward);
    return (mg_attention_head){.query_count = s->queries,
                               .key_count = s->keys,
                               .head_width = d,
                               .position = s->position,
                               .q = q,
                               .k = k,
                               .v = matrix(c, s->keys, d, ld_kv, 1),
                               .ld_q = ld_q,
                               .ld_kv = ld_kv,
                               .scale = 1.0f / sqrtf((float)d),
                               .ld_out = heads * d + random_below(c, 3) * 4,
                               .scratch = aligned_output(c, scratch)};
}

static size_t rows_of(size_t rows, size_t n, size_t ld) { return rows ? (rows - 1) * ld + n : 0; }

static void check_forward(checker *c, const shape *s) {
    case_named(c, s, 1);
    mg_attention_head h = head_make(c, s, 0, 1);
    h.out = output(c, rows_of(s->queries, s->d, h.ld_out));
    h.lse = random_below(c, 3) ? output(c, s->queries) : NULL;
    c->k->attention_forward_f32(&h);
    attention_result wanted = attention_reference(c, &h);
    expect_attention(c, &wanted, h.out, h.ld_out, h.lse);
    expect_gaps(c, "out", h.out, s->queries, s->d, h.ld_out);
    case_end(c);
}

/* Equal scores so large that rounding them is more than an exponential holds: out is the mean of
 * the visible rows of v. */
static void check_large_scores(checker *c, size_t queries, size_t keys, float score) {
    case_begin(c, "queries %zu, keys %zu, all scores %g", queries, keys, (double)score);
    float *v = normals(c, keys, 1), *out = output(c, queries);
    size_t scratch = c->k->attention_scratch(keys, 1, 0);
    mg_attention_head h = {.query_count = queries,
                           .key_count = keys,
                           .head_width = 1,
                           .position = keys - queries,
                           .q = constant(c, queries, (double)score),
                           .k = constant(c, keys, 1),
                           .v = v,
                           .ld_q = 1,
                           .ld_kv = 1,
                           .scale = 0.3f,
                           .out = out,
                           .ld_out = 1,
                           .scratch = aligned_output(c, scratch)};
    c->k->attention_forward_f32(&h);
    double sum = 0, magnitude = 0;
    for (size_t j = 0; j < keys; j++) {
        sum += (double)v[j], magnitude += fabs((double)v[j]);
        if (j < h.position) continue;
        double mean = sum / (double)(j + 1), bound = sum_limit(j + 3, magnitude / (double)(j + 1));
        expect(c, "out", j - h.position, (double)out[j - h.position], mean, bound);
    }
    case_end(c);
}

/* Lengths around tiles (8 rows, a vector of lanes) and blocks (64 queries, 64 keys). */
static size_t time_lengths(const checker *c, size_t out[16]) {
    size_t lanes = c->k->vector_width, block = MG_QUERY_BLOCK;
    const size_t all[] = {1,
                          2,
                          7,
                          8,
                          9,
                          lanes + 1,
                          2 * lanes + 1,
                          block - 1,
                          block,
                          block + 1,
                          2 * block + lanes + 1};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) out[i] = all[i];
    return sizeof all / sizeof *all;
}

void check_attention_forward_f32(checker *c) {
    size_t times[16], count = time_lengths(c, times), nr = c->k->nr;
    const size_t widths[] = {1, 2, 7, 16, nr - 1, nr + 1, 32, 64};
    for (size_t i = 0; i < count; i++)
        for (size_t w = 0; w < 8; w++) {
            if (c->scale == MG_CHECK_QUICK && (i + w) % 3) continue;
            size_t t = times[i], ahead = random_below(c, 70);
            check_forward(c, &(shape){t, t, widths[w], 0, 1, 0});
            check_forward(c, &(shape){t, t + ahead, widths[w], ahead, 1, 0}); /* cached prefix */
            check_forward(c, &(shape){1, times[i], widths[w], times[i] - 1, 1, 0}); /* decode */
        }
    check_forward(c, &(shape){0, 5, 8, 0, 1, 0});
    check_forward(c, &(shape){9, 20, 8, 3, 1, 0});    /* keys that nobody sees */
    check_forward(c, &(shape){9, 4, 8, 2, 1, 0});     /* fewer keys than positions */
    check_forward(c, &(shape){70, 70, 16, 0, 30, 0}); /* saturated */
    check_forward(c, &(shape){70, 70, 16, 0, 1, 1});
    check_forward(c, &(shape){35, 35, 16, 0, 1, 2});
    check_forward(c, &(shape){1, 70, 16, 69, 30, 0});
    check_forward(c, &(shape){1, 67, 16, 66, 1, 2});
    check_forward(c, &(shape){1, 20000, 16, 19999, 1, 0}); /* more scores than the tiles need */
    for (size_t i = 0; i < 3; i++) {
        const float scores[] = {4e11f, -7.3e13f, 1.1e30f};
        check_large_scores(c, 1, 70, scores[i]);
        check_large_scores(c, 70, 200, scores[i]);
    }
    size_t longest = by_scale(c, 150, c->scale == MG_CHECK_LONG ? 2011 : 523);
    check_forward(c, &(shape){longest, longest, 24, 0, 1, 0});
}

/* Scratch grows with the keys; its size is exact enough for the guard words of the other checks. */
void check_attention_scratch(checker *c) {
    for (int backward = 0; backward < 2; backward++)
        for (size_t d = 1; d <= 64; d *= 4) {
            case_begin(c, "head width %zu, backward %d", d, backward);
            size_t last = 0;
            for (size_t keys = 0; keys < 300; keys++) {
                size_t now = c->k->attention_scratch(keys, d, backward);
                expect_true(c, "scratch grows with the keys", keys, now >= last);
                expect_true(c, "scratch is linear in keys", keys,
                            now < (5 * keys + 80 * c->k->nr) * (d + 2 * c->k->nr) + 20000);
                last = now;
            }
            case_end(c);
        }
    for (size_t keys = 1; keys < 200; keys += 13) {
        const shape s = {keys < 40 ? keys : 40, keys, 1 + keys % 9, keys, 1, 0};
        check_forward(c, &s);
    }
}

/* ---- Backward
 * -------------------------------------------------------------------------------------- */

typedef struct {
    ref_attention in;
    double *p, *out, *lse;
    const double *dout;
} attention_sum;

static double weighted_attention(const void *context) {
    const attention_sum *s = context;
    double sum = 0;
    ref_attention_forward(&s->in, s->p, s->out, s->lse);
    for (size_t i = 0; i < s->in.queries * s->in.d; i++) sum += s->dout[i] * s->out[i];
    return sum;
}

/* Only for one dense head. */
static void differentiate(checker *c, const attention_result *r, const mg_attention_gradient *g,
                          const float *dq, const float *dk, const float *dv) {
    size_t t = r->in.queries, keys = r->in.keys, d = r->in.d;
    attention_sum sum = {r->in, doubles(c, t * keys), doubles(c, t * d), doubles(c, t),
                         widened(c, t, d, g->dout, g->head.ld_out)};
    float *x[3] = {output(c, t * d), output(c, keys * d), output(c, keys * d)};
    for (size_t i = 0; i < t * d; i++) x[0][i] = dq[i / d * g->head.ld_q + i % d];
    for (size_t i = 0; i < keys * d; i++) {
        x[1][i] = dk[i / d * g->head.ld_kv + i % d];
        x[2][i] = dv[i / d * g->head.ld_kv + i % d];
    }
    expect_gradient(c, "dq", t * d, (double *)sum.in.q, x[0], weighted_attention, &sum);
    expect_gradient(c, "dk", keys * d, (double *)sum.in.k, x[1], weighted_attention, &sum);
    expect_gradient(c, "dv", keys * d, (double *)sum.in.v, x[2], weighted_attention, &sum);
}

static void check_backward(checker *c, const shape *s, size_t group, bool differences) {
    case_named(c, s, group);
    size_t t = s->queries, keys = s->keys, d = s->d;
    mg_attention_head h = head_make(c, s, 1, group);
    size_t q_size = rows_of(t, group * d, h.ld_q), kv_size = rows_of(keys, d, h.ld_kv);
    h.out = output(c, rows_of(t, group * d, h.ld_out));
    h.lse = output(c, group * t);
    float *dout = matrix(c, t, group * d, h.ld_out, 1), *dq = output(c, q_size);
    float *dk = output(c, kv_size), *dv = output(c, kv_size);
    attention_result wanted[4];
    attention_sums sums = {doubles(c, keys * d), doubles(c, keys * d), doubles(c, keys * d),
                           doubles(c, keys * d)};
    for (size_t m = 0; m < group; m++) { /* exact results of forward, rounded */
        mg_attention_head member = h;
        member.q += m * d;
        wanted[m] = attention_reference(c, &member);
        for (size_t i = 0; i < t; i++) {
            h.lse[m * t + i] = (float)wanted[m].lse[i];
            for (size_t x = 0; x < d; x++)
                h.out[i * h.ld_out + m * d + x] = (float)wanted[m].out[i * d + x];
        }
    }
    mg_attention_gradient g = {h, group, d, d, t, dout, dq, dk, dv, h.ld_out, h.ld_q, h.ld_kv};
    c->k->attention_backward_f32(&g);
    for (size_t m = 0; m < group; m++)
        expect_attention_gradient(c, &wanted[m], dout + m * d, h.ld_out, dq + m * d, h.ld_q, &sums);
    for (size_t i = 0; i < keys * d; i++) {
        size_t at = i / d * h.ld_kv + i % d;
        double more = TINY + EPS * (double)group * (fabs(sums.dk[i]) + fabs(sums.dv[i]));
        expect(c, "dk", at, (double)dk[at], sums.dk[i], sums.dk_bound[i] + more);
        expect(c, "dv", at, (double)dv[at], sums.dv[i], sums.dv_bound[i] + more);
    }
    expect_gaps(c, "dq", dq, t, group * d, h.ld_q);
    expect_gaps(c, "dk", dk, keys, d, h.ld_kv);
    expect_gaps(c, "dv", dv, keys, d, h.ld_kv);
    if (differences) differentiate(c, &wanted[0], &g, dq, dk, dv);
    case_end(c);
}

void check_attention_backward_f32(checker *c) {
    size_t times[16], count = time_lengths(c, times), nr = c->k->nr;
    const size_t widths[] = {1, 7, 16, nr - 1, nr + 1, 32};
    for (size_t i = 0; i < count; i++)
        for (size_t w = 0; w < 6; w++) {
            if (c->scale == MG_CHECK_QUICK && (i + w) % 4) continue;
            check_backward(c, &(shape){times[i], times[i], widths[w], 0, 1, 0}, 1 + (i + w) % 3,
                           false);
        }
    check_backward(c, &(shape){0, 3, 8, 0, 1, 0}, 1, false);
    check_backward(c, &(shape){20, 45, 8, 25, 1, 0}, 2, false);
    check_backward(c, &(shape){9, 30, 8, 3, 1, 0}, 1, false);
    check_backward(c, &(shape){40, 40, 16, 0, 8, 0}, 1, false);
    check_backward(c, &(shape){40, 40, 16, 0, 1, 1}, 1, false);
    check_backward(c, &(shape){5, 5, 4, 0, 1, 0}, 1, true);
    check_backward(c, &(shape){4, 7, 6, 3, 1, 0}, 1, true);
}
