/* What the checks share: a case with its guarded buffers, random input, comparisons that record.
 *
 *   case_begin(c, "n %zu", n);            names the shape, for messages
 *   float *x = normals(c, n, 1);          random input, at an odd address
 *   float *y = output(c, n);              filled with a signalling pattern, guard words around
 *   c->k->relu_f32(n, x, y);
 *   expect(c, "y", i, y[i], wanted, bound);
 *   case_end(c);                          verifies all guard words, frees the buffers
 *
 * Bounds are derived where they are used; `EPS` is the distance of 1 to the next float32, so that
 * a correctly rounded operation errs by at most EPS/2. */
#ifndef MG_CHECK_H
#define MG_CHECK_H
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "CKernelChecks.h"

#define EPS 0x1p-23
#define TINY 0x1p-147 /* four units in the last place of a subnormal */
typedef struct {
    void *base;
    float *data; /* NULL for arrays of double, which have no guards */
    size_t before, count, after;
} check_buffer;

typedef struct {
    const mg_check_subject *subject;
    const mg_kernels *k; /* the subject's table */
    mg_check_scale scale;
    uint64_t seed, random;
    const char *name;
    mg_check_report *report;
    char shape[160];
    check_buffer *buffers; /* of the current case */
    size_t buffer_count, buffer_capacity;
} checker;

/* Begins a case; the text describes its shape. */
void case_begin(checker *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void case_end(checker *c);

/* ---- Random numbers (splitmix64: Steele et al. 2014, doi 10.1145/2660193.2660195) ------------ */

uint64_t random_bits(checker *c);
size_t random_below(checker *c, size_t limit);
double random_uniform(checker *c); /* [-1, 1) */
double random_normal(checker *c);

/* ---- Buffers: valid until case_end, only as aligned as a float must be --------------------------
 */

float *output(checker *c, size_t n);                    /* not written: every element is a marker */
float *aligned_output(checker *c, size_t n);            /* the same on a 64-byte boundary */
float *normals(checker *c, size_t n, double deviation); /* N(0, deviation^2) */
float *wide(checker *c, size_t n, int octaves);         /* signs random, 2^-octaves ... 2^octaves */
float *constant(checker *c, size_t n, double value);
float *copied(checker *c, size_t n, const float *x);
/* (rows, n) normals, rows ld apart, markers in the gaps. */
float *matrix(checker *c, size_t rows, size_t n, size_t ld, double deviation);
double *doubles(checker *c, size_t n); /* zero */
/* Dense double copy of (rows, n), rows ld apart. */
double *widened(checker *c, size_t rows, size_t n, const float *x, size_t ld);
bool is_marker(float x);
/* No element between the rows was written. */
void expect_gaps(checker *c, const char *what, const float *x, size_t rows, size_t n, size_t ld);

/* ---- Comparisons
 * ---------------------------------------------------------------------------------- */

/* |found - wanted| <= bound; NaN where NaN is wanted, the same infinity where one is wanted or the
 * value is beyond float32. */
void expect(checker *c, const char *what, size_t index, double found, double wanted, double bound);
/* The same with a bound in units in the last place of the wanted float32. */
void expect_ulp(checker *c, const char *what, size_t index, float found, double wanted,
                double limit);
/* The same bits. */
void expect_same(checker *c, const char *what, size_t n, const float *found, const float *wanted);
void expect_true(checker *c, const char *what, size_t index, bool truth);

/* Bound of a sum of k products of magnitude sum |ab|: eps (2 + sqrt k), at most eps k. */
double sum_bound(size_t k, double magnitude);
/* The hard limit, for input whose rounding errors all point the same way (equal elements). */
double sum_limit(size_t k, double magnitude);

/* Central differences of a function of x (n) in double against a float32 gradient:
 * h = 1e-5 max(1, |x|), error at most 1e-4 of the largest gradient. `f` reads x where it stands. */
void expect_gradient(checker *c, const char *what, size_t n, double *x, const float *gradient,
                     double (*f)(const void *context), const void *context);

/* ---- Shapes
 * ----------------------------------------------------------------------------------------- */

/* Lengths that break loops over vectors: 0, 1, VN-1, VN, VN+1, unrolled blocks +-1, primes. */
enum { MAX_LENGTHS = 24 };
size_t lengths(const checker *c, size_t out[MAX_LENGTHS]);
static inline size_t by_scale(const checker *c, size_t quick, size_t normal) {
    return c->scale == MG_CHECK_QUICK ? quick : normal;
}

/* ---- Contexts of threaded operations
 * --------------------------------------------------------------- */

/* A pool of `workers` and scratch for matmul, attention over `keys` of width d, and rows of `width`
 * and `elements` of the shared sums. Scratch is guarded like any other buffer of the case. */
mg_context context_make(checker *c, size_t workers, size_t keys, size_t d, size_t width,
                        size_t elements);
void context_free(mg_context *context);
extern const size_t worker_counts[3]; /* 1, 2, 4 */

#endif
