/* Moments of the optimizer in 16 or 8 bits: AdamW and momentum on blocks that are decoded into
 * floats, updated by the float32 kernel and encoded again, in one pass over memory.
 *
 * Rounding is stochastic: up with the probability of the part that is cut off, from a hash of
 * (key, index). To the nearest, a moment would stand still where a step changes it by less than
 * half the distance of two codes: v at beta2 = 0.99 changes by at most 1 % when it falls, and bf16
 * has 0.4 to 0.8 % between two numbers, so it would stop 24 to 64 % above its limit; eight bits
 * would never fall at all. With a random rounding the mean is right for any beta.
 *
 * Blocks of 64 share a scale in the 8-bit formats:
 *   m  sign and 7 bits, linear: code * scale, scale = largest / 127; 0 where all are below 2^-100
 *   v  4 bits of exponent and 4 of mantissa below the largest of the block, no zero: what is
 *      too small is 2^-15 of the block's scale, so that a small v never makes a large step.
 * The scale of v is a power of two: a block that does not change keeps its codes.
 *
 * What is not a number is stored as 0 and what is beyond 2^126 as that, so that one such element
 * does not spoil the other 63; the weight that it belongs to has already become NaN. */

enum {
    STATE_BLOCK = 64,
    V_MANTISSA = 4,
    V_SHIFT = 23 - V_MANTISSA,                                /* bits of a float cut off */
    V_LOWEST = (127 + 1 - (256 >> V_MANTISSA)) << V_MANTISSA, /* code 0, as bits above them */
};

typedef struct {
    float f[STATE_BLOCK];
} state_floats;
typedef struct {
    uint32_t u[STATE_BLOCK];
} state_bits;

MG_INLINE state_bits bits_of(const state_floats *x) {
    state_bits bits;
    memcpy(&bits, x, sizeof bits);
    return bits;
}
MG_INLINE state_floats floats_of(const state_bits *x) {
    state_floats floats;
    memcpy(&floats, x, sizeof floats);
    return floats;
}

/* 32 random bits for each element of a block: the lower half is for m, the upper one for v. */
MG_INLINE state_bits state_noise(hash_key key, size_t first) {
    state_bits noise;
    for (size_t i = 0; i < STATE_BLOCK; i++) noise.u[i] = hash_of(key, first + i);
    return noise;
}

MG_INLINE state_floats decode_bf16(size_t n, const uint16_t *x) {
    state_bits bits = {{0}};
    for (size_t i = 0; i < n; i++) bits.u[i] = (uint32_t)x[i] << 16;
    return floats_of(&bits);
}
MG_INLINE void encode_bf16(size_t n, const state_floats *x, const state_bits *noise, int shift,
                           uint16_t *y) {
    state_bits bits = bits_of(x);
    for (size_t i = 0; i < n; i++)
        y[i] = (uint16_t)((bits.u[i] + (noise->u[i] >> shift & 0xFFFF)) >> 16);
}

/* What 8-bit codes can hold: see above. */
MG_INLINE state_floats bounded(const state_floats *x) {
    state_floats y;
    for (size_t i = 0; i < STATE_BLOCK; i++) {
        float low = x->f[i] > 0x1p126f ? 0x1p126f : x->f[i], z = low < -0x1p126f ? -0x1p126f : low;
        y.f[i] = z == z ? z : 0.0f;
    }
    return y;
}

MG_INLINE float largest_magnitude(const state_floats *x) {
    v_f32 largest = v_zero();
    for (size_t i = 0; i < STATE_BLOCK; i += VN) largest = v_max(largest, v_abs(v_load(x->f + i)));
    return v_hmax(largest);
}

MG_INLINE state_floats decode_signed(size_t n, const int8_t *x, float scale) {
    state_floats y = {{0}};
    for (size_t i = 0; i < n; i++) y.f[i] = (float)x[i] * scale;
    return y;
}
/* Returns the scale. x beyond n is 0. */
MG_INLINE float encode_signed(size_t n, const state_floats *x, const state_bits *noise, int8_t *y) {
    state_floats z = bounded(x);
    float largest = largest_magnitude(&z);
    if (largest < 0x1p-100f) largest = 0.0f; /* 127 / largest would be infinite from 2^-121 on */
    float factor = largest > 0 ? 127.0f / largest : 0.0f;
    for (size_t i = 0; i < n; i++) {
        float share = (float)(noise->u[i] & 0xFFFF) * 0x1p-16f;
        int32_t code = (int32_t)(z.f[i] * factor + 128.0f + share) - 128;
        y[i] = (int8_t)(code > 127 ? 127 : code);
    }
    return largest / 127.0f;
}

MG_INLINE state_floats decode_positive(size_t n, const uint8_t *x, float scale) {
    state_bits bits = {{0}};
    for (size_t i = 0; i < n; i++) bits.u[i] = ((uint32_t)x[i] + V_LOWEST) << V_SHIFT;
    state_floats y = floats_of(&bits);
    for (size_t i = 0; i < n; i++) y.f[i] *= scale;
    for (size_t i = n; i < STATE_BLOCK; i++) y.f[i] = 0;
    return y;
}
/* Returns the scale, a power of two or 0; the largest x rounds up to at most the largest code. */
MG_INLINE float encode_positive(size_t n, const state_floats *x, const state_bits *noise,
                                uint8_t *y) {
    state_floats z = bounded(x);
    float largest = largest_magnitude(&z), scale;
    uint32_t exponent;
    memcpy(&exponent, &largest, sizeof exponent);
    exponent = (exponent + (1u << V_SHIFT)) & 0x7F800000;
    memcpy(&scale, &exponent, sizeof scale);
    float factor = scale > 0 ? 1.0f / scale : 0.0f;
    state_floats scaled;
    for (size_t i = 0; i < STATE_BLOCK; i++) scaled.f[i] = z.f[i] * factor;
    state_bits bits = bits_of(&scaled);
    for (size_t i = 0; i < n; i++) {
        uint32_t cut = (noise->u[i] >> 16) << (V_SHIFT - 16);
        int32_t code = (int32_t)((bits.u[i] + cut) >> V_SHIFT) - V_LOWEST;
        y[i] = (uint8_t)(code < 0 ? 0 : code);
    }
    return scale;
}

static void adamw_bf16(size_t n, const mg_adamw *h, uint64_t key, size_t first, const float *g,
                       float *p, uint16_t *m, uint16_t *v) {
    hash_key hash = hash_key_of(key);
    for (size_t i = 0; i < n; i += STATE_BLOCK) {
        size_t c = n - i < STATE_BLOCK ? n - i : STATE_BLOCK;
        state_bits noise = state_noise(hash, first + i);
        state_floats mean = decode_bf16(c, m + i), square = decode_bf16(c, v + i);
        adamw_f32(c, h, g + i, p + i, mean.f, square.f);
        encode_bf16(c, &mean, &noise, 0, m + i);
        encode_bf16(c, &square, &noise, 16, v + i);
    }
}

static void adamw_q8(size_t n, const mg_adamw *h, uint64_t key, size_t first, const float *g,
                     float *p, int8_t *m, float *m_scale, uint8_t *v, float *v_scale) {
    hash_key hash = hash_key_of(key);
    for (size_t i = 0, b = 0; i < n; i += STATE_BLOCK, b++) {
        size_t c = n - i < STATE_BLOCK ? n - i : STATE_BLOCK;
        state_bits noise = state_noise(hash, first + i);
        state_floats mean = decode_signed(c, m + i, m_scale[b]);
        state_floats square = decode_positive(c, v + i, v_scale[b]);
        adamw_f32(c, h, g + i, p + i, mean.f, square.f);
        m_scale[b] = encode_signed(c, &mean, &noise, m + i);
        v_scale[b] = encode_positive(c, &square, &noise, v + i);
    }
}

static void momentum_bf16(size_t n, const mg_momentum *h, uint64_t key, size_t first, float *g,
                          uint16_t *m) {
    hash_key hash = hash_key_of(key);
    for (size_t i = 0; i < n; i += STATE_BLOCK) {
        size_t c = n - i < STATE_BLOCK ? n - i : STATE_BLOCK;
        state_bits noise = state_noise(hash, first + i);
        state_floats mean = decode_bf16(c, m + i);
        momentum_f32(c, h, g + i, mean.f);
        encode_bf16(c, &mean, &noise, 0, m + i);
    }
}

static void momentum_q8(size_t n, const mg_momentum *h, uint64_t key, size_t first, float *g,
                        int8_t *m, float *scale) {
    hash_key hash = hash_key_of(key);
    for (size_t i = 0, b = 0; i < n; i += STATE_BLOCK, b++) {
        size_t c = n - i < STATE_BLOCK ? n - i : STATE_BLOCK;
        state_bits noise = state_noise(hash, first + i);
        state_floats mean = decode_signed(c, m + i, scale[b]);
        momentum_f32(c, h, g + i, mean.f);
        scale[b] = encode_signed(c, &mean, &noise, m + i);
    }
}
