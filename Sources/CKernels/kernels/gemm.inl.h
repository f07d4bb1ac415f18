/* Matrix multiply on packed panels: the register tile, its edges, and packing.
 *
 *   a: panels of MR rows        b: panels of NR columns        tile: MR x NRV vectors of c
 *   [p][j][MR]                  [q][j][NR]                     c += a[.][j] outer b[j][.]
 *
 * The scheme is that of BLIS (Van Zee and van de Geijn 2015, doi 10.1145/2764454). */

enum { MG_NR = MG_NRV * VN };

/* One full tile, sums in registers from the first to the last k. */
MG_INLINE void gemm_tile(size_t k, const float *a, const float *b, float *c, size_t ldc,
                         const float *bias, int accumulate) {
    v_f32 sum[MG_MR][MG_NRV];
    MG_UNROLL
    for (size_t j = 0; j < MG_NRV; j++) {
        v_f32 start = bias ? v_load(bias + j * VN) : v_zero();
        MG_UNROLL
        for (size_t i = 0; i < MG_MR; i++)
            sum[i][j] = accumulate ? v_load(c + i * ldc + j * VN) : start;
    }
    for (size_t p = 0; p < k; p++, a += MG_MR, b += MG_NR) {
        v_f32 row[MG_NRV];
        MG_UNROLL
        for (size_t j = 0; j < MG_NRV; j++) row[j] = v_load(b + j * VN);
        MG_UNROLL
        for (size_t i = 0; i < MG_MR; i++) {
            v_f32 ai = v_set1(a[i]);
            MG_UNROLL
            for (size_t j = 0; j < MG_NRV; j++) sum[i][j] = v_fma(ai, row[j], sum[i][j]);
        }
    }
    MG_UNROLL
    for (size_t i = 0; i < MG_MR; i++) {
        MG_UNROLL
        for (size_t j = 0; j < MG_NRV; j++) v_store(c + i * ldc + j * VN, sum[i][j]);
    }
}

/* A tile that sticks out of c: computed whole in a buffer, of which rows x columns are copied. */
static __attribute__((noinline)) void gemm_edge(size_t rows, size_t columns, size_t k,
                                                const float *a, const float *b, float *c,
                                                size_t ldc, const float *bias, int accumulate) {
    float tile[MG_MR * MG_NR] = {0}, start[MG_NR] = {0};
    if (accumulate)
        for (size_t i = 0; i < rows; i++)
            memcpy(tile + i * MG_NR, c + i * ldc, columns * sizeof *c);
    if (bias) memcpy(start, bias, columns * sizeof *bias);
    gemm_tile(k, a, b, tile, MG_NR, bias ? start : NULL, accumulate);
    for (size_t i = 0; i < rows; i++) memcpy(c + i * ldc, tile + i * MG_NR, columns * sizeof *c);
}

/* Panels of b outside, so that one (k, NR) panel stays in the first-level cache while all panels
 * of a pass by from the second level. */
static void gemm_block_f32(size_t m, size_t n, size_t k, const float *a, const float *b, float *c,
                           size_t ldc, const float *bias, int accumulate) {
    for (size_t j = 0; j < n; j += MG_NR, b += k * MG_NR) {
        const float *panel = a, *start = bias ? bias + j : NULL;
        for (size_t i = 0; i < m; i += MG_MR, panel += k * MG_MR) {
            if (m - i >= MG_MR && n - j >= MG_NR)
                gemm_tile(k, panel, b, c + i * ldc + j, ldc, start, accumulate);
            else
                gemm_edge(m - i < MG_MR ? m - i : MG_MR, n - j < MG_NR ? n - j : MG_NR, k, panel, b,
                          c + i * ldc + j, ldc, start, accumulate);
        }
    }
}

static void pack_rows_f32(size_t count, size_t k, const float *src, size_t ld, size_t width,
                          float *dst) {
    for (size_t first = 0; first < count; first += width, dst += k * width) {
        size_t rows = count - first < width ? count - first : width, i = 0;
        const float *panel = src + first * ld;
        for (; i + 4 <= rows; i += 4) {
            size_t j = 0;
            for (; j + 4 <= k; j += 4)
                v_transpose4(panel + i * ld + j, ld, dst + j * width + i, width);
            for (; j < k; j++)
                for (size_t r = i; r < i + 4; r++) dst[j * width + r] = panel[r * ld + j];
        }
        for (; i < width; i++)
            for (size_t j = 0; j < k; j++) dst[j * width + i] = i < rows ? panel[i * ld + j] : 0.0f;
    }
}

static void pack_columns_f32(size_t count, size_t k, const float *src, size_t ld, size_t width,
                             float *dst) {
    for (size_t first = 0; first < count; first += width) {
        size_t columns = count - first < width ? count - first : width;
        for (size_t j = 0; j < k; j++, dst += width) {
            const float *row = src + j * ld + first;
            size_t i = 0;
            for (; i + VN <= columns; i += VN) v_store(dst + i, v_load(row + i));
            for (; i < width; i += VN) { /* the rest of the row, then zeros */
                size_t here = i < columns ? columns - i : 0;
                v_f32 last = v_load_n(row + i, here, v_zero());
                v_store_n(dst + i, last, width - i < VN ? width - i : VN);
            }
        }
    }
}
