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

void expect_q8_row(checker *c, size_t k, const float *x, const int8_t *values, const int32_t *sums,
                   float scale) {
    size_t stride = mg_quantized_stride(k);
    double largest = 0;
    for (size_t j = 0; j < k; j++)
        largest = isfinite(x[j]) ? fmax(largest, fabs((double)x[j])) : (double)NAN;
    for (size_t j = 0; j < k; j++)
        if (!isfinite(x[j])) largest = (double)NAN;
    bool empty = !(largest >= 0x1p-100);
    expect(c, "scale", 0, (double)scale,
           isnan(largest) ? largest
           : empty        ? 0
                          : largest / 127,
           largest * EPS);
    for (size_t j = 0; j < stride; j++) {
        double wanted = j < k && !empty ? (double)x[j] * 127 / largest : 0;
        /* rounding to an integer; the factor and its product are off by EPS of 127 at most */
        expect(c, "values", j, values[j], wanted, j < k && !empty ? 0.5 + 127 * EPS : 0);
    }
    for (size_t b = 0; sums && b < stride / MG_BLOCK; b++) {
        int32_t sum = 0;
        for (size_t j = b * MG_BLOCK; j < (b + 1) * MG_BLOCK; j++) sum += values[j];
        expect_true(c, "sums", b, sums[b] == sum);
    }
}
