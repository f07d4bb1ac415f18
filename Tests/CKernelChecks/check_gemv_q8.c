/* Checks of rows of 8-bit activations times quantised matrices, bit by bit: against the arithmetic
 * of mg_formats.h, and for other numbers of tokens and other ranges of rows. */
#include "checks.h"
#include "quantized.h"

typedef void gemv_function(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                           const float *bias, float *c, size_t ldc);

typedef struct {
    gemv_function *gemv;
    mg_quantization format;
    size_t rows, n, k, first, end, ldc;
    bool bias;
    quantized_fill fill;
} gemv_case;

static void compare(checker *c, const gemv_case *t, const mg_q8_rows *a, const mg_quantized *w,
                    const float *bias, const float *found) {
    for (size_t r = 0; r < t->rows; r++)
        for (size_t i = t->first; i < t->end; i++) {
            float wanted = quantized_product(c, a, r, w, i);
            if (bias) wanted += bias[i];
            expect_product(c, "c", r * t->ldc + i, found[r * t->ldc + i], wanted);
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
        for (size_t i = t->first; i < t->end; i++)
            expect_product(c, "one token in two parts", i, y[i], found[r * t->ldc + i]);
    }
}

static void check_case(checker *c, const gemv_case *t) {
    case_begin(c, "tokens %zu, n %zu, k %zu, rows %zu ... %zu, ldc %zu, fill %d%s", t->rows, t->n,
               t->k, t->first, t->end, t->ldc, (int)t->fill, t->bias ? ", bias" : "");
    mg_q8_rows a = random_q8_rows(c, t->rows, t->k, t->fill);
    mg_quantized w = random_quantized(c, t->format, t->n, t->k, t->fill);
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
 * tokens by ones, twos and fours; a strip of many tokens. */
static void check_gemv(checker *c, gemv_function *gemv, mg_quantization format) {
    static const size_t ns[] = {1, 7, 8, 9, 16, 35}, ks[] = {0, 1, 31, 32, 33, 64, 96, 300};
    static const size_t tokens[] = {0, 1, 2, 3, 4, 7, 8};
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
        for (size_t j = 0; j < sizeof ks / sizeof *ks; j++)
            for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++) {
                gemv_case one = {gemv, format, tokens[t], ns[i], ks[j],
                                 0,    ns[i],  ns[i],     j % 2, (quantized_fill)((i + j + t) % 3)};
                check_case(c, &one);
                one.first = random_below(c, ns[i]);
                one.end = one.first + random_below(c, ns[i] - one.first + 1);
                one.ldc += 3;
                one.bias = !one.bias;
                check_case(c, &one);
            }
    gemv_case strips = {gemv, format, 5,    by_scale(c, 40, 200), 2080, 0,
                        0,    211,    true, RANDOM_VALUES};
    strips.end = strips.n;
    check_case(c, &strips);
    strips.fill = EXTREME_VALUES;
    check_case(c, &strips);
}

void check_gemv_q8_row(checker *c) { check_gemv(c, c->k->gemv_q8_row, MG_Q8_ROW); }
void check_gemv_q8_block(checker *c) { check_gemv(c, c->k->gemv_q8_block, MG_Q8_BLOCK); }
void check_gemv_q4_block(checker *c) { check_gemv(c, c->k->gemv_q4_block, MG_Q4_BLOCK); }
