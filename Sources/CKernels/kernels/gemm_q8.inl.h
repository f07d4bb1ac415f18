/* Products of 8-bit integers: the register tile of gemm_block_q8 and gemm_block_q8b, their panels
 * and how these are packed. The arithmetic is that of mg_formats.h.
 *
 * A word is four neighbours of a row, one lane of v_dot_words. Panels come in blocks of elements
 * that share a scale: all of a row, or MG_BLOCK of them.
 *
 *   a: panels of MR rows                         b: panels of NR columns
 *   [block] [MR starts | depth x MR words]       [block] [NR scales | depth x NR words]
 *
 * Where the machine multiplies unsigned by signed bytes, b holds q + MG_Q8_BIAS; the starts, which
 * are int32, take the surplus away: -MG_Q8_BIAS times the sum of the row's block. */

/* Rows and vectors of a tile whose sums are in registers at once: fewer than MG_MR and MG_NRV where
 * v_dot_words needs registers of its own. */
#ifndef MG_Q8_MR
#define MG_Q8_MR MG_MR
#endif
#ifndef MG_Q8_NRV
#define MG_Q8_NRV MG_NRV
#endif

enum { MG_Q8_DEPTH = MG_BLOCK / 4, MG_HALF_MR = (MG_MR + 1) / 2 };

/* The sums of one block. */
MG_INLINE void q8_sums(size_t height, size_t vectors, size_t depth, const float *a, const float *b,
                       v_i32 sum[MG_MR][MG_NRV]) {
    MG_UNROLL
    for (size_t i = 0; i < height; i++) {
        MG_UNROLL
        for (size_t j = 0; j < vectors; j++) sum[i][j] = v_word(a, i);
    }
    for (size_t p = 0; p < depth; p++) {
        a += MG_MR;
        b += MG_NR;
        v_i32 w[MG_NRV];
        MG_UNROLL
        for (size_t j = 0; j < vectors; j++) w[j] = v_words(b + j * VN);
        MG_UNROLL
        for (size_t i = 0; i < height; i++) {
            v_i32 x = v_word(a, i);
            MG_UNROLL
            for (size_t j = 0; j < vectors; j++) sum[i][j] = v_dot_words(x, w[j], sum[i][j]);
        }
    }
}

/* c (rows, columns) for a tile of at most `height` rows and `vectors` vectors, constants where this
 * is inlined. By blocks, integer and float sums need registers at once: hence half the height. */
MG_INLINE void q8_tile(int by_block, size_t height, size_t vectors, size_t rows, size_t columns,
                       size_t k, const float *a, const float *b, const float *scales, float *c,
                       size_t ldc, const float *bias) {
    v_i32 sum[MG_MR][MG_NRV];
    v_f32 value[MG_MR][MG_NRV], factor[MG_NRV];
    size_t depth = by_block ? MG_Q8_DEPTH : mg_quantized_stride(k) / 4;
    MG_UNROLL
    for (size_t i = 0; i < height; i++) {
        MG_UNROLL
        for (size_t j = 0; j < vectors; j++) value[i][j] = v_zero();
        if (i < rows) __builtin_prefetch(c + i * ldc, 1, 2);
    }
    for (size_t p = 0; p < (by_block ? k : 1); p += MG_BLOCK) {
        q8_sums(height, vectors, depth, a, b, sum);
        MG_UNROLL
        for (size_t j = 0; j < vectors; j++) {
            factor[j] = v_load(b + j * VN);
            MG_UNROLL
            for (size_t i = 0; i < height; i++)
                value[i][j] = by_block ? v_fma(v_from_i32(sum[i][j]), factor[j], value[i][j])
                                       : v_from_i32(sum[i][j]);
        }
        a += (1 + depth) * MG_MR;
        b += (1 + depth) * MG_NR;
    }
    MG_UNROLL
    for (size_t j = 0; j < vectors; j++) {
        size_t first = j * VN, lanes = columns < first ? 0 : columns - first;
        if (lanes > VN) lanes = VN;
        v_f32 start = bias ? v_load_n(bias + first, lanes, v_zero()) : v_zero();
        MG_UNROLL
        for (size_t i = 0; i < height; i++) {
            float *to = c + i * ldc + first;
            v_f32 scale = v_set1(i < rows ? scales[i] : 0.0f);
            v_f32 v = v_mul(value[i][j], by_block ? scale : v_mul(scale, factor[j]));
            if (bias) v = v_add(v, start);
            if (i >= rows) break;
            if (lanes == VN)
                v_store(to, v);
            else
                v_store_n(to, v, lanes);
        }
    }
}

/* A whole tile of MR x NR, or what c has of it, in parts whose sums fit the registers. */
MG_INLINE void q8_parts(int by_block, size_t height, size_t vectors, size_t rows, size_t columns,
                        size_t k, const float *a, const float *b, const float *scales, float *c,
                        size_t ldc, const float *bias) {
    for (size_t i = 0; i < rows; i += height)
        for (size_t j = 0; j < columns; j += vectors * VN)
            q8_tile(by_block, height, vectors, rows - i, columns - j, k, a + i, b + j, scales + i,
                    c + i * ldc + j, ldc, bias ? bias + j : NULL);
}

/* Panels of a outside, as in gemm.inl.h. */
#define MG_GEMM_Q8(name, by_block, height)                                                         \
    static __attribute__((noinline)) void edge_##name(                                             \
        size_t rows, size_t columns, size_t k, const float *a, const float *b,                     \
        const float *scales, float *c, size_t ldc, const float *bias) {                            \
        enum { LOW = (height + 1) / 2, NARROW = (MG_Q8_NRV + 1) / 2 };                             \
        if (rows <= LOW)                                                                           \
            q8_parts(by_block, LOW, NARROW, rows, columns, k, a, b, scales, c, ldc, bias);         \
        else                                                                                       \
            q8_parts(by_block, height, MG_Q8_NRV, rows, columns, k, a, b, scales, c, ldc, bias);   \
    }                                                                                              \
    static void name(size_t m, size_t n, size_t k, const float *a, const float *b,                 \
                     const float *scales, float *c, size_t ldc, const float *bias) {               \
        size_t words = mg_q8_words(k, by_block);                                                   \
        for (size_t i = 0; i < m; i += MG_MR, a += words * MG_MR) {                                \
            const float *panel = b;                                                                \
            size_t rows = m - i < MG_MR ? m - i : MG_MR;                                           \
            for (size_t j = 0; j < n; j += MG_NR, panel += words * MG_NR) {                        \
                const float *start = bias ? bias + j : NULL;                                       \
                float *to = c + i * ldc + j;                                                       \
                if (rows == MG_MR && n - j >= MG_NR)                                               \
                    q8_parts(by_block, height, MG_Q8_NRV, MG_MR, MG_NR, k, a, panel, scales + i,   \
                             to, ldc, start);                                                      \
                else                                                                               \
                    edge_##name(rows, n - j < MG_NR ? n - j : MG_NR, k, a, panel, scales + i, to,  \
                                ldc, start);                                                       \
            }                                                                                      \
        }                                                                                          \
    }

MG_GEMM_Q8(gemm_block_q8, 0, MG_Q8_MR)
MG_GEMM_Q8(gemm_block_q8b, 1, MG_HALF_MR)

/* ---- Packing --------------------------------------------------------------------------------- */

static void pack_q8_rows(const mg_q8_rows *x, size_t first, size_t count, int by_block,
                         float *dst) {
    size_t stride = mg_quantized_stride(x->k), blocks = stride / MG_BLOCK;
    size_t depth = by_block ? MG_Q8_DEPTH : stride / 4, words = mg_q8_words(x->k, by_block);
    for (size_t i = first; i < first + count; i += MG_MR, dst += words * MG_MR) {
        size_t rows = first + count - i < MG_MR ? first + count - i : MG_MR;
        float *to = dst;
        for (size_t p = 0; p < (by_block ? blocks : 1); p++, to += (1 + depth) * MG_MR) {
            int32_t starts[MG_MR] = {0};
            for (size_t r = 0; MG_Q8_BIAS != 0 && r < rows; r++) {
                const int32_t *sums = x->sums + (i + r) * blocks;
                int32_t sum = 0;
                for (size_t q = by_block ? p : 0; q < (by_block ? p + 1 : blocks); q++)
                    sum += sums[q];
                starts[r] = -MG_Q8_BIAS * sum;
            }
            memcpy(to, starts, sizeof starts);
            const int8_t *from = x->values + i * stride + p * MG_BLOCK;
            pack_rows_f32(rows, depth, (const float *)(const void *)from, stride / 4, MG_MR,
                          to + MG_MR);
        }
    }
}

/* Blocks of one row as the panel has them. */
MG_INLINE void q8_unpack(const mg_quantized *w, size_t row, size_t block, size_t count,
                         void *words) {
    size_t bytes = mg_block_bytes(w->format);
    const uint8_t *from = w->values;
    uint8_t *to = words;
    from += mg_block_index(w->k, row, block) * bytes;
    for (size_t b = 0; b < count; b++, from += MG_GROUP * bytes, to += MG_BLOCK) {
        if (w->format != MG_Q4_BLOCK)
            for (size_t j = 0; j < MG_BLOCK; j++) to[j] = (uint8_t)(from[j] + MG_Q8_BIAS);
        else
            for (size_t j = 0; j < MG_BLOCK / 2; j++) {
                to[j] = (uint8_t)((from[j] & 15) + MG_Q8_BIAS - 8);
                to[MG_BLOCK / 2 + j] = (uint8_t)((from[j] >> 4) + MG_Q8_BIAS - 8);
            }
    }
}

/* The scales of a block, from as many groups as the rows belong to. */
MG_INLINE void q8_pack_scales(const mg_quantized *w, size_t first, size_t rows, size_t block,
                              float *dst) {
    const uint16_t *scales = w->scales;
    memset(dst, 0, MG_NR * sizeof *dst);
    for (size_t r = 0, count; r < rows; r += count) {
        count = MG_GROUP - (first + r) % MG_GROUP;
        if (count > rows - r) count = rows - r;
        f32_from_f16(count, scales + mg_block_index(w->k, first + r, block), dst + r);
    }
}

/* Fetches of the next panel as much as `count` blocks of this one's rows are, but in order of
 * addresses, as memory likes it. Zen 5, prompts of 512 tokens of GPT-2 in 8 bits: 0.87 of the time
 * together with fetch_part in qgemm.c, 0.93 with that alone; fetching the next blocks of the same
 * rows instead, 0.92. */
MG_INLINE void q8_fetch_next(const mg_quantized *w, size_t first, size_t block, size_t count) {
    size_t bytes = mg_block_bytes(w->format);
    size_t blocks = mg_quantized_stride(w->k) / MG_BLOCK;
    const char *next = w->values;
    next += ((first + MG_NR) * blocks + MG_NR * block) * bytes;
    for (size_t i = 0; i < MG_NR * count * bytes; i += 64) __builtin_prefetch(next + i, 0, 2);
}

/* One panel: blocks are unpacked a stretch at a time into a buffer and transposed from there. */
MG_INLINE void q8_pack_panel(const mg_quantized *w, size_t first, size_t rows, float *dst) {
    float buffer[MG_NR * MG_STRETCH];
    int by_block = w->format != MG_Q8_ROW;
    size_t blocks = mg_quantized_stride(w->k) / MG_BLOCK, most = MG_STRETCH / MG_Q8_DEPTH;
    if (!by_block) {
        memset(dst, 0, MG_NR * sizeof *dst);
        memcpy(dst, (const float *)w->scales + first, rows * sizeof *dst);
        dst += MG_NR;
    }
    for (size_t p = 0; p < blocks; p += most) {
        size_t count = blocks - p < most ? blocks - p : most;
        q8_fetch_next(w, first, p, count);
        for (size_t r = 0; r < rows; r++)
            q8_unpack(w, first + r, p, count, buffer + r * MG_STRETCH);
        size_t step = by_block ? 1 : count, depth = step * MG_Q8_DEPTH;
        for (size_t q = 0; q < count; q += step, dst += depth * MG_NR) {
            if (by_block) {
                q8_pack_scales(w, first, rows, p + q, dst);
                dst += MG_NR;
            }
            pack_rows_f32(rows, depth, buffer + q * MG_Q8_DEPTH, MG_STRETCH, MG_NR, dst);
        }
    }
}

static void pack_quantized(const mg_quantized *w, size_t first, size_t count, float *dst) {
    size_t words = mg_q8_words(w->k, w->format != MG_Q8_ROW);
    for (size_t i = 0; i < count; i += MG_NR, dst += words * MG_NR)
        q8_pack_panel(w, first + i, count - i < MG_NR ? count - i : MG_NR, dst);
}

/* ---- Measurement ----------------------------------------------------------------------------- */

/* As many sums as the tile has. The upper byte of each, which stays what it is, is added to it in
 * each round: nothing is the same twice, so that nothing is left out. */
static float dot_peak_q8(size_t rounds) {
    enum { SUMS = MG_MR * MG_NRV };
    v_i32 s[SUMS];
    int32_t lanes[VN];
    uint32_t total = 0;
    float word[4] = {0}, starts[SUMS + 4] = {0}; /* v_word reads four */
    memcpy(word, (const uint8_t[4]){0, 0, 0, 1}, sizeof *word);
    for (int32_t j = 0; j < SUMS; j++) {
        int32_t start = (j + 2) << 24;
        memcpy(starts + j, &start, sizeof start);
    }
    v_i32 w = v_word(word, 0);
    for (int j = 0; j < SUMS; j++) s[j] = v_word(starts, (size_t)j);
    for (size_t i = 0; i < rounds; i++) {
        MG_UNROLL
        for (int j = 0; j < SUMS; j++) s[j] = v_dot_words(s[j], w, s[j]);
    }
    for (int j = 0; j < SUMS; j++) {
        memcpy(lanes, &s[j], sizeof lanes);
        for (int i = 0; i < VN; i++) total += (uint32_t)lanes[i] & 0xffffff;
    }
    return (float)total;
}
