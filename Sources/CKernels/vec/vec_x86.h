/* What the x86 back ends share: transposes of 4 x 4 blocks, and blocks of 32 bytes but for their
 * dot product. AVX-512 takes these on 256-bit registers too: Zen 4 runs 512 bits of them in two
 * halves, and a sum over lanes costs a step more. */
#ifndef MG_VEC_X86_H
#define MG_VEC_X86_H
#define MG_INLINE static inline __attribute__((always_inline))

MG_INLINE void v_transpose4(const float *src, size_t ld, float *dst, size_t ldd) {
    __m128 r0 = _mm_loadu_ps(src), r1 = _mm_loadu_ps(src + ld);
    __m128 r2 = _mm_loadu_ps(src + 2 * ld), r3 = _mm_loadu_ps(src + 3 * ld);
    __m128 a = _mm_unpacklo_ps(r0, r1), b = _mm_unpacklo_ps(r2, r3);
    __m128 c = _mm_unpackhi_ps(r0, r1), d = _mm_unpackhi_ps(r2, r3);
    _mm_storeu_ps(dst, _mm_movelh_ps(a, b));
    _mm_storeu_ps(dst + ldd, _mm_movehl_ps(b, a));
    _mm_storeu_ps(dst + 2 * ldd, _mm_movelh_ps(c, d));
    _mm_storeu_ps(dst + 3 * ldd, _mm_movehl_ps(d, c));
}

MG_INLINE __m256 v_two_rows(const float *low, const float *high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}

MG_INLINE void v_transpose8(const float *src, size_t ld, float *dst, size_t ldd) {
    __m256 r0 = v_two_rows(src, src + 4 * ld), r1 = v_two_rows(src + ld, src + 5 * ld);
    __m256 r2 = v_two_rows(src + 2 * ld, src + 6 * ld), r3 = v_two_rows(src + 3 * ld, src + 7 * ld);
    __m256 a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpacklo_ps(r2, r3);
    __m256 c = _mm256_unpackhi_ps(r0, r1), d = _mm256_unpackhi_ps(r2, r3);
    enum { LOW = 0x44, HIGH = 0xee };
    _mm256_storeu_ps(dst, _mm256_shuffle_ps(a, b, LOW));
    _mm256_storeu_ps(dst + ldd, _mm256_shuffle_ps(a, b, HIGH));
    _mm256_storeu_ps(dst + 2 * ldd, _mm256_shuffle_ps(c, d, LOW));
    _mm256_storeu_ps(dst + 3 * ldd, _mm256_shuffle_ps(c, d, HIGH));
}

/* ---- Blocks of 32 bytes ---------------------------------------------------------------------- */

typedef __m256 v_f8;

MG_INLINE __m256i v_load_bytes(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
/* Sums of the lanes of four vectors, in each half of the register by itself. */
MG_INLINE __m256i v_sum_halves(const __m256i *s) {
    __m256i a =
        _mm256_add_epi32(_mm256_unpacklo_epi32(s[0], s[1]), _mm256_unpackhi_epi32(s[0], s[1]));
    __m256i b =
        _mm256_add_epi32(_mm256_unpacklo_epi32(s[2], s[3]), _mm256_unpackhi_epi32(s[2], s[3]));
    return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
}
MG_INLINE v_f8 v8_set1(float a) { return _mm256_set1_ps(a); }
MG_INLINE v_f8 v8_load(const float *p) { return _mm256_loadu_ps(p); }
MG_INLINE v_f8 v8_load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
MG_INLINE void v8_store(float *p, v_f8 a) { _mm256_storeu_ps(p, a); }
MG_INLINE v_f8 v8_add(v_f8 a, v_f8 b) { return _mm256_add_ps(a, b); }
MG_INLINE v_f8 v8_mul(v_f8 a, v_f8 b) { return _mm256_mul_ps(a, b); }
MG_INLINE v_f8 v8_fma(v_f8 a, v_f8 b, v_f8 c) { return _mm256_fmadd_ps(a, b, c); }

#endif
