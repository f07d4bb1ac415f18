/* Checks of quantisers: codes are the nearest for the scale that stands beside them, scales are
 * what the contract says, the searched scale is no worse than the plain one and nearly as good as
 * the best of a fine sweep. */
#include "checks.h"
#include "quantized.h"
#include "quantizers.h"
#include "reference.h"

static const size_t widths[] = {0, 1, 15, 16, 17, 31, 32, 33, 64, 100, 1000};
enum { WIDTHS = sizeof widths / sizeof *widths, KINDS = 7 };

/* Numbers of all sizes: normal, wide, tiny, subnormal, equal, huge, and one that is not finite. */
static float *numbers(checker *c, size_t n, size_t kind) {
    float *x = kind == 1 ? wide(c, n, 30) : kind == 4 ? constant(c, n, -3) : normals(c, n, 1);
    static const double factors[KINDS] = {1, 1, 0x1p-101, 0x1p-140, 1, 0x1p40, 1};
    for (size_t i = 0; i < n; i++) x[i] = (float)((double)x[i] * factors[kind]);
    if (kind == 6 && n)
        x[random_below(c, n)] = random_below(c, 2)   ? NAN
                                : random_below(c, 2) ? INFINITY
                                                     : -INFINITY;
    return x;
}

void check_quantize_row_q8(checker *c) {
    for (size_t i = 0; i < WIDTHS; i++)
        for (size_t kind = 0; kind < KINDS; kind++) {
            size_t k = widths[i], stride = mg_quantized_stride(k);
            case_begin(c, "k %zu, kind %zu", k, kind);
            const float *x = numbers(c, k, kind);
            int8_t *values = bytes(c, stride), *others = bytes(c, stride);
            int32_t *sums = (int32_t *)bytes(c, stride / MG_BLOCK * sizeof *sums);
            float *scale = output(c, 1), *other = output(c, 1);
            c->k->quantize_row_q8(k, x, values, sums, scale);
            expect_q8_row(c, k, x, values, sums, *scale);
            c->k->quantize_row_q8(k, x, others, NULL, other);
            expect_true(c, "without sums", 0, !memcmp(values, others, stride));
            case_end(c);
        }
}

void check_quantize_row_q8_offset(checker *c) {
    for (size_t i = 0; i < WIDTHS; i++)
        for (size_t kind = 0; kind < 2 * KINDS; kind++) {
            size_t k = widths[i], stride = mg_quantized_stride(k);
            case_begin(c, "k %zu, kind %zu", k, kind);
            float *x = numbers(c, k, kind % KINDS);
            /* As behind a GELU; and of one sign, far from zero, where most bits are the offset's.
             */
            for (size_t j = 0; j < k && kind < KINDS; j++) x[j] = x[j] < 0 ? x[j] / 16 : x[j];
            for (size_t j = 0; j < k && kind >= KINDS; j++) x[j] -= 1000;
            int8_t *values = bytes(c, stride);
            int32_t *sums = (int32_t *)bytes(c, stride / MG_BLOCK * sizeof *sums);
            float *scale = output(c, 1), *offset = output(c, 1);
            c->k->quantize_row_q8_offset(k, x, values, sums, scale, offset);
            expect_q8_row_offset(c, k, x, values, sums, *scale, *offset);
            case_end(c);
        }
}

/* The scale of element j of row i, which may be NaN. */
static double block_scale(const mg_quantized *w, size_t i, size_t j) {
    return half_value(((const uint16_t *)w->scales)[mg_block_index(w->k, i, j / MG_BLOCK)]);
}

/* Weighted square error of one block under a scale, with the nearest codes. */
static double block_error(const float *x, const float *weights, size_t n, double scale) {
    double error = 0;
    for (size_t j = 0; j < n; j++) {
        double code = scale != 0 ? fmin(fmax(rint((double)x[j] / scale), -8), 7) : 0;
        double difference = (double)x[j] - scale * code;
        error += (weights ? (double)weights[j] : 1) * difference * difference;
    }
    return error;
}

/* Largest magnitude with its sign, the positive one of two; NaN where one is not finite. */
static double extreme(const float *x, size_t n) {
    double high = 0, low = 0, bad = 0;
    for (size_t j = 0; j < n; j++) {
        if (!isfinite(x[j])) bad = (double)NAN;
        high = fmax(high, (double)x[j]);
        low = fmin(low, (double)x[j]);
    }
    return (high >= -low ? high : low) + bad;
}

/* Codes of block b against the stored scale: the nearest, within their range. 1 / scale and the
 * product with it are rounded: a code of 127 is off by EPS * 127 before it becomes an integer. */
static void expect_codes(checker *c, const mg_quantized *w, size_t i, size_t b, const float *x) {
    double low = w->format == MG_Q4_BLOCK ? -8 : -127, high = w->format == MG_Q4_BLOCK ? 7 : 127;
    double scale = block_scale(w, i, b * MG_BLOCK);
    for (size_t j = b * MG_BLOCK; j < (b + 1) * MG_BLOCK; j++) {
        double wanted = j < w->k && scale != 0 && !isnan(scale) ? (double)x[j] / scale : 0;
        wanted = fmin(fmax(wanted, low), high);
        expect(c, "codes", j, quantized_value(w, i, j), wanted, wanted == 0 ? 0 : 0.5 + 127 * EPS);
    }
}

/* Nothing is written of the other rows of the group; `bytes` are those of a block. */
static void expect_neighbours(checker *c, const void *values, size_t blocks, size_t bytes) {
    for (size_t b = 0; b < blocks; b++)
        for (size_t i = 1; i < MG_GROUP; i++)
            for (size_t j = 0; j < bytes; j += sizeof(float)) {
                float found;
                size_t at = (b * MG_GROUP + i) * bytes + j;
                memcpy(&found, (const char *)values + at, sizeof found);
                expect_true(c, "untouched in the group", at, is_marker(found));
            }
}

/* One float rounding and one to half precision: half a unit of each. */
static void expect_scale(checker *c, size_t b, double found, double wanted) {
    double rounded = ref_half(fmin(fmax(wanted, -65504), 65504));
    expect(c, "scale", b, found, isnan(wanted) ? wanted : rounded,
           fabs(rounded) * 0x1p-10 *
               (fabs(ref_half(wanted * (1 + EPS)) - rounded) > 0 ||
                fabs(ref_half(wanted * (1 - EPS)) - rounded) > 0));
}

void check_quantize_blocks_q8(checker *c) {
    for (size_t i = 0; i < WIDTHS; i++)
        for (size_t kind = 0; kind < KINDS; kind++) {
            size_t k = widths[i], blocks = mg_quantized_stride(k) / MG_BLOCK;
            case_begin(c, "k %zu, kind %zu", k, kind);
            const float *x = numbers(c, k, kind);
            int8_t *values = bytes(c, blocks * MG_GROUP * MG_BLOCK);
            uint16_t *scales = bytes(c, blocks * MG_GROUP * sizeof *scales);
            c->k->quantize_blocks_q8(k, x, values, scales);
            mg_quantized w = {MG_Q8_BLOCK, 1, k, values, scales, NULL, NULL};
            for (size_t b = 0; b < blocks; b++) {
                size_t n = k - b * MG_BLOCK < MG_BLOCK ? k - b * MG_BLOCK : MG_BLOCK;
                expect_scale(c, b, half_value(scales[b * MG_GROUP]),
                             fabs(extreme(x + b * MG_BLOCK, n)) / 127);
                expect_codes(c, &w, 0, b, x);
            }
            expect_neighbours(c, values, blocks, MG_BLOCK);
            case_end(c);
        }
}

/* Best error over a fine sweep of scales of both signs, a thousand of each. */
static double least_error(const float *x, const float *weights, size_t n) {
    double largest = extreme(x, n), least = block_error(x, weights, n, 0);
    for (int i = 1; i <= 1000; i++) {
        double scale = largest / 4 * i / 1000;
        least = fmin(least, block_error(x, weights, n, scale));
        least = fmin(least, block_error(x, weights, n, -scale));
    }
    return least;
}

static void compare_search(checker *c, const mg_quantized *plain, const mg_quantized *searched,
                           const float *x, const float *weights, bool ordinary) {
    double total = 0, least = 0;
    for (size_t b = 0; b * MG_BLOCK < plain->k; b++) {
        size_t at = b * MG_BLOCK, n = plain->k - at < MG_BLOCK ? plain->k - at : MG_BLOCK;
        const float *block_weights = weights ? weights + at : NULL;
        double before = block_error(x + at, block_weights, n, block_scale(plain, 0, at));
        double after = block_error(x + at, block_weights, n, block_scale(searched, 0, at));
        if (isnan(after)) {
            expect_true(c, "NaN where the plain scale is", b, isnan(before));
            continue;
        }
        expect_true(c, "no more error than the plain scale", b, after <= before * (1 + 1e-5));
        total += after;
        if (ordinary) least += least_error(x + at, block_weights, n);
    }
    /* Blocks of a few elements have sharp minima between the steps; rows of many don't add up so.
     */
    if (ordinary && plain->k >= 10 * MG_BLOCK)
        expect_true(c, "error within 3 % of a fine sweep", 0, total <= 1.03 * least);
}

void check_quantize_blocks_q4(checker *c) {
    for (size_t i = 0; i < WIDTHS; i++)
        for (size_t kind = 0; kind < KINDS; kind++) {
            size_t k = widths[i], blocks = mg_quantized_stride(k) / MG_BLOCK;
            case_begin(c, "k %zu, kind %zu", k, kind);
            const float *x = numbers(c, k, kind);
            float *weights = random_below(c, 2) ? wide(c, k, 2) : NULL;
            for (size_t j = 0; weights && j < k; j++) weights[j] = fabsf(weights[j]);
            uint8_t *values[2];
            uint16_t *scales[2];
            mg_quantized w[2];
            for (int search = 0; search < 2; search++) {
                values[search] = bytes(c, blocks * MG_GROUP * MG_BLOCK / 2);
                scales[search] = bytes(c, blocks * MG_GROUP * sizeof *scales[0]);
                c->k->quantize_blocks_q4(k, x, weights, search, values[search], scales[search]);
                w[search] =
                    (mg_quantized){MG_Q4_BLOCK, 1, k, values[search], scales[search], NULL, NULL};
                for (size_t b = 0; b < blocks; b++) expect_codes(c, &w[search], 0, b, x);
                expect_neighbours(c, values[search], blocks, MG_BLOCK / 2);
            }
            for (size_t b = 0; b < blocks; b++) {
                size_t n = k - b * MG_BLOCK < MG_BLOCK ? k - b * MG_BLOCK : MG_BLOCK;
                expect_scale(c, b, half_value(scales[0][b * MG_GROUP]),
                             extreme(x + b * MG_BLOCK, n) / -8);
            }
            compare_search(c, &w[0], &w[1], x, weights, kind == 0);
            case_end(c);
        }
}

void check_dequantize_row(checker *c) {
    for (size_t i = 0; i < WIDTHS; i++)
        for (int format = MG_Q8_ROW; format <= MG_Q4_BLOCK; format++) {
            size_t k = widths[i], n = 3;
            case_begin(c, "format %d, k %zu", format, k);
            mg_quantized w = random_quantized(c, (mg_quantization)format, n, k, RANDOM_VALUES);
            for (size_t row = 0; row < n; row++) {
                float *y = output(c, k);
                c->k->dequantize_row(&w, row, y);
                for (size_t j = 0; j < k; j++)
                    expect_ulp(c, "y", j, y[j],
                               (double)quantized_scale(&w, row, j) * quantized_value(&w, row, j),
                               0.5);
            }
            case_end(c);
        }
}
