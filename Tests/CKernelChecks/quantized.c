/* See quantized.h. */
#include "quantized.h"

void *bytes(checker *c, size_t count) { return output(c, (count + 3) / 4); }

double half_value(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
    double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                                 : ldexp(exponent ? 1024 + fraction : fraction,
                                         (exponent ? exponent : 1) - 25);
    return bits & 0x8000 ? -size : size;
}

static int random_code(checker *c, int low, int high, bool extreme) {
    if (extreme) return random_below(c, 2) ? low : high;
    return low + (int)random_below(c, (size_t)(high - low + 1));
}

static void *random_scales(checker *c, mg_quantization format, size_t n, size_t k) {
    if (format == MG_Q8_ROW) return normals(c, n, 0.01);
    size_t count = mg_quantized_scale_bytes(format, n, k) / sizeof(uint16_t);
    uint16_t *scales = bytes(c, count * sizeof *scales);
    for (size_t i = 0; i < count; i++) /* 2^-9 ... 2^-2, both signs */
        scales[i] = (uint16_t)((random_bits(c) & 0x83FF) | (6 + random_below(c, 7)) << 10);
    return scales;
}

mg_quantized random_quantized(checker *c, mg_quantization format, size_t n, size_t k,
                              bool extreme) {
    size_t stride = mg_quantized_stride(k), size = mg_quantized_value_bytes(format, n, k);
    uint8_t *values = bytes(c, size);
    memset(values, format == MG_Q4_BLOCK ? 0x88 : 0, size);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++) {
            size_t at = i * stride + j, place = at % MG_BLOCK;
            if (format != MG_Q4_BLOCK) {
                values[at] = (uint8_t)random_code(c, -127, 127, extreme);
                continue;
            }
            int shift = place < MG_BLOCK / 2 ? 0 : 4, code = random_code(c, -8, 7, extreme) + 8;
            uint8_t *to = values + at / MG_BLOCK * (MG_BLOCK / 2) + place % (MG_BLOCK / 2);
            *to = (uint8_t)((*to & ~(15 << shift)) | code << shift);
        }
    return (mg_quantized){format, n, k, values, random_scales(c, format, n, k)};
}

mg_q8_rows random_q8_rows(checker *c, size_t rows, size_t k, bool extreme) {
    size_t stride = mg_quantized_stride(k), blocks = stride / MG_BLOCK;
    mg_q8_rows a = mg_q8_rows_at(aligned_output(c, mg_q8_rows_bytes(rows, k) / 4), rows, k);
    memset(a.values, 0, rows * stride);
    for (size_t i = 0; i < rows; i++) {
        a.scales[i] = 0.01f * (float)fabs(random_normal(c));
        for (size_t j = 0; j < k; j++)
            a.values[i * stride + j] = (int8_t)random_code(c, -127, 127, extreme);
        for (size_t b = 0; b < blocks; b++) {
            int32_t sum = 0;
            for (size_t j = 0; j < MG_BLOCK; j++) sum += a.values[(i * blocks + b) * MG_BLOCK + j];
            a.sums[i * blocks + b] = sum;
        }
    }
    return a;
}

int quantized_code(const mg_quantized *w, size_t i, size_t j) {
    size_t at = i * mg_quantized_stride(w->k) + j, block = at / MG_BLOCK, place = at % MG_BLOCK;
    if (w->format != MG_Q4_BLOCK) return ((const int8_t *)w->values)[at];
    const uint8_t *byte = (const uint8_t *)w->values + block * 16 + place % 16;
    return (place < 16 ? *byte & 15 : *byte >> 4) - 8;
}

double quantized_scale(const mg_quantized *w, size_t i, size_t j) {
    if (w->format == MG_Q8_ROW) return (double)((const float *)w->scales)[i];
    return half_value(((const uint16_t *)w->scales)[j / MG_BLOCK * w->n + i]);
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
