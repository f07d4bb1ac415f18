/* Cases, buffers, comparisons and the list of checks. See check.h. */
#include "check.h"
#include "checks.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#endif
#endif
#ifndef POISON
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

enum { GUARD = 32 };                        /* floats on either side: two of the widest vectors */
static const uint32_t marker = 0x7FA5C3E1u; /* a NaN no arithmetic produces */

/* ---- Failures ---------------------------------------------------------------------------------
 */

static void fail(checker *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(checker *c, const char *format, ...) {
    mg_check_report *r = c->report;
    r->failures++;
    size_t used = strlen(r->text);
    if (r->failures > 4 || used + 600 > sizeof r->text) return;
    char fact[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fact, sizeof fact, format, arguments);
    va_end(arguments);
    static const char *const flags[] = {" --quick", "", " --long"};
    const char *isa = mg_isa_name(c->k->isa);
    snprintf(r->text + used, sizeof r->text - used,
             "%s on %s, seed %llu, %s: %s. Replay: kernel-checks --isa %s --kernel %s --seed "
             "%llu%s\n",
             c->name, isa, (unsigned long long)c->seed, c->shape, fact, isa, c->name,
             (unsigned long long)c->seed, flags[c->scale]);
}

static void record(checker *c, const char *what, size_t index, double share, double ulp) {
    mg_check_report *r = c->report;
    if (ulp > r->worst_ulp) r->worst_ulp = ulp;
    if (share <= r->worst) return;
    r->worst = share;
    snprintf(r->where, sizeof r->where, "%s, %s[%zu]", c->shape, what, index);
}

/* ---- Cases and buffers -------------------------------------------------------------------------
 */

void case_begin(checker *c, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->shape, sizeof c->shape, format, arguments);
    va_end(arguments);
    c->report->cases++;
}

static void verify_guards(checker *c, const check_buffer *b) {
    UNPOISON(b->base, (b->before + b->count + b->after) * sizeof(float));
    const float *all = b->base;
    for (size_t i = 0; i < b->before + b->count + b->after; i++) {
        if (i >= b->before && i < b->before + b->count) continue;
        if (is_marker(all[i])) continue;
        fail(c, "guard word %td of a buffer of %zu floats was overwritten",
             (ptrdiff_t)i - (ptrdiff_t)b->before, b->count);
        return;
    }
}

void case_end(checker *c) {
    for (size_t i = 0; i < c->buffer_count; i++) {
        if (c->buffers[i].data) verify_guards(c, &c->buffers[i]);
        free(c->buffers[i].base);
    }
    c->buffer_count = 0;
}

static check_buffer *take(checker *c, size_t bytes) {
    void *base = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (c->buffer_count == c->buffer_capacity) {
        c->buffer_capacity = 2 * c->buffer_capacity + 64;
        c->buffers = realloc(c->buffers, c->buffer_capacity * sizeof *c->buffers);
    }
    if (!base || !c->buffers) {
        fputs("kernel checks: out of memory\n", stderr);
        abort();
    }
    check_buffer *b = &c->buffers[c->buffer_count++];
    *b = (check_buffer){.base = base};
    return b;
}

static float *guarded(checker *c, size_t n, size_t offset) {
    check_buffer *b = take(c, (2 * GUARD + offset + n) * sizeof(float));
    b->before = GUARD + offset;
    b->count = n;
    b->after = GUARD;
    float *all = b->base;
    for (size_t i = 0; i < b->before + n + b->after; i++) memcpy(all + i, &marker, sizeof marker);
    POISON(all, b->before * sizeof *all);
    POISON(all + b->before + n, b->after * sizeof *all);
    return b->data = all + b->before;
}

float *output(checker *c, size_t n) { return guarded(c, n, random_below(c, 16)); }
float *aligned_output(checker *c, size_t n) { return guarded(c, n, 0); }

float *normals(checker *c, size_t n, double deviation) {
    float *x = output(c, n);
    for (size_t i = 0; i < n; i++) x[i] = (float)(deviation * random_normal(c));
    return x;
}

float *wide(checker *c, size_t n, int octaves) {
    float *x = output(c, n);
    for (size_t i = 0; i < n; i++) {
        double magnitude = exp2(octaves * random_uniform(c));
        x[i] = (float)(random_bits(c) & 1 ? magnitude : -magnitude);
    }
    return x;
}

float *constant(checker *c, size_t n, double value) {
    float *x = output(c, n);
    for (size_t i = 0; i < n; i++) x[i] = (float)value;
    return x;
}

float *copied(checker *c, size_t n, const float *x) {
    float *y = output(c, n);
    if (n) memcpy(y, x, n * sizeof *x);
    return y;
}

float *matrix(checker *c, size_t rows, size_t n, size_t ld, double deviation) {
    float *x = output(c, rows ? (rows - 1) * ld + n : 0);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) x[i * ld + j] = (float)(deviation * random_normal(c));
    return x;
}

double *doubles(checker *c, size_t n) {
    double *x = take(c, n * sizeof(double))->base;
    for (size_t i = 0; i < n; i++) x[i] = 0;
    return x;
}

double *widened(checker *c, size_t rows, size_t n, const float *x, size_t ld) {
    double *y = doubles(c, rows * n);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) y[i * n + j] = (double)x[i * ld + j];
    return y;
}

bool is_marker(float x) { return memcmp(&x, &marker, sizeof x) == 0; }

void expect_gaps(checker *c, const char *what, const float *x, size_t rows, size_t n, size_t ld) {
    for (size_t i = 0; i + 1 < rows; i++)
        for (size_t j = n; j < ld; j++)
            if (!is_marker(x[i * ld + j])) {
                fail(c, "%s: row %zu was written %zu elements beyond its end", what, i, j - n);
                return;
            }
}

/* ---- Random numbers
 * ------------------------------------------------------------------------------ */

uint64_t random_bits(checker *c) {
    uint64_t z = c->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}
size_t random_below(checker *c, size_t limit) { return (size_t)(random_bits(c) % limit); }
double random_uniform(checker *c) { return (double)(random_bits(c) >> 11) * 0x1p-52 - 1.0; }
/* Sum of twelve: no logarithm, so the same bits everywhere; tails end at 6 deviations. */
double random_normal(checker *c) {
    double sum = 0;
    for (int i = 0; i < 6; i++) {
        uint64_t bits = random_bits(c);
        sum += (double)(uint32_t)bits + (double)(bits >> 32);
    }
    return sum * 0x1p-32 - 6.0;
}

/* ---- Comparisons
 * ----------------------------------------------------------------------------------- */

void expect(checker *c, const char *what, size_t index, double found, double wanted, double bound) {
    if (isnan(wanted) || isnan(found) || isinf(found) || isinf(wanted)) {
        bool beyond = fabs(wanted) + bound > (double)FLT_MAX && isinf(found);
        bool good =
            isnan(wanted) ? isnan(found) : found == wanted || (beyond && found * wanted > 0);
        if (!good) fail(c, "%s[%zu] is %.9g, expected %.9g", what, index, found, wanted);
        return;
    }
    double error = fabs(found - wanted);
    record(c, what, index, error == 0 ? 0 : error / bound, 0);
    if (error > bound)
        fail(c, "%s[%zu] is %.9g, expected %.9g, error %.3g beyond the bound %.3g", what, index,
             found, wanted, error, bound);
}

void expect_ulp(checker *c, const char *what, size_t index, float found, double wanted,
                double limit) {
    int exponent;
    frexp(wanted, &exponent);
    double ulp = ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
    bool finite = isfinite(wanted) && isfinite(found);
    if (finite) record(c, what, index, 0, fabs((double)found - wanted) / ulp);
    expect(c, what, index, (double)found, wanted, limit * ulp);
}

void expect_same(checker *c, const char *what, size_t n, const float *found, const float *wanted) {
    if (n == 0 || memcmp(found, wanted, n * sizeof *found) == 0) return;
    size_t i = 0;
    while (memcmp(found + i, wanted + i, sizeof *found) == 0) i++;
    fail(c, "%s[%zu] is %.9g, expected the same bits as %.9g", what, i, (double)found[i],
         (double)wanted[i]);
}

void expect_true(checker *c, const char *what, size_t index, bool truth) {
    if (!truth) fail(c, "not true at %zu: %s", index, what);
}

double sum_bound(size_t k, double magnitude) {
    double factor = 2 + sqrt((double)k);
    return EPS * (factor < (double)k ? factor : (double)k) * magnitude + TINY;
}

double sum_limit(size_t k, double magnitude) { return EPS * (double)k * magnitude + TINY; }

void expect_gradient(checker *c, const char *what, size_t n, double *x, const float *gradient,
                     double (*f)(const void *context), const void *context) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)gradient[i]));
    for (size_t i = 0; i < n; i++) {
        double kept = x[i], h = 1e-5 * fmax(1.0, fabs(kept));
        x[i] = kept + h;
        double above = f(context);
        x[i] = kept - h;
        double below = f(context);
        x[i] = kept;
        expect(c, what, i, (double)gradient[i], (above - below) / (2 * h), 1e-4 * largest);
    }
}

size_t lengths(const checker *c, size_t out[MAX_LENGTHS]) {
    size_t v = c->k->vector_width, n = 0;
    const size_t all[] = {0,         1,     2,         v - 1, v,     v + 1,
                          2 * v - 1, 2 * v, 2 * v + 1, 4 * v, 5 * v, 8 * v - 1,
                          8 * v + 1, 31,    64,        97,    257,   1021};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool seen = false;
        for (size_t j = 0; j < n; j++) seen |= out[j] == all[i];
        if (!seen) out[n++] = all[i];
    }
    if (c->scale == MG_CHECK_LONG) out[n++] = 100003;
    return n;
}

/* ---- The list
 * ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(checker *c);
} checks[] = {
#define MG_KERNEL(result, name, parameters) {#name, check_##name},
#include "mg_kernels.def"
#undef MG_KERNEL
#define OPERATION(name, kernel) {#name, check_##name},
#include "operations.def"
#undef OPERATION
};

size_t mg_check_count(void) { return sizeof checks / sizeof *checks; }

const char *mg_check_name(size_t check) {
    return check < mg_check_count() ? checks[check].name : NULL;
}

mg_check_subject mg_check_subject_for(const mg_kernels *kernels) {
    return (mg_check_subject){*kernels, mg_pool_run, mg_share};
}

size_t mg_check_run(size_t check, const mg_check_subject *subject, uint64_t seed,
                    mg_check_scale scale, mg_check_report *report) {
    memset(report, 0, sizeof *report);
    checker c = {.subject = subject,
                 .k = &subject->kernels,
                 .scale = scale,
                 .seed = seed,
                 .name = checks[check].name,
                 .report = report};
    /* Input depends on seed and name only: a check replays alone as it ran among others. */
    c.random = seed;
    for (const char *p = c.name; *p; p++) c.random = c.random * 1099511628211u + (uint8_t)*p;
    checks[check].run(&c);
    free(c.buffers);
    return report->failures;
}
