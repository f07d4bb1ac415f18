/* Attention of one head, forward and backward, by tiles with online softmax (Dao et al. 2022,
 * arXiv 2205.14135): exact, memory linear in the number of keys, tiles above the diagonal skipped.
 * The tiles are those of the matrix multiply; keys and values are packed once per head. */

enum {
    MG_BK = MG_NR * ((64 + MG_NR - 1) / MG_NR), /* keys per step: whole panels, at least 64 */
    MG_BQ = 4 * MG_MR                           /* queries per step of backward */
};

MG_INLINE size_t attention_round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

static size_t attention_scratch(size_t keys, size_t d, int backward) {
    size_t padded_keys = attention_round_up(keys, MG_NR), padded_d = attention_round_up(d, MG_NR);
    if (!backward)
        return padded_keys * d + keys * padded_d /* panels of k and v */
               + MG_MR * (d + 2 * MG_BK + padded_d + 2) + 64;
    return 2 * padded_keys * d + keys * padded_d           /* panels of k, v and k again */
           + 2 * keys * padded_d                           /* sums of dk and dv */
           + MG_BQ * (2 * d + 2 * padded_d + padded_d + 1) /* q and dout twice, dq, row sums */
           + 2 * MG_BQ * MG_BK                             /* scores and their gradient */
           + (MG_BQ + MG_MR) * (MG_BK + MG_MR) + 64;       /* one packed operand */
}

/* Number of keys that query i sees, of those from `first` on. */
MG_INLINE size_t attention_visible(const mg_attention_head *h, size_t i, size_t first) {
    size_t end = h->position + i + 1;
    if (end > h->key_count) end = h->key_count;
    return end > first ? end - first : 0;
}

/* One query needs no packing: scores by rows of k, then the weighted sum of rows of v. */
static void attention_single(const mg_attention_head *h) {
    size_t keys = attention_visible(h, 0, 0), d = h->head_width;
    float *scores = h->scratch;
    gemv_f32(keys, d, h->k, h->ld_kv, h->q, NULL, 0, scores);
    float top = max_f32(keys, scores) * h->scale;
    v_f32 vtop = v_set1(top), scale = v_set1(h->scale), total = v_zero();
    for (size_t j = 0; j < keys; j += VN) {
        size_t m = keys - j < VN ? keys - j : VN;
        v_f32 s = v_mul(v_load_n(scores + j, m, v_set1(-INFINITY)), scale);
        v_f32 p = v_exp(v_sub(s, vtop));
        v_store_n(scores + j, p, m);
        total = v_add(total, p);
    }
    float sum = v_hsum(total);
    v_f32 inverse = v_set1(1.0f / sum);
    for (size_t c = 0; c < d; c += VN) {
        size_t m = d - c < VN ? d - c : VN;
        v_f32 even = v_zero(), odd = v_zero();
        size_t j = 0;
        for (; j + 2 <= keys; j += 2) {
            const float *row = h->v + j * h->ld_kv + c;
            v_f32 v0 = m == VN ? v_load(row) : v_load_n(row, m, v_zero());
            v_f32 v1 = m == VN ? v_load(row + h->ld_kv) : v_load_n(row + h->ld_kv, m, v_zero());
            even = v_fma(v_set1(scores[j]), v0, even);
            odd = v_fma(v_set1(scores[j + 1]), v1, odd);
        }
        if (j < keys)
            even = v_fma(v_set1(scores[j]), v_load_n(h->v + j * h->ld_kv + c, m, v_zero()), even);
        v_store_n(h->out + c, v_mul(v_add(even, odd), inverse), m);
    }
    if (h->lse) h->lse[0] = top + logf(sum);
}

/* Folds one row of scores into the running maximum and sum; the row becomes probabilities
 * relative to the new maximum, zero from `visible` on. Returns the factor for what was summed. */
MG_INLINE float attention_online_row(float *row, size_t visible, size_t width, float scale,
                                     float *maximum, float *sum) {
    if (visible > width) visible = width;
    v_f32 lowest = v_set1(-INFINITY), largest = lowest, vscale = v_set1(scale);
    for (size_t j = 0; j < visible; j += VN)
        largest = v_max(largest, v_load_n(row + j, visible - j < VN ? visible - j : VN, lowest));
    float next = v_hmax(largest) * scale;
    if (*maximum > next) next = *maximum;
    v_f32 vnext = v_set1(next), total = v_zero();
    size_t j = 0;
    for (; j + VN <= visible; j += VN) {
        v_f32 p = v_exp(v_sub(v_mul(v_load(row + j), vscale), vnext));
        v_store(row + j, p);
        total = v_add(total, p);
    }
    if (j < visible) {
        v_f32 s = v_mul(v_load_n(row + j, visible - j, lowest), vscale);
        v_f32 p = v_exp(v_sub(s, vnext));
        v_store_n(row + j, p, visible - j);
        total = v_add(total, p);
    }
    for (j = visible; j < width; j++) row[j] = 0.0f;
    float factor = *maximum == -INFINITY ? 0.0f : expf(*maximum - next);
    *sum = *sum * factor + v_hsum(total);
    *maximum = next;
    return factor;
}

static void attention_forward_f32(const mg_attention_head *h) {
    if (h->query_count == 0) return;
    if (h->query_count == 1) {
        attention_single(h);
        return;
    }
    size_t keys = h->key_count, d = h->head_width;
    size_t padded_keys = attention_round_up(keys, MG_NR), padded_d = attention_round_up(d, MG_NR);
    float *k_panels = h->scratch;                 /* [key / NR][d][NR] */
    float *v_panels = k_panels + padded_keys * d; /* [d / NR][key][NR] */
    float *q_panel = v_panels + keys * padded_d;  /* [d][MR] */
    float *scores = q_panel + d * MG_MR;          /* (MR, BK) */
    float *p_panel = scores + MG_MR * MG_BK;      /* [BK][MR] */
    float *out = p_panel + MG_BK * MG_MR;         /* (MR, padded_d) */
    float *maximum = out + MG_MR * padded_d, *sum = maximum + MG_MR;
    pack_rows_f32(keys, d, h->k, h->ld_kv, MG_NR, k_panels);
    pack_columns_f32(d, keys, h->v, h->ld_kv, MG_NR, v_panels);

    for (size_t i0 = 0; i0 < h->query_count; i0 += MG_MR) {
        size_t rows = h->query_count - i0 < MG_MR ? h->query_count - i0 : MG_MR;
        pack_rows_f32(rows, d, h->q + i0 * h->ld_q, h->ld_q, MG_MR, q_panel);
        memset(out, 0, MG_MR * padded_d * sizeof *out);
        for (size_t i = 0; i < MG_MR; i++) {
            maximum[i] = -INFINITY;
            sum[i] = 0.0f;
        }
        size_t end = attention_visible(h, i0 + rows - 1, 0);
        for (size_t j0 = 0; j0 < end; j0 += MG_BK) {
            size_t width = end - j0 < MG_BK ? end - j0 : MG_BK;
            for (size_t j = 0; j < width; j += MG_NR)
                gemm_tile(d, q_panel, k_panels + (j0 + j) * d, scores + j, MG_BK, NULL, 0);
            for (size_t i = 0; i < MG_MR; i++) {
                size_t visible = i < rows ? attention_visible(h, i0 + i, j0) : 0;
                float *row = scores + i * MG_BK;
                if (visible == 0) {
                    memset(row, 0, width * sizeof *row);
                    continue;
                }
                float factor =
                    attention_online_row(row, visible, width, h->scale, maximum + i, sum + i);
                if (factor != 1.0f && j0 > 0)
                    scale_add_f32(padded_d, factor, out + i * padded_d, NULL, out + i * padded_d);
            }
            pack_rows_f32(MG_MR, width, scores, MG_BK, MG_MR, p_panel);
            for (size_t c = 0; c < padded_d; c += MG_NR)
                gemm_tile(width, p_panel, v_panels + c * keys + j0 * MG_NR, out + c, padded_d, NULL,
                          1);
        }
        for (size_t i = 0; i < rows; i++) {
            scale_add_f32(d, 1.0f / sum[i], out + i * padded_d, NULL,
                          h->out + (i0 + i) * h->ld_out);
            if (h->lse) h->lse[i0 + i] = maximum[i] + logf(sum[i]);
        }
    }
}

/* Turns scores into P and the gradient of P into dS, in place, one row. */
MG_INLINE void attention_gradient_row(size_t visible, size_t width, float scale, float lse,
                                      float delta, float *p, float *ds) {
    if (visible > width) visible = width;
    v_f32 vscale = v_set1(scale), vlse = v_set1(lse), vdelta = v_set1(delta);
    for (size_t j = 0; j < visible; j += VN) {
        size_t m = visible - j < VN ? visible - j : VN;
        v_f32 e = v_exp(v_sub(v_mul(v_load_n(p + j, m, v_zero()), vscale), vlse));
        v_f32 g = v_mul(v_mul(e, v_sub(v_load_n(ds + j, m, v_zero()), vdelta)), vscale);
        v_store_n(p + j, e, m);
        v_store_n(ds + j, g, m);
    }
    for (size_t j = visible; j < width; j++) p[j] = ds[j] = 0.0f;
}

/* Where the pieces of scratch lie in backward. */
typedef struct {
    float *k_panels, *v_panels;      /* [key / NR][d][NR]: right factors of S and of dO V^T */
    float *k_columns;                /* [d / NR][key][NR]: right factor of dQ */
    float *dk, *dv;                  /* (keys, padded_d) */
    float *q_rows, *dout_rows;       /* [BQ / MR][d][MR]: left factors of S and of dO V^T */
    float *q_columns, *dout_columns; /* [d / NR][rows][NR]: right factors of dK and dV */
    float *dq;                       /* (BQ, padded_d) */
    float *delta;                    /* (BQ) */
    float *p, *ds;                   /* (BQ, BK) */
    float *packed;                   /* left factor of dV, dK or dQ */
} attention_space;

MG_INLINE attention_space attention_divide(float *at, size_t keys, size_t d) {
    size_t padded_keys = attention_round_up(keys, MG_NR), padded_d = attention_round_up(d, MG_NR);
    attention_space s;
    s.k_panels = at;
    s.v_panels = s.k_panels + padded_keys * d;
    s.k_columns = s.v_panels + padded_keys * d;
    s.dk = s.k_columns + keys * padded_d;
    s.dv = s.dk + keys * padded_d;
    s.q_rows = s.dv + keys * padded_d;
    s.dout_rows = s.q_rows + MG_BQ * d;
    s.q_columns = s.dout_rows + MG_BQ * d;
    s.dout_columns = s.q_columns + MG_BQ * padded_d;
    s.dq = s.dout_columns + MG_BQ * padded_d;
    s.delta = s.dq + MG_BQ * padded_d;
    s.p = s.delta + MG_BQ;
    s.ds = s.p + MG_BQ * MG_BK;
    s.packed = s.ds + MG_BQ * MG_BK;
    return s;
}

/* One block of queries against one block of keys. */
static void attention_gradient_block(const mg_attention_head *h, const attention_space *s,
                                     size_t i0, size_t rows, size_t j0, size_t width,
                                     const float *lse) {
    size_t d = h->head_width, keys = h->key_count, padded_d = attention_round_up(d, MG_NR);
    gemm_block_f32(rows, width, d, s->q_rows, s->k_panels + j0 * d, s->p, MG_BK, NULL, 0);
    gemm_block_f32(rows, width, d, s->dout_rows, s->v_panels + j0 * d, s->ds, MG_BK, NULL, 0);
    for (size_t i = 0; i < rows; i++)
        attention_gradient_row(attention_visible(h, i0 + i, j0), width, h->scale, lse[i0 + i],
                               s->delta[i], s->p + i * MG_BK, s->ds + i * MG_BK);
    pack_columns_f32(width, rows, s->p, MG_BK, MG_MR, s->packed);
    gemm_block_f32(width, padded_d, rows, s->packed, s->dout_columns, s->dv + j0 * padded_d,
                   padded_d, NULL, 1);
    pack_columns_f32(width, rows, s->ds, MG_BK, MG_MR, s->packed);
    gemm_block_f32(width, padded_d, rows, s->packed, s->q_columns, s->dk + j0 * padded_d, padded_d,
                   NULL, 1);
    pack_rows_f32(rows, width, s->ds, MG_BK, MG_MR, s->packed);
    for (size_t c = 0; c < padded_d; c += MG_NR) {
        const float *right = s->k_columns + c * keys + j0 * MG_NR;
        gemm_block_f32(rows, MG_NR, width, s->packed, right, s->dq + c, padded_d, NULL, 1);
    }
}

static void attention_backward_f32(const mg_attention_gradient *g) {
    const mg_attention_head *h = &g->head;
    size_t keys = h->key_count, d = h->head_width, padded_d = attention_round_up(d, MG_NR);
    attention_space s = attention_divide(h->scratch, keys, d);
    pack_rows_f32(keys, d, h->k, h->ld_kv, MG_NR, s.k_panels);
    pack_rows_f32(keys, d, h->v, h->ld_kv, MG_NR, s.v_panels);
    pack_columns_f32(d, keys, h->k, h->ld_kv, MG_NR, s.k_columns);
    memset(s.dk, 0, 2 * keys * padded_d * sizeof *s.dk);

    for (size_t member = 0; member < g->group_size; member++) {
        const float *q = h->q + member * g->group_stride_q;
        const float *out = h->out + member * g->group_stride_out;
        const float *dout = g->dout + member * g->group_stride_out;
        const float *lse = h->lse + member * g->group_stride_lse;
        float *dq = g->dq + member * g->group_stride_q;
        for (size_t i0 = 0; i0 < h->query_count; i0 += MG_BQ) {
            size_t rows = h->query_count - i0 < MG_BQ ? h->query_count - i0 : MG_BQ;
            pack_rows_f32(rows, d, q + i0 * h->ld_q, h->ld_q, MG_MR, s.q_rows);
            pack_rows_f32(rows, d, dout + i0 * h->ld_out, h->ld_out, MG_MR, s.dout_rows);
            pack_columns_f32(d, rows, q + i0 * h->ld_q, h->ld_q, MG_NR, s.q_columns);
            pack_columns_f32(d, rows, dout + i0 * h->ld_out, h->ld_out, MG_NR, s.dout_columns);
            memset(s.dq, 0, rows * padded_d * sizeof *s.dq);
            for (size_t i = 0; i < rows; i++)
                s.delta[i] = dot_f32(d, out + (i0 + i) * h->ld_out, dout + (i0 + i) * h->ld_out);
            size_t end = attention_visible(h, i0 + rows - 1, 0);
            for (size_t j0 = 0; j0 < end; j0 += MG_BK)
                attention_gradient_block(h, &s, i0, rows, j0, end - j0 < MG_BK ? end - j0 : MG_BK,
                                         lse);
            for (size_t i = 0; i < rows; i++)
                memcpy(dq + (i0 + i) * h->ld_q, s.dq + i * padded_d, d * sizeof *dq);
        }
    }
    for (size_t j = 0; j < keys; j++) {
        memcpy(g->dk + j * h->ld_kv, s.dk + j * padded_d, d * sizeof *s.dk);
        memcpy(g->dv + j * h->ld_kv, s.dv + j * padded_d, d * sizeof *s.dv);
    }
}
