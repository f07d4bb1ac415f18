/* Softmax and cross-entropy of one row. The maximum is subtracted before any exponential. */

static void softmax_f32(size_t n, float scale, const float *x, float *y) {
    if (n == 0) return;
    v_f32 vscale = v_set1(scale), largest = v_set1(-INFINITY);
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 z = v_mul(v_load_n(x + i, m, v_zero()), vscale);
        v_store_n(y + i, z, m);
        largest = v_max(largest, v_load_n(y + i, m, v_set1(-INFINITY)));
    }
    v_f32 vmax = v_set1(v_hmax(largest)), total = v_zero();
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 e = v_exp(v_sub(v_load_n(y + i, m, v_set1(-INFINITY)), vmax));
        v_store_n(y + i, e, m);
        total = v_add(total, e);
    }
    v_f32 inverse = v_set1(1.0f / v_hsum(total));
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_store_n(y + i, v_mul(v_load_n(y + i, m, v_zero()), inverse), m);
    }
}

/* cap * tanh(x / cap), or x where cap is 0. */
MG_INLINE v_f32 v_capped(v_f32 x, float cap) {
    return cap > 0 ? v_mul(v_set1(cap), v_tanh(v_mul(x, v_set1(1.0f / cap)))) : x;
}

/* Three passes over the row: maximum, sum of exponentials, gradient. With a cap, z is computed
 * anew in each pass from the logits, so that no second row is needed. */
static float cross_entropy_f32(size_t n, const float *logits, size_t target, float cap,
                               float weight, float *dlogits) {
    v_f32 lowest = v_set1(-INFINITY), largest = lowest, total = v_zero();
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        largest = v_max(largest, v_load_n(logits + i, m, lowest));
    }
    float top = v_hmax(v_capped(v_set1(v_hmax(largest)), cap)); /* the cap is monotone */
    v_f32 vtop = v_set1(top);
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        /* Lanes beyond the end: -inf, capped to -cap, must still count as nothing. */
        v_f32 e = v_exp(v_sub(v_capped(v_load_n(logits + i, m, lowest), cap), vtop));
        if (m < VN) {
            float lanes[VN];
            v_store(lanes, e);
            e = v_load_n(lanes, m, v_zero());
        }
        total = v_add(total, e);
    }
    float sum = v_hsum(total);
    float z = v_hmax(v_capped(v_set1(logits[target]), cap));
    float loss = logf(sum) + (top - z);
    if (!dlogits) return loss;

    v_f32 factor = v_set1(weight / sum), one = v_set1(1.0f);
    /* d(capped)/dx = 1 - (capped/cap)^2. Without a cap it is 1, and a logit may be -inf. */
    float inverse_cap = cap > 0 ? 1.0f / cap : 0.0f;
    float ratio = cap > 0 ? z * inverse_cap : 0.0f;
    float at_target = weight * (1.0f - ratio * ratio);
    for (size_t i = 0; i < n; i += VN) {
        size_t m = n - i < VN ? n - i : VN;
        v_f32 c = v_capped(v_load_n(logits + i, m, v_zero()), cap);
        v_f32 d = v_mul(v_exp(v_sub(c, vtop)), factor);
        if (cap > 0) {
            v_f32 q = v_mul(c, v_set1(inverse_cap));
            d = v_mul(d, v_fnma(q, q, one));
        }
        v_store_n(dlogits + i, d, m);
    }
    dlogits[target] -= at_target;
    return loss;
}
