/* Rotary position embedding of the heads of one row in the half-split layout, with the optional
 * normalisation of queries and keys (Henry et al. 2020, arXiv 2010.04245) in front.
 *
 *   head = [ x0 x1 ... | y0 y1 ... ]  (xi, yi) is the pair that turns by position * base^(-2i/D)
 *            half        half
 */

enum { MG_ROPE_HEADS = 32 }; /* heads whose factors are computed together */

/* factors[h] = 1 / sqrt(mean(x^2) + epsilon) of each head, root and division for all at once. */
static void rope_factors(size_t heads, size_t d, float epsilon, const float *x, float *factors) {
    for (size_t h = 0; h < heads; h++) factors[h] = dot_f32(d, x + h * d, x + h * d);
    v_f32 one = v_set1(1.0f), vd = v_set1((float)d), veps = v_set1(epsilon);
    MG_EACH(heads, {
        v_f32 mean = v_add(v_div(v_part(factors + i, m, one), vd), veps);
        v_put(factors + i, v_div(one, v_sqrt(mean)), m);
    });
}

static void rope_f32(size_t heads, size_t half, const float *cosine, const float *sine,
                     int normalize, float epsilon, float *x, float *factors) {
    for (size_t first = 0; first < heads; first += MG_ROPE_HEADS) {
        size_t count = heads - first < MG_ROPE_HEADS ? heads - first : MG_ROPE_HEADS;
        float r[MG_ROPE_HEADS], *head = x + first * 2 * half;
        if (normalize) rope_factors(count, 2 * half, epsilon, head, r);
        for (size_t h = 0; h < count; h++, head += 2 * half) {
            v_f32 vr = v_set1(normalize ? r[h] : 1.0f);
            MG_EACH(half, {
                v_f32 c = v_part(cosine + i, m, v_zero()), s = v_part(sine + i, m, v_zero());
                v_f32 a = v_mul(v_part(head + i, m, v_zero()), vr);
                v_f32 b = v_mul(v_part(head + half + i, m, v_zero()), vr);
                v_put(head + i, v_fnma(b, s, v_mul(a, c)), m);
                v_put(head + half + i, v_fma(a, s, v_mul(b, c)), m);
            });
            if (factors) factors[first + h] = normalize ? r[h] : 1.0f;
        }
    }
}

/* A rotation keeps lengths and dot products, so the normalisation's gradient can be taken before
 * rotating back: dx = r R^T (dz - z mean(dz z)). */
static void rope_backward_f32(size_t heads, size_t half, const float *cosine, const float *sine,
                              const float *factors, const float *z, float *dz) {
    for (size_t h = 0; h < heads; h++, z += 2 * half, dz += 2 * half) {
        float mean = factors ? dot_f32(2 * half, z, dz) / (float)(2 * half) : 0.0f;
        v_f32 vr = v_set1(factors ? factors[h] : 1.0f), vmean = v_set1(mean);
        MG_EACH(half, {
            v_f32 c = v_part(cosine + i, m, v_zero()), s = v_part(sine + i, m, v_zero());
            v_f32 a = v_part(dz + i, m, v_zero()), b = v_part(dz + half + i, m, v_zero());
            if (factors) {
                a = v_fnma(v_part(z + i, m, v_zero()), vmean, a);
                b = v_fnma(v_part(z + half + i, m, v_zero()), vmean, b);
            }
            a = v_mul(a, vr);
            b = v_mul(b, vr);
            v_put(dz + i, v_fma(b, s, v_mul(a, c)), m);
            v_put(dz + half + i, v_fnma(a, s, v_mul(b, c)), m);
        });
    }
}
