/* RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467) and LayerNorm (Ba et al. 2016,
 * arXiv 1607.06450) of one row, with the residual addition in front fused in.
 *
 * Sums change places with one another after each vector: two chains of additions, half the wait. */

static float rmsnorm_f32(size_t n, float epsilon, const float *x, const float *add, float *sum,
                         const float *gain, float *y) {
    v_f32 squares = v_zero(), other = v_zero();
    MG_EACH(n, {
        v_f32 v = v_part(x + i, m, v_zero());
        if (add) {
            v = v_add(v, v_part(add + i, m, v_zero()));
            v_put(sum + i, v, m);
        }
        v_f32 next = v_fma(v, v, other);
        other = squares;
        squares = next;
    });
    const float *row = add ? sum : x;
    float r = 1.0f / sqrtf(v_hsum(v_add(squares, other)) / (float)n + epsilon);
    v_f32 vr = v_set1(r);
    MG_EACH(n, {
        v_f32 v = v_mul(v_part(row + i, m, v_zero()), vr);
        if (gain) v = v_mul(v, v_part(gain + i, m, v_zero()));
        v_put(y + i, v, m);
    });
    return r;
}

static void rmsnorm_backward_f32(size_t n, const float *x, const float *gain, float r,
                                 const float *dy, float *dx, int accumulate, float *dgain) {
    v_f32 vr = v_set1(r), dot = v_zero(), other = v_zero();
    MG_EACH(n, {
        v_f32 g = v_part(dy + i, m, v_zero());
        v_f32 xhat = v_mul(v_part(x + i, m, v_zero()), vr);
        if (dgain) v_put(dgain + i, v_fma(g, xhat, v_part(dgain + i, m, v_zero())), m);
        if (gain) g = v_mul(g, v_part(gain + i, m, v_zero()));
        v_f32 next = v_fma(g, xhat, other);
        other = dot;
        dot = next;
    });
    v_f32 mean = v_set1(v_hsum(v_add(dot, other)) / (float)n);
    MG_EACH(n, {
        v_f32 g = v_part(dy + i, m, v_zero());
        if (gain) g = v_mul(g, v_part(gain + i, m, v_zero()));
        v_f32 xhat = v_mul(v_part(x + i, m, v_zero()), vr);
        v_f32 d = v_mul(vr, v_fnma(xhat, mean, g));
        if (accumulate) d = v_add(d, v_part(dx + i, m, v_zero()));
        v_put(dx + i, d, m);
    });
}

static void layernorm_f32(size_t n, float epsilon, const float *x, const float *add, float *sum,
                          const float *gain, const float *bias, float *y, float *stats) {
    v_f32 t0 = v_zero(), t1 = t0, t2 = t0, t3 = t0; /* four: equal elements round the same way */
    MG_EACH(n, {
        v_f32 v = v_part(x + i, m, v_zero());
        if (add) {
            v = v_add(v, v_part(add + i, m, v_zero()));
            v_put(sum + i, v, m);
        }
        v_f32 next = v_add(v, t3);
        t3 = t2;
        t2 = t1;
        t1 = t0;
        t0 = next;
    });
    const float *row = add ? sum : x;
    float mean = v_hsum(v_add(v_add(t0, t1), v_add(t2, t3))) / (float)n;
    v_f32 vmean = v_set1(mean), squares = v_zero(), other = v_zero();
    MG_EACH(n, { /* missing lanes are filled with the mean: they add 0 */
                 v_f32 d = v_sub(v_part(row + i, m, vmean), vmean);
                 v_f32 next = v_fma(d, d, other);
                 other = squares;
                 squares = next;
    });
    float r = 1.0f / sqrtf(v_hsum(v_add(squares, other)) / (float)n + epsilon);
    v_f32 vr = v_set1(r);
    MG_EACH(n, {
        v_f32 v = v_mul(v_sub(v_part(row + i, m, v_zero()), vmean), vr);
        if (gain) v = v_mul(v, v_part(gain + i, m, v_zero()));
        if (bias) v = v_add(v, v_part(bias + i, m, v_zero()));
        v_put(y + i, v, m);
    });
    stats[0] = mean;
    stats[1] = r;
}

static void layernorm_backward_f32(size_t n, const float *x, const float *gain, const float *stats,
                                   const float *dy, float *dx, int accumulate, float *dgain,
                                   float *dbias) {
    v_f32 mean = v_set1(stats[0]), vr = v_set1(stats[1]);
    v_f32 dot = v_zero(), total = v_zero();
    MG_EACH(n, {
        v_f32 g = v_part(dy + i, m, v_zero());
        v_f32 xhat = v_mul(v_sub(v_part(x + i, m, mean), mean), vr);
        if (dgain) v_put(dgain + i, v_fma(g, xhat, v_part(dgain + i, m, v_zero())), m);
        if (dbias) v_put(dbias + i, v_add(g, v_part(dbias + i, m, v_zero())), m);
        if (gain) g = v_mul(g, v_part(gain + i, m, v_zero()));
        dot = v_fma(g, xhat, dot);
        total = v_add(total, g);
    });
    v_f32 mean_gx = v_set1(v_hsum(dot) / (float)n), mean_g = v_set1(v_hsum(total) / (float)n);
    MG_EACH(n, {
        v_f32 g = v_part(dy + i, m, v_zero());
        if (gain) g = v_mul(g, v_part(gain + i, m, v_zero()));
        v_f32 xhat = v_mul(v_sub(v_part(x + i, m, mean), mean), vr);
        v_f32 d = v_mul(vr, v_fnma(xhat, mean_gx, v_sub(g, mean_g)));
        if (accumulate) d = v_add(d, v_part(dx + i, m, v_zero()));
        v_put(dx + i, d, m);
    });
}
