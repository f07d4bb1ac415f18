/* Checks of sums, products and maxima, of dropout, AdamW and the peak loop. */
#include "checks.h"
#include "reference.h"

/* ---- Element by element -------------------------------------------------------------------------
 */

void check_add_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 2 * count; i++) {
        size_t size = n[i % count];
        case_begin(c, "n %zu%s", size, i >= count ? ", in place" : "");
        float *a = wide(c, size, 100), *b = wide(c, size, 100);
        if (size > 2) a[0] = INFINITY, b[1] = NAN, a[2] = 1e-45f, b[2] = 1e-45f;
        float *y = i >= count ? copied(c, size, a) : output(c, size);
        c->k->add_f32(size, i >= count ? y : a, b, y);
        for (size_t j = 0; j < size; j++)
            expect(c, "y", j, (double)y[j], (double)(a[j] + b[j]), 0); /* IEEE: exact */
        case_end(c);
    }
}

void check_axpy_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++) {
        case_begin(c, "n %zu", n[i]);
        float *x = wide(c, n[i], 10), *before = wide(c, n[i], 10), *y = copied(c, n[i], before);
        float scale = i % 4 ? (float)random_normal(c) : 1.0f;
        c->k->axpy_f32(n[i], scale, x, y);
        for (size_t j = 0; j < n[i]; j++) {
            double product = (double)scale * (double)x[j], wanted = product + (double)before[j];
            expect(c, "y", j, (double)y[j], wanted, EPS * (fabs(product) + fabs(wanted)) / 2);
        }
        case_end(c);
    }
}

void check_scale_add_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 4 * count; i++) {
        size_t size = n[i % count];
        bool in_place = i / count & 1, adds = i / count & 2;
        case_begin(c, "n %zu%s%s", size, in_place ? ", in place" : "", adds ? ", add" : "");
        float *x = wide(c, size, 10), *add = adds ? wide(c, size, 10) : NULL;
        float *y = in_place ? copied(c, size, x) : output(c, size);
        float scale = (float)random_normal(c);
        c->k->scale_add_f32(size, scale, in_place ? y : x, add, y);
        for (size_t j = 0; j < size; j++) {
            double product = (double)scale * (double)x[j];
            double wanted = product + (add ? (double)add[j] : 0);
            expect(c, "y", j, (double)y[j], wanted, EPS * (fabs(product) + fabs(wanted)) / 2);
        }
        case_end(c);
    }
}

void check_multiply_add_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 6 * count; i++) {
        size_t size = n[i % count], place = i / count % 3;
        bool adds = i / count / 3 == 0;
        case_begin(c, "n %zu, place %zu%s", size, place, adds ? ", add" : "");
        float *a = wide(c, size, 10), *b = wide(c, size, 10),
              *add = adds ? wide(c, size, 10) : NULL;
        float *y = place == 1           ? copied(c, size, a)
                   : place == 2 && adds ? copied(c, size, add)
                                        : NULL;
        const float *from = place == 2 && adds ? y : add;
        if (!y) y = output(c, size);
        c->k->multiply_add_f32(size, from, place == 1 ? y : a, b, y);
        for (size_t j = 0; j < size; j++) {
            double product = (double)a[j] * (double)b[j];
            double wanted = product + (add ? (double)add[j] : 0);
            expect(c, "y", j, (double)y[j], wanted, EPS * (fabs(product) + fabs(wanted)) / 2);
        }
        case_end(c);
    }
}

/* ---- Dropout: properties, because the contract names no hash
 * --------------------------------------- */

static size_t dropped(const float *y, size_t n) {
    size_t zeros = 0;
    for (size_t i = 0; i < n; i++) zeros += y[i] == 0.0f;
    return zeros;
}

/* Six standard deviations of a binomial distribution: false alarm once in 5e8 seeds. */
static void expect_rate(checker *c, const char *what, size_t zeros, size_t n, double rate) {
    double deviation = sqrt((double)n * rate * (1 - rate));
    expect(c, what, 0, (double)zeros, (double)n * rate, 6 * deviation + 1);
}

static void check_mask(checker *c, double rate, uint64_t key, size_t offset) {
    size_t n = by_scale(c, 5003, 100003), neighbours = 0;
    uint32_t threshold = (uint32_t)(rate * 4294967296.0);
    float scale = (float)(1 / (1 - rate));
    case_begin(c, "n %zu, rate %g, key 0x%llx, offset %zu", n, rate, (unsigned long long)key,
               offset);
    float *x = constant(c, n, 1), *y = output(c, n), *z = output(c, n), *plain = output(c, n);
    c->k->dropout_f32(n, key, offset, threshold, scale, x, y);
    for (size_t i = 0; i < n; i++) expect_true(c, "0 or scale", i, y[i] == 0 || y[i] == scale);
    expect_rate(c, "zeros", dropped(y, n), n, rate);
    for (size_t i = 0; i + 1 < n; i++) neighbours += y[i] == 0 && y[i + 1] == 0;
    expect_rate(c, "zeros in a row", neighbours, n - 1, rate * rate);
    /* The next key gives an independent mask, also block by block: no permutation of this one. */
    c->k->dropout_f32(n, key + 1, offset, threshold, scale, x, z);
    size_t both = 0, equal_blocks = 0, blocks = n / 64;
    for (size_t i = 0; i < n; i++) both += y[i] == 0 && z[i] == 0;
    expect_rate(c, "zeros of two keys", both, n, rate * rate);
    for (size_t b = 0; b < blocks; b++)
        equal_blocks += dropped(y + 64 * b, 64) == dropped(z + 64 * b, 64);
    expect_true(c, "masks of two keys differ by more than their order", equal_blocks,
                rate < 0.1 || equal_blocks < blocks / 2);
    /* The same for any split, in place, and on every back end: a run can move between machines. */
    float *parts = copied(c, n, x);
    for (size_t first = 0; first < n;) {
        size_t m = 1 + random_below(c, n - first < 300 ? n - first : 300);
        c->k->dropout_f32(m, key, offset + first, threshold, scale, parts + first, parts + first);
        first += m;
    }
    expect_same(c, "y in parts", n, parts, y);
    const mg_kernels *scalar = mg_kernels_for(MG_ISA_SCALAR);
    scalar->dropout_f32(n, key, offset, threshold, scale, x, plain);
    expect_same(c, "y on scalar", n, plain, y);
    case_end(c);
}

void check_dropout_f32(checker *c) {
    const double rates[] = {0.1, 0.5, 0.9, 0.003};
    for (size_t i = 0; i < 4; i++) {
        check_mask(c, rates[i], random_bits(c), 0);
        check_mask(c, rates[i], i, ((size_t)1 << 32) - 2500); /* across a 32-bit boundary */
    }
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++) {
        case_begin(c, "n %zu, rate 0", n[i]);
        float *x = normals(c, n[i], 1), *y = output(c, n[i]);
        c->k->dropout_f32(n[i], 7, 0, 0, 1.0f, x, y);
        expect_same(c, "y", n[i], y, x);
        case_end(c);
    }
}

/* ---- Reductions
 * -------------------------------------------------------------------------------------------- */

/* kind 0: sum of a; 1: sum of a*b. variant 0 normal, 1 equal elements, 2 NaN, 3 infinity. */
static void check_total(checker *c, size_t n, int product, int variant) {
    case_begin(c, "n %zu, variant %d", n, variant);
    float *a = variant == 1 ? constant(c, n, 0.1) : wide(c, n, 8);
    float *b = variant == 1 ? constant(c, n, 1) : normals(c, n, 1);
    if (variant == 2 && n) a[n - 1 - random_below(c, n)] = NAN;
    if (variant == 3 && n) a[random_below(c, n)] = INFINITY;
    double wanted = 0, magnitude = 0;
    for (size_t i = 0; i < n; i++) {
        double term = (double)a[i] * (product ? (double)b[i] : 1);
        wanted += term;
        magnitude += fabs(term);
    }
    float found = product ? c->k->dot_f32(n, a, b) : c->k->sum_f32(n, a);
    double bound = variant == 1 ? sum_limit(n, magnitude) : sum_bound(n, magnitude);
    expect(c, product ? "dot" : "sum", 0, (double)found, wanted, bound);
    case_end(c);
}

static void check_totals(checker *c, int product) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++)
        for (int variant = 0; variant < 4; variant++) check_total(c, n[i], product, variant);
    check_total(c, by_scale(c, 20011, 1000003), product, 0);
}

void check_sum_f32(checker *c) { check_totals(c, 0); }
void check_dot_f32(checker *c) { check_totals(c, 1); }

void check_max_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++)
        for (int variant = 0; variant < 6; variant++) {
            size_t size = n[i], place = size ? random_below(c, size) : 0;
            case_begin(c, "n %zu, variant %d, place %zu", size, variant, place);
            float *x = normals(c, size, 1);
            if (variant == 5)
                for (size_t j = 0; j < size; j++) x[j] = -INFINITY;
            const float put[] = {1e30f, NAN, INFINITY, -INFINITY, -1e30f, NAN};
            if (size) x[place] = put[variant];
            double wanted = -INFINITY;
            for (size_t j = 0; j < size; j++)
                wanted = isnan(wanted) || (double)x[j] <= wanted ? wanted : (double)x[j];
            expect(c, "max", 0, (double)c->k->max_f32(size, x), wanted, 0);
            case_end(c);
        }
}

void check_column_sum_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    const size_t row_counts[] = {0, 1, 2, 7, 33};
    for (size_t i = 0; i < count; i++)
        for (size_t r = 0; r < 5; r++) {
            size_t rows = row_counts[r], ld = n[i] + random_below(c, 3) * 4;
            case_begin(c, "rows %zu, n %zu, ld %zu", rows, n[i], ld);
            float *x = matrix(c, rows, n[i], ld, 1), *before = normals(c, n[i], 1);
            float *y = copied(c, n[i], before);
            c->k->column_sum_f32(rows, n[i], x, ld, y);
            for (size_t j = 0; j < n[i]; j++) {
                double wanted = (double)before[j], magnitude = fabs(wanted);
                for (size_t p = 0; p < rows; p++) {
                    wanted += (double)x[p * ld + j];
                    magnitude += fabs((double)x[p * ld + j]);
                }
                expect(c, "y", j, (double)y[j], wanted, sum_bound(rows + 1, magnitude));
            }
            case_end(c);
        }
}

/* ---- Optimizer
 * -------------------------------------------------------------------------------------------- */

static ref_adamw_settings widen(const mg_adamw *h) {
    return (ref_adamw_settings){
        (double)h->learning_rate, (double)h->beta1,          (double)h->beta2,
        (double)h->epsilon,       (double)h->weight_decay,   (double)h->correction1,
        (double)h->correction2,   (double)h->gradient_scale, (double)h->gradient_limit};
}

void expect_adamw(checker *c, size_t n, const mg_adamw *settings, const float *g,
                  const float *const before[3], const float *const after[3]) {
    ref_adamw_settings h = widen(settings);
    for (size_t i = 0; i < n; i++) {
        double p = (double)before[0][i], m = (double)before[1][i], v = (double)before[2][i];
        double clamped = (double)g[i] * h.gradient_scale, old_m = m, old_p = p;
        clamped = clamped > h.gradient_limit    ? h.gradient_limit
                  : clamped < -h.gradient_limit ? -h.gradient_limit
                                                : clamped;
        ref_adamw(&h, (double)g[i], &p, &m, &v);
        double m_error = EPS * 2 * (fabs(h.beta1 * old_m) + fabs((1 - h.beta1) * clamped)) + TINY;
        double rate = h.learning_rate * h.correction1 / (sqrt(v * h.correction2) + h.epsilon);
        /* v has positive terms: 3 eps relative, half of it after the root; six more roundings. */
        double p_error =
            rate * (m_error + 8 * EPS * fabs(m)) + 2 * EPS * fabs(old_p) + EPS * fabs(p) + TINY;
        expect(c, "m", i, (double)after[1][i], m, m_error);
        expect(c, "v", i, (double)after[2][i], v, 4 * EPS * v + TINY);
        expect(c, "p", i, (double)after[0][i], p, p_error);
    }
}

void check_adamw_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 3 * count; i++) {
        size_t size = n[i % count], t = 1 + random_below(c, 50);
        mg_adamw h = {.learning_rate = 3e-3f, .beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-8f};
        h.correction1 = (float)(1 / (1 - pow(0.9, (double)t)));
        h.correction2 = (float)(1 / (1 - pow(0.99, (double)t)));
        h.weight_decay = i < count ? 0 : 0.1f;
        h.gradient_scale = i < count ? 1 : 0.37f;
        h.gradient_limit = i < 2 * count ? INFINITY : 0.25f;
        case_begin(c, "n %zu, t %zu, decay %g, limit %g", size, t, (double)h.weight_decay,
                   (double)h.gradient_limit);
        float *g = wide(c, size, 12), *p = normals(c, size, 1), *m = normals(c, size, 0.1);
        float *v = wide(c, size, 6);
        for (size_t j = 0; j < size; j++) v[j] = fabsf(v[j]);
        if (size > 4) {
            g[0] = NAN;
            g[1] = m[1] = v[1] = 0; /* a parameter never used */
            g[2] = 1e-30f, m[2] = 0, v[2] = 0;
        }
        const float *before[] = {copied(c, size, p), copied(c, size, m), copied(c, size, v)};
        c->k->adamw_f32(size, &h, g, p, m, v);
        expect_adamw(c, size, &h, g, before, (const float *[]){p, m, v});
        case_end(c);
    }
}

/* ---- Measurement
 * ------------------------------------------------------------------------------------------- */

void check_fma_peak_f32(checker *c) {
    const size_t rounds[] = {0, 1, 7, 1000};
    for (size_t i = 0; i < 4; i++) {
        case_begin(c, "rounds %zu", rounds[i]);
        size_t sums = c->k->mr * c->k->nr / c->k->vector_width;
        double total = 0;
        for (size_t j = 0; j < sums; j++) {
            double s = (double)(j + 2);
            for (size_t r = 0; r < rounds[i]; r++) s -= s * 0x1p-20;
            total += s;
        }
        total *= (double)c->k->vector_width;
        expect(c, "result", 0, (double)c->k->fma_peak_f32(rounds[i]), total,
               EPS * (double)(rounds[i] + sums + 4) * total);
        case_end(c);
    }
}
