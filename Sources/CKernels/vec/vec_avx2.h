/* The vector operations on AVX2 and FMA, eight lanes. Contract: vec.md. */
#ifndef MG_VEC_AVX2_H
#define MG_VEC_AVX2_H
#include "vec_x86.h"

typedef __m256 v_f32;
enum { VN = 8 };

MG_INLINE v_f32 v_set1(float a) { return _mm256_set1_ps(a); }
MG_INLINE v_f32 v_load_all(const float *p) { return v_set1(*p); }
MG_INLINE v_f32 v_zero(void) { return _mm256_setzero_ps(); }
MG_INLINE v_f32 v_load(const float *p) { return _mm256_loadu_ps(p); }
MG_INLINE void v_store(float *p, v_f32 a) { _mm256_storeu_ps(p, a); }
MG_INLINE __m256i v_first_lanes(size_t n) {
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}
MG_INLINE v_f32 v_load_n(const float *p, size_t n, v_f32 fill) {
    __m256i mask = v_first_lanes(n);
    return _mm256_blendv_ps(fill, _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
MG_INLINE void v_store_n(float *p, v_f32 a, size_t n) {
    _mm256_maskstore_ps(p, v_first_lanes(n), a);
}
MG_INLINE v_f32 v_load_bf16(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
MG_INLINE v_f32 v_load_bf16_n(const uint16_t *p, size_t n) {
    uint16_t lanes[8] = {0};
    memcpy(lanes, p, n * sizeof *p);
    return v_load_bf16(lanes);
}
MG_INLINE void v_store_bf16(uint16_t *p, v_f32 a) {
    __m256i bits = _mm256_castps_si256(a), upper = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
    __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    __m256i low = _mm256_blendv_epi8(rounded, quiet, nan);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packus_epi32(_mm256_castsi256_si128(low),
                                                            _mm256_extracti128_si256(low, 1)));
}
MG_INLINE void v_store_bf16_n(uint16_t *p, v_f32 a, size_t n) {
    uint16_t lanes[8];
    v_store_bf16(lanes, a);
    memcpy(p, lanes, n * sizeof *p);
}
MG_INLINE v_f32 v_load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
MG_INLINE v_f32 v_load_f16_n(const uint16_t *p, size_t n) {
    uint16_t lanes[8] = {0};
    memcpy(lanes, p, n * sizeof *p);
    return v_load_f16(lanes);
}
MG_INLINE void v_store_f16(uint16_t *p, v_f32 a) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
MG_INLINE void v_store_f16_n(uint16_t *p, v_f32 a, size_t n) {
    uint16_t lanes[8];
    v_store_f16(lanes, a);
    memcpy(p, lanes, n * sizeof *p);
}
MG_INLINE v_f32 v_load_i8(const int8_t *p) {
    __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
MG_INLINE v_f32 v_add(v_f32 a, v_f32 b) { return _mm256_add_ps(a, b); }
MG_INLINE v_f32 v_sub(v_f32 a, v_f32 b) { return _mm256_sub_ps(a, b); }
MG_INLINE v_f32 v_mul(v_f32 a, v_f32 b) { return _mm256_mul_ps(a, b); }
MG_INLINE v_f32 v_div(v_f32 a, v_f32 b) { return _mm256_div_ps(a, b); }
MG_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return _mm256_fmadd_ps(a, b, c); }
MG_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c) { return _mm256_fnmadd_ps(a, b, c); }
MG_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return _mm256_max_ps(a, b); }
MG_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return _mm256_min_ps(a, b); }
MG_INLINE v_f32 v_sqrt(v_f32 a) { return _mm256_sqrt_ps(a); }
MG_INLINE v_f32 v_abs(v_f32 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
MG_INLINE v_f32 v_copysign(v_f32 a, v_f32 b) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_and_ps(sign, b), _mm256_andnot_ps(sign, a));
}
MG_INLINE v_f32 v_round(v_f32 a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
MG_INLINE v_f32 v_power_of_two(__m256i n) {
    __m256i biased = _mm256_add_epi32(n, _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
MG_INLINE v_f32 v_scale2(v_f32 a, v_f32 n) {
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256 first = _mm256_mul_ps(a, v_power_of_two(half));
    return _mm256_mul_ps(first, v_power_of_two(_mm256_sub_epi32(whole, half)));
}
MG_INLINE v_f32 v_gt(v_f32 a, v_f32 b, v_f32 x, v_f32 y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
MG_INLINE float v_hsum(v_f32 a) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
MG_INLINE float v_hmax(v_f32 a) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/* ---- Blocks of 32 bytes: the rest is in vec_x86.h -------------------------------------------- */

MG_INLINE void v_store_q8(int8_t *p, v_f32 a) {
    __m256i whole = _mm256_cvtps_epi32(a);
    __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(words, words));
}
/* Of each row in a register. */
typedef struct {
    __m256i row[8];
} v_q8_sums;
/* |w| * (x with the sign of w): pairs of products are at most 128 * 127 * 2, which 16 bits hold. */
MG_INLINE v_q8_sums v_q8_sums_add(v_q8_sums s, const void *p, const int8_t *x) {
    __m256i part = v_load_bytes(x), ones = _mm256_set1_epi16(1);
    MG_UNROLL
    for (size_t r = 0; r < 8; r++) {
        __m256i w = v_load_bytes((const char *)p + r * 32);
        __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(part, w));
        s.row[r] = _mm256_add_epi32(s.row[r], _mm256_madd_epi16(pairs, ones));
    }
    return s;
}
MG_INLINE v_f8 v_q8_sums_of(v_q8_sums s, int32_t total) {
    (void)total;
    __m256i a = v_sum_halves(s.row), b = v_sum_halves(s.row + 4);
    return _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                               _mm256_permute2x128_si256(a, b, 0x31)));
}
/* A register has two rows of 4 bits. */
MG_INLINE v_f8 v_q4_block(const void *p, const int8_t *x, int32_t total) {
    const __m128i *at = (const __m128i *)(const void *)x;
    __m256i x0 = _mm256_broadcastsi128_si256(_mm_loadu_si128(at));
    __m256i x1 = _mm256_broadcastsi128_si256(_mm_loadu_si128(at + 1));
    __m256i half = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1), sums[4];
    MG_UNROLL
    for (size_t r = 0; r < 4; r++) {
        __m256i w = v_load_bytes((const char *)p + r * 32);
        __m256i upper = _mm256_and_si256(_mm256_srli_epi16(w, 4), half);
        __m256i low = _mm256_maddubs_epi16(_mm256_and_si256(w, half), x0);
        sums[r] = _mm256_madd_epi16(_mm256_add_epi16(low, _mm256_maddubs_epi16(upper, x1)), ones);
    }
    __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i whole = _mm256_permutevar8x32_epi32(v_sum_halves(sums), order);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(whole, _mm256_set1_epi32(8 * total)));
}

/* ---- Words of four int8 ---------------------------------------------------------------------- */

typedef __m256i v_i32;
enum { MG_Q8_BIAS = 0 };

MG_INLINE v_i32 v_words(const float *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
MG_INLINE v_i32 v_word(const float *p, size_t i) {
    return _mm256_castps_si256(_mm256_set1_ps(p[i]));
}
/* Pairs of products of unsigned by signed are at most 2 * 127 * 127: they fit 16 bits. */
MG_INLINE v_i32 v_dot_words(v_i32 x, v_i32 w, v_i32 sum) {
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
MG_INLINE v_f32 v_from_i32(v_i32 a) { return _mm256_cvtepi32_ps(a); }

#endif
