/* Matrix multiply on packed panels: the register tile and its edges. Packing is in pack.inl.h.
 *
 *   a: panels of MR rows        b: panels of NR columns        tile: MR x NRV vectors of c
 *   [p][j][MR]                  [q][j][NR]                     c += a[.][j] outer b[j][.]
 *
 * The scheme is that of BLIS (Van Zee and van de Geijn 2015, doi 10.1145/2764454). */

enum { MG_NR = MG_NRV * VN };

/* A word of a times a word of b: a float32 each, or a pair of bf16. */
MG_INLINE v_f32 gemm_step(mg_type type, v_f32 a, v_f32 b, v_f32 sum) {
#if MG_BF16_STEP == 2
    if (type == MG_BF16) return v_dot_bf16(a, b, sum);
#endif
    (void)type;
    return v_fma(a, b, sum);
}

/* c (rows, columns) = a b [+ bias] [+ c] for a tile of at most `height` rows and `vectors` vectors.
 * Both are constants where this is inlined, so that the sums stay in registers from the first to
 * the last k; `rows` and `columns` are what c has of them. */
MG_INLINE void gemm_tile_of(mg_type type, size_t height, size_t vectors, size_t rows,
                            size_t columns, size_t k, const float *a, const float *b, float *c,
                            size_t ldc, const float *bias, int accumulate) {
    v_f32 sum[MG_MR][MG_NRV];
    MG_UNROLL
    for (size_t i = 0; i < height; i++) {
        MG_UNROLL
        for (size_t j = 0; j < vectors; j++) sum[i][j] = v_zero();
        if (i < rows) { /* c is met when the sums are complete: by then it is near */
            __builtin_prefetch(c + i * ldc, 0, 2);
            __builtin_prefetch(c + i * ldc + columns - 1, 0, 2);
        }
    }
    for (size_t p = 0; p < k; p++, a += MG_MR, b += MG_NR) {
        v_f32 row[MG_NRV];
        MG_UNROLL
        for (size_t j = 0; j < vectors; j++) row[j] = v_load(b + j * VN);
        MG_UNROLL
        for (size_t i = 0; i < height; i++) {
            v_f32 ai = v_set1(a[i]);
            MG_UNROLL
            for (size_t j = 0; j < vectors; j++) sum[i][j] = gemm_step(type, ai, row[j], sum[i][j]);
        }
    }
    MG_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        size_t first = j * VN, lanes = columns < first ? 0 : columns - first;
        if (lanes > VN) lanes = VN;
        v_f32 start = bias ? v_load_n(bias + first, lanes, v_zero()) : v_zero();
        MG_UNROLL
        for (size_t i = 0; i < height; i++) {
            float *to = c + i * ldc + first;
            v_f32 value = v_add(sum[i][j], start);
            if (i >= rows) break;
            if (lanes == VN)
                v_store(to, accumulate ? v_add(value, v_load(to)) : value);
            else
                v_store_n(to, accumulate ? v_add(value, v_load_n(to, lanes, v_zero())) : value,
                          lanes);
        }
    }
}

/* A few columns only: vectors run along the rows of a's panel. The same sums in the same order, at
 * a third of what the narrowest tile would cost (a vocabulary of 65 has one column over). */
enum { MG_THIN = 3, MG_MRV = (MG_MR + VN - 1) / VN };

MG_INLINE void gemm_thin_of(mg_type type, size_t rows, size_t columns, size_t k, const float *a,
                            const float *b, float *c, size_t ldc, const float *bias,
                            int accumulate) {
    v_f32 sum[MG_THIN][MG_MRV];
    for (size_t j = 0; j < MG_THIN; j++)
        for (size_t i = 0; i < MG_MRV; i++) sum[j][i] = v_zero();
    for (size_t p = 0; p < k; p++, a += MG_MR, b += MG_NR) {
        MG_UNROLL
        for (size_t i = 0; i < MG_MRV; i++) {
            size_t lanes = MG_MR - i * VN;
            v_f32 ai = lanes < VN ? v_load_n(a + i * VN, lanes, v_zero()) : v_load(a + i * VN);
            MG_UNROLL
            for (size_t j = 0; j < MG_THIN; j++)
                sum[j][i] = gemm_step(type, ai, v_set1(b[j]), sum[j][i]);
        }
    }
    for (size_t j = 0; j < columns; j++) {
        float column[MG_MRV * VN], start = bias ? bias[j] : 0.0f;
        for (size_t i = 0; i < MG_MRV; i++) v_store(column + i * VN, sum[j][i]);
        for (size_t i = 0; i < rows; i++) {
            float value = column[i] + start;
            c[i * ldc + j] = accumulate ? value + c[i * ldc + j] : value;
        }
    }
}

/* A tile that sticks out of c: computed by the smallest of these that holds it. */
MG_INLINE void gemm_edge_of(mg_type type, size_t rows, size_t columns, size_t k, const float *a,
                            const float *b, float *c, size_t ldc, const float *bias,
                            int accumulate) {
    enum { THIRD = (MG_MR + 2) / 3, TWO_THIRDS = (2 * MG_MR + 2) / 3, HALF = (MG_NRV + 1) / 2 };
#define MG_EDGE(height, vectors)                                                                   \
    gemm_tile_of(type, height, vectors, rows, columns, k, a, b, c, ldc, bias, accumulate)
    if (columns <= MG_THIN)
        gemm_thin_of(type, rows, columns, k, a, b, c, ldc, bias, accumulate);
    else if (columns <= HALF * VN)
        rows <= THIRD        ? MG_EDGE(THIRD, HALF)
        : rows <= TWO_THIRDS ? MG_EDGE(TWO_THIRDS, HALF)
                             : MG_EDGE(MG_MR, HALF);
    else
        rows <= THIRD        ? MG_EDGE(THIRD, MG_NRV)
        : rows <= TWO_THIRDS ? MG_EDGE(TWO_THIRDS, MG_NRV)
                             : MG_EDGE(MG_MR, MG_NRV);
#undef MG_EDGE
}

/* Panels of a outside, so that one (k, MR) panel stays in the first-level cache while all panels
 * of b pass by: of the two orders the one that moves c row by row. */
#define MG_GEMM_BLOCK(suffix, type, step)                                                          \
    static __attribute__((noinline)) void gemm_edge_##suffix(                                      \
        size_t rows, size_t columns, size_t k, const float *a, const float *b, float *c,           \
        size_t ldc, const float *bias, int accumulate) {                                           \
        gemm_edge_of(type, rows, columns, k, a, b, c, ldc, bias, accumulate);                      \
    }                                                                                              \
    static void gemm_block_##suffix(size_t m, size_t n, size_t k, const float *a, const float *b,  \
                                    float *c, size_t ldc, const float *bias, int accumulate) {     \
        size_t words = (k + step - 1) / step;                                                      \
        for (size_t i = 0; i < m; i += MG_MR, a += words * MG_MR) {                                \
            const float *panel = b;                                                                \
            size_t rows = m - i < MG_MR ? m - i : MG_MR;                                           \
            for (size_t j = 0; j < n; j += MG_NR, panel += words * MG_NR) {                        \
                const float *start = bias ? bias + j : NULL;                                       \
                float *to = c + i * ldc + j;                                                       \
                if (rows == MG_MR && n - j >= MG_NR)                                               \
                    gemm_tile_of(type, MG_MR, MG_NRV, MG_MR, MG_NR, words, a, panel, to, ldc,      \
                                 start, accumulate);                                               \
                else                                                                               \
                    gemm_edge_##suffix(rows, n - j < MG_NR ? n - j : MG_NR, words, a, panel, to,   \
                                       ldc, start, accumulate);                                    \
            }                                                                                      \
        }                                                                                          \
    }

MG_GEMM_BLOCK(f32, MG_F32, 1)

#if MG_BF16_STEP == 2
MG_GEMM_BLOCK(bf16, MG_BF16, MG_BF16_STEP)
#else /* panels hold float32 */
static void gemm_block_bf16(size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                            size_t ldc, const float *bias, int accumulate) {
    gemm_block_f32(m, n, k, a, b, c, ldc, bias, accumulate);
}
#endif
