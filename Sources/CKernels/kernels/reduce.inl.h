/* Sums, dot products, maxima. Several accumulators, combined in a fixed order. */

static float sum_f32(size_t n, const float *x) {
    v_f32 s[8];
    for (int j = 0; j < 8; j++) s[j] = v_zero();
    size_t i = 0;
    for (; i + 8 * VN <= n; i += 8 * VN)
        for (size_t j = 0; j < 8; j++) s[j] = v_add(s[j], v_load(x + i + j * VN));
    for (; i + VN <= n; i += VN) s[0] = v_add(s[0], v_load(x + i));
    if (i < n) s[1] = v_add(s[1], v_load_n(x + i, n - i, v_zero()));
    for (int half = 4; half; half /= 2)
        for (int j = 0; j < half; j++) s[j] = v_add(s[j], s[j + half]);
    return v_hsum(s[0]);
}

/* Of a and `count` rows of b, a constant of at most 4: each the same bits as alone. */
MG_INLINE void inner_products(size_t count, size_t n, const float *a, const float *b, size_t ldb,
                              float *products) {
    v_f32 s[4][4];
    MG_UNROLL
    for (size_t t = 0; t < count; t++) {
        MG_UNROLL
        for (size_t j = 0; j < 4; j++) s[t][j] = v_zero();
    }
    size_t i = 0;
    for (; i + 4 * VN <= n; i += 4 * VN) {
        MG_UNROLL
        for (size_t j = 0; j < 4; j++) {
            v_f32 part = v_load(a + i + j * VN);
            MG_UNROLL
            for (size_t t = 0; t < count; t++)
                s[t][j] = v_fma(part, v_load(b + t * ldb + i + j * VN), s[t][j]);
        }
    }
    for (; i + VN <= n; i += VN) {
        MG_UNROLL
        for (size_t t = 0; t < count; t++)
            s[t][0] = v_fma(v_load(a + i), v_load(b + t * ldb + i), s[t][0]);
    }
    if (i < n) {
        v_f32 last = v_load_n(a + i, n - i, v_zero());
        MG_UNROLL
        for (size_t t = 0; t < count; t++)
            s[t][1] = v_fma(last, v_load_n(b + t * ldb + i, n - i, v_zero()), s[t][1]);
    }
    MG_UNROLL
    for (size_t t = 0; t < count; t++)
        products[t] = v_hsum(v_add(v_add(s[t][0], s[t][2]), v_add(s[t][1], s[t][3])));
}

static float dot_f32(size_t n, const float *a, const float *b) {
    float product;
    inner_products(1, n, a, b, 0, &product);
    return product;
}

static float max_f32(size_t n, const float *x) {
    if (n == 0) return -INFINITY;
    v_f32 largest = v_set1(x[0]), sum = v_zero(), first = largest;
    for (size_t i = 0; i < n; i += VN) {
        v_f32 v = v_load_n(x + i, n - i < VN ? n - i : VN, first);
        largest = v_max(v, largest); /* a NaN in v is dropped here ... */
        sum = v_fma(v_sub(v, v), v_zero(), sum);
    }
    /* ... and infinities make v - v NaN too, so look again only then. */
    if (v_hsum(sum) != 0.0f)
        for (size_t i = 0; i < n; i++)
            if (x[i] != x[i]) return x[i];
    return v_hmax(largest);
}

/* Columns `j` to `j + vectors * VN` of all rows: so many that a row is read by whole cache lines.
 */
MG_INLINE void column_sum_strip(size_t vectors, size_t rows, const float *x, size_t ld, float *y) {
    v_f32 s[8];
    MG_UNROLL
    for (size_t v = 0; v < vectors; v++) s[v] = v_zero();
    for (size_t i = 0; i < rows; i++, x += ld) {
        MG_UNROLL
        for (size_t v = 0; v < vectors; v++) s[v] = v_add(s[v], v_load(x + v * VN));
    }
    MG_UNROLL
    for (size_t v = 0; v < vectors; v++) v_store(y + v * VN, v_add(v_load(y + v * VN), s[v]));
}

static void column_sum_f32(size_t rows, size_t n, const float *x, size_t ld, float *y) {
    size_t j = 0;
    for (; j + 8 * VN <= n; j += 8 * VN) column_sum_strip(8, rows, x + j, ld, y + j);
    for (; j + VN <= n; j += VN) column_sum_strip(1, rows, x + j, ld, y + j);
    if (j == n) return;
    v_f32 s = v_zero();
    for (size_t i = 0; i < rows; i++) s = v_add(s, v_load_n(x + i * ld + j, n - j, s));
    v_store_n(y + j, v_add(v_load_n(y + j, n - j, v_zero()), s), n - j);
}

/* As many sums as the tile of gemm.inl.h has. */
static float fma_peak_f32(size_t rounds) {
    enum { SUMS = MG_MR * MG_NRV };
    v_f32 s[SUMS], a = v_set1(-0x1p-20f);
    /* A round takes a millionth off: numbers that stay normal for 80 million rounds. The sum is the
     * one operand that NEON overwrites, and no product can be moved out of the loop. */
    for (int j = 0; j < SUMS; j++) s[j] = v_set1((float)(j + 2));
    for (size_t i = 0; i < rounds; i++) {
        MG_UNROLL
        for (int j = 0; j < SUMS; j++) s[j] = v_fma(s[j], a, s[j]);
    }
    v_f32 total = v_zero();
    for (int j = 0; j < SUMS; j++) total = v_add(total, s[j]);
    return v_hsum(total);
}

static float dot_peak_bf16(size_t rounds) {
#if MG_BF16_STEP == 2
    enum { SUMS = MG_MR * MG_NRV };
    /* Both halves of each word are 2^-5: a round adds 2^-9, exactly. */
    const uint32_t word = 0x3d003d00u;
    float pair;
    memcpy(&pair, &word, sizeof pair);
    v_f32 s[SUMS], a = v_set1(pair);
    for (int j = 0; j < SUMS; j++) s[j] = v_set1((float)(j + 2));
    for (size_t i = 0; i < rounds; i++) {
        MG_UNROLL
        for (int j = 0; j < SUMS; j++) s[j] = v_dot_bf16(a, a, s[j]);
    }
    v_f32 total = v_zero();
    for (int j = 0; j < SUMS; j++) total = v_add(total, s[j]);
    return v_hsum(total);
#else
    return fma_peak_f32(rounds);
#endif
}
