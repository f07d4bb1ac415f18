/* The vector operations on AVX-512, sixteen lanes. Contract: vec.md. */
#ifndef MG_VEC_AVX512_H
#define MG_VEC_AVX512_H
#include "vec_x86.h"

typedef __m512 v_f32;
enum { VN = 16 };

MG_INLINE v_f32 v_set1(float a) { return _mm512_set1_ps(a); }
MG_INLINE v_f32 v_load_all(const float *p) { return v_set1(*p); }
MG_INLINE v_f32 v_zero(void) { return _mm512_setzero_ps(); }
MG_INLINE v_f32 v_load(const float *p) { return _mm512_loadu_ps(p); }
MG_INLINE void v_store(float *p, v_f32 a) { _mm512_storeu_ps(p, a); }
MG_INLINE __mmask16 v_first_lanes(size_t n) { return (__mmask16)((1u << n) - 1u); }
MG_INLINE v_f32 v_load_n(const float *p, size_t n, v_f32 fill) {
    return _mm512_mask_loadu_ps(fill, v_first_lanes(n), p);
}
MG_INLINE void v_store_n(float *p, v_f32 a, size_t n) {
    _mm512_mask_storeu_ps(p, v_first_lanes(n), a);
}
MG_INLINE v_f32 v_widen_bf16(__m256i a) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16));
}
MG_INLINE v_f32 v_load_bf16(const uint16_t *p) {
    return v_widen_bf16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
MG_INLINE v_f32 v_load_bf16_n(const uint16_t *p, size_t n) {
    return v_widen_bf16(_mm256_maskz_loadu_epi16(v_first_lanes(n), p));
}
MG_INLINE __m256i v_narrow_bf16(v_f32 a) {
    __m512i bits = _mm512_castps_si512(a), upper = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(upper, _mm512_set1_epi32(1));
    __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
    __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, half), 16);
    __m512i quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
    __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(nan, rounded, quiet));
}
MG_INLINE void v_store_bf16(uint16_t *p, v_f32 a) {
    _mm256_storeu_si256((__m256i *)(void *)p, v_narrow_bf16(a));
}
MG_INLINE void v_store_bf16_n(uint16_t *p, v_f32 a, size_t n) {
    _mm256_mask_storeu_epi16(p, v_first_lanes(n), v_narrow_bf16(a));
}
MG_INLINE v_f32 v_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
MG_INLINE v_f32 v_load_f16_n(const uint16_t *p, size_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(v_first_lanes(n), p));
}
MG_INLINE void v_store_f16(uint16_t *p, v_f32 a) {
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
MG_INLINE void v_store_f16_n(uint16_t *p, v_f32 a, size_t n) {
    _mm256_mask_storeu_epi16(p, v_first_lanes(n), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
MG_INLINE v_f32 v_load_i8(const int8_t *p) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}
MG_INLINE v_f32 v_add(v_f32 a, v_f32 b) { return _mm512_add_ps(a, b); }
MG_INLINE v_f32 v_sub(v_f32 a, v_f32 b) { return _mm512_sub_ps(a, b); }
MG_INLINE v_f32 v_mul(v_f32 a, v_f32 b) { return _mm512_mul_ps(a, b); }
MG_INLINE v_f32 v_div(v_f32 a, v_f32 b) { return _mm512_div_ps(a, b); }
MG_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return _mm512_fmadd_ps(a, b, c); }
MG_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c) { return _mm512_fnmadd_ps(a, b, c); }
MG_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return _mm512_max_ps(a, b); }
MG_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return _mm512_min_ps(a, b); }
MG_INLINE v_f32 v_sqrt(v_f32 a) { return _mm512_sqrt_ps(a); }
MG_INLINE v_f32 v_abs(v_f32 a) { return _mm512_abs_ps(a); }
MG_INLINE v_f32 v_copysign(v_f32 a, v_f32 b) {
    __m512 sign = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_and_ps(sign, b), _mm512_andnot_ps(sign, a));
}
MG_INLINE v_f32 v_round(v_f32 a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
MG_INLINE v_f32 v_scale2(v_f32 a, v_f32 n) { return _mm512_scalef_ps(a, n); }
MG_INLINE v_f32 v_gt(v_f32 a, v_f32 b, v_f32 x, v_f32 y) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}
MG_INLINE float v_hsum(v_f32 a) { return _mm512_reduce_add_ps(a); }
MG_INLINE float v_hmax(v_f32 a) { return _mm512_reduce_max_ps(a); }

/* ---- Blocks of 32 bytes: the rest is in vec_x86.h -------------------------------------------- */

MG_INLINE void v_store_q8(int8_t *p, v_f32 a) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}
/* A register has two rows. */
typedef struct {
    __m512i rows[4];
} v_q8_sums;
#define MG_ROW_TOKENS 4  /* 16 registers of sums */
#define MG_VECTOR_ROWS 4 /* likewise */
/* The instruction wants w without sign: w + 128, which adds 128 times the sum of x. */
MG_INLINE v_q8_sums v_q8_sums_add(v_q8_sums s, const void *p, const int8_t *x) {
    __m512i both = _mm512_broadcast_i64x4(v_load_bytes(x)), sign = _mm512_set1_epi8(-128);
    MG_UNROLL
    for (size_t r = 0; r < 4; r++) {
        __m512i w = _mm512_loadu_si512((const char *)p + r * 64);
        s.rows[r] = _mm512_dpbusd_epi32(s.rows[r], _mm512_xor_si512(w, sign), both);
    }
    return s;
}
/* Lane by lane: one of the first register, then of the second. */
MG_INLINE __m512i v_sum_pairs(__m512i a, __m512i b) {
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}
/* The first eight lanes in the order given, less the excess. */
MG_INLINE v_f8 v_ordered(__m512i sums, __m512i order, int32_t excess) {
    __m256i whole = _mm512_castsi512_si256(_mm512_permutexvar_epi32(order, sums));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(whole, _mm256_set1_epi32(excess)));
}
MG_INLINE v_f8 v_q8_sums_of(v_q8_sums s, int32_t total) {
    __m512i a = v_sum_pairs(s.rows[0], s.rows[1]), b = v_sum_pairs(s.rows[2], s.rows[3]);
    __m512i c = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    __m512i d = _mm512_add_epi32(c, _mm512_shuffle_i32x4(c, c, 0xB1));
    __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 0, 0, 0, 0, 0, 0, 0, 0);
    return v_ordered(d, order, 128 * total);
}
/* A register has four rows of 4 bits. */
MG_INLINE v_f8 v_q4_block(const void *p, const int8_t *x, int32_t total) {
    const __m128i *at = (const __m128i *)(const void *)x;
    __m512i x0 = _mm512_broadcast_i32x4(_mm_loadu_si128(at));
    __m512i x1 = _mm512_broadcast_i32x4(_mm_loadu_si128(at + 1));
    __m512i half = _mm512_set1_epi8(15), s[2];
    MG_UNROLL
    for (size_t r = 0; r < 2; r++) {
        __m512i w = _mm512_loadu_si512((const char *)p + r * 64);
        __m512i upper = _mm512_and_si512(_mm512_srli_epi16(w, 4), half);
        __m512i low = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_and_si512(w, half), x0);
        s[r] = _mm512_dpbusd_epi32(low, upper, x1);
    }
    __m512i a = v_sum_pairs(s[0], s[1]), b = _mm512_add_epi32(a, _mm512_shuffle_epi32(a, 0xEE));
    __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    return v_ordered(b, order, 8 * total);
}

/* ---- Words of four int8 ---------------------------------------------------------------------- */

typedef __m512i v_i32;
enum { MG_Q8_BIAS = 128 }; /* the product is of unsigned by signed */

MG_INLINE v_i32 v_words(const float *p) { return _mm512_loadu_si512(p); }
MG_INLINE v_i32 v_word(const float *p, size_t i) {
    return _mm512_castps_si512(_mm512_set1_ps(p[i]));
}
MG_INLINE v_i32 v_dot_words(v_i32 x, v_i32 w, v_i32 sum) { return _mm512_dpbusd_epi32(sum, w, x); }
MG_INLINE v_f32 v_from_i32(v_i32 a) { return _mm512_cvtepi32_ps(a); }

#endif
