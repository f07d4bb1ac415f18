/* exp and tanh on vectors, with error bounds, which everything that needs an exponential uses; and
 * the loop over a row. */

/* v_load_n and v_store_n where m may also be VN. */
MG_INLINE v_f32 v_part(const float *p, size_t m, v_f32 fill) {
    return m == VN ? v_load(p) : v_load_n(p, m, fill);
}
MG_INLINE void v_put(float *p, v_f32 a, size_t m) {
    if (m == VN)
        v_store(p, a);
    else
        v_store_n(p, a, m);
}

/* Runs the block for each vector of a row of n elements: `i` is its first element, `m` the number
 * of its elements. The block is compiled twice, for whole vectors and for the rest, so that v_part
 * and v_put cost nothing where m is VN. */
#define MG_EACH(n, ...)                                                                            \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + VN <= (n); i += VN) {                                                           \
            enum { m = VN };                                                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
        if (i < (n)) {                                                                             \
            const size_t m = (n)-i;                                                                \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    } while (0)

/* exp(x): at most 2 ULP against double, over all finite x; subnormal results included.
 *
 * x = n ln2 + r with |r| <= ln2/2; exp(r) by its Taylor series to r^7/7!, whose remainder
 * 0.3466^8/8! = 5e-9 is a tenth of half a unit in the last place. ln2 is split so that n times its
 * high part (9 trailing zero bits) is exact for |n| <= 2^9. Beyond 89 the result is infinite,
 * below -104 it is zero, and the clamps keep NaN (their second operand). */
MG_INLINE v_f32 v_exp(v_f32 x) {
    x = v_min(v_set1(89.0f), v_max(v_set1(-104.0f), x));
    v_f32 n = v_round(v_mul(x, v_set1(1.44269504f))); /* 1/ln2 */
    v_f32 r = v_fnma(n, v_set1(0x1.62e4p-1f), x);     /* ln2, high part */
    r = v_fnma(n, v_set1(0x1.7f7d1cp-20f), r);        /* ln2 - high part */
    v_f32 p = v_set1(1.0f / 5040);
    p = v_fma(p, r, v_set1(1.0f / 720));
    p = v_fma(p, r, v_set1(1.0f / 120));
    p = v_fma(p, r, v_set1(1.0f / 24));
    p = v_fma(p, r, v_set1(1.0f / 6));
    p = v_fma(p, r, v_set1(0.5f));
    p = v_fma(p, r, v_set1(1.0f));
    p = v_fma(p, r, v_set1(1.0f));
    return v_scale2(p, n);
}

/* 2^x for x <= 0: at most 1 ULP; below -150 zero, and NaN stays.
 *
 * x = n + r with |r| <= 1/2; the polynomial is the one of degree 6 with p(0) = 1 whose largest
 * relative error on this interval is smallest, 2e-9. */
MG_INLINE v_f32 v_exp2(v_f32 x) {
    x = v_max(v_set1(-151.0f), x);
    v_f32 n = v_round(x), r = v_sub(x, n);
    v_f32 p = v_set1(1.5353360504377633e-4f);
    p = v_fma(p, r, v_set1(1.3398875016719103e-3f));
    p = v_fma(p, r, v_set1(9.61843691766262e-3f));
    p = v_fma(p, r, v_set1(5.5503323674201965e-2f));
    p = v_fma(p, r, v_set1(2.4022647738456726e-1f));
    p = v_fma(p, r, v_set1(6.931471824645996e-1f));
    p = v_fma(p, r, v_set1(1.0f));
    return v_scale2(p, n);
}

/* 1 / (1 + exp(-x)). */
MG_INLINE v_f32 v_sigmoid(v_f32 x) {
    v_f32 one = v_set1(1.0f);
    return v_div(one, v_add(one, v_exp(v_sub(v_zero(), x))));
}

/* tanh(x): at most 4 ULP. Beyond 0.35 it is (1-t)/(1+t), t = exp(-2|x|), where 1-t loses at most
 * one bit; below, the odd Taylor series to x^11, whose next term is 4e-9 of x at 0.35. */
MG_INLINE v_f32 v_tanh(v_f32 x) {
    v_f32 one = v_set1(1.0f), a = v_abs(x);
    v_f32 t = v_exp(v_mul(v_set1(-2.0f), a));
    v_f32 large = v_copysign(v_div(v_sub(one, t), v_add(one, t)), x);
    v_f32 s = v_mul(x, x);
    v_f32 p = v_set1(-1382.0f / 155925);
    p = v_fma(p, s, v_set1(62.0f / 2835));
    p = v_fma(p, s, v_set1(-17.0f / 315));
    p = v_fma(p, s, v_set1(2.0f / 15));
    p = v_fma(p, s, v_set1(-1.0f / 3));
    v_f32 small = v_fma(v_mul(p, s), x, x);
    return v_gt(a, v_set1(0.35f), large, small);
}
