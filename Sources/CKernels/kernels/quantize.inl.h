/* Floats to 8-bit and 4-bit codes and back, a row at a time. Layouts: mg_formats.h.
 *
 * Scales of blocks are rounded to half precision first, codes are the nearest for the scale as it
 * is stored. What is not finite gives a scale that is NaN and codes of 0, so that results are NaN
 * and no conversion is undefined. */

/* Where 127 / x might be infinite, or a little before: such a row is a row of zeros. */
#define QUANTIZE_LEAST 0x1p-100f
#define HALF_LARGEST 65504.0f

MG_INLINE uint16_t half_of(float x) {
    uint16_t bits;
    v_store_f16_n(&bits, v_set1(x), 1);
    return bits;
}
MG_INLINE float float_of_half(uint16_t bits) {
    float x;
    v_store_n(&x, v_load_f16_n(&bits, 1), 1);
    return x;
}

/* The largest magnitude; NaN where an element is not finite, because then x * 0 is NaN. */
MG_INLINE float finite_magnitude(size_t n, const float *x) {
    v_f32 largest = v_zero(), bad = v_zero();
    for (size_t i = 0; i < n; i += VN) {
        v_f32 a = v_load_n(x + i, n - i < VN ? n - i : VN, v_zero());
        largest = v_max(largest, v_abs(a));
        bad = v_fma(a, v_zero(), bad);
    }
    return v_hsum(bad) == 0 ? v_hmax(largest) : NAN;
}

/* Codes, sums and scale of a row whose elements are within offset - largest ... offset + largest.
 * Inlined: without an offset there is no subtraction. */
MG_INLINE void encode_row(size_t k, const float *x, float offset, float largest, int8_t *values,
                          int32_t *sums, float *scale) {
    size_t stride = mg_quantized_stride(k), i = 0;
    if (largest >= QUANTIZE_LEAST) {
        v_f32 factor = v_set1(127.0f / largest), zero = v_set1(offset);
        for (; i + VN <= k; i += VN)
            v_store_q8(values + i, v_mul(v_sub(v_load(x + i), zero), factor));
        if (i < k) { /* VN divides the stride */
            v_store_q8(values + i, v_mul(v_sub(v_load_n(x + i, k - i, zero), zero), factor));
            i += VN;
        }
        *scale = largest / 127.0f;
    } else {
        *scale = largest == largest ? 0.0f : largest;
    }
    memset(values + i, 0, stride - i);
    for (size_t b = 0; sums && b < stride / MG_BLOCK; b++) {
        int32_t sum = 0;
        for (size_t j = 0; j < MG_BLOCK; j++) sum += values[b * MG_BLOCK + j];
        sums[b] = sum;
    }
}

static void quantize_row_q8(size_t k, const float *x, int8_t *values, int32_t *sums, float *scale) {
    encode_row(k, x, 0.0f, finite_magnitude(k, x), values, sums, scale);
}

static void quantize_row_q8_offset(size_t k, const float *x, int8_t *values, int32_t *sums,
                                   float *scale, float *offset) {
    v_f32 first = v_set1(k ? *x : 0.0f), high = first, low = v_sub(v_zero(), first), bad = v_zero();
    for (size_t i = 0; i < k; i += VN) {
        v_f32 a = v_load_n(x + i, k - i < VN ? k - i : VN, first);
        high = v_max(high, a);
        low = v_max(low, v_sub(v_zero(), a)); /* of what is negated, the highest */
        bad = v_fma(a, v_zero(), bad);
    }
    float top = v_hmax(high), bottom = -v_hmax(low), middle = 0.5f * top + 0.5f * bottom;
    float above = top - middle, below = middle - bottom; /* which rounding may have made unequal */
    int finite = v_hsum(bad) == 0;
    *offset = finite ? middle : 0.0f;
    encode_row(k, x, middle, finite ? above > below ? above : below : NAN, values, sums, scale);
}

typedef struct {
    float f[MG_BLOCK];
} quantize_block;

/* Block b of a row, zero beyond k. */
MG_INLINE quantize_block block_of(size_t k, const float *x, size_t b) {
    quantize_block block = {{0}};
    size_t rest = k - b * MG_BLOCK;
    memcpy(block.f, x + b * MG_BLOCK, (rest < MG_BLOCK ? rest : MG_BLOCK) * sizeof *x);
    return block;
}

/* codes = x / scale within low ... high, to the nearest even. */
MG_INLINE void encode_block(const quantize_block *x, float scale, float low, float high,
                            int8_t *codes) {
    v_f32 factor = v_set1(scale != 0 ? 1.0f / scale : 0.0f);
    for (size_t i = 0; i < MG_BLOCK; i += VN) {
        v_f32 a = v_mul(v_load(x->f + i), factor);
        v_store_q8(codes + i, v_max(v_min(a, v_set1(high)), v_set1(low)));
    }
}

/* The scale as it is stored; what is too large for it saturates. */
MG_INLINE uint16_t scale_bits(float scale) {
    float low = scale > HALF_LARGEST ? HALF_LARGEST : scale;
    return half_of(low < -HALF_LARGEST ? -HALF_LARGEST : low);
}

static void quantize_blocks_q8(size_t k, const float *x, int8_t *values, uint16_t *scales) {
    for (size_t b = 0; b * MG_BLOCK < k; b++, values += MG_GROUP * MG_BLOCK, scales += MG_GROUP) {
        quantize_block block = block_of(k, x, b);
        float largest = finite_magnitude(MG_BLOCK, block.f);
        *scales = scale_bits(largest / 127.0f);
        if (largest == largest)
            encode_block(&block, float_of_half(*scales), -127, 127, values);
        else
            memset(values, 0, MG_BLOCK);
    }
}

/* The element of largest magnitude, with its sign. */
MG_INLINE float extreme_of(const quantize_block *x) {
    v_f32 high = v_zero(), low = v_zero();
    for (size_t i = 0; i < MG_BLOCK; i += VN) {
        v_f32 a = v_load(x->f + i);
        high = v_max(high, a);
        low = v_max(low, v_sub(v_zero(), a));
    }
    float h = v_hmax(high), l = v_hmax(low);
    return h >= l ? h : -l;
}

/* Weighted sums over a block with the codes that `scale` gives. */
typedef struct {
    float xq, qq, error; /* of x * q, q * q and (x - scale * q)^2 */
} fit;

MG_INLINE fit fit_of(const quantize_block *x, const quantize_block *weights, float scale) {
    v_f32 factor = v_set1(scale != 0 ? 1.0f / scale : 0.0f), s = v_set1(scale);
    v_f32 xq = v_zero(), qq = v_zero(), error = v_zero();
    for (size_t i = 0; i < MG_BLOCK; i += VN) {
        v_f32 a = v_load(x->f + i), w = v_load(weights->f + i);
        v_f32 q = v_round(v_max(v_min(v_mul(a, factor), v_set1(7)), v_set1(-8)));
        v_f32 wq = v_mul(w, q), difference = v_fnma(q, s, a);
        xq = v_fma(wq, a, xq);
        qq = v_fma(wq, q, qq);
        error = v_fma(v_mul(w, difference), difference, error);
    }
    return (fit){v_hsum(xq), v_hsum(qq), v_hsum(error)};
}

/* Codes for scales around the plain one, of both signs because codes reach further below zero than
 * above; to each set of codes belongs a best scale xq / qq, whose error is that of zeros less
 * xq^2 / qq. The best of these, unless the plain scale has less error once both are rounded. */
MG_INLINE float search_scale(const quantize_block *x, const quantize_block *weights, float extreme,
                             float plain) {
    enum { STEPS = 16 }; /* the extreme at 5.5 ... 9.5 of +-scale */
    float best = plain, gain = 0;
    for (int i = 0; i <= 2 * STEPS + 1; i++) {
        float divisor = 5.5f + 0.25f * (float)(i / 2);
        fit f = fit_of(x, weights, extreme / (i % 2 ? divisor : -divisor));
        if (f.qq > 0 && f.xq * f.xq / f.qq > gain) {
            gain = f.xq * f.xq / f.qq;
            best = f.xq / f.qq;
        }
    }
    float found = float_of_half(scale_bits(best));
    return fit_of(x, weights, found).error < fit_of(x, weights, plain).error ? found : plain;
}

static void quantize_blocks_q4(size_t k, const float *x, const float *weights, int search,
                               uint8_t *values, uint16_t *scales) {
    enum { HALF = MG_BLOCK / 2 };
    quantize_block ones;
    for (size_t i = 0; i < MG_BLOCK; i++) ones.f[i] = 1.0f;
    for (size_t b = 0; b * MG_BLOCK < k; b++, values += MG_GROUP * HALF, scales += MG_GROUP) {
        quantize_block block = block_of(k, x, b);
        int8_t codes[MG_BLOCK] = {0};
        uint16_t scale = half_of(NAN);
        if (finite_magnitude(MG_BLOCK, block.f) >= 0) {
            float extreme = extreme_of(&block);
            scale = scale_bits(extreme / -8.0f);
            if (search && extreme != 0) {
                quantize_block importance = weights ? block_of(k, weights, b) : ones;
                scale = half_of(search_scale(&block, &importance, extreme, float_of_half(scale)));
            }
            encode_block(&block, float_of_half(scale), -8, 7, codes);
        }
        *scales = scale;
        for (size_t j = 0; j < HALF; j++)
            values[j] = (uint8_t)((codes[j] + 8) | (codes[HALF + j] + 8) << 4);
    }
}

static void dequantize_row(const mg_quantized *w, size_t row, float *y) {
    for (size_t b = 0; b < mg_quantized_stride(w->k) / MG_BLOCK; b++) {
        quantize_block block;
        size_t at = mg_block_index(w->k, row, b);
        const char *values = (const char *)w->values + at * mg_block_bytes(w->format);
        float scale = w->format == MG_Q8_ROW ? ((const float *)w->scales)[row]
                                             : float_of_half(((const uint16_t *)w->scales)[at]);
        if (w->format == MG_Q4_BLOCK) {
            const uint8_t *halves = (const uint8_t *)values;
            for (size_t j = 0; j < MG_BLOCK / 2; j++) {
                block.f[j] = scale * (float)((halves[j] & 15) - 8);
                block.f[MG_BLOCK / 2 + j] = scale * (float)((halves[j] >> 4) - 8);
            }
        } else {
            const int8_t *codes = (const int8_t *)values;
            for (size_t j = 0; j < MG_BLOCK; j++) block.f[j] = scale * (float)codes[j];
        }
        size_t rest = w->k - b * MG_BLOCK;
        memcpy(y + b * MG_BLOCK, block.f, (rest < MG_BLOCK ? rest : MG_BLOCK) * sizeof *y);
    }
}
