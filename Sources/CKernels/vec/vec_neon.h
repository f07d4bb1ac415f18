/* The vector operations on AArch64 Advanced SIMD, four lanes. Contract: vec.md. */
#ifndef MG_VEC_NEON_H
#define MG_VEC_NEON_H
#define MG_INLINE static inline __attribute__((always_inline))

typedef float32x4_t v_f32;
enum { VN = 4 };

MG_INLINE v_f32 v_set1(float a) { return vdupq_n_f32(a); }
MG_INLINE v_f32 v_zero(void) { return vdupq_n_f32(0.0f); }
MG_INLINE v_f32 v_load(const float *p) { return vld1q_f32(p); }
MG_INLINE void v_store(float *p, v_f32 a) { vst1q_f32(p, a); }
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

#endif
