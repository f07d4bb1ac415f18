/* Checks of the kernels that work on a row: norms, softmax, cross-entropy, rotary embedding. */
#include "checks.h"
#include "compare.h"

/* Rows that break norms: 0 normal, 1 equal elements, 2 a large mean, 3 subnormal, 4 one NaN. */
enum { ROW_KINDS = 5 };
static float *row_input(checker *c, size_t n, int kind) {
    float *x = normals(c, n, 1);
    for (size_t i = 0; i < n; i++) {
        if (kind == 1) x[i] = 1.7f;
        if (kind == 2) x[i] = x[i] * 0.1f + 30.0f;
        if (kind == 3) x[i] *= 1e-40f;
    }
    if (kind == 4 && n) x[random_below(c, n)] = NAN;
    return x;
}

/* ---- Norms ------------------------------------------------------------------------------------
 */

/* Where the sum of x and add goes, and y: 0 apart, 1 sum in x, 2 sum in add, 3 no add, y in x. */
static void check_norm(checker *c, size_t n, int layer, int kind, int placement, bool gained) {
    case_begin(c, "n %zu, kind %d, placement %d, gain %d", n, kind, placement, gained);
    float *x = row_input(c, n, kind), *gain = gained ? normals(c, n, 1) : NULL;
    float *bias = gained && layer ? normals(c, n, 1) : NULL, *add = NULL, *sum = NULL;
    if (placement < 3) add = normals(c, n, kind == 3 ? 1e-40 : 1);
    float *row = copied(c, n, x);
    for (size_t i = 0; add && i < n; i++) row[i] = x[i] + add[i];
    if (placement < 3) sum = placement == 0 ? output(c, n) : placement == 1 ? x : add;
    float *y = placement == 3 ? x : output(c, n), *stats = output(c, 2), r;
    norm_row described = {n, 1e-5f, row, gain, bias};
    if (layer) {
        c->k->layernorm_f32(n, 1e-5f, x, add, sum, gain, bias, y, stats);
        r = stats[1];
    } else {
        r = c->k->rmsnorm_f32(n, 1e-5f, x, add, sum, gain, y);
    }
    if (add) expect_same(c, "sum", n, sum, row);
    if (n) expect_norm(c, &described, y, layer ? stats : NULL, r);
    case_end(c);
}

static void check_norms(checker *c, int layer) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++)
        for (int kind = 0; kind < ROW_KINDS; kind++)
            for (int placement = 0; placement < 4; placement++)
                check_norm(c, n[i], layer, kind, placement, (kind + placement) % 2);
}

void check_rmsnorm_f32(checker *c) { check_norms(c, 0); }
void check_layernorm_f32(checker *c) { check_norms(c, 1); }

/* One row given its statistics. mode 0 apart, 1 dx in dy, 2 added to dx. */
static void check_norm_gradient(checker *c, size_t n, int layer, int mode, bool gained) {
    case_begin(c, "n %zu, mode %d, gain %d", n, mode, gained);
    float *x = normals(c, n, 2), *gain = gained ? normals(c, n, 1) : NULL, *dy = normals(c, n, 1);
    float stats[2] = {layer ? 0.25f : 0.0f, 0.55f};
    float *before = mode == 2 ? normals(c, n, 1) : NULL;
    float *dx = mode == 1 ? copied(c, n, dy) : mode == 2 ? copied(c, n, before) : output(c, n);
    float *dgain = gained ? constant(c, n, 0.5) : NULL;
    float *dbias = gained && layer ? constant(c, n, -2) : NULL;
    double *sums[4];
    for (int i = 0; i < 4; i++) {
        sums[i] = doubles(c, n);
        const double start[] = {0.5, -2, 0.5, 2};
        for (size_t j = 0; j < n; j++) sums[i][j] = start[i];
    }
    if (layer)
        c->k->layernorm_backward_f32(n, x, gain, stats, mode == 1 ? dx : dy, dx, mode == 2, dgain,
                                     dbias);
    else
        c->k->rmsnorm_backward_f32(n, x, gain, stats[1], mode == 1 ? dx : dy, dx, mode == 2, dgain);
    norm_row row = {n, 1e-5f, x, gain, NULL};
    norm_gradient g = {.mean = layer ? stats : NULL,
                       .r = stats[1],
                       .dy = dy,
                       .dx_before = before,
                       .dx = dx,
                       .dgain = sums[0],
                       .dbias = sums[1],
                       .gain_magnitude = sums[2],
                       .bias_magnitude = sums[3]};
    if (n) expect_norm_gradient(c, &row, &g);
    for (size_t i = 0; i < n; i++) {
        if (dgain) expect(c, "dgain", i, (double)dgain[i], sums[0][i], EPS * sums[2][i]);
        if (dbias) expect(c, "dbias", i, (double)dbias[i], sums[1][i], EPS * sums[3][i]);
    }
    case_end(c);
}

typedef struct {
    size_t n;
    int layer;
    const double *x, *gain, *dy;
    double *y;
} norm_sum;

static double weighted_norm(const void *context) {
    const norm_sum *s = context;
    double sum = 0, mean, r;
    if (s->layer)
        ref_layernorm(s->n, (double)1e-5f, s->x, s->gain, NULL, s->y, &mean, &r);
    else
        ref_rmsnorm(s->n, (double)1e-5f, s->x, s->gain, s->y);
    for (size_t i = 0; i < s->n; i++) sum += s->dy[i] * s->y[i];
    return sum;
}

static void check_norm_gradients(checker *c, int layer) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++)
        for (int mode = 0; mode < 3; mode++)
            for (int gained = 0; gained < 2; gained++)
                check_norm_gradient(c, n[i], layer, mode, gained);
    enum { N = 21 };
    case_begin(c, "central differences");
    float *x = normals(c, N, 1), *gain = normals(c, N, 1), *dy = normals(c, N, 1);
    float *y = output(c, N), *stats = output(c, 2), *dx = output(c, N), *dgain = constant(c, N, 0);
    if (layer) {
        c->k->layernorm_f32(N, 1e-5f, x, NULL, NULL, gain, NULL, y, stats);
        c->k->layernorm_backward_f32(N, x, gain, stats, dy, dx, 0, dgain, NULL);
    } else {
        float r = c->k->rmsnorm_f32(N, 1e-5f, x, NULL, NULL, gain, y);
        c->k->rmsnorm_backward_f32(N, x, gain, r, dy, dx, 0, dgain);
    }
    double *xs = widened(c, 1, N, x, N), *gains = widened(c, 1, N, gain, N);
    norm_sum sum = {N, layer, xs, gains, widened(c, 1, N, dy, N), doubles(c, N)};
    expect_gradient(c, "dx", N, xs, dx, weighted_norm, &sum);
    expect_gradient(c, "dgain", N, gains, dgain, weighted_norm, &sum);
    case_end(c);
}

void check_rmsnorm_backward_f32(checker *c) { check_norm_gradients(c, 0); }
void check_layernorm_backward_f32(checker *c) { check_norm_gradients(c, 1); }

/* ---- Softmax ------------------------------------------------------------------------------------
 */

/* kind 0 normal, 1 large, 2 equal, 3 some -inf, 4 all -inf, 5 one NaN, 6 one +inf. */
static void check_softmax(checker *c, size_t n, int kind, bool in_place) {
    float scale = kind == 1 ? 30.0f : 0.125f;
    case_begin(c, "n %zu, kind %d, scale %g%s", n, kind, (double)scale,
               in_place ? ", in place" : "");
    float *x = normals(c, n, kind == 1 ? 4 : 10);
    for (size_t i = 0; i < n; i++) {
        if (kind == 2) x[i] = -3.5f;
        if ((kind == 3 && i && random_below(c, 2)) || kind == 4) x[i] = -INFINITY;
    }
    if (kind >= 5 && n) x[random_below(c, n)] = kind == 5 ? NAN : INFINITY;
    float *y = in_place ? copied(c, n, x) : output(c, n);
    double *wanted = doubles(c, n), top = 0, sum = 0;
    ref_softmax(n, (double)scale, widened(c, 1, n, x, n), wanted);
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i])) top = fmax(top, fabs((double)(x[i] * scale)));
    c->k->softmax_f32(n, scale, in_place ? y : x, y);
    for (size_t i = 0; i < n; i++) {
        double z = isfinite(x[i]) ? fabs((double)(x[i] * scale)) : 0;
        double relative = EPS * (8 + sqrt((double)n) + 2 * z + 2 * top);
        expect(c, "y", i, (double)y[i], wanted[i], relative * wanted[i] + TINY);
        sum += (double)y[i];
    }
    if (n && kind < 4) {
        expect(c, "sum of y", 0, sum, 1, EPS * (4 + sqrt((double)n)));
        for (size_t i = 0; i + 1 < n; i++) {
            bool same = x[i] == x[i + 1], less = x[i] < x[i + 1];
            expect_true(c, "order preserved", i,
                        same   ? y[i] == y[i + 1]
                        : less ? y[i] <= y[i + 1]
                               : y[i] >= y[i + 1]);
        }
    }
    case_end(c);
}

void check_softmax_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++)
        for (int kind = 0; kind < 7; kind++)
            for (int in_place = 0; in_place < 2; in_place++) check_softmax(c, n[i], kind, in_place);
    for (size_t i = 0; i < count; i++) /* times 1/ln2 they round by more than exponents hold */
        for (int sign = -1; sign < 2; sign += 2) {
            case_begin(c, "n %zu, all %g", n[i], sign * 4e11);
            float *y = output(c, n[i]);
            c->k->softmax_f32(n[i], 1, constant(c, n[i], sign * 4e11), y);
            for (size_t j = 0; j < n[i]; j++)
                expect(c, "y", j, (double)y[j], 1 / (double)n[i], EPS / (double)n[i]);
            case_end(c);
        }
}

/* ---- Cross-entropy
 * -------------------------------------------------------------------------------- */

/* kind 0 normal, 1 large, 2 equal, 3 some -inf elsewhere, 4 one NaN. */
static void check_loss(checker *c, size_t n, float cap, int kind, int gradient) {
    size_t target = random_below(c, n);
    case_begin(c, "n %zu, target %zu, cap %g, kind %d, gradient %d", n, target, (double)cap, kind,
               gradient);
    float *x = normals(c, n, kind == 1 ? 40 : 3);
    for (size_t i = 0; i < n; i++) {
        if (kind == 2) x[i] = 5.25f;
        if (kind == 3 && i != target && random_below(c, 3) == 0) x[i] = -INFINITY;
    }
    if (kind == 4) x[random_below(c, n)] = NAN;
    float *logits = copied(c, n, x);
    float *d = gradient == 0 ? NULL : gradient == 1 ? output(c, n) : logits;
    float loss = c->k->cross_entropy_f32(n, logits, target, cap, 0.25f, d);
    if (kind == 4)
        expect(c, "loss", 0, (double)loss, (double)NAN, 0);
    else
        expect_cross_entropy(c, n, x, target, cap, 0.25f, 0, loss, d);
    if (gradient != 2) expect_same(c, "logits", n, logits, x);
    case_end(c);
}

typedef struct {
    size_t n, target;
    double cap;
    const double *x;
} loss_of_row;

static double row_loss(const void *context) {
    const loss_of_row *l = context;
    return 0.25 * ref_cross_entropy(l->n, l->x, l->target, l->cap, 0, NULL);
}

void check_cross_entropy_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++)
        for (int kind = 0; kind < 5 && n[i]; kind++)
            for (int gradient = 0; gradient < 3; gradient++) {
                check_loss(c, n[i], 0, kind, gradient);
                check_loss(c, n[i], 15, kind, gradient);
            }
    for (int capped = 0; capped < 2; capped++) {
        enum { N = 29 };
        case_begin(c, "central differences, cap %d", capped * 15);
        float *x = normals(c, N, 4), *d = output(c, N);
        double *xs = widened(c, 1, N, x, N);
        loss_of_row row = {N, random_below(c, N), capped * 15, xs};
        c->k->cross_entropy_f32(N, x, row.target, (float)row.cap, 0.25f, d);
        expect_gradient(c, "dlogits", N, xs, d, row_loss, &row);
        case_end(c);
    }
}

/* ---- Rotary embedding
 * ------------------------------------------------------------------------------- */

static rope_head turn(checker *c, size_t half, int normalize) {
    float *cosine = output(c, half), *sine = output(c, half);
    for (size_t i = 0; i < half; i++) {
        double angle = 3.2 * random_uniform(c);
        cosine[i] = (float)cos(angle);
        sine[i] = (float)sin(angle);
    }
    return (rope_head){half, cosine, sine, normalize, 1e-5f};
}

/* Some heads, and more than the kernel takes at once. */
static const size_t head_counts[] = {1, 3, 33, 0};

void check_rope_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 2 * count; i++) {
        size_t half = n[i % count], heads = half > 40 ? 2 : head_counts[i % 4];
        int kept = i % 3 != 0;
        case_begin(c, "heads %zu, half %zu, normalize %d, factors %d", heads, half, i >= count,
                   kept);
        rope_head head = turn(c, half, i >= count);
        float *x = normals(c, 2 * half * heads, 2), *z = copied(c, 2 * half * heads, x);
        float *factors = kept ? output(c, heads) : NULL;
        c->k->rope_f32(heads, half, head.cosine, head.sine, head.normalize, head.epsilon, z,
                       factors);
        for (size_t h = 0; h < heads; h++)
            expect_rope(c, &head, x + 2 * half * h, z + 2 * half * h, kept ? factors + h : NULL);
        case_end(c);
    }
}

typedef struct {
    const rope_head *h;
    const double *cosine, *sine, *x, *dz;
    double *z;
} rope_sum;

static double weighted_rope(const void *context) {
    const rope_sum *s = context;
    double sum = 0;
    memcpy(s->z, s->x, 2 * s->h->half * sizeof *s->z);
    ref_rope(s->h->half, s->cosine, s->sine, s->h->normalize, (double)s->h->epsilon, s->z);
    for (size_t i = 0; i < 2 * s->h->half; i++) sum += s->dz[i] * s->z[i];
    return sum;
}

void check_rope_backward_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 2 * count; i++) {
        size_t half = n[i % count], heads = half > 40 ? 2 : head_counts[i % 4], d = 2 * half;
        case_begin(c, "heads %zu, half %zu, normalize %d", heads, half, i >= count);
        rope_head head = turn(c, half, i >= count);
        float *x = normals(c, d * heads, 2), *z = copied(c, d * heads, x);
        float *dz = normals(c, d * heads, 1), *dx = copied(c, d * heads, dz);
        float *factors = output(c, heads);
        c->k->rope_f32(heads, half, head.cosine, head.sine, head.normalize, head.epsilon, z,
                       factors);
        c->k->rope_backward_f32(heads, half, head.cosine, head.sine,
                                head.normalize ? factors : NULL, z, dx);
        for (size_t h = 0; half && h < heads; h++)
            expect_rope_gradient(c, &head, x + d * h, dz + d * h, dx + d * h);
        if (heads && half > 0 && half <= 17) {
            double *xs = widened(c, 1, d, x, d);
            rope_sum sum = {&head,
                            widened(c, 1, half, head.cosine, half),
                            widened(c, 1, half, head.sine, half),
                            xs,
                            widened(c, 1, d, dz, d),
                            doubles(c, d)};
            expect_gradient(c, "dx", d, xs, dx, weighted_rope, &sum);
        }
        case_end(c);
    }
}
