/* Matrix times vector, four rows at a time so that x is loaded once for all of them. */

/* Four rows are four streams that restart every few kilobytes, more than the prefetcher of the
 * hardware follows; as neighbours in memory they are one. While four rows are at work the next ones
 * are fetched in that order (gemv_q8.inl.h has the measurement). */
enum { GEMV_AHEAD = 1024 };

MG_INLINE void gemv_fetch(const float *p, size_t floats) {
    MG_UNROLL
    for (size_t i = 0; i < floats; i += 16) __builtin_prefetch(p + i, 0, 3);
}

MG_INLINE float gemv_finish(float sum, const float *bias, int accumulate, const float *y,
                            size_t i) {
    if (bias) sum += bias[i];
    if (accumulate) sum += y[i];
    return sum;
}

static void gemv_f32(size_t n, size_t k, const float *w, size_t ldw, const float *x,
                     const float *bias, int accumulate, float *y) {
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        v_f32 even[4], odd[4]; /* two sums a row hide the latency of the multiply-add */
        for (int r = 0; r < 4; r++) even[r] = odd[r] = v_zero();
        const float *row = w + i * ldw;
        size_t j = 0;
        for (; j + 2 * VN <= k; j += 2 * VN) {
            v_f32 x0 = v_load(x + j), x1 = v_load(x + j + VN);
            gemv_fetch(row + 4 * ldw + GEMV_AHEAD + 4 * j, 8 * VN);
            MG_UNROLL
            for (size_t r = 0; r < 4; r++) {
                even[r] = v_fma(v_load(row + r * ldw + j), x0, even[r]);
                odd[r] = v_fma(v_load(row + r * ldw + j + VN), x1, odd[r]);
            }
        }
        for (; j < k; j += VN) {
            size_t m = k - j < VN ? k - j : VN;
            v_f32 x0 = v_load_n(x + j, m, v_zero());
            MG_UNROLL
            for (size_t r = 0; r < 4; r++)
                even[r] = v_fma(v_load_n(row + r * ldw + j, m, v_zero()), x0, even[r]);
        }
        MG_UNROLL
        for (size_t r = 0; r < 4; r++) {
            float sum = v_hsum(v_add(even[r], odd[r]));
            y[i + r] = gemv_finish(sum, bias, accumulate, y, i + r);
        }
    }
    for (; i < n; i++) y[i] = gemv_finish(dot_f32(k, w + i * ldw, x), bias, accumulate, y, i);
}
