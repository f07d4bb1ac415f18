/* RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467) and LayerNorm (Ba et al. 2016,
 * arXiv 1607.06450) of one row, with the residual addition in front fused in. */

/* sum = x + add where add is given; returns the row that is to be normalised. */
MG_INLINE const float *norm_residual(size_t n, const float *x, const float *add, float *sum) {
    if (!add) return x;
    add_f32(n, x, add, sum);
    return sum;
}

static float rmsnorm_f32(size_t n, float epsilon, const float *x, const float *add, float *sum,
                         const float *gain, float *y) {
    const float *row = norm_residual(n, x, add, sum);
    float r = 1.0f / sqrtf(dot_f32(n, row, row) / (float)n + epsilon);
    v_f32 vr = v_set1(r);
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 v = v_mul(v_load_n(row + i, m, v_zero()), vr);
        if (gain) v = v_mul(v, v_load_n(gain + i, m, v_zero()));
        v_store_n(y + i, v, m);
    }
    return r;
}

static void rmsnorm_backward_f32(size_t n, const float *x, const float *gain, float r,
                                 const float *dy, float *dx, int accumulate, float *dgain) {
    v_f32 vr = v_set1(r), dot = v_zero();
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 g = v_load_n(dy + i, m, v_zero());
        v_f32 xhat = v_mul(v_load_n(x + i, m, v_zero()), vr);
        if (dgain) v_store_n(dgain + i, v_fma(g, xhat, v_load_n(dgain + i, m, v_zero())), m);
        if (gain) g = v_mul(g, v_load_n(gain + i, m, v_zero()));
        dot = v_fma(g, xhat, dot);
    }
    v_f32 mean = v_set1(v_hsum(dot) / (float)n);
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 g = v_load_n(dy + i, m, v_zero());
        if (gain) g = v_mul(g, v_load_n(gain + i, m, v_zero()));
        v_f32 xhat = v_mul(v_load_n(x + i, m, v_zero()), vr);
        v_f32 d = v_mul(vr, v_fnma(xhat, mean, g));
        if (accumulate) d = v_add(d, v_load_n(dx + i, m, v_zero()));
        v_store_n(dx + i, d, m);
    }
}

static void layernorm_f32(size_t n, float epsilon, const float *x, const float *add, float *sum,
                          const float *gain, const float *bias, float *y, float *stats) {
    const float *row = norm_residual(n, x, add, sum);
    float mean = sum_f32(n, row) / (float)n;
    v_f32 vmean = v_set1(mean), squares = v_zero();
    for (size_t i = 0; i < n; i += VN) { /* missing lanes are filled with the mean: they add 0 */
        v_f32 d = v_sub(v_load_n(row + i, n - i < VN ? n - i : VN, vmean), vmean);
        squares = v_fma(d, d, squares);
    }
    float r = 1.0f / sqrtf(v_hsum(squares) / (float)n + epsilon);
    v_f32 vr = v_set1(r);
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 v = v_mul(v_sub(v_load_n(row + i, m, v_zero()), vmean), vr);
        if (gain) v = v_mul(v, v_load_n(gain + i, m, v_zero()));
        if (bias) v = v_add(v, v_load_n(bias + i, m, v_zero()));
        v_store_n(y + i, v, m);
    }
    stats[0] = mean;
    stats[1] = r;
}

static void layernorm_backward_f32(size_t n, const float *x, const float *gain, const float *stats,
                                   const float *dy, float *dx, int accumulate, float *dgain,
                                   float *dbias) {
    v_f32 mean = v_set1(stats[0]), vr = v_set1(stats[1]);
    v_f32 dot = v_zero(), total = v_zero();
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 g = v_load_n(dy + i, m, v_zero());
        v_f32 xhat = v_mul(v_sub(v_load_n(x + i, m, mean), mean), vr);
        if (dgain) v_store_n(dgain + i, v_fma(g, xhat, v_load_n(dgain + i, m, v_zero())), m);
        if (dbias) v_store_n(dbias + i, v_add(g, v_load_n(dbias + i, m, v_zero())), m);
        if (gain) g = v_mul(g, v_load_n(gain + i, m, v_zero()));
        dot = v_fma(g, xhat, dot);
        total = v_add(total, g);
    }
    v_f32 mean_gx = v_set1(v_hsum(dot) / (float)n), mean_g = v_set1(v_hsum(total) / (float)n);
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 g = v_load_n(dy + i, m, v_zero());
        if (gain) g = v_mul(g, v_load_n(gain + i, m, v_zero()));
        v_f32 xhat = v_mul(v_sub(v_load_n(x + i, m, mean), mean), vr);
        v_f32 d = v_mul(vr, v_fnma(xhat, mean_gx, v_sub(g, mean_g)));
        if (accumulate) d = v_add(d, v_load_n(dx + i, m, v_zero()));
        v_store_n(dx + i, d, m);
    }
}
