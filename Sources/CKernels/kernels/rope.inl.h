/* Rotary position embedding of one head vector in the half-split layout, with the optional
 * normalisation of queries and keys (Henry et al. 2020, arXiv 2010.04245) in front.
 *
 *   x = [ x0 x1 ... | y0 y1 ... ]     (xi, yi) is the pair that turns by position * base^(-2i/D)
 *         half        half
 */

static float rope_f32(size_t half, const float *cosine, const float *sine, int normalize,
                      float epsilon, float *x) {
    float r = 1.0f;
    if (normalize) r = 1.0f / sqrtf(dot_f32(2 * half, x, x) / (float)(2 * half) + epsilon);
    v_f32 vr = v_set1(r);
    for (size_t i = 0; i < half; i += VN) {
        size_t m = half - i < VN ? half - i : VN;
        v_f32 c = v_load_n(cosine + i, m, v_zero()), s = v_load_n(sine + i, m, v_zero());
        v_f32 a = v_mul(v_load_n(x + i, m, v_zero()), vr);
        v_f32 b = v_mul(v_load_n(x + half + i, m, v_zero()), vr);
        v_store_n(x + i, v_fnma(b, s, v_mul(a, c)), m);
        v_store_n(x + half + i, v_fma(a, s, v_mul(b, c)), m);
    }
    return r;
}

/* A rotation keeps lengths and dot products, so the normalisation's gradient can be taken before
 * rotating back: dx = r R^T (dz - z mean(dz z)). */
static void rope_backward_f32(size_t half, const float *cosine, const float *sine, int normalize,
                              float r, const float *z, float *dz) {
    float mean = normalize ? dot_f32(2 * half, z, dz) / (float)(2 * half) : 0.0f;
    v_f32 vr = v_set1(normalize ? r : 1.0f), vmean = v_set1(mean);
    for (size_t i = 0; i < half; i += VN) {
        size_t m = half - i < VN ? half - i : VN;
        v_f32 c = v_load_n(cosine + i, m, v_zero()), s = v_load_n(sine + i, m, v_zero());
        v_f32 a = v_load_n(dz + i, m, v_zero()), b = v_load_n(dz + half + i, m, v_zero());
        if (normalize) {
            a = v_fnma(v_load_n(z + i, m, v_zero()), vmean, a);
            b = v_fnma(v_load_n(z + half + i, m, v_zero()), vmean, b);
        }
        a = v_mul(a, vr);
        b = v_mul(b, vr);
        v_store_n(dz + i, v_fma(b, s, v_mul(a, c)), m);
        v_store_n(dz + half + i, v_fnma(a, s, v_mul(b, c)), m);
    }
}
