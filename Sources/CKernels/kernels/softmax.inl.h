/* Softmax and cross-entropy of one row. The maximum is subtracted before any exponential, and
 * before a factor that rounds: the largest element is exp(0) however large it is. */

static void softmax_f32(size_t n, float scale, const float *x, float *y) {
    if (n == 0) return;
    v_f32 vscale = v_set1(scale), lowest = v_set1(-INFINITY), largest = lowest, total = v_zero();
    MG_EACH(n, {
        v_f32 z = v_mul(v_part(x + i, m, v_zero()), vscale);
        if (m < VN) { /* zeros behind the end don't count */
            v_store_n(y + i, z, m);
            z = v_load_n(y + i, m, lowest);
        } else {
            v_store(y + i, z);
        }
        largest = v_max(largest, z);
    });
    v_f32 log2e = v_set1(1.44269504f), top = v_set1(v_hmax(largest)); /* 1/ln2 */
    MG_EACH(n, {
        v_f32 e = v_exp2(v_mul(v_sub(v_part(y + i, m, lowest), top), log2e));
        v_put(y + i, e, m);
        total = v_add(total, e);
    });
    v_f32 inverse = v_set1(1.0f / v_hsum(total));
    MG_EACH(n, { v_put(y + i, v_mul(v_part(y + i, m, v_zero()), inverse), m); });
}

/* cap * tanh(x / cap), or x where cap is 0. */
MG_INLINE v_f32 v_capped(v_f32 x, float cap) {
    return cap > 0 ? v_mul(v_set1(cap), v_tanh(v_mul(x, v_set1(1.0f / cap)))) : x;
}

/* Three passes over the row: maximum; exponentials, whose sum is kept and, where the gradient is
 * wanted, they too, times the slope of the cap; gradient. */
static float cross_entropy_f32(size_t n, const float *logits, size_t target, float cap,
                               float weight, float *dlogits) {
    v_f32 lowest = v_set1(-INFINITY), largest = lowest, total = v_zero();
    MG_EACH(n, { largest = v_max(largest, v_part(logits + i, m, lowest)); });
    float top = v_hmax(v_capped(v_set1(v_hmax(largest)), cap)); /* the cap is monotone */
    float z = v_hmax(v_capped(v_set1(logits[target]), cap));    /* before dlogits overwrites it */
    float inverse_cap = cap > 0 ? 1.0f / cap : 0.0f;
    v_f32 vtop = v_set1(top), one = v_set1(1.0f), vinverse = v_set1(inverse_cap);
    MG_EACH(n, {
        v_f32 c = v_capped(v_part(logits + i, m, lowest), cap), e = v_exp(v_sub(c, vtop));
        if (m < VN) { /* lanes beyond the end: -inf, capped to -cap, must still count as nothing */
            float lanes[VN];
            v_store(lanes, e);
            e = v_load_n(lanes, m, v_zero());
        }
        total = v_add(total, e);
        if (dlogits) {
            /* d(capped)/dx = 1 - (capped/cap)^2. Without a cap it is 1, and c may be -inf. */
            v_f32 q = v_mul(c, vinverse);
            v_put(dlogits + i, cap > 0 ? v_mul(e, v_fnma(q, q, one)) : e, m);
        }
    });
    float sum = v_hsum(total);
    float loss = logf(sum) + (top - z);
    if (!dlogits) return loss;

    v_f32 factor = v_set1(weight / sum);
    MG_EACH(n, { v_put(dlogits + i, v_mul(v_part(dlogits + i, m, v_zero()), factor), m); });
    float ratio = cap > 0 ? z * inverse_cap : 0.0f;
    dlogits[target] -= weight * (1.0f - ratio * ratio);
    return loss;
}
