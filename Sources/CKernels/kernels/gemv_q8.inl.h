/* Rows of 8-bit activations times the rows of a matrix in 8 or 4 bits, as the file has it:
 * decoding, bound by reading the matrix once. Arithmetic and layouts: mg_formats.h.
 *
 * Eight rows of the matrix at a time, because eight sums over lanes cost little more than one, and
 * two tokens, so that a weight is loaded once for both. A group of rows stays in the first-level
 * cache for the other tokens. */

enum {
    GROUP = MG_GROUP,    /* rows of w */
    STRIP_BYTES = 16384, /* of w that stay in the first-level cache for the next tokens */
    AHEAD = 4096,        /* bytes, see fetch */
    SCALES_AHEAD = 256,  /* scales of blocks, likewise */
    REST_BLOCKS = 512,   /* of a row, up to which rows that are no group are computed as one */
};

/* Eight rows are eight streams, too many for the prefetcher of the hardware, but neighbours in
 * memory: while one group is at work the next ones are fetched in order of addresses, into the
 * first-level cache. Zen 5, the matrices of GPT-2 with width 1024 in 8 / 4 bits, from memory, share
 * of the streaming rate: 92 / 89 % on two threads and 80 / 78 % on one; 86 / 82 and 70 / 62 % where
 * they are fetched into the second level 16 KB ahead, no better 8, 32 or 64 KB ahead. */
MG_INLINE void fetch(const void *p, size_t lines) {
    MG_UNROLL
    for (size_t i = 0; i < lines; i++) __builtin_prefetch((const char *)p + 64 * i, 0, 3);
}

/* Lines that are fetched in a step, of eight rows and 32 bytes of each. Where a strip is passed
 * over again for further tokens, each of four passes fetches a quarter of the next strip, so that
 * memory is never idle: eight tokens, k 768 and 3072, 100 MB, int8: 1.13 to 1.3 times as fast. */
enum { STEP_LINES = 4, STEP_BYTES = 256, AGAIN_LINES = 1 };

/* Elements from which rows of 8 bits are read one after the other, for one token: matrices that
 * come from memory; 0: never. One stream in order of addresses is what the prefetcher of the
 * hardware knows. Zen 5, k 1024, 200 MB: 35.2 instead of 30.0 GB/s on one thread, 39.1 instead
 * of 36.1 on two, and 16 layers of width 1024 are decoded 1.13 and 1.06 times as fast. From the
 * caches it is 9 (k 768) to 40 % (k 128) slower, but few models with such k fit there. */
#ifndef MG_STREAM_FROM
#define MG_STREAM_FROM 0
#endif

/* Whether a weight by blocks is loaded once for two tokens: a back end says 0 where the sums of a
 * block for both don't fit its registers. */
#ifndef MG_BLOCK_PAIRS
#define MG_BLOCK_PAIRS 1
#endif

/* What a strip of rows meets: one or two rows of activations. By value: stores to c, which the
 * compiler must think may be anywhere, then change none of it. */
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

/* Fetches what belongs to the step that begins `at` bytes behind the first row. */
MG_INLINE void fetch_ahead(const gemv_strip *p, size_t at, size_t lines) {
    fetch(p->ahead + (lines == STEP_LINES ? at : at / STEP_LINES * lines), lines);
}

/* y = the products of eight rows from the sums of each and of the activations. */
MG_INLINE v_f8 q8_row_products(const gemv_strip *p, size_t row, size_t token, const v_q32 *sums,
                               int32_t total) {
    v_f8 scales = v8_load((const float *)(const void *)p->scales + row);
    return v8_mul(v_q8_sum8(sums, total), v8_mul(v8_set1(p->x_scales[token]), scales));
}

/* y = products of the eight rows from `row` on with `tokens` rows of activations; it and `lines`,
 * which are fetched in a step, are constants. */
MG_INLINE void q8_row_group(const gemv_strip *p, size_t row, size_t tokens, size_t lines, v_f8 *y) {
    v_q32 sums[2][GROUP];
    MG_UNROLL
    for (size_t r = 0; r < GROUP; r++) sums[0][r] = sums[1][r] = v_q32_zero();
    const int8_t *w = (const int8_t *)p->values + row * p->stride;
    size_t blocks = p->stride / MG_BLOCK;
    int32_t total[2] = {0, 0};
    for (size_t b = 0; b < blocks; b++) {
        const int8_t *x = p->x + b * MG_BLOCK, *at = w + b * MG_BLOCK;
        fetch_ahead(p, row * p->stride + b * STEP_BYTES, lines);
        v_q8 x0 = v_q8_load(x), x1 = tokens > 1 ? v_q8_load(x + p->stride) : x0;
        total[0] += p->sums[b];
        if (tokens > 1) total[1] += p->sums[blocks + b];
        MG_UNROLL
        for (size_t r = 0; r < GROUP; r++) {
            v_q8 part = v_q8_load(at + r * p->stride);
            sums[0][r] = v_q8_dot(part, x0, sums[0][r]);
            if (tokens > 1) sums[1][r] = v_q8_dot(part, x1, sums[1][r]);
        }
    }
    MG_UNROLL
    for (size_t t = 0; t < tokens; t++) y[t] = q8_row_products(p, row, t, sums[t], total[t]);
}

/* The same for one token, row by row; see MG_STREAM_FROM. Two sums, because one would wait for
 * itself. */
MG_INLINE void q8_row_stream(const gemv_strip *p, size_t row, size_t tokens, size_t lines,
                             v_f8 *y) {
    v_q32 sums[GROUP];
    const int8_t *w = (const int8_t *)p->values + row * p->stride;
    size_t blocks = p->stride / MG_BLOCK;
    int32_t total = 0;
    for (size_t b = 0; b < blocks; b++) total += p->sums[b];
    for (size_t r = 0; r < GROUP; r++, w += p->stride) {
        v_q32 even = v_q32_zero(), odd = v_q32_zero();
        size_t b = 0;
        for (; b + 2 <= blocks; b += 2) {
            const int8_t *at = w + b * MG_BLOCK, *x = p->x + b * MG_BLOCK;
            fetch(at + AHEAD, lines / STEP_LINES);
            even = v_q8_dot(v_q8_load(at), v_q8_load(x), even);
            odd = v_q8_dot(v_q8_load(at + MG_BLOCK), v_q8_load(x + MG_BLOCK), odd);
        }
        if (b < blocks)
            even = v_q8_dot(v_q8_load(w + b * MG_BLOCK), v_q8_load(p->x + b * MG_BLOCK), even);
        sums[r] = v_q32_add(even, odd);
    }
    for (size_t t = 0; t < tokens; t++) y[t] = q8_row_products(p, row, t, sums, total);
}

MG_INLINE void q8_block_group(const gemv_strip *p, size_t row, size_t tokens, size_t lines,
                              v_f8 *y) {
    const int8_t *w = (const int8_t *)p->values + row * p->stride;
    size_t blocks = p->stride / MG_BLOCK;
    const uint16_t *scales = (const uint16_t *)(const void *)p->scales + row * blocks;
    v_f8 sum[2] = {v8_set1(0), v8_set1(0)};
    for (size_t b = 0; b < blocks; b++, scales += GROUP) {
        const int8_t *x = p->x + b * MG_BLOCK, *at = w + b * MG_BLOCK;
        fetch_ahead(p, row * p->stride + b * STEP_BYTES, lines);
        fetch(scales + SCALES_AHEAD, 1);
        v_f8 scale = v8_load_f16(scales);
        MG_UNROLL
        for (size_t t = 0; t < tokens; t++) {
            v_q8 part = v_q8_load(x + t * p->stride);
            v_q32 sums[GROUP];
            MG_UNROLL
            for (size_t r = 0; r < GROUP; r++)
                sums[r] = v_q8_dot(v_q8_load(at + r * p->stride), part, v_q32_zero());
            sum[t] = v8_fma(v_q8_sum8(sums, p->sums[t * blocks + b]), scale, sum[t]);
        }
    }
    MG_UNROLL
    for (size_t t = 0; t < tokens; t++) y[t] = v8_mul(sum[t], v8_set1(p->x_scales[t]));
}

/* Two blocks of eight rows, `stride` bytes apart, with two of a token: y + both products. */
MG_INLINE v_f8 q4_two_blocks(const uint8_t *w, size_t stride, v_q8x2 x, int32_t x0, int32_t x1,
                             v_f8 scale0, v_f8 scale1, v_f8 y) {
    v_q32x2 sums[GROUP];
    MG_UNROLL
    for (size_t r = 0; r < GROUP; r++) sums[r] = v_q4_dot(v_q4_load(w + r * stride), x);
    v_f8 s0, s1;
    v_q4_sum8(sums, x0, x1, &s0, &s1);
    return v8_fma(s1, scale1, v8_fma(s0, scale0, y));
}

/* The last block where their number is odd: one of zeros beside it. Rare, so it shall not take
 * registers from the rest. */
static __attribute__((noinline)) v_f8 q4_last_block(const gemv_strip *p, size_t row, size_t token,
                                                    v_f8 y) {
    enum { HALF = MG_BLOCK / 2 };
    size_t blocks = p->stride / MG_BLOCK, b = blocks - 1;
    uint8_t w[GROUP][MG_BLOCK] = {{0}};
    int8_t x[2 * MG_BLOCK] = {0};
    for (size_t r = 0; r < GROUP; r++)
        memcpy(w[r], p->values + ((row + r) * blocks + b) * HALF, HALF);
    memcpy(x, p->x + (token * blocks + b) * MG_BLOCK, MG_BLOCK);
    v_f8 scale = v8_load_f16((const uint16_t *)(const void *)p->scales + row * blocks + b * GROUP);
    return q4_two_blocks(w[0], MG_BLOCK, v_q8x2_load(x), p->sums[token * blocks + b], 0, scale,
                         v8_set1(0), y);
}

MG_INLINE void q4_block_group(const gemv_strip *p, size_t row, size_t tokens, size_t lines,
                              v_f8 *y) {
    size_t bytes = p->stride / 2, blocks = p->stride / MG_BLOCK;
    const uint8_t *w = (const uint8_t *)p->values + row * bytes;
    const uint16_t *scales = (const uint16_t *)(const void *)p->scales + row * blocks;
    v_f8 sum[2] = {v8_set1(0), v8_set1(0)};
    for (size_t b = 0; b + 2 <= blocks; b += 2, scales += 2 * GROUP) {
        fetch_ahead(p, row * bytes + b / 2 * STEP_BYTES, lines);
        fetch(scales + SCALES_AHEAD, 1);
        v_f8 scale0 = v8_load_f16(scales), scale1 = v8_load_f16(scales + GROUP);
        MG_UNROLL
        for (size_t t = 0; t < tokens; t++) {
            const int32_t *x_sums = p->sums + t * blocks + b;
            sum[t] = q4_two_blocks(w + b * MG_BLOCK / 2, bytes,
                                   v_q8x2_load(p->x + t * p->stride + b * MG_BLOCK), x_sums[0],
                                   x_sums[1], scale0, scale1, sum[t]);
        }
    }
    MG_UNROLL
    for (size_t t = 0; t < tokens; t++) {
        if (blocks % 2) sum[t] = q4_last_block(p, row, t, sum[t]);
        y[t] = v8_mul(sum[t], v8_set1(p->x_scales[t]));
    }
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
#define GEMV_STRIP(name, group, tokens)                                                            \
    GEMV_PASS(name, group, tokens, STEP_LINES)                                                     \
    GEMV_PASS(name##_again, group, tokens, AGAIN_LINES)
GEMV_STRIP(q8_row_one, q8_row_group, 1)
GEMV_STRIP(q8_row_two, q8_row_group, 2)
GEMV_PASS(q8_row_one_stream, q8_row_stream, 1, STEP_LINES)
GEMV_STRIP(q8_block_one, q8_block_group, 1)
GEMV_STRIP(q4_block_one, q4_block_group, 1)
#if MG_BLOCK_PAIRS
GEMV_STRIP(q8_block_two, q8_block_group, 2)
GEMV_STRIP(q4_block_two, q4_block_group, 2)
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

/* For one token and for two. */
typedef struct {
    gemv_strip_kernel *one, *two;
} gemv_pair;

/* A product as the kernels of this file are asked for it. */
typedef struct {
    const mg_q8_rows *a;
    const mg_quantized *w;
    const float *bias;
    float *c;
    size_t ldc;
    gemv_pair once, again; /* where a strip is passed over once, and several times */
} gemv_product;

/* What rows `row` and on and the tokens from `token` on have; in the block formats scales are those
 * of the group that begins with `row`. */
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

/* One row and one token: any matrix, the same bits. */
static float gemv_single(const gemv_product *p, size_t row, size_t token) {
    size_t stride = mg_quantized_stride(p->w->k), blocks = stride / MG_BLOCK;
    const int8_t *x = p->a->values + token * stride;
    v_f32 sum = v_zero();
    int32_t whole = 0;
    for (size_t b = 0; b < blocks; b++) {
        int32_t part = 0;
        for (size_t j = b * MG_BLOCK; j < (b + 1) * MG_BLOCK; j++)
            part += x[j] * quantized_code(p->w, row, j);
        whole += part;
        if (p->w->format != MG_Q8_ROW)
            sum = v_fma(v_set1((float)part), v_set1(quantized_block_scale(p->w, row, b)), sum);
    }
    float result, scale = p->a->scales[token];
    if (p->w->format == MG_Q8_ROW)
        return (float)whole * (scale * ((const float *)p->w->scales)[row]);
    v_store_n(&result, v_mul(sum, v_set1(scale)), 1);
    return result;
}

/* The scales of eight rows from any row on as those of a group. */
static void gather_scales(const mg_quantized *w, size_t row, uint16_t *to) {
    const uint16_t *scales = w->scales;
    for (size_t b = 0; b < mg_quantized_stride(w->k) / MG_BLOCK; b++)
        for (size_t r = 0; r < GROUP; r++)
            to[b * GROUP + r] = scales[mg_block_scale_index(w->k, row + r, b)];
}

/* Fewer rows than a group, or rows that are none: where the matrix has eight, those that end with
 * the last one are computed, and the wanted ones copied. */
static void gemv_rest(const gemv_product *p, size_t first, size_t end) {
    uint16_t scales[REST_BLOCKS * GROUP];
    const mg_quantized *w = p->w;
    int by_block = w->format != MG_Q8_ROW;
    int single = w->n < GROUP || (by_block && w->k > REST_BLOCKS * MG_BLOCK);
    size_t row = single || first + GROUP <= w->n ? first : w->n - GROUP;
    if (by_block && !single) gather_scales(w, row, scales);
    for (size_t t = 0; t < p->a->rows; t++) {
        float y[GROUP], *c = p->c + t * p->ldc;
        for (size_t i = first; single && i < end; i++) y[i - row] = gemv_single(p, i, t);
        if (!single) {
            gemv_strip strip = gemv_strip_at(p, row, t);
            if (by_block) strip.scales = (const char *)scales;
            strip.bias = NULL;
            strip.c = y;
            p->once.one(&strip, GROUP);
        }
        for (size_t i = first; i < end; i++) c[i] = p->bias ? y[i - row] + p->bias[i] : y[i - row];
    }
}

static void gemv_strips(gemv_product p, size_t first, size_t end) {
    size_t bytes = mg_quantized_value_bytes(p.w->format, GROUP, p.w->k);
    int again = p.a->rows > 2 && bytes;
    const gemv_pair *kernels = again ? &p.again : &p.once;
    size_t rows = again ? STRIP_BYTES / bytes * GROUP : end;
    if (rows < GROUP) rows = GROUP;
    size_t i = first;
    if (p.w->format != MG_Q8_ROW && first % GROUP != 0) {
        i = first - first % GROUP + GROUP < end ? first - first % GROUP + GROUP : end;
        gemv_rest(&p, first, i);
    }
    size_t whole = i + (end - i) / GROUP * GROUP;
    for (size_t count; i < whole; i += count) {
        count = whole - i < rows ? whole - i : rows;
        for (size_t t = 0; t < p.a->rows; t += 2) {
            gemv_strip strip = gemv_strip_at(&p, i, t);
            size_t size = count / GROUP * bytes, pass = t / 2 % STEP_LINES;
            if (again) strip.ahead = strip.values + size + pass * (size / STEP_LINES);
            (t + 1 < p.a->rows ? kernels->two : kernels->one)(&strip, count);
        }
    }
    if (i < end) gemv_rest(&p, i, end);
}

static void gemv_q8_row(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                        const float *bias, float *c, size_t ldc) {
    int streams = MG_STREAM_FROM != 0 && w->k >= MG_STREAM_FROM;
    gemv_pair once = {streams ? q8_row_one_stream : q8_row_one, q8_row_two};
    gemv_pair again = {q8_row_one_again, q8_row_two_again};
    gemv_strips((gemv_product){a, w, bias, c, ldc, once, again}, first, end);
}

static void gemv_q8_block(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                          const float *bias, float *c, size_t ldc) {
    gemv_pair once = {q8_block_one, q8_block_two};
    gemv_pair again = {q8_block_one_again, q8_block_two_again};
    gemv_strips((gemv_product){a, w, bias, c, ldc, once, again}, first, end);
}

static void gemv_q4_block(const mg_q8_rows *a, const mg_quantized *w, size_t first, size_t end,
                          const float *bias, float *c, size_t ldc) {
    gemv_pair once = {q4_block_one, q4_block_two};
    gemv_pair again = {q4_block_one_again, q4_block_two_again};
    gemv_strips((gemv_product){a, w, bias, c, ldc, once, again}, first, end);
}
