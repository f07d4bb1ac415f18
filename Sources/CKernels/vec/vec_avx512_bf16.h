/* What AVX-512 BF16 adds to vec_avx512.h: making pairs and multiply-adds of them. Contract: vec.md.
 */
#ifndef MG_VEC_AVX512_BF16_H
#define MG_VEC_AVX512_BF16_H

MG_INLINE v_f32 v_dot_bf16(v_f32 a, v_f32 b, v_f32 c) {
    return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
}

/* The conversion puts all of `low` in front of all of `high`. */
MG_INLINE v_f32 v_pair_bf16(v_f32 low, v_f32 high) {
    const __m512i order = _mm512_add_epi32(
        _mm512_set1_epi32(16 << 16),
        _mm512_mullo_epi32(_mm512_set1_epi32(0x10001),
                           _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)));
    __m512i rounded = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, rounded));
}
MG_INLINE v_f32 v_pairs_bf16(const float *p) {
    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(v_load(p + VN), v_load(p)));
}

#endif
