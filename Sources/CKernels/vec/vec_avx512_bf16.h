/* What AVX-512 BF16 adds to vec_avx512.h: multiply-adds of pairs. Contract: vec.md. */
#ifndef MG_VEC_AVX512_BF16_H
#define MG_VEC_AVX512_BF16_H

MG_INLINE v_f32 v_dot_bf16(v_f32 a, v_f32 b, v_f32 c) {
    return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b);
}

#endif
