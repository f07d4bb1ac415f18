/* The fused AdamW update of a range: one pass over parameters, gradients and both moments. */

static void adamw_f32(size_t n, const mg_adamw *h, const float *g, float *p, float *m, float *v) {
    v_f32 scale = v_set1(h->gradient_scale), limit = v_set1(h->gradient_limit);
    v_f32 negative_limit = v_set1(-h->gradient_limit);
    v_f32 b1 = v_set1(h->beta1), one_minus_b1 = v_set1(1.0f - h->beta1);
    v_f32 b2 = v_set1(h->beta2), one_minus_b2 = v_set1(1.0f - h->beta2);
    v_f32 c1 = v_set1(h->correction1 * h->learning_rate), c2 = v_set1(h->correction2);
    v_f32 epsilon = v_set1(h->epsilon);
    v_f32 keep = v_set1(1.0f - h->learning_rate * h->weight_decay);
    for (size_t i = 0; i < n; i += VN) {
        size_t c = n - i < VN ? n - i : VN;
        v_f32 gi = v_mul(v_load_n(g + i, c, v_zero()), scale);
        gi = v_max(negative_limit, v_min(limit, gi));
        v_f32 mi = v_fma(b1, v_load_n(m + i, c, v_zero()), v_mul(one_minus_b1, gi));
        v_f32 vi = v_fma(b2, v_load_n(v + i, c, v_zero()), v_mul(one_minus_b2, v_mul(gi, gi)));
        v_f32 step = v_div(v_mul(c1, mi), v_add(v_sqrt(v_mul(vi, c2)), epsilon));
        v_f32 pi = v_sub(v_mul(keep, v_load_n(p + i, c, v_zero())), step);
        v_store_n(m + i, mi, c);
        v_store_n(v + i, vi, c);
        v_store_n(p + i, pi, c);
    }
}
