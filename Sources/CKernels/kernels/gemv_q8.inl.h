/* Rows of 8-bit activations times the rows of a matrix in 8 or 4 bits, as the file has it:
 * decoding, bound by reading the matrix once. Arithmetic and layouts: mg_formats.h.
 *
 * Eight rows of the matrix at a time, because eight sums over lanes cost little more than one, and
 * two or four tokens, so that a weight is loaded once for all of them. A strip of rows stays in the
 * first-level cache for the other tokens. */

enum {
    GROUP = MG_GROUP,    /* rows of w */
    STRIP_BYTES = 16384, /* of w that stay in the first-level cache for the next tokens */
    AHEAD = 2048,        /* bytes, see fetch; int8 by blocks 1 to 2 % faster than 4096 */
    SCALES_AHEAD = 256,  /* scales of blocks, likewise */
};

/* Groups are read in order of addresses, but the prefetcher of the hardware needs help: what is
 * next is fetched into the first-level cache. Zen 5, the matrices of 16 layers of width 1024, from
 * memory: int4 takes 0.84 of the time on one thread and 0.92 on two of what it takes without,
 * int8-block 0.91 and 0.96, and products are as fast as reading alone, within 4 %. */
MG_INLINE void fetch(const void *p, size_t lines) {
    MG_UNROLL
    for (size_t i = 0; i < lines; i++) __builtin_prefetch((const char *)p + 64 * i, 0, 3);
}

/* Tokens that a weight with its row's scale is loaded for: a back end with registers for the sums
 * of four says so. Zen 4, k 768, 0.8 of the time of two with four and eight tokens. */
#ifndef MG_ROW_TOKENS
#define MG_ROW_TOKENS 2
#endif
/* Whether a weight by blocks is loaded once for two tokens: a back end says 0 where the sums of a
 * block for both don't fit its registers. */
#ifndef MG_BLOCK_PAIRS
#define MG_BLOCK_PAIRS 1
#endif

/* Lines that are fetched for each four that are read. Where a strip is passed over again for
 * further tokens, each pass fetches the share of the next strip that one over as many tokens as
 * are taken at once has in eight, so that memory is never idle: k 768 and 3072, 100 MB, int8: 1.13
 * to 1.3 times as fast. */
enum { STEP_LINES = 4, AGAIN_TOKENS = 8 };
#define AGAIN_LINES(tokens) (STEP_LINES * (tokens) / AGAIN_TOKENS)

/* What a strip of rows meets: one, two or four rows of activations. By value: stores to c, which
 * the compiler must think may be anywhere, then change none of it. */
typedef struct {
    const char *values; /* of the first row */
    const char *scales;
    const char *ahead;   /* from where on to fetch while this strip is at work */
    size_t stride;       /* elements of a row */
    const int8_t *x;     /* (tokens, stride) */
    const int32_t *sums; /* (tokens, stride / MG_BLOCK) */
    const float *x_scales;
    const float *bias; /* of the first row, or NULL */
    float *c;          /* first row, first token */
    size_t ldc;
} gemv_strip;

/* Fetches what belongs to the step that reads `bytes` from `at` behind the first row on. */
MG_INLINE void fetch_ahead(const gemv_strip *p, size_t at, size_t bytes, size_t lines) {
    size_t count = bytes / 64 * lines / STEP_LINES;
    fetch(p->ahead + at / STEP_LINES * lines, count ? count : 1);
}

/* The same into the second-level cache, for four tokens and where a strip is passed over again: the
 * next one in a first-level cache of 32 KB would push it out. Zen 4, k 768 and 3072, 100 MB, int8:
 * 0.66 of the time with eight tokens, 0.74 to 0.77 with four; not with two, and blocks, which have
 * more to compute, lose 2 to 3 % by it. */
MG_INLINE void fetch_near(const gemv_strip *p, size_t at, size_t bytes, size_t lines) {
    const char *from = p->ahead + at / STEP_LINES * lines;
    MG_UNROLL
    for (size_t i = 0; i < bytes / 64 * lines / STEP_LINES; i++)
        __builtin_prefetch(from + 64 * i, 0, 2);
}

/* y = products of the eight rows from `row` on with `tokens` rows of activations; it and `lines`,
 * which are fetched in a step, are constants. */
MG_INLINE void q8_row_group(const gemv_strip *p, size_t row, size_t tokens, size_t lines, v_f8 *y) {
    enum { BYTES = GROUP * MG_BLOCK };
    v_q8_sums sums[MG_ROW_TOKENS] = {0};
    size_t blocks = p->stride / MG_BLOCK, first = row * p->stride;
    int32_t total[MG_ROW_TOKENS] = {0};
    for (size_t b = 0; b < blocks; b++) {
        const int8_t *w = (const int8_t *)p->values + first + b * BYTES;
        if (lines == STEP_LINES && tokens <= 2)
            fetch_ahead(p, first + b * BYTES, BYTES, lines);
        else
            fetch_near(p, first + b * BYTES, BYTES, lines);
        MG_UNROLL
        for (size_t t = 0; t < tokens; t++) {
            total[t] += p->sums[t * blocks + b];
            sums[t] = v_q8_sums_add(sums[t], w, p->x + t * p->stride + b * MG_BLOCK);
        }
    }
    v_f8 scales = v8_load((const float *)(const void *)p->scales + row);
    MG_UNROLL
    for (size_t t = 0; t < tokens; t++)
        y[t] = v8_mul(v_q8_sums_of(sums[t], total[t]), v8_mul(v8_set1(p->x_scales[t]), scales));
}

/* The same by blocks, of `bytes` in eight rows: a constant, too. */
MG_INLINE void block_group(const gemv_strip *p, size_t row, size_t bytes, size_t tokens,
                           size_t lines, v_f8 *y) {
    size_t blocks = p->stride / MG_BLOCK, first = row / GROUP * blocks * bytes;
    const uint16_t *scales = (const uint16_t *)(const void *)p->scales + row * blocks;
    v_f8 sum[2] = {v8_set1(0), v8_set1(0)};
    for (size_t b = 0; b < blocks; b++, scales += GROUP) {
        const void *w = p->values + first + b * bytes;
        fetch_ahead(p, first + b * bytes, bytes, lines);
        fetch(scales + SCALES_AHEAD, 1);
        v_f8 scale = v8_load_f16(scales);
        MG_UNROLL
        for (size_t t = 0; t < tokens; t++) {
            const int8_t *x = p->x + t * p->stride + b * MG_BLOCK;
            int32_t total = p->sums[t * blocks + b];
            v_f8 product = bytes == GROUP * MG_BLOCK
                               ? v_q8_sums_of(v_q8_sums_add((v_q8_sums){0}, w, x), total)
                               : v_q4_block(w, x, total);
            sum[t] = v8_fma(product, scale, sum[t]);
        }
    }
    MG_UNROLL
    for (size_t t = 0; t < tokens; t++) y[t] = v8_mul(sum[t], v8_set1(p->x_scales[t]));
}
MG_INLINE void q8_block_group(const gemv_strip *p, size_t row, size_t tokens, size_t lines,
                              v_f8 *y) {
    block_group(p, row, GROUP * MG_BLOCK, tokens, lines, y);
}
MG_INLINE void q4_block_group(const gemv_strip *p, size_t row, size_t tokens, size_t lines,
                              v_f8 *y) {
    block_group(p, row, GROUP * MG_BLOCK / 2, tokens, lines, y);
}

/* Whole groups of rows: NAME where a strip is passed over once, NAME_again otherwise. A group is a
 * function of its own, because one nest of loops around all of them has more addresses than
 * registers. */
typedef void gemv_strip_kernel(const gemv_strip *p, size_t rows);

#define GEMV_PASS(name, group, tokens, lines)                                                      \
    static __attribute__((noinline)) void name##_group(const gemv_strip *p, size_t row) {          \
        v_f8 y[tokens];                                                                            \
        group(p, row, tokens, lines, y);                                                           \
        MG_UNROLL                                                                                  \
        for (size_t t = 0; t < tokens; t++)                                                        \
            v8_store(p->c + t * p->ldc + row,                                                      \
                     p->bias ? v8_add(y[t], v8_load(p->bias + row)) : y[t]);                       \
    }                                                                                              \
    static void name(const gemv_strip *p, size_t rows) {                                           \
        for (size_t row = 0; row < rows; row += GROUP) name##_group(p, row);                       \
    }
#define GEMV_STRIP(name, group, tokens, most)                                                      \
    GEMV_PASS(name, group, tokens, STEP_LINES)                                                     \
    GEMV_PASS(name##_again, group, tokens, AGAIN_LINES(most))
GEMV_STRIP(q8_row_one, q8_row_group, 1, MG_ROW_TOKENS)
GEMV_STRIP(q8_row_two, q8_row_group, 2, MG_ROW_TOKENS)
#if MG_ROW_TOKENS == 4
GEMV_STRIP(q8_row_four, q8_row_group, 4, 4)
#else
#define q8_row_four NULL
#define q8_row_four_again NULL
#endif
GEMV_STRIP(q8_block_one, q8_block_group, 1, 2)
GEMV_STRIP(q4_block_one, q4_block_group, 1, 2)
#if MG_BLOCK_PAIRS
GEMV_STRIP(q8_block_two, q8_block_group, 2, 2)
GEMV_STRIP(q4_block_two, q4_block_group, 2, 2)
#else /* a group for one token, then, while it is near, for the other */
#define GEMV_TWICE(name, group)                                                                    \
    static void name(const gemv_strip *p, size_t rows) {                                           \
        gemv_strip other = *p;                                                                     \
        other.x += p->stride;                                                                      \
        other.sums += p->stride / MG_BLOCK;                                                        \
        other.x_scales++;                                                                          \
        other.c += p->ldc;                                                                         \
        for (size_t row = 0; row < rows; row += GROUP) {                                           \
            group(p, row);                                                                         \
            group(&other, row);                                                                    \
        }                                                                                          \
    }
GEMV_TWICE(q8_block_two, q8_block_one_group)
GEMV_TWICE(q8_block_two_again, q8_block_one_again_group)
GEMV_TWICE(q4_block_two, q4_block_one_group)
GEMV_TWICE(q4_block_two_again, q4_block_one_again_group)
#undef GEMV_TWICE
#endif
#undef GEMV_STRIP
#undef GEMV_PASS

/* For one token, for two, and for four or NULL. */
typedef struct {
    gemv_strip_kernel *one, *two, *four;
} gemv_kernels;

/* A product as the kernels of this file are asked for it. */
typedef struct {
    const mg_q8_rows *a;
    const mg_quantized *w;
    const float *bias;
    float *c;
    size_t ldc;
    gemv_kernels once, again; /* where a strip is passed over once, and several times */
} gemv_product;

/* What the groups from that of `row` on, its first, and the tokens from `token` on have. */
MG_INLINE gemv_strip gemv_strip_at(const gemv_product *p, size_t row, size_t token) {
    const mg_quantized *w = p->w;
    size_t stride = mg_quantized_stride(w->k);
    size_t scale = w->format == MG_Q8_ROW ? sizeof(float) : stride / MG_BLOCK * sizeof(uint16_t);
    size_t group = mg_quantized_value_bytes(w->format, GROUP, w->k);
    const char *values = (const char *)w->values + mg_quantized_value_bytes(w->format, row, w->k);
    return (gemv_strip){.values = values,
                        .ahead = values + group + AHEAD,
                        .scales = (const char *)w->scales + row * scale,
                        .stride = stride,
                        .x = p->a->values + token * stride,
                        .sums = p->a->sums + token * (stride / MG_BLOCK),
                        .x_scales = p->a->scales + token,
                        .bias = p->bias ? p->bias + row : NULL,
                        .c = p->c + token * p->ldc + row,
                        .ldc = p->ldc};
}

/* A part of a group: all of it is computed, and the wanted rows are copied. */
static void gemv_rest(const gemv_product *p, size_t first, size_t end) {
    size_t row = first / GROUP * GROUP;
    float scales[GROUP] = {0};
    if (p->w->format == MG_Q8_ROW)
        memcpy(scales, (const float *)p->w->scales + row, (end - row) * sizeof *scales);
    for (size_t t = 0; t < p->a->rows; t++) {
        float y[GROUP], *c = p->c + t * p->ldc;
        gemv_strip strip = gemv_strip_at(p, row, t);
        if (p->w->format == MG_Q8_ROW) strip.scales = (const char *)scales;
        strip.bias = NULL;
        strip.c = y;
        p->once.one(&strip, GROUP);
        for (size_t i = first; i < end; i++) c[i] = p->bias ? y[i - row] + p->bias[i] : y[i - row];
    }
}

static void gemv_strips(gemv_product p, size_t first, size_t end) {
    size_t bytes = mg_quantized_value_bytes(p.w->format, GROUP, p.w->k);
    size_t most = p.once.four ? 4 : 2;
    int again = (p.a->rows > most || p.a->rows == 3) && bytes;
    const gemv_kernels *kernels = again ? &p.again : &p.once;
    size_t rows = again ? STRIP_BYTES / bytes * GROUP : end;
    if (rows < GROUP) rows = GROUP;
    size_t i = first;
    if (first % GROUP != 0) {
        i = first - first % GROUP + GROUP < end ? first - first % GROUP + GROUP : end;
        gemv_rest(&p, first, i);
    }
    size_t whole = i + (end - i) / GROUP * GROUP;
    for (size_t count; i < whole; i += count) {
        count = whole - i < rows ? whole - i : rows;
        for (size_t t = 0, pass = 0, tokens; t < p.a->rows; t += tokens, pass++) {
            size_t left = p.a->rows - t, size = count / GROUP * bytes;
            tokens = left >= most ? most : left < 2 ? 1 : 2;
            gemv_strip strip = gemv_strip_at(&p, i, t);
            if (again)
                strip.ahead =
                    strip.values + size + pass * most % AGAIN_TOKENS * (size / AGAIN_TOKENS);
            (tokens == 4   ? kernels->four
             : tokens == 2 ? kernels->two
                           : kernels->one)(&strip, count);
        }
    }
    if (i < end) gemv_rest(&p, i, end);
}

static void gemv_q8_row(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                        const float *bias, float *c, size_t ldc) {
    gemv_kernels once = {q8_row_one, q8_row_two, q8_row_four};
    gemv_kernels again = {q8_row_one_again, q8_row_two_again, q8_row_four_again};
    gemv_strips((gemv_product){a, w, bias, c, ldc, once, again}, first, end);
}

static void gemv_q8_block(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                          const float *bias, float *c, size_t ldc) {
    gemv_kernels once = {q8_block_one, q8_block_two, NULL};
    gemv_kernels again = {q8_block_one_again, q8_block_two_again, NULL};
    gemv_strips((gemv_product){a, w, bias, c, ldc, once, again}, first, end);
}

static void gemv_q4_block(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                          const float *bias, float *c, size_t ldc) {
    gemv_kernels once = {q4_block_one, q4_block_two, NULL};
    gemv_kernels again = {q4_block_one_again, q4_block_two_again, NULL};
    gemv_strips((gemv_product){a, w, bias, c, ldc, once, again}, first, end);
}
