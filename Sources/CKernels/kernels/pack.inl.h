/* Packing: panels for the tiles of gemm.inl.h from matrices as they are stored. */

/* Rows are packed MG_STRETCH columns at a time: the panel's part stays in the first-level cache
 * while groups of rows fill it. */
enum { MG_STRETCH = 64 };

/* Eight rows of the stretch that is packed next are fetched. */
MG_INLINE void pack_rows_prefetch(const float *src, size_t ld) {
    for (size_t r = 0; r < 8; r++)
        for (size_t j = 0; j < MG_STRETCH; j += 16) __builtin_prefetch(src + r * ld + j, 0, 2);
}

/* One panel of depth k from `rows` <= width rows; `next` is where the one after it begins, or NULL.
 * Of panels of b what follows is fetched meanwhile: each of the many rows is read a few cache lines
 * at a time, too few for the hardware (Zen 4, 256 tokens times weights of 2304 x 768 and three
 * alike: 88.1 -> 90.4 % of the peak). */
MG_INLINE void pack_rows_panel(size_t width, size_t rows, size_t k, const float *src, size_t ld,
                               const float *next, float *dst) {
    if (rows < width) memset(dst, 0, k * width * sizeof *dst);
    for (size_t j0 = 0; j0 < k; j0 += MG_STRETCH) {
        size_t end = k - j0 < MG_STRETCH ? k : j0 + MG_STRETCH, whole = j0 + (end - j0) / 4 * 4;
        size_t i = 0;
        const float *follows = end < k ? src + end : next;
        for (; i + 8 <= rows; i += 8) {
            if (width == MG_NR && follows) pack_rows_prefetch(follows + i * ld, ld);
            for (size_t j = j0; j < whole; j += 4)
                v_transpose8(src + i * ld + j, ld, dst + j * width + i, width);
        }
        for (; i + 4 <= rows; i += 4)
            for (size_t j = j0; j < whole; j += 4)
                v_transpose4(src + i * ld + j, ld, dst + j * width + i, width);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = r < i ? whole : j0; j < end; j++) dst[j * width + r] = src[r * ld + j];
    }
}

MG_INLINE void pack_rows_of(size_t width, size_t count, size_t k, const float *src, size_t ld,
                            float *dst) {
    for (; count >= width; count -= width, src += width * ld, dst += k * width)
        pack_rows_panel(width, width, k, src, ld, count >= 2 * width ? src + width * ld : NULL,
                        dst);
    if (count) pack_rows_panel(width, count, k, src, ld, NULL, dst);
}

/* Where the width is a constant, addresses are offsets within the instructions. Zen 4, width 12,
 * rows 512 bytes and 4 KB apart, cycles per element: 0.40 and 0.54 -> 0.24 and 0.30. */
static void pack_rows_f32(size_t count, size_t k, const float *src, size_t ld, size_t width,
                          float *dst) {
    if (width == MG_MR)
        pack_rows_of(MG_MR, count, k, src, ld, dst);
    else if (width == MG_NR)
        pack_rows_of(MG_NR, count, k, src, ld, dst);
    else
        pack_rows_of(width, count, k, src, ld, dst);
}

/* One row of a panel from `columns` <= width elements of `row`; with a step of 2, pairs of these
 * and the ones `below`. */
MG_INLINE void pack_row(size_t step, size_t width, size_t columns, const float *row,
                        const float *below, float *dst) {
    for (size_t i = 0; i < width; i += VN) {
        size_t n = i < columns ? columns - i : 0;
        v_f32 words = n >= VN ? v_load(row + i) : v_load_n(row + i, n, v_zero());
#if MG_BF16_STEP == 2
        if (step == 2)
            words =
                v_pair_bf16(words, n >= VN ? v_load(below + i) : v_load_n(below + i, n, v_zero()));
#endif
        (void)step, (void)below;
        if (width - i >= VN)
            v_store(dst + i, words);
        else
            v_store_n(dst + i, words, width - i);
    }
}

/* Four panels at once: of narrow panels several share a cache line of the source. Meanwhile the
 * next four of its columns are fetched, if there are any: rows are too far apart for the hardware
 * (Zen 4, weight gradients of 1024 x 256 over 4096 tokens: 85.7 -> 87.9 % of the peak). */
MG_INLINE void pack_columns_of(size_t step, size_t width, size_t count, size_t k, const float *src,
                               size_t ld, float *dst) {
    for (; count >= 4 * width; count -= 4 * width, src += 4 * width, dst += 4 * k * width)
        for (size_t j = 0; j < k; j++) {
            const float *row = src + j * step * ld;
            if (width < MG_NR)
                for (size_t i = 4 * width; i < 8 * width; i += 16)
                    for (size_t r = 0; r < step; r++) __builtin_prefetch(row + r * ld + i, 0, 2);
            for (size_t p = 0; p < 4; p++, row += width)
                pack_row(step, width, width, row, row + ld, dst + (p * k + j) * width);
        }
    while (count) {
        size_t columns = count < width ? count : width;
        for (size_t j = 0; j < k; j++) {
            const float *row = src + j * step * ld;
            pack_row(step, width, columns, row, row + ld, dst + j * width);
        }
        count -= columns;
        src += columns;
        dst += k * width;
    }
}

/* As for rows: 0.62 and 1.52 -> 0.40 and 0.65 cycles per element. */
MG_INLINE void pack_columns_step(size_t step, size_t count, size_t k, const float *src, size_t ld,
                                 size_t width, float *dst) {
    if (width == MG_MR)
        pack_columns_of(step, MG_MR, count, k, src, ld, dst);
    else if (width == MG_NR)
        pack_columns_of(step, MG_NR, count, k, src, ld, dst);
    else
        pack_columns_of(step, width, count, k, src, ld, dst);
}

static void pack_columns_f32(size_t count, size_t k, const float *src, size_t ld, size_t width,
                             float *dst) {
    pack_columns_step(1, count, k, src, ld, width, dst);
}

/* ---- With conversion ------------------------------------------------------------------------- */

/* v_store_bf16 and v_load_bf16 for one number. Compilers make vector code of loops with them. */
MG_INLINE uint16_t bf16_round(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t rounded = bits + 0x7fffu + (bits >> 16 & 1u), quiet = bits | 0x400000u;
    return (uint16_t)(((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded) >> 16);
}

MG_INLINE float bf16_widen(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

/* n elements of one source row as words of panels of the other kinds than float32 from float32. */
static void pack_convert(const mg_panels *p, size_t row, size_t first, size_t n, float *words) {
    const float *wide = (const float *)p->src + row * p->ld + first;
    const uint16_t *narrow = (const uint16_t *)p->src + row * p->ld + first;
    if (p->type == MG_BF16)
        f32_from_bf16(n, narrow, words);
    else
        for (size_t i = 0; i < n; i++) words[i] = bf16_widen(bf16_round(wide[i]));
}

#if MG_BF16_STEP == 2
/* n elements of one row, two in a word, zero after the last. */
static void pack_convert_along(const mg_panels *p, size_t row, size_t first, size_t n,
                               float *words) {
    const float *wide = (const float *)p->src + row * p->ld + first;
    const uint16_t *narrow = (const uint16_t *)p->src + row * p->ld + first;
    if (n % 2) words[n / 2] = 0.0f;
    if (p->type == MG_BF16) {
        memcpy(words, narrow, n * sizeof *narrow);
        return;
    }
    size_t i = 0;
    for (; i + 2 * VN <= n; i += 2 * VN) v_store(words + i / 2, v_pairs_bf16(wide + i));
    bf16_from_f32(n - i, wide + i, (uint16_t *)(void *)(words + i / 2));
}

/* n elements of a row and of the one below, if there is one, as the halves of words. */
static void pack_convert_across(const mg_panels *p, size_t row, size_t first, size_t n,
                                float *words) {
    size_t at = row * p->ld + first, below = row + 1 < p->k ? at + p->ld : at;
    uint32_t upper = row + 1 < p->k ? 0xffffffffu : 0xffffu;
    const float *wide = p->src;
    const uint16_t *narrow = p->src;
    for (size_t i = 0; p->type == MG_BF16 && i < n; i++) {
        uint32_t pair = (narrow[at + i] | (uint32_t)narrow[below + i] << 16) & upper;
        memcpy(words + i, &pair, sizeof pair);
    }
    for (size_t i = 0; p->type != MG_BF16 && i < n; i++) {
        uint16_t low = bf16_round(wide[at + i]), high = bf16_round(wide[below + i]);
        uint32_t pair = (low | (uint32_t)high << 16) & upper;
        memcpy(words + i, &pair, sizeof pair);
    }
}
#endif

/* Rows are converted a stretch at a time into a buffer that is transposed from there. */
static void pack_rows_converted(const mg_panels *p, size_t step) {
    float buffer[MG_NR * MG_STRETCH], *dst = p->dst;
    size_t words = (p->k + step - 1) / step, width = p->width;
    for (size_t first = 0; first < p->count; first += width, dst += words * width) {
        size_t rows = p->count - first < width ? p->count - first : width;
        for (size_t j = 0; j < p->k; j += MG_STRETCH * step) {
            size_t n = p->k - j < MG_STRETCH * step ? p->k - j : MG_STRETCH * step;
            for (size_t i = 0; i < rows; i++) {
#if MG_BF16_STEP == 2
                if (step == 2) {
                    pack_convert_along(p, first + i, j, n, buffer + i * MG_STRETCH);
                    continue;
                }
#endif
                pack_convert(p, first + i, j, n, buffer + i * MG_STRETCH);
            }
            pack_rows_f32(rows, (n + step - 1) / step, buffer, MG_STRETCH, width,
                          dst + j / step * width);
        }
    }
}

static void pack_columns_converted(const mg_panels *p, size_t step) {
    float buffer[4 * MG_NR];
    size_t words = (p->k + step - 1) / step, width = p->width, group = 4 * MG_NR / width * width;
    for (size_t first = 0; first < p->count; first += group) {
        size_t n = p->count - first < group ? p->count - first : group;
        for (size_t j = 0; j < words; j++) {
#if MG_BF16_STEP == 2
            if (step == 2)
                pack_convert_across(p, 2 * j, first, n, buffer);
            else
#endif
                pack_convert(p, j, first, n, buffer);
            for (size_t i = 0; i < n; i += width)
                pack_row(1, width, n - i < width ? n - i : width, buffer + i, NULL,
                         p->dst + (first + i) * words + j * width);
        }
    }
}

static void pack_panels(const mg_panels *p) {
    size_t step = p->arithmetic == MG_BF16 ? MG_BF16_STEP : 1;
    if (p->type == MG_F32 && p->arithmetic == MG_F32)
        (p->columns ? pack_columns_f32 : pack_rows_f32)(p->count, p->k, p->src, p->ld, p->width,
                                                        p->dst);
#if MG_BF16_STEP == 2
    else if (p->type == MG_F32 && p->columns && p->k % 2 == 0)
        pack_columns_step(2, p->count, p->k / 2, p->src, p->ld, p->width, p->dst);
#endif
    else
        (p->columns ? pack_columns_converted : pack_rows_converted)(p, step);
}
