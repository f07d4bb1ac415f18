/* The fused AdamW update of a range: one pass over parameters, gradients and both moments. */

static void adamw_f32(size_t n, const mg_adamw *h, const float *g, float *p, float *first,
                      float *second) {
    v_f32 scale = v_set1(h->gradient_scale), limit = v_set1(h->gradient_limit);
    v_f32 negative_limit = v_set1(-h->gradient_limit);
    v_f32 b1 = v_set1(h->beta1), one_minus_b1 = v_set1(1.0f - h->beta1);
    v_f32 b2 = v_set1(h->beta2), one_minus_b2 = v_set1(1.0f - h->beta2);
    v_f32 c1 = v_set1(h->correction1 * h->learning_rate), c2 = v_set1(h->correction2);
    v_f32 epsilon = v_set1(h->epsilon);
    v_f32 keep = v_set1(1.0f - h->learning_rate * h->weight_decay);
    MG_EACH(n, {
        v_f32 gi = v_mul(v_part(g + i, m, v_zero()), scale);
        gi = v_max(negative_limit, v_min(limit, gi));
        v_f32 mi = v_fma(b1, v_part(first + i, m, v_zero()), v_mul(one_minus_b1, gi));
        v_f32 vi = v_fma(b2, v_part(second + i, m, v_zero()), v_mul(one_minus_b2, v_mul(gi, gi)));
        v_f32 step = v_div(v_mul(c1, mi), v_add(v_sqrt(v_mul(vi, c2)), epsilon));
        v_f32 pi = v_sub(v_mul(keep, v_part(p + i, m, v_zero())), step);
        v_put(first + i, mi, m);
        v_put(second + i, vi, m);
        v_put(p + i, pi, m);
    });
}
