/* Checks of kernels that compute an output element from the inputs of the same place. */
#include "checks.h"
#include "reference.h"

/* A float32 sigmoid is zero where exp overflows: its true value is then below 2^-128. */
#define FLUSHED 0x1p-127

/* Numbers that arithmetic treats specially, in front of normal ones. */
static const float specials[] = {NAN,      INFINITY,  -INFINITY, 0.0f,     -0.0f,    1e-45f,
                                 -1e-45f,  1e-39f,    -1e-39f,   FLT_MIN,  -FLT_MIN, FLT_MAX,
                                 -FLT_MAX, 88.72283f, -88.8f,    -103.97f, 1e-20f,   1.0f};
enum { SPECIALS = sizeof specials / sizeof *specials };

static float *special_input(checker *c, size_t n, double deviation) {
    float *x = normals(c, n, deviation);
    for (size_t i = 0; i < n && n >= 64; i++)
        if (random_below(c, 4) == 0) x[i] = specials[random_below(c, SPECIALS)];
    return x;
}

/* ---- One input, one output
 * -------------------------------------------------------------------------- */

typedef void map1(size_t n, const float *x, float *y);
typedef void map2(size_t n, const float *a, const float *b, float *y);
typedef double real(double x);

static double relu_bound(double x) { return EPS * fabs(ref_relu2(x)) + TINY; }
static double no_error(double x) { return (void)x, 0; }

/* y = x s, s = sigmoid(2u): 2u has three roundings, exp turns an absolute error of its argument
 * into a relative one of its result, of which sigmoid keeps the share 1 - s. */
static double gelu_bound(double x) {
    double u2 = 1.5957691216057307 * (x + 0.044715 * x * x * x), s = ref_sigmoid(u2);
    double argument = s < 1 ? fabs(u2) * (1 - s) : 0;
    if (s == 0) argument = 0;
    return EPS * (5 + 2 * argument) * fabs(ref_gelu(x)) + FLUSHED * fabs(x) + TINY;
}

static void check_map1(checker *c, map1 *kernel, real *f, real *bound) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 2 * count; i++) {
        bool in_place = i >= count;
        size_t size = n[i % count];
        case_begin(c, "n %zu%s", size, in_place ? ", in place" : "");
        float *x = special_input(c, size, i % 2 ? 1 : 4);
        float *y = in_place ? copied(c, size, x) : output(c, size);
        kernel(size, in_place ? y : x, y);
        for (size_t j = 0; j < size; j++) {
            double v = (double)x[j];
            expect(c, "y", j, (double)y[j], f(v), isfinite(v) ? bound(v) : 0);
        }
        case_end(c);
    }
}

void check_relu_f32(checker *c) { check_map1(c, c->k->relu_f32, ref_relu, no_error); }
void check_relu2_f32(checker *c) { check_map1(c, c->k->relu2_f32, ref_relu2, relu_bound); }
/* exp brings two units, the sum and the quotient half a unit each. */
static double sigmoid_bound(double x) { return 4 * EPS * ref_sigmoid(x) + FLUSHED; }
void check_sigmoid_f32(checker *c) { check_map1(c, c->k->sigmoid_f32, ref_sigmoid, sigmoid_bound); }
void check_gelu_f32(checker *c) { check_map1(c, c->k->gelu_f32, ref_gelu, gelu_bound); }

/* ---- Gradients of activations
 * --------------------------------------------------------------------- */

typedef struct {
    size_t n;
    const double *x, *dy;
    real *f;
} activation_sum;

static double weighted_sum(const void *context) {
    const activation_sum *a = context;
    double sum = 0;
    for (size_t i = 0; i < a->n; i++) sum += a->dy[i] * a->f(a->x[i]);
    return sum;
}

static void check_slope(checker *c, map2 *kernel, real *f, real *slope, real *bound) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 2 * count; i++) {
        bool in_place = i >= count;
        size_t size = n[i % count];
        case_begin(c, "n %zu%s", size, in_place ? ", in place" : "");
        float *x = normals(c, size, i % 3 ? 1 : 5), *dy = normals(c, size, 1);
        if (i % 4 == 0 && size > 2) x[0] = 1e-40f, x[1] = 3e18f, x[2] = -3e18f;
        float *dx = in_place ? copied(c, size, dy) : output(c, size);
        kernel(size, x, in_place ? dx : dy, dx);
        for (size_t j = 0; j < size; j++)
            expect(c, "dx", j, (double)dx[j], (double)dy[j] * slope((double)x[j]),
                   fabs((double)dy[j]) * bound((double)x[j]) + TINY);
        case_end(c);
    }
    case_begin(c, "central differences");
    size_t size = 61;
    float *x = normals(c, size, 2), *dy = normals(c, size, 1), *dx = output(c, size);
    for (size_t j = 0; j < size; j++)
        if (fabsf(x[j]) < 1e-3f) x[j] = 0.5f; /* away from the kink of relu */
    kernel(size, x, dy, dx);
    double *xs = widened(c, 1, size, x, size), *dys = widened(c, 1, size, dy, size);
    activation_sum sum = {size, xs, dys, f};
    expect_gradient(c, "dx", size, xs, dx, weighted_sum, &sum);
    case_end(c);
}

static double relu2_slope_bound(double x) { return EPS * fabs(ref_relu2_slope(x)); }

/* s + x slope s (1-s). Let es be the error of s; that of s (1-s) is es |1-2s| plus roundings, and
 * near s = 1 no more than the few units that 1 - s itself can be wrong. */
static double gelu_slope_bound(double x) {
    double u2 = 1.5957691216057307 * (x + 0.044715 * x * x * x), s = ref_sigmoid(u2);
    double t = ref_sigmoid(-u2), q = s * t, slope = 1.5957691216057307 * (1 + 0.134145 * x * x);
    if (q == 0) return EPS * 2;
    double es = EPS * s * (2 + 2 * fabs(u2) * t);
    double eq = es + EPS * (q + s * s);
    if (s > 0.5 && eq > EPS / 2 + 8 * q) eq = 8 * q + EPS / 2 * (t > EPS / 8);
    return es + 4 * EPS * s + fabs(x * slope) * (eq + 4 * EPS * q) +
           FLUSHED * (1 + fabs(x * slope));
}

void check_relu_backward_f32(checker *c) {
    check_slope(c, c->k->relu_backward_f32, ref_relu, ref_relu_slope, no_error);
}
void check_relu2_backward_f32(checker *c) {
    check_slope(c, c->k->relu2_backward_f32, ref_relu2, ref_relu2_slope, relu2_slope_bound);
}
void check_gelu_backward_f32(checker *c) {
    check_slope(c, c->k->gelu_backward_f32, ref_gelu, ref_gelu_slope, gelu_slope_bound);
}

/* ---- SwiGLU
 * -------------------------------------------------------------------------------------------- */

static void silu_bounds(double x, double *value, double *slope) {
    double s = ref_sigmoid(x), t = ref_sigmoid(-x);
    *value = 6 * EPS * fabs(ref_silu(x)) + FLUSHED * fabs(x);
    /* s + silu (1-s): 1-s errs by 3 eps s, but not by more than itself and a rounding of s. */
    double rest = 3 * EPS * (s + t);
    if (rest > 2 * t + EPS / 2) rest = 2 * t;
    *slope = EPS * 5 * s + fabs(ref_silu(x)) * (rest + 6 * EPS * t) + FLUSHED * (1 + fabs(x));
}

void check_swiglu_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 2 * count; i++) {
        size_t size = n[i % count];
        case_begin(c, "n %zu%s", size, i >= count ? ", in place" : "");
        float *gate = special_input(c, size, i % 2 ? 1 : 30), *up = normals(c, size, 1);
        float *y = i >= count ? copied(c, size, gate) : output(c, size);
        c->k->swiglu_f32(size, i >= count ? y : gate, up, y);
        for (size_t j = 0; j < size; j++) {
            double value, slope, x = (double)gate[j];
            silu_bounds(x, &value, &slope);
            expect(c, "y", j, (double)y[j], ref_silu(x) * (double)up[j],
                   isfinite(x) ? value * fabs((double)up[j]) + TINY : 0);
        }
        case_end(c);
    }
}

void check_swiglu_backward_f32(checker *c) {
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < 2 * count; i++) {
        size_t size = n[i % count];
        case_begin(c, "n %zu%s", size, i >= count ? ", in place" : "");
        float *gate = normals(c, size, i % 2 ? 1 : 30), *up = normals(c, size, 1);
        float *dy = normals(c, size, 1), *dup = output(c, size);
        float *dgate = i >= count ? copied(c, size, gate) : output(c, size);
        c->k->swiglu_backward_f32(size, i >= count ? dgate : gate, up, dy, dgate, dup);
        for (size_t j = 0; j < size; j++) {
            double value, slope, x = (double)gate[j], d = (double)dy[j], u = (double)up[j];
            silu_bounds(x, &value, &slope);
            expect(c, "dgate", j, (double)dgate[j], d * u * ref_silu_slope(x),
                   fabs(d * u) * slope + TINY);
            expect(c, "dup", j, (double)dup[j], d * ref_silu(x), fabs(d) * value + TINY);
        }
        case_end(c);
    }
    case_begin(c, "central differences");
    enum { N = 37 };
    float *gate = normals(c, N, 2), *up = constant(c, N, 1), *dy = normals(c, N, 1);
    float *dgate = output(c, N), *dup = output(c, N);
    c->k->swiglu_backward_f32(N, gate, up, dy, dgate, dup);
    double *xs = widened(c, 1, N, gate, N), *dys = widened(c, 1, N, dy, N);
    activation_sum sum = {N, xs, dys, ref_silu};
    expect_gradient(c, "dgate", N, xs, dgate, weighted_sum, &sum);
    case_end(c);
}

/* ---- exp and tanh, in units in the last place
 * ------------------------------------------------------------ */

/* Every `stride`-th float32, by bit pattern; all of them in the long mode. */
static void check_function(checker *c, map1 *kernel, real *f, double limit) {
    enum { BLOCK = 4096 };
    static const uint32_t strides[] = {70001, 4099, 1};
    uint64_t stride = strides[c->scale], bits = 0;
    while (bits < (uint64_t)1 << 32) {
        case_begin(c, "%d inputs from bit pattern 0x%08llx", BLOCK, (unsigned long long)bits);
        float *x = output(c, BLOCK), *y = output(c, BLOCK);
        for (size_t i = 0; i < BLOCK; i++, bits += stride) {
            uint32_t pattern = (uint32_t)bits;
            memcpy(x + i, &pattern, sizeof pattern);
        }
        kernel(BLOCK, x, y);
        for (size_t i = 0; i < BLOCK; i++) expect_ulp(c, "y", i, y[i], f((double)x[i]), limit);
        case_end(c);
    }
    size_t n[MAX_LENGTHS], count = lengths(c, n);
    for (size_t i = 0; i < count; i++) {
        case_begin(c, "n %zu, in place", n[i]);
        float *x = special_input(c, n[i], 3), *y = copied(c, n[i], x);
        kernel(n[i], y, y);
        for (size_t j = 0; j < n[i]; j++) expect_ulp(c, "y", j, y[j], f((double)x[j]), limit);
        case_end(c);
    }
}

void check_exp_f32(checker *c) { check_function(c, c->k->exp_f32, exp, 2); }
void check_tanh_f32(checker *c) { check_function(c, c->k->tanh_f32, tanh, 4); }
