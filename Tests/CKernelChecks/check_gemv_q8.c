/* Checks of rows of 8-bit activations times quantised matrices: against exact integer sums with
 * scales in double, and bit by bit for other numbers of tokens and other ranges of rows. */
#include "checks.h"
#include "quantized.h"

typedef void gemv_function(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                           const float *bias, float *c, size_t ldc);

typedef struct {
    gemv_function *gemv;
    mg_quantization format;
    size_t rows, n, k, first, end, ldc;
    bool bias, extreme;
} gemv_case;

/* Row formats: two roundings of products, one of the sum as a float. Block formats: each block adds
 * at most two (where multiply-adds are not fused) of what is there so far. */
static void compare(checker *c, const gemv_case *t, const mg_q8_rows *a, const mg_quantized *w,
                    const float *bias, const float *found) {
    size_t stride = mg_quantized_stride(t->k);
    size_t block = t->format == MG_Q8_ROW ? stride : MG_BLOCK; /* what has one scale */
    size_t blocks = stride ? stride / block : 0;
    for (size_t r = 0; r < t->rows; r++)
        for (size_t i = t->first; i < t->end; i++) {
            double sum = 0, magnitude = 0;
            for (size_t b = 0; b < blocks; b++) {
                int32_t part = 0;
                for (size_t j = b * block; j < (b + 1) * block; j++)
                    part += a->values[r * stride + j] * quantized_code(w, i, j);
                double value = part * quantized_scale(w, i, b * block) * (double)a->scales[r];
                sum += value;
                magnitude += fabs(value);
            }
            double error =
                EPS * (t->format == MG_Q8_ROW ? 1.5 * fabs(sum) : ((double)blocks + 2) * magnitude);
            double wanted = sum + (bias ? (double)bias[i] : 0);
            expect(c, "c", r * t->ldc + i, (double)found[r * t->ldc + i], wanted,
                   error + EPS * fabs(wanted) + TINY);
        }
}

/* The same bits with one token at a time, and with the range in two parts. */
static void compare_parts(checker *c, const gemv_case *t, const mg_q8_rows *a,
                          const mg_quantized *w, const float *bias, const float *found) {
    size_t stride = mg_quantized_stride(t->k), count = t->end - t->first;
    size_t middle = t->first + random_below(c, count + 1);
    for (size_t r = 0; r < t->rows; r++) {
        mg_q8_rows one = {.rows = 1,
                          .k = t->k,
                          .values = a->values + r * stride,
                          .sums = a->sums + r * (stride / MG_BLOCK),
                          .scales = a->scales + r};
        float *y = output(c, t->n);
        t->gemv(&one, w, t->first, middle, bias, y, t->n);
        t->gemv(&one, w, middle, t->end, bias, y, t->n);
        expect_same(c, "one token in two parts", count, y + t->first,
                    found + r * t->ldc + t->first);
    }
}

static void check_case(checker *c, const gemv_case *t) {
    case_begin(c, "tokens %zu, n %zu, k %zu, rows %zu ... %zu, ldc %zu%s%s", t->rows, t->n, t->k,
               t->first, t->end, t->ldc, t->bias ? ", bias" : "", t->extreme ? ", extreme" : "");
    mg_q8_rows a = random_q8_rows(c, t->rows, t->k, t->extreme);
    mg_quantized w = random_quantized(c, t->format, t->n, t->k, t->extreme);
    const float *bias = t->bias ? normals(c, t->n, 1) : NULL;
    size_t size = t->rows ? (t->rows - 1) * t->ldc + t->end : 0; /* nothing beyond may be written */
    float *found = output(c, size);
    t->gemv(&a, &w, t->first, t->end, bias, found, t->ldc);
    compare(c, t, &a, &w, bias, found);
    for (size_t r = 0; r < t->rows; r++)
        for (size_t i = 0; i < t->first; i++)
            expect_true(c, "untouched before the range", i, is_marker(found[r * t->ldc + i]));
    expect_gaps(c, "c", found, t->rows, t->end, t->ldc);
    compare_parts(c, t, &a, &w, bias, found);
    case_end(c);
}

/* Groups of eight rows and their neighbours; whole and broken blocks, odd and even numbers of them;
 * tokens in pairs; a strip of many tokens. */
static void check_gemv(checker *c, gemv_function *gemv, mg_quantization format) {
    static const size_t ns[] = {1, 7, 8, 9, 16, 35}, ks[] = {0, 1, 31, 32, 33, 64, 96, 300};
    static const size_t tokens[] = {0, 1, 2, 3, 8};
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++)
            for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++) {
                gemv_case one = {gemv, format, tokens[t], ns[i], ks[j],
                                 0,    ns[i],  ns[i],     j % 2, (i + j + t) % 3 == 0};
                check_case(c, &one);
                one.first = random_below(c, ns[i]);
                one.end = one.first + random_below(c, ns[i] - one.first + 1);
                one.ldc += 3;
                one.bias = !one.bias;
                check_case(c, &one);
            }
    gemv_case strips = {gemv, format, 5, by_scale(c, 40, 200), 2080, 0, 0, 211, true, false};
    strips.end = strips.n;
    check_case(c, &strips);
    strips.extreme = true;
    check_case(c, &strips);
}

void check_gemv_q8_row(checker *c) { check_gemv(c, c->k->gemv_q8_row, MG_Q8_ROW); }
void check_gemv_q8_block(checker *c) { check_gemv(c, c->k->gemv_q8_block, MG_Q8_BLOCK); }
void check_gemv_q4_block(checker *c) { check_gemv(c, c->k->gemv_q4_block, MG_Q4_BLOCK); }
