/* See quantizers.h. */
#include "quantizers.h"

void *bytes(checker *c, size_t count) { return output(c, (count + 3) / 4); }

double half_value(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
    double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                                 : ldexp(exponent ? 1024 + fraction : fraction,
                                         (exponent ? exponent : 1) - 25);
    return bits & 0x8000 ? -size : size;
}

/* The codes of a row whose elements are within offset - largest ... offset + largest, and the sums
 * of its blocks. `slack` is by how much the factor 127 / largest may be off, relative to it. */
static void expect_codes(checker *c, size_t k, const float *x, double offset, double largest,
                         double slack, const int8_t *values, const int32_t *sums) {
    size_t stride = mg_quantized_stride(k);
    bool empty = !(largest >= 0x1p-100);
    for (size_t j = 0; j < stride; j++) {
        double wanted = j < k && !empty ? ((double)x[j] - offset) * 127 / largest : 0;
        /* rounding to an integer; the difference, the factor and the product are rounded before */
        expect(c, "values", j, values[j], wanted, j < k && !empty ? 0.5 + 127 * slack : 0);
    }
    for (size_t b = 0; sums && b < stride / MG_BLOCK; b++) {
        int32_t sum = 0;
        for (size_t j = b * MG_BLOCK; j < (b + 1) * MG_BLOCK; j++) sum += values[j];
        expect_true(c, "sums", b, sums[b] == sum);
    }
}

static void expect_scale(checker *c, float scale, double largest, double slack) {
    double wanted = isnan(largest) ? largest : largest >= 0x1p-100 ? largest / 127 : 0;
    expect(c, "scale", 0, (double)scale, wanted, largest * slack);
}

static bool all_finite(size_t k, const float *x) {
    for (size_t j = 0; j < k; j++)
        if (!isfinite(x[j])) return false;
    return true;
}

void expect_q8_row(checker *c, size_t k, const float *x, const int8_t *values, const int32_t *sums,
                   float scale) {
    double largest = 0;
    for (size_t j = 0; j < k; j++) largest = fmax(largest, fabs((double)x[j]));
    if (!all_finite(k, x)) largest = (double)NAN;
    expect_scale(c, scale, largest, EPS);
    expect_codes(c, k, x, 0, largest, EPS, values, sums);
}

void expect_q8_row_offset(checker *c, size_t k, const float *x, const int8_t *values,
                          const int32_t *sums, float scale, float offset) {
    bool finite = all_finite(k, x);
    double high = k ? (double)x[0] : 0, low = high;
    for (size_t j = 0; j < k; j++) {
        high = fmax(high, (double)x[j]);
        low = fmin(low, (double)x[j]);
    }
    double middle = finite ? (high + low) / 2 : 0, size = fmax(fabs(high), fabs(low));
    /* Rounded three times, halves and their sum; an empty row may be off by subnormals. */
    expect(c, "offset", 0, (double)offset, middle, finite ? size * 2 * EPS + 0x1p-148 : 0);
    /* From here on around the offset as it is: it must lie in the middle within its rounding. */
    double largest = fmax(high - (double)offset, (double)offset - low);
    if (!finite) largest = (double)NAN;
    expect_scale(c, scale, largest, 2 * EPS);
    expect_codes(c, k, x, (double)offset, largest, 3 * EPS, values, sums);
}
