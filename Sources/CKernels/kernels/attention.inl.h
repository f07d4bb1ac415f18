/* Attention of one head, forward and backward, by tiles with online softmax (Dao et al. 2022,
 * arXiv 2205.14135): exact, memory linear in the number of keys, tiles above the diagonal skipped.
 *
 * Blocks of scores lie transposed, keys by queries: a vector holds one key's scores for VN queries.
 * So maximum, sum and exponential go down the columns without a horizontal step; and all five
 * products read k, v, q and dout as they are. Only q (and dout) need a transposed copy.
 *
 *             queries ->                   S^T = k q^T           P^T = exp(S^T - lse)
 *   keys |   s s s s s s s s               out = (P^T)^T v       dP^T = v dout^T
 *        v   . s s s s s s s               dv = P^T dout         dS^T = P^T * (dP^T - delta)
 *            . . s s s s s s               dk = dS^T q           dq = (dS^T)^T k
 *
 * With up to MG_BK keys there is one block: the plain way, without rescaling. */

enum {
    MG_BQ = MG_QUERY_BLOCK,
    MG_BK = MG_KEY_BLOCK /* 16 KB of scores, half of a first-level cache */
};

MG_INLINE size_t attention_round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* Where the pieces of scratch lie. Lanes are queries of a block, D' is the head width rounded up to
 * vectors; copies of rows are needed only where the two differ. */
typedef struct {
    float *scores;               /* [BK][lanes]: scores, probabilities, gradients of scores */
    float *q_lanes, *dout_lanes; /* [d][lanes] */
    float *rows;                 /* (BQ, D'): out or dq */
    float *top, *sum, *factor;   /* [lanes]: of the online softmax; lse and delta in backward */
    float *k, *v, *q,
        *dout;      /* (keys, D') and (BQ, D'), copies or NULL; k only backward, v forward */
    float *dk, *dv; /* (keys, D'), or NULL */
    size_t padded;  /* D' */
} attention_space;

/* Divides scratch from `at` on; returns its size. */
static size_t attention_divide(size_t keys, size_t d, int backward, float *at,
                               attention_space *space) {
    size_t padded = attention_round_up(d, VN), copied = padded == d ? 0 : padded, used = 0;
    size_t lanes = attention_round_up(MG_BQ, MG_GRAIN);
    const size_t sizes[] = {MG_BK * lanes,
                            d * lanes,
                            backward ? d * lanes : 0,
                            lanes * padded,
                            lanes,
                            lanes,
                            lanes,
                            backward ? keys * copied : 0,
                            backward ? 0 : keys * copied,
                            backward ? lanes * copied : 0,
                            backward ? lanes * copied : 0,
                            backward ? keys * copied : 0,
                            backward ? keys * copied : 0};
    float *pieces[13];
    for (size_t i = 0; i < 13; i++) {
        pieces[i] = at && sizes[i] ? at + used : NULL;
        used += attention_round_up(sizes[i], 16);
    }
    if (space)
        *space = (attention_space){pieces[0],  pieces[1],  pieces[2],  pieces[3], pieces[4],
                                   pieces[5],  pieces[6],  pieces[7],  pieces[8], pieces[9],
                                   pieces[10], pieces[11], pieces[12], padded};
    return used;
}

static size_t attention_scratch(size_t keys, size_t d, int backward) {
    return attention_divide(keys, d, backward, NULL, NULL);
}

/* Number of keys that query i sees, of those from `first` on. */
MG_INLINE size_t attention_visible(const mg_attention_head *h, size_t i, size_t first) {
    size_t end = h->position + i + 1;
    if (end > h->key_count) end = h->key_count;
    return end > first ? end - first : 0;
}

/* Rows whose width is whole vectors: x itself, else a copy padded with zeros. */
MG_INLINE const float *attention_rows(size_t count, size_t d, const float *x, size_t *ld,
                                      float *copy, size_t padded) {
    if (!copy) return x;
    attention_widen(count, d, x, *ld, copy, padded);
    *ld = padded;
    return copy;
}

/* A block of queries against a block of keys. */
typedef struct {
    size_t first;      /* query 0 of the block stands at this position of the keys ... */
    size_t key, width; /* ... of which the block has `width` from `key` on */
    size_t lanes;      /* queries, rounded up */
    size_t ld;         /* of all arrays [...][lanes] */
} attention_block;

/* The first lane, a multiple of MG_GRAIN, that some of the keys from `j` of the block on need. */
MG_INLINE size_t attention_first_lane(const attention_block *b, size_t j) {
    size_t position = b->key + j;
    return position > b->first ? (position - b->first) / MG_GRAIN * MG_GRAIN : 0;
}

/* How many keys of the block the lanes before `lane` see. */
MG_INLINE size_t attention_depth(const attention_block *b, size_t lane) {
    size_t end = b->first + lane;
    if (end <= b->key) return 0;
    return end - b->key < b->width ? end - b->key : b->width;
}

/* Writes `hidden` where a query must not look, in rows j ... j+rows-1 from lane `start` on. */
MG_INLINE void attention_hide(const attention_block *b, size_t j, size_t rows, size_t start,
                              float hidden, float *scores) {
    static const float lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    v_f32 numbers = v_load(lane_numbers), vhidden = v_set1(hidden);
    for (size_t r = j; r < j + rows; r++) {
        if (b->key + r <= b->first) continue;
        size_t end = b->key + r - b->first; /* lanes from here on see key r */
        for (size_t x = start; x < end && x < b->lanes; x += VN) {
            float *at = scores + r * b->ld + x;
            v_f32 limit = v_set1((float)(end - x) - 0.5f);
            v_store(at, v_gt(numbers, limit, v_load(at), vhidden));
        }
    }
}

/* Whether some query of the block must not look at some key of it. */
MG_INLINE int attention_diagonal(const attention_block *b) {
    return b->key + b->width > b->first + 1;
}

/* ---- Forward --------------------------------------------------------------------------------- */

/* scores = S^T of the block; what is hidden gets -inf, or nothing where whole grains are. */
static void attention_scores(const mg_attention_head *h, const attention_space *s,
                             const attention_block *b) {
    const float *k = h->k + b->key * h->ld_kv;
    size_t d = h->head_width;
    if (!attention_diagonal(b)) {
        product_write(b->width, b->lanes, d, k, h->ld_kv, s->q_lanes, b->ld, s->scores, b->ld);
        return;
    }
    for (size_t j = 0; j < b->width; j += MG_AR) {
        size_t rows = b->width - j < MG_AR ? b->width - j : MG_AR;
        size_t start = attention_first_lane(b, j);
        product_write(rows, b->lanes - start, d, k + j * h->ld_kv, h->ld_kv, s->q_lanes + start,
                      b->ld, s->scores + j * b->ld + start, b->ld);
        attention_hide(b, j, rows, start, -INFINITY, s->scores);
    }
}

/* Folds the block into maximum and sum of each query; scores become probabilities relative to the
 * new maximum, factor what older results are to be multiplied by. `scale` is that of the scores,
 * over ln2. The maximum is subtracted before it, so that the largest is 2^0 however large it is. */
static void attention_online(const attention_space *s, const attention_block *b, float scale) {
    v_f32 vscale = v_set1(scale);
    for (size_t x = 0; x < b->lanes; x += VN) {
        size_t depth = attention_depth(b, x / MG_GRAIN * MG_GRAIN + MG_GRAIN);
        float *column = s->scores + x;
        v_f32 even = v_set1(-INFINITY), odd = even;
        size_t j = 0;
        for (; j + 2 <= depth; j += 2) {
            even = v_max(even, v_load(column + j * b->ld));
            odd = v_max(odd, v_load(column + (j + 1) * b->ld));
        }
        if (j < depth) even = v_max(even, v_load(column + j * b->ld));
        v_f32 old = v_load(s->top + x), top = v_max(old, v_max(even, odd));
        v_f32 total = v_zero();
        for (j = 0; j < depth; j++) {
            v_f32 p = v_exp2(v_mul(v_sub(v_load(column + j * b->ld), top), vscale));
            v_store(column + j * b->ld, p);
            total = v_add(total, p);
        }
        v_f32 factor = v_exp2(v_mul(v_sub(old, top), vscale));
        v_store(s->factor + x, factor);
        v_store(s->sum + x, v_fma(v_load(s->sum + x), factor, total));
        v_store(s->top + x, top);
    }
}

/* rows = factor * rows + P v. */
static void attention_mix(const attention_space *s, const attention_block *b, const float *v,
                          size_t ld) {
    if (b->key > 0)
        for (size_t i = 0; i < b->lanes; i++)
            if (s->factor[i] != 1.0f) {
                float *row = s->rows + i * s->padded;
                v_f32 factor = v_set1(s->factor[i]);
                for (size_t x = 0; x < s->padded; x += VN)
                    v_store(row + x, v_mul(v_load(row + x), factor));
            }
    size_t tile = attention_diagonal(b) ? MG_AR : b->lanes;
    for (size_t i = 0; i < b->lanes; i += tile)
        product_transposed(tile, s->padded, attention_depth(b, i + tile), s->scores + i, b->ld, v,
                           ld, s->rows + i * s->padded, s->padded, b->key > 0);
}

/* out = rows / sum, and the logarithm of the sum of exponentials in its natural unit. */
static void attention_finish(const mg_attention_head *h, const attention_space *s, size_t i0,
                             size_t rows) {
    size_t d = h->head_width;
    for (size_t x = 0; x < attention_round_up(rows, VN); x += VN)
        v_store(s->factor + x, v_div(v_set1(1.0f), v_load(s->sum + x)));
    for (size_t r = 0; r < rows; r++) {
        const float *row = s->rows + r * s->padded;
        float *out = h->out + (i0 + r) * h->ld_out;
        v_f32 factor = v_set1(s->factor[r]);
        MG_EACH(d, { v_put(out + i, v_mul(v_part(row + i, m, v_zero()), factor), m); });
    }
    for (size_t r = 0; r < rows && h->lse; r++)
        h->lse[i0 + r] = s->top[r] * h->scale + logf(s->sum[r]);
}

static void attention_forward_f32(const mg_attention_head *h) {
    if (h->query_count == 0) return;
    attention_space s;
    attention_divide(h->key_count, h->head_width, 0, h->scratch, &s);
    size_t d = h->head_width, ld_v = h->ld_kv;
    size_t keys = attention_visible(h, h->query_count - 1, 0);
    const float *v = attention_rows(keys, d, h->v, &ld_v, s.v, s.padded);
    float scale = h->scale * 1.44269504f; /* 1/ln2 */
    for (size_t i0 = 0; i0 < h->query_count; i0 += MG_BQ) {
        size_t rows = h->query_count - i0 < MG_BQ ? h->query_count - i0 : MG_BQ;
        size_t lanes = attention_round_up(rows, MG_GRAIN);
        attention_transpose(rows, d, h->q + i0 * h->ld_q, h->ld_q, lanes, s.q_lanes);
        for (size_t x = 0; x < lanes; x++) {
            s.top[x] = -INFINITY;
            s.sum[x] = 0.0f;
        }
        size_t end = attention_visible(h, i0 + rows - 1, 0);
        for (size_t j0 = 0; j0 < end; j0 += MG_BK) {
            size_t width = end - j0 < MG_BK ? end - j0 : MG_BK;
            attention_block b = {h->position + i0, j0, width, lanes, lanes};
            attention_scores(h, &s, &b);
            attention_online(&s, &b, scale);
            attention_mix(&s, &b, v + j0 * ld_v, ld_v);
        }
        attention_finish(h, &s, i0, rows);
    }
}

/* ---- Backward -------------------------------------------------------------------------------- */

/* What a block of backward reads and adds to, besides scratch. */
typedef struct {
    const float *q, *dout, *k; /* rows of whole vectors */
    size_t ld_q, ld_dout, ld_k;
    float *dk, *dv;
    size_t ld_dkv;
    size_t rows;
} attention_operands;

static void attention_gradient_block(const mg_attention_head *h, const attention_space *s,
                                     const attention_block *b, const attention_operands *o) {
    size_t d = h->head_width, ld = b->ld, tile = attention_diagonal(b) ? MG_AR : b->width;
    tile_softmax lse = {s->top, h->scale * 1.44269504f}, delta = {s->sum, h->scale};
    for (size_t j = 0; j < b->width; j += tile) {
        size_t rows = b->width - j < tile ? b->width - j : tile;
        size_t start = attention_first_lane(b, j), at = b->key + j;
        float *p = s->scores + j * ld + start;
        tile_softmax here = {lse.subtract + start, lse.factor};
        product_probability(rows, b->lanes - start, d, h->k + at * h->ld_kv, h->ld_kv,
                            s->q_lanes + start, ld, p, ld, here);
        if (tile == MG_AR) attention_hide(b, j, rows, start, 0.0f, s->scores);
        product_add(rows, s->padded, o->rows - start, p, ld, o->dout + start * o->ld_dout,
                    o->ld_dout, o->dv + at * o->ld_dkv, o->ld_dkv);
        here = (tile_softmax){delta.subtract + start, delta.factor};
        product_gradient(rows, b->lanes - start, d, h->v + at * h->ld_kv, h->ld_kv,
                         s->dout_lanes + start, ld, p, ld, here);
        product_add(rows, s->padded, o->rows - start, p, ld, o->q + start * o->ld_q, o->ld_q,
                    o->dk + at * o->ld_dkv, o->ld_dkv);
    }
    tile = attention_diagonal(b) ? MG_AR : b->lanes;
    for (size_t i = 0; i < b->lanes; i += tile)
        product_transposed(tile, s->padded, attention_depth(b, i + tile), s->scores + i, ld,
                           o->k + b->key * o->ld_k, o->ld_k, s->rows + i * s->padded, s->padded,
                           b->key > 0);
}

/* The queries of one head. */
static void attention_gradient_head(const mg_attention_gradient *g, size_t member,
                                    attention_space *s, attention_operands o) {
    const mg_attention_head *h = &g->head;
    size_t d = h->head_width;
    const float *q = h->q + member * g->group_stride_q;
    const float *out = h->out + member * g->group_stride_out;
    const float *dout = g->dout + member * g->group_stride_out;
    const float *lse = h->lse + member * g->group_stride_lse;
    float *dq = g->dq + member * g->group_stride_q;
    for (size_t i0 = 0; i0 < h->query_count; i0 += MG_BQ) {
        size_t rows = h->query_count - i0 < MG_BQ ? h->query_count - i0 : MG_BQ;
        size_t lanes = attention_round_up(rows, MG_GRAIN);
        const float *q0 = q + i0 * h->ld_q, *dout0 = dout + i0 * g->ld_dout;
        attention_transpose(rows, d, q0, h->ld_q, lanes, s->q_lanes);
        attention_transpose(rows, d, dout0, g->ld_dout, lanes, s->dout_lanes);
        for (size_t i = 0; i < lanes; i++) {
            int real = i < rows;
            s->top[i] = real ? lse[i0 + i] * 1.44269504f : 0.0f;
            s->sum[i] =
                real ? dot_f32(d, out + (i0 + i) * h->ld_out, dout0 + i * g->ld_dout) : 0.0f;
        }
        o.rows = rows;
        o.ld_q = h->ld_q;
        o.ld_dout = g->ld_dout;
        o.q = attention_rows(rows, d, q0, &o.ld_q, s->q, s->padded);
        o.dout = attention_rows(rows, d, dout0, &o.ld_dout, s->dout, s->padded);
        size_t end = attention_visible(h, i0 + rows - 1, 0);
        for (size_t j0 = 0; j0 < end; j0 += MG_BK) {
            size_t width = end - j0 < MG_BK ? end - j0 : MG_BK;
            attention_block b = {h->position + i0, j0, width, lanes, lanes};
            attention_gradient_block(h, s, &b, &o);
        }
        attention_narrow(rows, d, s->rows, s->padded, dq + i0 * g->ld_dq, g->ld_dq);
    }
}

static void attention_backward_f32(const mg_attention_gradient *g) {
    const mg_attention_head *h = &g->head;
    size_t keys = h->key_count, d = h->head_width;
    attention_space s;
    attention_divide(keys, d, 1, h->scratch, &s);
    attention_operands o = {.dk = s.dk ? s.dk : g->dk,
                            .dv = s.dv ? s.dv : g->dv,
                            .ld_dkv = s.dk ? s.padded : g->ld_dkv,
                            .ld_k = h->ld_kv};
    o.k = attention_rows(keys, d, h->k, &o.ld_k, s.k, s.padded);
    attention_zero(keys, s.padded, o.dk, o.ld_dkv);
    attention_zero(keys, s.padded, o.dv, o.ld_dkv);
    for (size_t member = 0; member < g->group_size; member++)
        attention_gradient_head(g, member, &s, o);
    if (!s.dk) return;
    attention_narrow(keys, d, s.dk, s.padded, g->dk, g->ld_dkv);
    attention_narrow(keys, d, s.dv, s.padded, g->dv, g->ld_dkv);
}
