/* Checks of momentum, of moments in 16 and 8 bits, and of Muon's orthogonalisation. */
#include "checks.h"
#include "compare.h"

/* ---- Momentum -------------------------------------------------------------------------------- */

static double clamped(const mg_momentum *h, float g) {
    double x = (double)g * (double)h->gradient_scale, limit = (double)h->gradient_limit;
    return x > limit ? limit : x < -limit ? -limit : x;
}

static mg_momentum momentum_settings(size_t variant) {
    return (mg_momentum){0.95f, variant ? 0.37f : 1.0f, variant > 1 ? 0.25f : INFINITY};
}

/* The new moment and what is applied, from the moment before; each two roundings. */
static void expect_momentum(checker *c, const mg_momentum *h, size_t i, float before, float g,
                            double *moment, float applied) {
    double x = clamped(h, g), decay = (double)h->decay;
    *moment = decay * (double)before + x;
    double error = EPS * (fabs(decay * (double)before) + 2 * fabs(x)) + TINY;
    double u = x + decay * *moment;
    expect(c, "u", i, (double)applied, u, error + EPS * (fabs(u) + fabs(x)) + TINY);
}

void check_momentum_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 3 * count; i++) {
        size_t size = n[i % count];
        mg_momentum h = momentum_settings(i / count);
        case_begin(c, "n %zu, scale %g, limit %g", size, (double)h.gradient_scale,
                   (double)h.gradient_limit);
        float *before = normals(c, size, 1), *m = copied(c, size, before);
        float *g = wide(c, size, 4), *u = copied(c, size, g);
        c->k->momentum_f32(size, &h, u, m);
        for (size_t j = 0; j < size; j++) {
            double moment;
            expect_momentum(c, &h, j, before[j], g[j], &moment, u[j]);
            double error = EPS * (fabs((double)before[j]) + 2 * fabs(clamped(&h, g[j]))) + TINY;
            expect(c, "m", j, (double)m[j], moment, error);
        }
        case_end(c);
    }
}

/* ---- Moments in 16 and 8 bits ------------------------------------------------------------------
 */

/* The stored forms, decoded as the comment in kernels/state.inl.h says. */
typedef struct {
    size_t n;
    bool eight; /* else bf16 */
    float *m, *v, *m_scale, *v_scale;
} stored;

enum { BLOCK = MG_STATE_BLOCK };

static stored stored_make(checker *c, size_t n, bool eight) {
    size_t floats = eight ? (n + 3) / 4 : (n + 1) / 2, blocks = (n + BLOCK - 1) / BLOCK;
    stored s = {n,
                eight,
                constant(c, floats, 0),
                constant(c, floats, 0),
                constant(c, blocks, 0),
                constant(c, blocks, 0)};
    return s;
}

static float from_bf16(const float *values, size_t i) {
    uint32_t bits = (uint32_t)((const uint16_t *)(const void *)values)[i] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static float stored_m(const stored *s, size_t i) {
    if (!s->eight) return from_bf16(s->m, i);
    return (float)((const int8_t *)(const void *)s->m)[i] * s->m_scale[i / BLOCK];
}
static float stored_v(const stored *s, size_t i) {
    if (!s->eight) return from_bf16(s->v, i);
    int code = ((const uint8_t *)(const void *)s->v)[i];
    return ldexpf((float)(16 + code % 16) / 16, code / 16 - 15) * s->v_scale[i / BLOCK];
}

static void run_adamw(checker *c, const stored *s, const mg_adamw *h, uint64_t key, size_t first,
                      size_t n, const float *g, float *p) {
    size_t b = first / BLOCK;
    if (s->eight)
        c->k->adamw_q8(n, h, key, first, g + first, p + first, (int8_t *)(void *)s->m + first,
                       s->m_scale + b, (uint8_t *)(void *)s->v + first, s->v_scale + b);
    else
        c->k->adamw_bf16(n, h, key, first, g + first, p + first, (uint16_t *)(void *)s->m + first,
                         (uint16_t *)(void *)s->v + first);
}
static void run_momentum(checker *c, const stored *s, const mg_momentum *h, uint64_t key,
                         size_t first, size_t n, float *g) {
    if (s->eight)
        c->k->momentum_q8(n, h, key, first, g + first, (int8_t *)(void *)s->m + first,
                          s->m_scale + first / BLOCK);
    else
        c->k->momentum_bf16(n, h, key, first, g + first, (uint16_t *)(void *)s->m + first);
}

static double largest_in_block(const double *x, size_t n, size_t i) {
    double largest = 0;
    for (size_t j = i / BLOCK * BLOCK; j < n && j < i / BLOCK * BLOCK + BLOCK; j++)
        largest = fmax(largest, fabs(x[j]));
    return largest;
}

/* A stored value lies less than one step of its code from the exact one. */
static void expect_stored_m(checker *c, const stored *s, const double *m) {
    for (size_t i = 0; i < s->n; i++) {
        double step = s->eight ? largest_in_block(m, s->n, i) / 127 : fabs(m[i]) / 128;
        expect(c, "m", i, (double)stored_m(s, i), m[i], step * (1 + 1e-4) + TINY);
    }
}
static void expect_stored_v(checker *c, const stored *s, const double *v) {
    for (size_t i = 0; i < s->n; i++) {
        /* Eight bits end at 2^-15 of a scale that is at most 16/15 of the largest; not below. */
        double least = s->eight ? largest_in_block(v, s->n, i) / 30720 : 0;
        double step = (s->eight ? fabs(v[i]) / 16 : fabs(v[i]) / 128) * (1 + 1e-4);
        double floor = s->eight && v[i] < 2.2 * least ? 2.2 * least : 0;
        expect(c, "v", i, (double)stored_v(s, i), v[i], step + floor + TINY);
    }
}

static mg_adamw adamw_settings(void) {
    return (mg_adamw){3e-3f, 0.9f, 0.99f, 1e-8f, 0.1f, 1.5f, 2.5f, 0.5f, INFINITY};
}

/* Some steps: weights by the moments that were stored before, moments by one step of their code;
 * the same in parts of whole blocks. */
static void check_adamw_stored(checker *c, size_t n, bool eight) {
    case_begin(c, "n %zu, %d bits", n, eight ? 8 : 16);
    mg_adamw h = adamw_settings();
    stored s = stored_make(c, n, eight), parts = stored_make(c, n, eight);
    float *p = normals(c, n, 1), *other = copied(c, n, p);
    double *exact_m = doubles(c, n), *exact_v = doubles(c, n);
    for (uint64_t key = 1; key <= 4; key++) {
        float *g = wide(c, n, 6), *before[3] = {copied(c, n, p), output(c, n), output(c, n)};
        float *after[3] = {p, output(c, n), output(c, n)};
        for (size_t i = 0; i < n; i++) {
            before[1][i] = stored_m(&s, i), before[2][i] = stored_v(&s, i);
            double x = (double)g[i] * 0.5;
            exact_m[i] = (double)h.beta1 * (double)before[1][i] + (1 - (double)h.beta1) * x;
            exact_v[i] = (double)h.beta2 * (double)before[2][i] + (1 - (double)h.beta2) * x * x;
            after[1][i] = (float)exact_m[i], after[2][i] = (float)exact_v[i];
        }
        run_adamw(c, &s, &h, key, 0, n, g, p);
        expect_adamw(c, n, &h, g, (const float *const *)before, (const float *const *)after);
        expect_stored_m(c, &s, exact_m);
        expect_stored_v(c, &s, exact_v);
        for (size_t first = 0; first < n; first += 2 * BLOCK)
            run_adamw(c, &parts, &h, key, first, n - first < 2 * BLOCK ? n - first : 2 * BLOCK, g,
                      other);
        expect_same(c, "p in parts", n, other, p);
    }
    expect_true(c, "m in parts", 0, memcmp(s.m, parts.m, (eight ? 1 : 2) * n) == 0);
    expect_true(c, "v in parts", 0, memcmp(s.v, parts.v, (eight ? 1 : 2) * n) == 0);
    case_end(c);
}

/* Moments that change by less than half a step of their code reach their limit in the mean. To the
 * nearest they would stay where they are. */
static void check_adamw_drift(checker *c, bool eight) {
    size_t n = 4096, steps = 200;
    case_begin(c, "drift, %d bits", eight ? 8 : 16);
    mg_adamw h = {0, 0.99f, 0.99f, 1e-8f, 0, 1, 1, 1, INFINITY};
    stored s = stored_make(c, n, eight);
    float *p = constant(c, n, 1), *first = constant(c, n, 1), *g = constant(c, n, sqrt(0.9));
    mg_adamw start = h;
    start.beta1 = start.beta2 = 0;
    run_adamw(c, &s, &start, 1, 0, n, first, p);
    for (size_t t = 0; t < steps; t++) run_adamw(c, &s, &h, 2 + t, 0, n, g, p);
    double m = 0, v = 0, kept = pow(0.99, (double)steps);
    for (size_t i = 0; i < n; i++) m += (double)stored_m(&s, i), v += (double)stored_v(&s, i);
    /* An element's deviation is at most a step of its code, 1/16, over the root of 2 * 0.01. */
    double bound = 6 * (eight ? 0.0625 : 0.0078) / sqrt(0.02) / sqrt((double)n);
    expect(c, "mean of m", 0, m / (double)n, sqrt(0.9) + (1 - sqrt(0.9)) * kept, bound);
    expect(c, "mean of v", 0, v / (double)n, 0.9 + 0.1 * kept, bound);
    case_end(c);
}

static void check_adamw_format(checker *c, bool eight) {
    const size_t n[] = {0, 1, 15, 17, 63, 64, 65, 128, 1000};
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) check_adamw_stored(c, n[i], eight);
    check_adamw_drift(c, eight);
}
void check_adamw_bf16(checker *c) { check_adamw_format(c, false); }
void check_adamw_q8(checker *c) { check_adamw_format(c, true); }

static void check_momentum_format(checker *c, bool eight) {
    const size_t n[] = {0, 1, 15, 17, 63, 64, 65, 128, 1000};
    for (size_t k = 0; k < 3 * (sizeof n / sizeof *n); k++) {
        size_t size = n[k / 3];
        mg_momentum h = momentum_settings(k % 3);
        case_begin(c, "n %zu, %d bits, limit %g", size, eight ? 8 : 16, (double)h.gradient_limit);
        stored s = stored_make(c, size, eight);
        double *exact = doubles(c, size);
        for (uint64_t key = 1; key <= 4; key++) {
            float *g = wide(c, size, 4), *u = copied(c, size, g), *before = output(c, size);
            for (size_t i = 0; i < size; i++) before[i] = stored_m(&s, i);
            run_momentum(c, &s, &h, key, 0, size, u);
            for (size_t i = 0; i < size; i++)
                expect_momentum(c, &h, i, before[i], g[i], exact + i, u[i]);
            expect_stored_m(c, &s, exact);
        }
        case_end(c);
    }
}
void check_momentum_bf16(checker *c) { check_momentum_format(c, false); }

/* One block from moments 0: what is too small for a scale becomes 0; NaN becomes 0 and infinity the
 * largest code, which spoils nothing beside it. */
static void check_momentum_extreme(checker *c, double size, float odd) {
    case_begin(c, "%g, zeros, one %g", size, (double)odd);
    mg_momentum h = momentum_settings(0);
    stored s = stored_make(c, BLOCK, true);
    float *g = constant(c, BLOCK, 0);
    for (size_t i = 0; i < BLOCK; i += 2) g[i] = (float)(i % 4 ? -size : size);
    g[33] = odd;
    float *u = copied(c, BLOCK, g);
    run_momentum(c, &s, &h, 1, 0, BLOCK, u);
    double largest = isinf(odd) ? 0x1p126 : size;
    for (size_t i = 0; i < BLOCK; i++) {
        double wanted = isnan(g[i]) ? 0 : isinf(g[i]) ? 0x1p126 : (double)g[i];
        double bound = wanted == 0 ? 0 : largest < 0x1p-100 ? largest : largest / 126;
        expect(c, "m", i, (double)stored_m(&s, i), wanted, bound);
    }
    case_end(c);
}

void check_momentum_q8(checker *c) {
    const double sizes[] = {1e-44, 1e-38, 1e-37, 2e-31, 1e-29, 1, 1e37};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_momentum_extreme(c, sizes[i], 0);
        check_momentum_extreme(c, sizes[i], NAN);
        check_momentum_extreme(c, sizes[i], INFINITY);
    }
    check_momentum_format(c, true);
}

/* ---- Symmetric matrices ------------------------------------------------------------------------
 */

void check_symmetrize_f32(checker *c) {
    const size_t sizes[] = {0, 1, 3, 4, 5, 8, 17, 33, 64, 70};
    for (size_t k = 0; k < 2 * (sizeof sizes / sizeof *sizes); k++) {
        size_t n = sizes[k / 2];
        case_begin(c, "n %zu%s", n, k % 2 ? ", x" : "");
        float *x = k % 2 ? normals(c, n * n, 1) : NULL, *before = normals(c, n * n, 1);
        float *y = copied(c, n * n, before);
        for (size_t i = 0; i < n; i++) /* the upper triangle is not read */
            for (size_t j = i + 1; j < n; j++) y[i * n + j] = NAN;
        for (size_t end = n, size; end > 0; end -= size) { /* in parts, the last one first */
            size = end % 16 ? end % 16 : 16;
            c->k->symmetrize_f32(n, end - size, end, 0.5f, 0.25f, x, -1.5f, y);
        }
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                double a = -1.5 * (double)before[i * n + j];
                double b = x ? 0.25 * (double)x[i * n + j] : 0, d = i == j ? 0.5 : 0;
                double bound = EPS * (fabs(a) + fabs(b) + d);
                expect(c, "y", i * n + j, (double)y[i * n + j], a + b + d, bound);
                expect_same(c, "mirror", 1, y + j * n + i, y + i * n + j);
            }
        case_end(c);
    }
}
