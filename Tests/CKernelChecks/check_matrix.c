/* Checks of packing, the register tile and matrix times vector. */
#include "checks.h"
#include "reference.h"

/* ---- Packing: exact -----------------------------------------------------------------------------
 */

typedef void pack_function(size_t count, size_t k, const float *src, size_t ld, size_t width,
                           float *dst);

/* The definition: element i of the panel's row j is src(i, j). */
static void pack_plainly(size_t count, size_t k, const float *src, size_t row, size_t column,
                         size_t width, float *dst) {
    for (size_t first = 0; first < count; first += width)
        for (size_t j = 0; j < k; j++)
            for (size_t i = first; i < first + width; i++)
                *dst++ = i < count ? src[i * row + j * column] : 0.0f;
}

static void check_pack(checker *c, pack_function *pack, bool columns) {
    const size_t widths[] = {c->k->mr, c->k->nr, 1, 5}, depths[] = {0, 1, 3, 4, 5, 16, 37, 259};
    for (size_t w = 0; w < 4; w++)
        for (size_t d = 0; d < 8; d++)
            for (size_t s = 0; s < 7; s++) {
                size_t width = widths[w], k = depths[d];
                const size_t counts[] = {0,         1,         width - 1,    width,
                                         width + 1, 2 * width, 3 * width + 2};
                size_t count = counts[s], stride = random_below(c, 3) * 3;
                case_begin(c, "count %zu, k %zu, width %zu, ld +%zu", count, k, width, stride);
                size_t ld = (columns ? count : k) + stride;
                float *src = columns ? matrix(c, k, count, ld, 1) : matrix(c, count, k, ld, 1);
                size_t n = (count + width - 1) / width * width * k;
                float *found = output(c, n), *wanted = output(c, n);
                pack(count, k, src, ld, width, found);
                pack_plainly(count, k, src, columns ? 1 : ld, columns ? ld : 1, width, wanted);
                expect_same(c, "dst", n, found, wanted);
                case_end(c);
            }
}

void check_pack_rows_f32(checker *c) { check_pack(c, c->k->pack_rows_f32, false); }
void check_pack_columns_f32(checker *c) { check_pack(c, c->k->pack_columns_f32, true); }

/* ---- The tile
 * --------------------------------------------------------------------------------------- */

typedef struct {
    size_t m, n, k, ldc;
    const float *a, *b; /* (m, k), (k, n), dense */
    const float *a_panels, *b_panels, *bias, *before;
    int accumulate;
} tile_case;

static void compare_tile(checker *c, const tile_case *t, const float *found) {
    double *sums = doubles(c, t->m * t->n), *magnitudes = doubles(c, t->m * t->n);
    ref_matmul(t->m, t->n, t->k, t->a, t->k, 1, t->b, t->n, 1, sums, magnitudes);
    for (size_t i = 0; i < t->m; i++)
        for (size_t j = 0; j < t->n; j++) {
            double start = t->bias         ? (double)t->bias[j]
                           : t->accumulate ? (double)t->before[i * t->ldc + j]
                                           : 0;
            size_t terms = t->k + (t->bias || t->accumulate);
            expect(c, "c", i * t->ldc + j, (double)found[i * t->ldc + j],
                   sums[i * t->n + j] + start,
                   sum_bound(terms, magnitudes[i * t->n + j] + fabs(start)));
        }
    expect_gaps(c, "c", found, t->m, t->n, t->ldc);
}

/* An element has the same bits when it is the only one. */
static void compare_alone(checker *c, const tile_case *t, const float *found) {
    size_t mr = c->k->mr, nr = c->k->nr;
    float *a = output(c, t->k * mr), *b = output(c, t->k * nr), *alone = output(c, 1);
    for (int times = 0; times < 3 && t->m && t->n; times++) {
        size_t i = random_below(c, t->m), j = random_below(c, t->n);
        pack_plainly(1, t->k, t->a + i * t->k, t->k, 1, mr, a);
        pack_plainly(1, t->k, t->b + j, 1, t->n, nr, b);
        if (t->accumulate) *alone = t->before[i * t->ldc + j];
        c->k->gemm_block_f32(1, 1, t->k, a, b, alone, 1, t->bias ? t->bias + j : NULL,
                             t->accumulate);
        expect_same(c, "c alone", 1, alone, found + i * t->ldc + j);
    }
}

/* special: 0 normal numbers, 1 NaN and an infinity in one row each, 2 equal elements. */
static void check_tile(checker *c, size_t m, size_t n, size_t k, int start, int special) {
    size_t mr = c->k->mr, nr = c->k->nr, ldc = n + random_below(c, 3) * 5;
    case_begin(c, "m %zu, n %zu, k %zu, ldc %zu, start %d, special %d", m, n, k, ldc, start,
               special);
    float *a = special == 2 ? constant(c, m * k, 0.7) : normals(c, m * k, 1);
    float *b = normals(c, k * n, 1);
    if (special == 1 && m > 1 && k > 0) {
        a[k / 2] = NAN;
        a[k + k / 2] = INFINITY;
    }
    float *a_panels = output(c, (m + mr - 1) / mr * mr * k);
    float *b_panels = output(c, (n + nr - 1) / nr * nr * k);
    pack_plainly(m, k, a, k, 1, mr, a_panels);
    pack_plainly(n, k, b, 1, n, nr, b_panels);
    float *found = output(c, m ? (m - 1) * ldc + n : 0);
    for (size_t i = 0; i < m && start == 1; i++)
        for (size_t j = 0; j < n; j++) found[i * ldc + j] = (float)random_normal(c);
    tile_case t = {.m = m,
                   .n = n,
                   .k = k,
                   .ldc = ldc,
                   .a = a,
                   .b = b,
                   .a_panels = a_panels,
                   .b_panels = b_panels,
                   .bias = start == 2 ? normals(c, n, 1) : NULL,
                   .before = copied(c, m ? (m - 1) * ldc + n : 0, found),
                   .accumulate = start == 1};
    c->k->gemm_block_f32(m, n, k, a_panels, b_panels, found, ldc, t.bias, t.accumulate);
    compare_tile(c, &t, found);
    compare_alone(c, &t, found);
    case_end(c);
}

void check_gemm_block_f32(checker *c) {
    size_t mr = c->k->mr, nr = c->k->nr;
    const size_t rows[] = {0, 1, mr - 1, mr, mr + 1, 2 * mr + 3};
    const size_t columns[] = {0, 1, nr - 1, nr, nr + 1, 2 * nr + 7}, depths[] = {0, 1, 2, 17, 64};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++)
            for (size_t p = 0; p < 5; p++)
                check_tile(c, rows[i], columns[j], depths[p], (int)((i + j + p) % 3), 0);
    size_t deep = by_scale(c, 700, c->scale == MG_CHECK_LONG ? 60013 : 4099);
    for (int start = 0; start < 3; start++) {
        check_tile(c, mr + 1, nr + 1, deep, start, 0);
        check_tile(c, 2 * mr, 2 * nr, 33, start, 1);
        check_tile(c, mr + 1, nr + 1, 31, start, 2);
    }
}

/* ---- Matrix times vector
 * ------------------------------------------------------------------------------- */

static void check_vectors(checker *c, size_t m, size_t n, size_t k, int start, bool special) {
    size_t ldw = k + random_below(c, 3) * 7, ldx = k + m / 2, ldy = n + m / 3;
    case_begin(c, "m %zu, n %zu, k %zu, ldw %zu, start %d, special %d", m, n, k, ldw, start,
               special);
    float *w = matrix(c, n, k, ldw, 1), *x = matrix(c, m, k, ldx, 1);
    if (special) w[0] = NAN;
    if (special && n > 1) w[ldw + k - 1] = -INFINITY;
    float *bias = start & 1 ? normals(c, n, 1) : NULL, *before = matrix(c, m, n, ldy, 1);
    size_t size = n ? (m - 1) * ldy + n : 0;
    float *y = start & 2 ? copied(c, size, before) : output(c, size), *alone = output(c, n);
    double *sums = doubles(c, n), *magnitudes = doubles(c, n);
    c->k->gemv_f32(m, n, k, w, ldw, x, ldx, bias, start & 2, y, ldy);
    for (size_t t = 0; t < m; t++) {
        ref_matmul(n, 1, k, w, ldw, 1, x + t * ldx, 1, 1, sums, magnitudes);
        for (size_t i = 0; i < n; i++) {
            double added = bias ? (double)bias[i] : 0;
            double old = start & 2 ? (double)before[t * ldy + i] : 0;
            expect(c, "y", t * ldy + i, (double)y[t * ldy + i], sums[i] + added + old,
                   sum_bound(k + 2, magnitudes[i] + fabs(added) + fabs(old)));
            alone[i] = before[t * ldy + i];
        }
        c->k->gemv_f32(1, n, k, w, ldw, x + t * ldx, ldx, bias, start & 2, alone, ldy);
        for (size_t i = 0; i < n; i++)
            expect(c, "as if alone", t * ldy + i, (double)y[t * ldy + i], (double)alone[i], 0);
    }
    case_end(c);
}

void check_gemv_f32(checker *c) {
    size_t depths[MAX_LENGTHS], count = lengths(c, depths);
    const size_t rows[] = {0, 1, 3, 4, 5, 11};
    for (size_t i = 0; i < 6; i++)
        for (size_t p = 0; p < count; p++) {
            check_vectors(c, 1, rows[i], depths[p], (int)((i + p) % 4), false);
            check_vectors(c, 2 + (i + p) % 8, rows[i], depths[p], (int)(i % 4), false);
            if (rows[i] && depths[p]) check_vectors(c, 1 + p % 5, rows[i], depths[p], 0, true);
        }
    check_vectors(c, 1, 5, by_scale(c, 1031, 65537), 3, false);
    check_vectors(c, 9, 150, 67, 1, false); /* in strips */
}
