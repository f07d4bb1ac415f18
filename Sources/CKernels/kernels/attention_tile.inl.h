/* The products of attention: register tiles on operands that are not packed. Head widths and
 * lengths are small and mostly powers of two, so that packing as for mg_matmul would cost as much
 * as a quarter of the product, and its tile would stick out.
 *
 *   c (m, n) = a (m, k) b (k, n)      a[i * lda + p * step], b and c by rows; n a multiple of VN
 *
 * One of lda and step is 1: a by rows, or transposed. Rows of b and c may be wider than needed. */

enum {
    MG_AR = MG_MR >= 8 ? 8 : 4, /* rows of a tile */
    MG_AV = VN == 1 ? 8 : 2,    /* vectors in one of them */
    /* Rows and lanes of blocks come in multiples of this. */
    MG_GRAIN = MG_AR > VN ? MG_AR : VN
};

/* What becomes of a tile's sums. */
typedef enum { TILE_WRITE, TILE_ADD, TILE_PROBABILITY, TILE_GRADIENT } tile_finish;

/* For the last two, whose columns are queries: by column, in front of the exponential or of the
 * product; and one factor. */
typedef struct {
    const float *subtract;
    float factor;
} tile_softmax;

MG_INLINE void tile_store(tile_finish finish, v_f32 sum, v_f32 subtract, v_f32 factor, float *c) {
    if (finish == TILE_ADD) sum = v_add(sum, v_load(c));
    if (finish == TILE_PROBABILITY) /* at most 1; rounding of large scores must not say otherwise */
        sum = v_exp2(v_min(v_zero(), v_fma(sum, factor, v_sub(v_zero(), subtract))));
    if (finish == TILE_GRADIENT) sum = v_mul(v_load(c), v_mul(v_sub(sum, subtract), factor));
    v_store(c, sum);
}

MG_INLINE void attention_tile(size_t rows, size_t vectors, size_t k, const float *a, size_t lda,
                              size_t step, const float *b, size_t ldb, float *c, size_t ldc,
                              tile_finish finish, const tile_softmax *softmax) {
    v_f32 sum[MG_AR][MG_AV];
    MG_UNROLL
    for (size_t i = 0; i < rows; i++) {
        MG_UNROLL
        for (size_t j = 0; j < vectors; j++) sum[i][j] = v_zero();
    }
    for (size_t p = 0; p < k; p++, a += step, b += ldb) {
        v_f32 row[MG_AV];
        MG_UNROLL
        for (size_t j = 0; j < vectors; j++) row[j] = v_load(b + j * VN);
        MG_UNROLL
        for (size_t i = 0; i < rows; i++) {
            v_f32 ai = v_load_all(a + i * lda);
            MG_UNROLL
            for (size_t j = 0; j < vectors; j++) sum[i][j] = v_fma(ai, row[j], sum[i][j]);
        }
    }
    int with_softmax = finish == TILE_PROBABILITY || finish == TILE_GRADIENT;
    v_f32 factor = with_softmax ? v_set1(softmax->factor) : v_zero();
    MG_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        v_f32 subtract = with_softmax ? v_load(softmax->subtract + j * VN) : v_zero();
        MG_UNROLL
        for (size_t i = 0; i < rows; i++)
            tile_store(finish, sum[i][j], subtract, factor, c + i * ldc + j * VN);
    }
}

/* dst[c * lanes + r] = x[r * ld + c], zero for rows that are missing: the queries of a
 * block as lanes. */
static void attention_transpose(size_t rows, size_t d, const float *x, size_t ld, size_t lanes,
                                float *dst) {
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        size_t c = 0;
        for (; c + 4 <= d; c += 4) v_transpose4(x + r * ld + c, ld, dst + c * lanes + r, lanes);
        for (; c < d; c++)
            for (size_t i = r; i < r + 4; i++) dst[c * lanes + i] = x[i * ld + c];
    }
    for (; r < lanes; r++)
        for (size_t c = 0; c < d; c++) dst[c * lanes + r] = r < rows ? x[r * ld + c] : 0.0f;
}

/* Rows of d elements to rows of whole vectors, the rest zero. */
static void attention_widen(size_t rows, size_t d, const float *x, size_t ld, float *dst,
                            size_t ldd) {
    for (size_t r = 0; r < rows; r++, x += ld, dst += ldd)
        MG_EACH(d, { v_store(dst + i, v_part(x + i, m, v_zero())); });
}

/* And back. memcpy would be a call for each head vector. */
static void attention_narrow(size_t rows, size_t d, const float *x, size_t ld, float *dst,
                             size_t ldd) {
    for (size_t r = 0; r < rows; r++, x += ld, dst += ldd)
        MG_EACH(d, { v_put(dst + i, v_part(x + i, m, v_zero()), m); });
}

static void attention_zero(size_t rows, size_t padded, float *x, size_t ld) {
    for (size_t r = 0; r < rows; r++, x += ld)
        for (size_t i = 0; i < padded; i += VN) v_store(x + i, v_zero());
}

/* All columns of some rows. */
MG_INLINE void attention_strip(size_t rows, size_t n, size_t k, const float *a, size_t lda,
                               size_t step, const float *b, size_t ldb, float *c, size_t ldc,
                               tile_finish finish, const tile_softmax *softmax) {
    tile_softmax here = softmax ? *softmax : (tile_softmax){NULL, 0};
    size_t j = 0;
    for (; j + MG_AV * VN <= n; j += MG_AV * VN) {
        attention_tile(rows, MG_AV, k, a, lda, step, b + j, ldb, c + j, ldc, finish, &here);
        if (softmax) here.subtract += MG_AV * VN;
    }
    for (; j < n; j += VN) {
        attention_tile(rows, 1, k, a, lda, step, b + j, ldb, c + j, ldc, finish, &here);
        if (softmax) here.subtract += VN;
    }
}

MG_INLINE void attention_product(size_t m, size_t n, size_t k, const float *a, size_t lda,
                                 size_t step, const float *b, size_t ldb, float *c, size_t ldc,
                                 tile_finish finish, const tile_softmax *softmax) {
    size_t i = 0;
    for (; i + MG_AR <= m; i += MG_AR)
        attention_strip(MG_AR, n, k, a + i * lda, lda, step, b, ldb, c + i * ldc, ldc, finish,
                        softmax);
    for (; i < m; i++)
        attention_strip(1, n, k, a + i * lda, lda, step, b, ldb, c + i * ldc, ldc, finish, softmax);
}

/* The instances: each is compiled once, for whole tiles and for what is left over. */
#define MG_INSTANCE static __attribute__((noinline)) void

MG_INSTANCE product_write(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                          size_t ldb, float *c, size_t ldc) {
    attention_product(m, n, k, a, lda, 1, b, ldb, c, ldc, TILE_WRITE, NULL);
}
MG_INSTANCE product_add(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                        size_t ldb, float *c, size_t ldc) {
    attention_product(m, n, k, a, lda, 1, b, ldb, c, ldc, TILE_ADD, NULL);
}
/* c = exp2(a b * factor - subtract) */
MG_INSTANCE product_probability(size_t m, size_t n, size_t k, const float *a, size_t lda,
                                const float *b, size_t ldb, float *c, size_t ldc,
                                tile_softmax softmax) {
    attention_product(m, n, k, a, lda, 1, b, ldb, c, ldc, TILE_PROBABILITY, &softmax);
}
/* c = c * (a b - subtract) * factor */
MG_INSTANCE product_gradient(size_t m, size_t n, size_t k, const float *a, size_t lda,
                             const float *b, size_t ldb, float *c, size_t ldc,
                             tile_softmax softmax) {
    attention_product(m, n, k, a, lda, 1, b, ldb, c, ldc, TILE_GRADIENT, &softmax);
}
/* a is (k, m), rows lda apart; m a multiple of MG_AR. */
MG_INSTANCE product_transposed(size_t m, size_t n, size_t k, const float *a, size_t lda,
                               const float *b, size_t ldb, float *c, size_t ldc, int accumulate) {
    for (size_t i = 0; i < m; i += MG_AR) {
        if (accumulate)
            attention_strip(MG_AR, n, k, a + i, 1, lda, b, ldb, c + i * ldc, ldc, TILE_ADD, NULL);
        else
            attention_strip(MG_AR, n, k, a + i, 1, lda, b, ldb, c + i * ldc, ldc, TILE_WRITE, NULL);
    }
}
#undef MG_INSTANCE
