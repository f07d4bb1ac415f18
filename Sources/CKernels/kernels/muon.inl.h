/* The element-wise parts of Muon: momentum, and a polynomial of a symmetric matrix whose lower
 * triangle alone was computed. The products between are in muon.c. */

static void momentum_f32(size_t n, const mg_momentum *h, float *g, float *moment) {
    v_f32 scale = v_set1(h->gradient_scale), limit = v_set1(h->gradient_limit);
    v_f32 negative_limit = v_set1(-h->gradient_limit), decay = v_set1(h->decay);
    MG_EACH(n, {
        v_f32 gi = v_mul(v_part(g + i, m, v_zero()), scale);
        gi = v_max(negative_limit, v_min(limit, gi));
        v_f32 mi = v_fma(decay, v_part(moment + i, m, v_zero()), gi);
        v_put(moment + i, mi, m);
        v_put(g + i, v_fma(decay, mi, gi), m);
    });
}

/* Element (i, j) and its mirror image are written by the call that has row max(i, j). Squares of
 * 4 x 4 below the diagonal are transposed in registers. */
static void symmetrize_f32(size_t n, size_t first, size_t end, float diagonal, float x_factor,
                           const float *x, float y_factor, float *y) {
    v_f32 fx = v_set1(x_factor), fy = v_set1(y_factor);
    for (size_t i = first; i < end; i++) {
        float *row = y + i * n;
        for (size_t j = 0; j <= i; j += VN) {
            size_t c = i + 1 - j < VN ? i + 1 - j : VN;
            v_f32 value = v_mul(fy, v_load_n(row + j, c, v_zero()));
            if (x) value = v_fma(fx, v_load_n(x + i * n + j, c, v_zero()), value);
            v_store_n(row + j, value, c);
        }
        row[i] += diagonal;
    }
    for (size_t i = first; i < end; i += 4) {
        size_t j = 0;
        if (end - i >= 4)
            for (; j + 4 <= i; j += 4) v_transpose4(y + i * n + j, n, y + j * n + i, n);
        for (size_t r = i; r < end && r < i + 4; r++)
            for (size_t s = j; s < r; s++) y[s * n + r] = y[r * n + s];
    }
}
