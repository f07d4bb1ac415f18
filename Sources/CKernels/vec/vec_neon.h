/* The vector operations on AArch64 Advanced SIMD, four lanes. Contract: vec.md. */
#ifndef MG_VEC_NEON_H
#define MG_VEC_NEON_H
#define MG_INLINE static inline __attribute__((always_inline))

typedef float32x4_t v_f32;
enum { VN = 4 };
#define MG_VECTOR_ROWS 4 /* 16 of 32 registers for their sums */

MG_INLINE v_f32 v_set1(float a) { return vdupq_n_f32(a); }
MG_INLINE v_f32 v_zero(void) { return vdupq_n_f32(0.0f); }
MG_INLINE v_f32 v_load(const float *p) { return vld1q_f32(p); }
MG_INLINE void v_store(float *p, v_f32 a) { vst1q_f32(p, a); }
/* One lane, which multiply-adds take from there. Left alone, the compiler loads it into all lanes,
 * which keeps a pipe of the multiply-adds busy: 11.5 cycles a step of attention's tile instead of
 * 8.8 (make arm-report). */
MG_INLINE v_f32 v_load_all(const float *p) {
    float a = *p;
    __asm__("" : "+w"(a));
    return vdupq_n_f32(a);
}
MG_INLINE v_f32 v_load_n(const float *p, size_t n, v_f32 fill) {
    float lanes[4];
    vst1q_f32(lanes, fill);
    for (size_t i = 0; i < n; i++) lanes[i] = p[i];
    return vld1q_f32(lanes);
}
MG_INLINE void v_store_n(float *p, v_f32 a, size_t n) {
    float lanes[4];
    vst1q_f32(lanes, a);
    for (size_t i = 0; i < n; i++) p[i] = lanes[i];
}
MG_INLINE v_f32 v_load_bf16(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
MG_INLINE v_f32 v_load_bf16_n(const uint16_t *p, size_t n) {
    uint16_t lanes[4] = {0};
    for (size_t i = 0; i < n; i++) lanes[i] = p[i];
    return v_load_bf16(lanes);
}
MG_INLINE void v_store_bf16(uint16_t *p, v_f32 a) {
    uint32x4_t bits = vreinterpretq_u32_f32(a), upper = vshrq_n_u32(bits, 16);
    uint32x4_t half = vaddq_u32(vandq_u32(upper, vdupq_n_u32(1)), vdupq_n_u32(0x7FFF));
    uint32x4_t rounded = vshrq_n_u32(vaddq_u32(bits, half), 16);
    uint32x4_t quiet = vorrq_u32(upper, vdupq_n_u32(0x40));
    vst1_u16(p, vmovn_u32(vbslq_u32(vceqq_f32(a, a), rounded, quiet)));
}
MG_INLINE void v_store_bf16_n(uint16_t *p, v_f32 a, size_t n) {
    uint16_t lanes[4];
    v_store_bf16(lanes, a);
    for (size_t i = 0; i < n; i++) p[i] = lanes[i];
}
MG_INLINE v_f32 v_load_f16(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
MG_INLINE v_f32 v_load_f16_n(const uint16_t *p, size_t n) {
    uint16_t lanes[4] = {0};
    for (size_t i = 0; i < n; i++) lanes[i] = p[i];
    return v_load_f16(lanes);
}
MG_INLINE void v_store_f16(uint16_t *p, v_f32 a) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a)));
}
MG_INLINE void v_store_f16_n(uint16_t *p, v_f32 a, size_t n) {
    uint16_t lanes[4];
    v_store_f16(lanes, a);
    for (size_t i = 0; i < n; i++) p[i] = lanes[i];
}
MG_INLINE v_f32 v_load_i8(const int8_t *p) {
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(bytes)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
MG_INLINE v_f32 v_add(v_f32 a, v_f32 b) { return vaddq_f32(a, b); }
MG_INLINE v_f32 v_sub(v_f32 a, v_f32 b) { return vsubq_f32(a, b); }
MG_INLINE v_f32 v_mul(v_f32 a, v_f32 b) { return vmulq_f32(a, b); }
MG_INLINE v_f32 v_div(v_f32 a, v_f32 b) { return vdivq_f32(a, b); }
MG_INLINE v_f32 v_fma(v_f32 a, v_f32 b, v_f32 c) { return vfmaq_f32(c, a, b); }
MG_INLINE v_f32 v_fnma(v_f32 a, v_f32 b, v_f32 c) { return vfmsq_f32(c, a, b); }
MG_INLINE v_f32 v_max(v_f32 a, v_f32 b) { return vmaxq_f32(a, b); }
MG_INLINE v_f32 v_min(v_f32 a, v_f32 b) { return vminq_f32(a, b); }
MG_INLINE v_f32 v_sqrt(v_f32 a) { return vsqrtq_f32(a); }
MG_INLINE v_f32 v_abs(v_f32 a) { return vabsq_f32(a); }
MG_INLINE v_f32 v_copysign(v_f32 a, v_f32 b) { return vbslq_f32(vdupq_n_u32(0x80000000u), b, a); }
MG_INLINE v_f32 v_round(v_f32 a) { return vrndnq_f32(a); }
MG_INLINE v_f32 v_power_of_two(int32x4_t n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}
MG_INLINE v_f32 v_scale2(v_f32 a, v_f32 n) {
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    return vmulq_f32(vmulq_f32(a, v_power_of_two(half)), v_power_of_two(vsubq_s32(whole, half)));
}
MG_INLINE v_f32 v_gt(v_f32 a, v_f32 b, v_f32 x, v_f32 y) {
    return vbslq_f32(vcgtq_f32(a, b), x, y);
}
MG_INLINE float v_hsum(v_f32 a) { return vaddvq_f32(a); }
MG_INLINE float v_hmax(v_f32 a) { return vmaxvq_f32(a); }
MG_INLINE void v_transpose4(const float *src, size_t ld, float *dst, size_t ldd) {
    float32x4x2_t even = vtrnq_f32(vld1q_f32(src), vld1q_f32(src + ld));
    float32x4x2_t odd = vtrnq_f32(vld1q_f32(src + 2 * ld), vld1q_f32(src + 3 * ld));
    vst1q_f32(dst, vcombine_f32(vget_low_f32(even.val[0]), vget_low_f32(odd.val[0])));
    vst1q_f32(dst + ldd, vcombine_f32(vget_low_f32(even.val[1]), vget_low_f32(odd.val[1])));
    vst1q_f32(dst + 2 * ldd, vcombine_f32(vget_high_f32(even.val[0]), vget_high_f32(odd.val[0])));
    vst1q_f32(dst + 3 * ldd, vcombine_f32(vget_high_f32(even.val[1]), vget_high_f32(odd.val[1])));
}
MG_INLINE void v_transpose8(const float *src, size_t ld, float *dst, size_t ldd) {
    v_transpose4(src, ld, dst, ldd);
    v_transpose4(src + 4 * ld, ld, dst + 4, ldd);
}

/* ---- Blocks of 32 bytes ---------------------------------------------------------------------- */

typedef float32x4x2_t v_f8;

MG_INLINE void v_store_q8(int8_t *p, v_f32 a) {
    int16x4_t words = vmovn_s32(vcvtnq_s32_f32(a));
    int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
    memcpy(p, &four, sizeof four);
}
/* Pairs of products are at most 128 * 127 * 2, which 16 bits hold. */
MG_INLINE int32x4_t v_dot16(int8x16_t w, int8x16_t x, int32x4_t sum) {
#if defined(MG_DOT_PRODUCT)
    return vdotq_s32(sum, w, x);
#else
    int16x8_t pairs = vmull_s8(vget_low_s8(w), vget_low_s8(x));
    return vpadalq_s16(sum, vmlal_s8(pairs, vget_high_s8(w), vget_high_s8(x)));
#endif
}
/* Nothing that the code loads behind this may be loaded before `a` is there. Without it the
 * compiler loads eight rows at once, for which 32 registers don't suffice, and spills. */
MG_INLINE int32x4_t v_first(int32x4_t a) {
    __asm__ volatile("" : "+w"(a) : : "memory");
    return a;
}
typedef struct {
    int32x4_t row[8];
} v_q8_sums;
MG_INLINE v_q8_sums v_q8_sums_add(v_q8_sums s, const void *p, const int8_t *x) {
    int8x16_t x0 = vld1q_s8(x), x1 = vld1q_s8(x + 16);
    MG_UNROLL
    for (size_t r = 0; r < 8; r++) {
        const int8_t *w = (const int8_t *)p + r * 32;
        s.row[r] = v_dot16(vld1q_s8(w + 16), x1, v_dot16(vld1q_s8(w), x0, s.row[r]));
#if !defined(MG_DOT_PRODUCT)
        s.row[r] = v_first(s.row[r]);
#endif
    }
    return s;
}
/* Eight sums over lanes, less the excess. */
MG_INLINE v_f8 v_sum_rows(const int32x4_t s[8], int32_t excess) {
    int32x4_t a = vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
    int32x4_t b = vpaddq_s32(vpaddq_s32(s[4], s[5]), vpaddq_s32(s[6], s[7]));
    int32x4_t less = vdupq_n_s32(excess);
    return (v_f8){{vcvtq_f32_s32(vsubq_s32(a, less)), vcvtq_f32_s32(vsubq_s32(b, less))}};
}
MG_INLINE v_f8 v_q8_sums_of(v_q8_sums s, int32_t total) {
    (void)total;
    return v_sum_rows(s.row, 0);
}
MG_INLINE v_f8 v_q4_block(const void *p, const int8_t *x, int32_t total) {
    int8x16_t x0 = vld1q_s8(x), x1 = vld1q_s8(x + 16);
    int32x4_t s[8];
    MG_UNROLL
    for (size_t r = 0; r < 8; r++) {
        uint8x16_t w = vld1q_u8((const uint8_t *)p + r * 16);
        int8x16_t low = vreinterpretq_s8_u8(vandq_u8(w, vdupq_n_u8(15)));
        int8x16_t upper = vreinterpretq_s8_u8(vshrq_n_u8(w, 4));
        s[r] = v_first(v_dot16(upper, x1, v_dot16(low, x0, vdupq_n_s32(0))));
    }
    return v_sum_rows(s, 8 * total);
}
MG_INLINE v_f8 v8_set1(float a) { return (v_f8){{vdupq_n_f32(a), vdupq_n_f32(a)}}; }
MG_INLINE v_f8 v8_load(const float *p) { return (v_f8){{vld1q_f32(p), vld1q_f32(p + 4)}}; }
MG_INLINE v_f8 v8_load_f16(const uint16_t *p) { return (v_f8){{v_load_f16(p), v_load_f16(p + 4)}}; }
MG_INLINE void v8_store(float *p, v_f8 a) {
    vst1q_f32(p, a.val[0]);
    vst1q_f32(p + 4, a.val[1]);
}
MG_INLINE v_f8 v8_add(v_f8 a, v_f8 b) {
    return (v_f8){{vaddq_f32(a.val[0], b.val[0]), vaddq_f32(a.val[1], b.val[1])}};
}
MG_INLINE v_f8 v8_mul(v_f8 a, v_f8 b) {
    return (v_f8){{vmulq_f32(a.val[0], b.val[0]), vmulq_f32(a.val[1], b.val[1])}};
}
MG_INLINE v_f8 v8_fma(v_f8 a, v_f8 b, v_f8 c) {
    return (v_f8){
        {vfmaq_f32(c.val[0], a.val[0], b.val[0]), vfmaq_f32(c.val[1], a.val[1], b.val[1])}};
}

/* ---- Words of four int8 ---------------------------------------------------------------------- */

typedef int32x4_t v_i32;
enum { MG_Q8_BIAS = 0 };

MG_INLINE v_i32 v_words(const float *p) { return vreinterpretq_s32_f32(vld1q_f32(p)); }
/* One load for four neighbours, whose lanes the dot product takes from there. */
MG_INLINE v_i32 v_word(const float *p, size_t i) {
    int32x4_t four = v_words(p + i / 4 * 4);
    switch (i % 4) {
    case 0:
        return vdupq_laneq_s32(four, 0);
    case 1:
        return vdupq_laneq_s32(four, 1);
    case 2:
        return vdupq_laneq_s32(four, 2);
    default:
        return vdupq_laneq_s32(four, 3);
    }
}
#if defined(MG_DOT_PRODUCT)
MG_INLINE v_i32 v_dot_words(v_i32 x, v_i32 w, v_i32 sum) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}
#else
/* Pairs of products are at most 2 * 127 * 127: they fit 16 bits. */
MG_INLINE v_i32 v_dot_words(v_i32 x, v_i32 w, v_i32 sum) {
    int8x16_t a = vreinterpretq_s8_s32(x), b = vreinterpretq_s8_s32(w);
    int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_high_s8(a, b);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}
#endif
MG_INLINE v_f32 v_from_i32(v_i32 a) { return vcvtq_f32_s32(a); }

#endif
