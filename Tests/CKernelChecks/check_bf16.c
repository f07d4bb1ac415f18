/* Checks of bf16 arithmetic: panels of either kind, the tile on pairs and its peak. */
#include "checks.h"
#include "reference.h"

/* ---- Panels: exact ------------------------------------------------------------------------------
 */

/* Element (i, j) of what is packed, as bits of a bf16 where it becomes one. */
static float element(const mg_panels *p, size_t i, size_t j) {
    size_t at = p->columns ? j * p->ld + i : i * p->ld + j;
    if (i >= p->count || j >= p->k) return 0.0f;
    float x =
        p->type == MG_F32 ? ((const float *)p->src)[at] : ref_bf16(((const uint16_t *)p->src)[at]);
    return p->arithmetic == MG_BF16 ? ref_bf16(ref_bf16_round(x)) : x;
}

static void pack_by_definition(const mg_panels *p, size_t step, float *dst) {
    for (size_t first = 0; first < p->count; first += p->width)
        for (size_t j = 0; j < p->k; j += step)
            for (size_t i = first; i < first + p->width; i++, dst++) {
                *dst = element(p, i, j);
                if (step == 1) continue;
                uint16_t pair[2] = {ref_bf16_round(element(p, i, j)),
                                    ref_bf16_round(element(p, i, j + 1))};
                memcpy(dst, pair, sizeof pair);
            }
}

/* Halves between two bf16, to even downwards and upwards; what rounds to infinity; no numbers. */
static void add_special_values(size_t n, float *x) {
    const float values[] = {0x1.01p0f, 0x1.03p0f, -0x1.fffffep127f, INFINITY, -INFINITY,
                            NAN,       -0.0f};
    for (size_t i = 0; i < n; i += 5) x[i] = values[i / 5 % 7];
}

static void check_panel(checker *c, mg_panels p, size_t kind) {
    size_t step = p.arithmetic == MG_BF16 ? c->k->bf16_step : 1, words = (p.k + step - 1) / step;
    size_t rows = p.columns ? p.k : p.count, n = p.columns ? p.count : p.k;
    case_begin(c, "count %zu, k %zu, width %zu, kind %zu", p.count, p.k, p.width, kind);
    p.ld = n + random_below(c, 3) * 3;
    float *wide = matrix(c, rows, n, p.ld, 1);
    size_t size = rows ? (rows - 1) * p.ld + n : 0;
    if (kind & 4) add_special_values(size, wide);
    uint16_t *narrow = (uint16_t *)(void *)output(c, size / 2 + 1);
    for (size_t i = 0; i < size; i++) narrow[i] = ref_bf16_round(wide[i]);
    p.src = p.type == MG_F32 ? (const void *)wide : narrow;
    size_t all = (p.count + p.width - 1) / p.width * p.width * words;
    float *wanted = output(c, all);
    p.dst = output(c, all);
    pack_by_definition(&p, step, wanted);
    c->k->pack_panels(&p);
    expect_same(c, "dst", all, p.dst, wanted);
    case_end(c);
}

void check_pack_panels(checker *c) {
    const size_t depths[] = {0, 1, 2, 3, 16, 63, 64, 65, 127, 129, 259};
    for (size_t kind = 0; kind < 8; kind++)
        for (size_t d = 0; d < 11; d++)
            for (size_t s = 0; s < 6; s++) {
                size_t width = (s + d) % 2 ? c->k->mr : c->k->nr;
                const size_t counts[] = {0, 1, width - 1, width, width + 1, 5 * width + 2};
                if (c->scale == MG_CHECK_QUICK && (s + d + kind) % 3) continue;
                check_panel(c,
                            (mg_panels){.type = kind & 1 ? MG_BF16 : MG_F32,
                                        .columns = (int)(kind >> 1 & 1),
                                        .count = counts[s],
                                        .k = depths[d],
                                        .arithmetic = kind & 4 ? MG_BF16 : MG_F32,
                                        .width = width},
                            kind);
            }
}

/* ---- The tile ---------------------------------------------------------------------------------
 */

/* start: 0 overwrite, 1 accumulate, 2 bias. The reference has the operands rounded. */
static void check_tile(checker *c, size_t m, size_t n, size_t k, int start) {
    size_t step = c->k->bf16_step, mr = c->k->mr, nr = c->k->nr, ldc = n + random_below(c, 3) * 5;
    case_begin(c, "m %zu, n %zu, k %zu, ldc %zu, start %d", m, n, k, ldc, start);
    float *a = normals(c, m * k, 1), *b = normals(c, k * n, 1);
    mg_panels left = {.src = a, .count = m, .k = k, .ld = k, .arithmetic = MG_BF16, .width = mr};
    mg_panels right = {.src = b, .columns = 1, .count = n, .k = k, .ld = n};
    right.arithmetic = MG_BF16;
    right.width = nr;
    left.dst = output(c, (m + mr - 1) / mr * mr * ((k + step - 1) / step));
    right.dst = output(c, (n + nr - 1) / nr * nr * ((k + step - 1) / step));
    pack_by_definition(&left, step, left.dst);
    pack_by_definition(&right, step, right.dst);
    for (size_t i = 0; i < m * k; i++) a[i] = ref_bf16(ref_bf16_round(a[i]));
    for (size_t i = 0; i < k * n; i++) b[i] = ref_bf16(ref_bf16_round(b[i]));
    float *bias = start == 2 ? normals(c, n, 1) : NULL, *before = matrix(c, m, n, ldc, 1);
    float *found = copied(c, m ? (m - 1) * ldc + n : 0, before);
    c->k->gemm_block_bf16(m, n, k, left.dst, right.dst, found, ldc, bias, start == 1);
    double *sums = doubles(c, m * n), *magnitudes = doubles(c, m * n);
    ref_matmul(m, n, k, a, k, 1, b, n, 1, sums, magnitudes);
    for (size_t i = 0; i < m * n; i++) {
        size_t at = i / n * ldc + i % n;
        double first = start == 1 ? (double)before[at] : start == 2 ? (double)bias[i % n] : 0;
        expect(c, "c", at, (double)found[at], sums[i] + first,
               sum_bound(k + 1, magnitudes[i] + fabs(first)));
    }
    expect_gaps(c, "c", found, m, n, ldc);
    case_end(c);
}

void check_gemm_block_bf16(checker *c) {
    size_t mr = c->k->mr, nr = c->k->nr;
    const size_t rows[] = {0, 1, mr - 1, mr, 2 * mr + 3};
    const size_t columns[] = {0, 1, 4, nr - 1, nr, 2 * nr + 7}, depths[] = {0, 1, 2, 17, 64};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 6; j++)
            for (size_t p = 0; p < 5; p++)
                check_tile(c, rows[i], columns[j], depths[p], (int)((i + j + p) % 3));
    check_tile(c, mr + 1, nr + 1, by_scale(c, 701, 4099), 0);
}

void check_dot_peak_bf16(checker *c) {
    const size_t rounds[] = {0, 1, 7, 1000};
    for (size_t i = 0; i < 4; i++) {
        case_begin(c, "rounds %zu", rounds[i]);
        size_t sums = c->k->mr * c->k->nr / c->k->vector_width;
        double total = 0, plain = (double)c->k->fma_peak_f32(rounds[i]);
        for (size_t j = 0; j < sums; j++) total += (double)(j + 2) + 0x1p-9 * (double)rounds[i];
        total *= (double)c->k->vector_width;
        expect(c, "result", 0, (double)c->k->dot_peak_bf16(rounds[i]),
               c->k->bf16_step == 2 ? total : plain, EPS * (double)(rounds[i] + sums + 4) * total);
        case_end(c);
    }
}
