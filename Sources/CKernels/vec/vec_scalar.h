/* The vector operations in plain C, one lane. Contract: vec.md. */
#ifndef MG_VEC_SCALAR_H
#define MG_VEC_SCALAR_H
#define MG_INLINE static inline __attribute__((always_inline))

typedef float v_f32;
enum { VN = 1 };

MG_INLINE v_f32 v_set1(float a) { return a; }
MG_INLINE v_f32 v_load_all(const float *p) { return v_set1(*p); }
MG_INLINE v_f32 v_zero(void) { return 0.0f; }
MG_INLINE v_f32 v_load(const float *p) { return *p; }
MG_INLINE void v_store(float *p, v_f32 a) { *p = a; }
MG_INLINE v_f32 v_load_n(const float *p, size_t n, v_f32 fill) { return n ? *p : fill; }
MG_INLINE void v_store_n(float *p, v_f32 a, size_t n) {
    if (n) *p = a;
}
MG_INLINE v_f32 v_load_bf16(const uint16_t *p) {
    uint32_t bits = (uint32_t)*p << 16;
    float a;
    memcpy(&a, &bits, sizeof a);
    return a;
}
MG_INLINE v_f32 v_load_bf16_n(const uint16_t *p, size_t n) { return n ? v_load_bf16(p) : 0.0f; }
MG_INLINE void v_store_bf16(uint16_t *p, v_f32 a) {
    uint32_t bits;
    memcpy(&bits, &a, sizeof bits);
    uint32_t upper = bits >> 16, rounded = (bits + 0x7FFF + (upper & 1)) >> 16;
    *p = (uint16_t)(a == a ? rounded : upper | 0x40);
}
MG_INLINE void v_store_bf16_n(uint16_t *p, v_f32 a, size_t n) {
    if (n) v_store_bf16(p, a);
}
MG_INLINE v_f32 v_load_f16(const uint16_t *p) {
    uint32_t sign = (uint32_t)(*p & 0x8000) << 16, exponent = *p >> 10 & 31, fraction = *p & 0x3FF;
    if (exponent == 0) return copysignf((float)fraction * 0x1p-24f, sign ? -1.0f : 1.0f);
    uint32_t bits = sign | (exponent + 112) << 23 | fraction << 13;
    if (exponent == 31) bits = sign | 0x7F800000 | (fraction ? fraction << 13 | 0x400000 : 0);
    float a;
    memcpy(&a, &bits, sizeof a);
    return a;
}
MG_INLINE v_f32 v_load_f16_n(const uint16_t *p, size_t n) { return n ? v_load_f16(p) : 0.0f; }
MG_INLINE void v_store_f16(uint16_t *p, v_f32 a) {
    uint32_t bits, half;
    memcpy(&bits, &a, sizeof bits);
    uint32_t size = bits & 0x7FFFFFFF, exponent = size >> 23;
    if (size > 0x7F800000) { /* NaN */
        half = 0x7E00 | (size >> 13 & 0x3FF);
    } else if (exponent >= 127 + 16) { /* 2^16 and beyond */
        half = 0x7C00;
    } else if (exponent >= 127 - 14) { /* a carry may make it infinite */
        half = (size - (112u << 23) + 0xFFF + (size >> 13 & 1)) >> 13;
    } else if (exponent >= 127 - 25) { /* multiples of 2^-24 */
        uint32_t fraction = (size & 0x7FFFFF) | 0x800000, cut = 126 - exponent;
        half = (fraction + (1u << (cut - 1)) - 1 + (fraction >> cut & 1)) >> cut;
    } else {
        half = 0;
    }
    *p = (uint16_t)((bits >> 16 & 0x8000) | half);
}
MG_INLINE void v_store_f16_n(uint16_t *p, v_f32 a, size_t n) {
    if (n) v_store_f16(p, a);
}
MG_INLINE v_f32 v_load_i8(const int8_t *p) { return (float)*p; }
MG_INLINE v_f32 v_add(v_f32 a, v_f32 b) { return a + b; }
MG_INLINE v_f32 v_sub(v_f32 a, v_f32 b) { return a - b; }
MG_INLINE v_f32 v_mul(v_f32 a, v_f32 b) { return a * b; }
MG_INLINE v_f32 v_div(v_f32 a, v_f32 b) { return a / b; }
/* Where it is an instruction it is asked for: of a * b + c the compiler may fuse one and not
 * another (clang does not where it vectorises a chain), and chains would differ from loop to loop.
 */
#if defined(__aarch64__)
MG_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return __builtin_fmaf(a, b, c); }
MG_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c) { return __builtin_fmaf(-a, b, c); }
#else
MG_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return a * b + c; }
MG_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c) { return c - a * b; }
#endif
MG_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return a > b ? a : b; }
MG_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return a < b ? a : b; }
MG_INLINE v_f32 v_sqrt(v_f32 a) { return sqrtf(a); }
MG_INLINE v_f32 v_abs(v_f32 a) { return fabsf(a); }
MG_INLINE v_f32 v_copysign(v_f32 a, v_f32 b) { return copysignf(a, b); }
/* 1.5 * 2^23: adding it pushes the fraction out of the mantissa, rounding to nearest. */
MG_INLINE v_f32 v_round(v_f32 a) {
    volatile float shifted = a + 12582912.0f;
    return shifted - 12582912.0f;
}
MG_INLINE float v_power_of_two(int32_t n) {
    uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}
MG_INLINE v_f32 v_scale2(v_f32 a, v_f32 n) {
    if (n != n) return n;
    int32_t whole = (int32_t)n, half = whole / 2;
    return a * v_power_of_two(half) * v_power_of_two(whole - half);
}
MG_INLINE v_f32 v_gt(v_f32 a, v_f32 b, v_f32 x, v_f32 y) { return a > b ? x : y; }
MG_INLINE float v_hsum(v_f32 a) { return a; }
MG_INLINE float v_hmax(v_f32 a) { return a; }
MG_INLINE void v_transpose4(const float *src, size_t ld, float *dst, size_t ldd) {
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) dst[j * ldd + i] = src[i * ld + j];
}
MG_INLINE void v_transpose8(const float *src, size_t ld, float *dst, size_t ldd) {
    v_transpose4(src, ld, dst, ldd);
    v_transpose4(src + 4 * ld, ld, dst + 4, ldd);
}

/* ---- Blocks of eight rows -------------------------------------------------------------------- */

typedef struct {
    float lane[8];
} v_f8;

MG_INLINE void v_store_q8(int8_t *p, v_f32 a) { *p = (int8_t)v_round(a); }
typedef struct {
    int32_t row[8];
} v_q8_sums;
MG_INLINE v_q8_sums v_q8_sums_add(v_q8_sums s, const void *p, const int8_t *x) {
    const int8_t *w = p;
    for (int r = 0; r < 8; r++, w += 32)
        for (int i = 0; i < 32; i++) s.row[r] += w[i] * x[i];
    return s;
}
MG_INLINE v_f8 v_q8_sums_of(v_q8_sums s, int32_t total) {
    (void)total;
    v_f8 y;
    for (int r = 0; r < 8; r++) y.lane[r] = (float)s.row[r];
    return y;
}
MG_INLINE v_f8 v_q4_block(const void *p, const int8_t *x, int32_t total) {
    const uint8_t *w = p;
    v_f8 y;
    for (int r = 0; r < 8; r++, w += 16) {
        int32_t sum = -8 * total;
        for (int i = 0; i < 16; i++) sum += (w[i] & 15) * x[i] + (w[i] >> 4) * x[16 + i];
        y.lane[r] = (float)sum;
    }
    return y;
}
MG_INLINE v_f8 v8_set1(float a) { return (v_f8){{a, a, a, a, a, a, a, a}}; }
MG_INLINE v_f8 v8_load(const float *p) {
    v_f8 a;
    memcpy(&a, p, sizeof a);
    return a;
}
MG_INLINE v_f8 v8_load_f16(const uint16_t *p) {
    v_f8 a;
    for (int i = 0; i < 8; i++) a.lane[i] = v_load_f16(p + i);
    return a;
}
MG_INLINE void v8_store(float *p, v_f8 a) { memcpy(p, &a, sizeof a); }
MG_INLINE v_f8 v8_add(v_f8 a, v_f8 b) {
    for (int i = 0; i < 8; i++) a.lane[i] = v_add(a.lane[i], b.lane[i]);
    return a;
}
MG_INLINE v_f8 v8_mul(v_f8 a, v_f8 b) {
    for (int i = 0; i < 8; i++) a.lane[i] = v_mul(a.lane[i], b.lane[i]);
    return a;
}
MG_INLINE v_f8 v8_fma(v_f8 a, v_f8 b, v_f8 c) {
    for (int i = 0; i < 8; i++) a.lane[i] = v_fma(a.lane[i], b.lane[i], c.lane[i]);
    return a;
}

/* ---- Words of four int8 ---------------------------------------------------------------------- */

typedef int32_t v_i32;
enum { MG_Q8_BIAS = 0 };

MG_INLINE v_i32 v_words(const float *p) {
    int32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}
MG_INLINE v_i32 v_word(const float *p, size_t i) { return v_words(p + i); }
MG_INLINE v_i32 v_dot_words(v_i32 x, v_i32 w, v_i32 sum) {
    int8_t a[4], b[4];
    memcpy(a, &x, sizeof a);
    memcpy(b, &w, sizeof b);
    return sum + a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}
MG_INLINE v_f32 v_from_i32(v_i32 a) { return (float)a; }

#endif
