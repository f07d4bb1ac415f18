/* Random quantised operands and the exact product of two rows. See quantized.h. */
#include "quantized.h"

static void *bytes(checker *c, size_t count) { return output(c, (count + 3) / 4 + 1); }

/* Half precision by its definition; no NaN. */
static float half_value(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
    double size = ldexp(exponent ? 1024 + fraction : fraction, (exponent ? exponent : 1) - 25);
    if (exponent == 31) size = (double)INFINITY;
    return (float)(bits & 0x8000 ? -size : size);
}

static int random_q(checker *c, quantized_fill fill, size_t row) {
    if (fill == EXTREME_VALUES) return row % 2 ? -127 : 127;
    return (int)random_below(c, 255) - 127;
}

static float row_scale(checker *c, quantized_fill fill) {
    static const float special[] = {0, INFINITY, NAN, 1};
    float scale = (float)exp2(8 * random_uniform(c));
    return fill == SPECIAL_SCALES ? special[random_below(c, 4)] : scale;
}

/* Of either sign (4-bit scales are), subnormals among them. */
static uint16_t block_scale(checker *c, quantized_fill fill) {
    uint16_t bits = (uint16_t)(random_bits(c) & 0xFFFF);
    int infinite = fill == SPECIAL_SCALES && random_below(c, 16) == 0;
    if (infinite) return (uint16_t)((bits & 0x8000) | 0x7C00);
    return (bits & 0x7C00) == 0x7C00 ? bits & 0xBFFF : bits;
}

/* The byte of element (i, j), by the words of mg_formats.h and not by its function: groups of eight
 * rows, blocks, rows. */
static size_t place_of(mg_quantization format, size_t k, size_t i, size_t j) {
    size_t blocks = (k + 31) / 32, block = (i / 8 * blocks + j / 32) * 8 + i % 8;
    return format == MG_Q4_BLOCK ? block * 16 + j % 16 : block * 32 + j % 32;
}

mg_quantized random_quantized(checker *c, mg_quantization format, size_t n, size_t k,
                              quantized_fill fill) {
    size_t stride = mg_quantized_stride(k), blocks = stride / MG_BLOCK;
    size_t size = mg_quantized_value_bytes(format, n, k);
    uint8_t *values = (uint8_t *)bytes(c, size + 1) + 1;
    for (size_t i = 0; i < size; i++) values[i] = (uint8_t)(random_bits(c) & 0xFF);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < stride; j++) {
            int q = j < k ? random_q(c, fill, i) : 0;
            uint8_t *at = values + place_of(format, k, i, j);
            if (format != MG_Q4_BLOCK)
                *at = (uint8_t)q;
            else if (j % 32 < 16)
                *at = (uint8_t)((q >> 4) + 8);
            else
                *at = (uint8_t)(*at | ((q >> 4) + 8) << 4);
        }
    mg_quantized w = {.format = format, .n = n, .k = k, .values = values};
    float *row = output(c, format == MG_Q8_ROW ? n : 0);
    size_t scales = format == MG_Q8_ROW ? 0 : (n + 7) / 8 * 8 * blocks;
    uint16_t *block = bytes(c, scales * sizeof *block);
    for (size_t i = 0; format == MG_Q8_ROW && i < n; i++) row[i] = row_scale(c, fill);
    for (size_t i = 0; i < scales; i++) block[i] = block_scale(c, fill);
    w.scales = format == MG_Q8_ROW ? (const void *)row : block;
    return w;
}

mg_q8_rows random_q8_rows(checker *c, size_t rows, size_t k, quantized_fill fill) {
    size_t stride = mg_quantized_stride(k), blocks = stride / MG_BLOCK;
    mg_q8_rows x = {.rows = rows, .k = k, .values = bytes(c, rows * stride)};
    x.sums = bytes(c, rows * blocks * sizeof *x.sums);
    x.scales = output(c, rows);
    x.offsets = normals(c, rows, 1);
    for (size_t i = 0; i < rows; i++) {
        x.scales[i] = row_scale(c, fill);
        for (size_t b = 0; b < blocks; b++) {
            int32_t sum = 0;
            for (size_t j = b * MG_BLOCK; j < (b + 1) * MG_BLOCK; j++) {
                int q = j < k ? random_q(c, fill, i) : 0;
                x.values[i * stride + j] = (int8_t)q;
                sum += q;
            }
            x.sums[i * blocks + b] = sum;
        }
    }
    return x;
}

mg_quantized quantized_part(checker *c, const mg_quantized *w, size_t first, size_t count) {
    mg_quantized part = *w;
    part.n = count;
    size_t blocks = mg_quantized_stride(w->k) / MG_BLOCK, size = mg_block_bytes(w->format);
    uint16_t *scales = bytes(c, mg_quantized_blocks(count, w->k) * sizeof *scales);
    char *values = bytes(c, mg_quantized_value_bytes(w->format, count, w->k));
    for (size_t b = 0; b < blocks; b++)
        for (size_t i = 0; i < count; i++) {
            size_t to = mg_block_index(w->k, i, b);
            size_t from = mg_block_index(w->k, first + i, b);
            if (w->format != MG_Q8_ROW) scales[to] = ((const uint16_t *)w->scales)[from];
            memcpy(values + to * size, (const char *)w->values + from * size, size);
        }
    part.values = values;
    part.scales =
        w->format == MG_Q8_ROW ? (const void *)((const float *)w->scales + first) : scales;
    return part;
}

mg_q8_rows q8_rows_part(const mg_q8_rows *x, size_t first, size_t count) {
    size_t stride = mg_quantized_stride(x->k);
    return (mg_q8_rows){count,
                        x->k,
                        x->values + first * stride,
                        x->sums + first * (stride / MG_BLOCK),
                        x->scales + first,
                        x->offsets + first};
}

int quantized_value(const mg_quantized *w, size_t i, size_t j) {
    const uint8_t *at = (const uint8_t *)w->values + place_of(w->format, w->k, i, j);
    if (w->format != MG_Q4_BLOCK) return (int8_t)*at;
    return (j % 32 < 16 ? *at & 15 : *at >> 4) - 8;
}

float quantized_scale(const mg_quantized *w, size_t i, size_t j) {
    if (w->format == MG_Q8_ROW) return ((const float *)w->scales)[i];
    return half_value(((const uint16_t *)w->scales)[place_of(MG_Q8_BLOCK, w->k, i, j) / 32]);
}

float rounded_fma(const checker *c, float a, float b, float v) {
    return c->k->isa == MG_ISA_SCALAR ? a * b + v : fmaf(a, b, v);
}

float quantized_product(const checker *c, const mg_q8_rows *x, size_t i, const mg_quantized *w,
                        size_t j) {
    const int8_t *row = x->values + i * mg_quantized_stride(x->k);
    size_t block = w->format == MG_Q8_ROW ? w->k : MG_BLOCK;
    float v = 0;
    for (size_t first = 0; first < w->k; first += block) {
        int64_t sum = 0;
        for (size_t p = first; p < first + block && p < w->k; p++)
            sum += row[p] * quantized_value(w, j, p);
        float scale = quantized_scale(w, j, first), s = (float)sum;
        if (w->format == MG_Q8_ROW) return s * (x->scales[i] * scale);
        v = rounded_fma(c, s, scale, v);
    }
    return w->format == MG_Q8_ROW ? 0.0f * (x->scales[i] * quantized_scale(w, j, 0))
                                  : v * x->scales[i];
}

void expect_product(checker *c, const char *what, size_t index, float found, float wanted) {
    if (isnan(wanted))
        expect(c, what, index, (double)found, (double)wanted, 0);
    else
        expect_same(c, what, 1, &found, &wanted);
}
