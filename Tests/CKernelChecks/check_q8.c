/* Checks of the kernels of quantised products: packing, the tile, its peak. Integer sums are exact
 * and the order of the rest is fixed, so results are compared bit by bit. */
#include "checks.h"
#include "quantized.h"

/* ---- Packing: exact -----------------------------------------------------------------------------
 */

static size_t panel_words(size_t count, size_t width, size_t k, int by_block) {
    return (count + width - 1) / width * width * mg_q8_words(k, by_block);
}

/* A word of four q + bias. */
static float word(const int q[4], int bias) {
    uint8_t bytes[4];
    float word;
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(q[i] + bias);
    memcpy(&word, bytes, sizeof word);
    return word;
}

static void pack_rows_by_definition(const checker *c, const mg_q8_rows *x, size_t first,
                                    size_t count, int by_block, float *dst) {
    size_t width = c->k->mr, stride = mg_quantized_stride(x->k);
    size_t block = by_block ? MG_BLOCK : stride, blocks = by_block ? stride / MG_BLOCK : 1;
    for (size_t top = 0; top < count; top += width)
        for (size_t b = 0; b < blocks; b++) {
            size_t p = b * block;
            for (size_t i = top; i < top + width; i++, dst++) {
                int32_t start = 0;
                for (size_t j = p; i < count && j < p + block; j++)
                    start -= c->k->q8_bias * x->values[(first + i) * stride + j];
                memcpy(dst, &start, sizeof start);
            }
            for (size_t j = p; j < p + block; j += 4)
                for (size_t i = top; i < top + width; i++) {
                    int q[4] = {0};
                    for (size_t e = 0; i < count && e < 4; e++)
                        q[e] = x->values[(first + i) * stride + j + e];
                    *dst++ = word(q, 0);
                }
        }
}

/* Bytes of missing rows are zero, not q8_bias. */
static void pack_weights_by_definition(const checker *c, const mg_quantized *w, size_t first,
                                       size_t count, float *dst) {
    size_t width = c->k->nr, stride = mg_quantized_stride(w->k);
    size_t block = w->format == MG_Q8_ROW ? stride : MG_BLOCK;
    size_t blocks = w->format == MG_Q8_ROW ? 1 : stride / MG_BLOCK;
    for (size_t top = 0; top < count; top += width)
        for (size_t b = 0; b < blocks; b++) {
            size_t p = b * block;
            for (size_t i = top; i < top + width; i++)
                *dst++ = i < count ? quantized_scale(w, first + i, p) : 0.0f;
            for (size_t j = p; j < p + block; j += 4)
                for (size_t i = top; i < top + width; i++, dst++) {
                    int q[4] = {0};
                    for (size_t e = 0; i < count && e < 4; e++)
                        q[e] = quantized_value(w, first + i, j + e);
                    *dst = i < count ? word(q, c->k->q8_bias) : 0.0f;
                }
        }
}

static const size_t depths[] = {0, 1, 31, 32, 33, 64, 255, 256, 257, 600};
enum { DEPTHS = sizeof depths / sizeof *depths };

void check_pack_q8_rows(checker *c) {
    size_t mr = c->k->mr;
    const size_t counts[] = {0, 1, mr - 1, mr, mr + 1, 2 * mr + 3};
    for (size_t d = 0; d < DEPTHS; d++)
        for (size_t s = 0; s < 6; s++)
            for (int by_block = 0; by_block < 2; by_block++) {
                size_t k = depths[d], count = counts[s], first = random_below(c, 3);
                case_begin(c, "first %zu, count %zu, k %zu, by block %d", first, count, k,
                           by_block);
                mg_q8_rows x = random_q8_rows(c, first + count + 1, k, RANDOM_VALUES);
                size_t size = panel_words(count, mr, k, by_block);
                float *found = output(c, size), *wanted = output(c, size);
                c->k->pack_q8_rows(&x, first, count, by_block, found);
                pack_rows_by_definition(c, &x, first, count, by_block, wanted);
                expect_same(c, "dst", size, found, wanted);
                case_end(c);
            }
}

void check_pack_quantized(checker *c) {
    size_t nr = c->k->nr;
    const size_t counts[] = {0, 1, nr - 1, nr, nr + 1, 2 * nr + 3};
    for (size_t d = 0; d < DEPTHS; d++)
        for (size_t s = 0; s < 6; s++)
            for (int format = 0; format < QUANTIZATIONS; format++) {
                size_t k = depths[d], count = counts[s], first = random_below(c, 3);
                case_begin(c, "first %zu, count %zu, k %zu, format %d", first, count, k, format);
                mg_quantized w = random_quantized(c, (mg_quantization)format, first + count + 1, k,
                                                  RANDOM_VALUES);
                size_t size = panel_words(count, nr, k, format != MG_Q8_ROW);
                float *found = output(c, size), *wanted = output(c, size);
                c->k->pack_quantized(&w, first, count, found);
                pack_weights_by_definition(c, &w, first, count, wanted);
                expect_same(c, "dst", size, found, wanted);
                case_end(c);
            }
}

/* ---- The tile ---------------------------------------------------------------------------------
 */

static void multiply(checker *c, const mg_q8_rows *x, const mg_quantized *w, float *to, size_t ldc,
                     const float *bias) {
    int by_block = w->format != MG_Q8_ROW;
    float *a = output(c, panel_words(x->rows, c->k->mr, x->k, by_block));
    float *b = output(c, panel_words(w->n, c->k->nr, w->k, by_block));
    pack_rows_by_definition(c, x, 0, x->rows, by_block, a);
    pack_weights_by_definition(c, w, 0, w->n, b);
    (by_block ? c->k->gemm_block_q8b : c->k->gemm_block_q8)(x->rows, w->n, w->k, a, b, x->scales,
                                                            to, ldc, bias);
}

static void check_tile(checker *c, mg_quantization format, size_t m, size_t n, size_t k,
                       quantized_fill fill, bool biased) {
    size_t ldc = n + random_below(c, 3) * 5;
    case_begin(c, "format %d, m %zu, n %zu, k %zu, ldc %zu, fill %d, bias %d", (int)format, m, n, k,
               ldc, (int)fill, biased);
    mg_q8_rows x = random_q8_rows(c, m, k, fill);
    mg_quantized w = random_quantized(c, format, n, k, fill);
    float *bias = biased ? normals(c, n, 1) : NULL, *found = output(c, m ? (m - 1) * ldc + n : 0);
    multiply(c, &x, &w, found, ldc, bias);
    for (size_t i = 0; i < m * n; i++) {
        float wanted = quantized_product(c, &x, i / n, &w, i % n);
        if (bias) wanted += bias[i % n];
        expect_product(c, "c", i, found[i / n * ldc + i % n], wanted);
    }
    expect_gaps(c, "c", found, m, n, ldc);
    case_end(c);
}

/* Both kernels, the second on bytes and on unpacked halves of them. */
static void check_tiles(checker *c, mg_quantization format) {
    size_t mr = c->k->mr, nr = c->k->nr;
    const size_t rows[] = {0, 1, 2, mr / 2, mr / 2 + 1, mr - 1, mr, 2 * mr + 3};
    const size_t columns[] = {0, 1, nr / 2 - 1, nr / 2 + 1, nr - 1, nr, 2 * nr + 7};
    const size_t deep[] = {0, 1, 33, 64, 130};
    size_t number = 0;
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 7; j++)
            for (size_t p = 0; p < 5; p++, number++)
                if (c->scale != MG_CHECK_QUICK || number % 3 == 0)
                    check_tile(c, format, rows[i], columns[j], deep[p], RANDOM_VALUES,
                               (i + j + p) % 2);
    check_tile(c, format, mr + 1, nr + 1, by_scale(c, 769, 4099), RANDOM_VALUES, true);
    check_tile(c, format, mr + 1, nr + 1, 97, SPECIAL_SCALES, false);
    /* The largest k there may be: sums of 2^17 * 127 * 127. */
    check_tile(c, format, 2, 2, c->scale == MG_CHECK_QUICK ? 4096 : 1u << 17, EXTREME_VALUES,
               false);
}

void check_gemm_block_q8(checker *c) { check_tiles(c, MG_Q8_ROW); }
void check_gemm_block_q8b(checker *c) {
    check_tiles(c, MG_Q8_BLOCK);
    check_tiles(c, MG_Q4_BLOCK);
}

/* ---- Measurement ------------------------------------------------------------------------------
 */

void check_dot_peak_q8(checker *c) {
    const size_t rounds[] = {0, 1, 7, 1000};
    for (size_t i = 0; i < 4; i++) {
        case_begin(c, "rounds %zu", rounds[i]);
        size_t sums = c->k->mr * c->k->nr / c->k->vector_width;
        double total = 0;
        for (size_t j = 0; j < sums; j++) total += (double)(j + 2) * (double)rounds[i];
        total *= (double)c->k->vector_width;
        expect(c, "result", 0, (double)c->k->dot_peak_q8(rounds[i]), total, EPS * total);
        case_end(c);
    }
}
