/* Attention of single queries over a key/value cache, and the formats of the cache.
 *
 * Every result is the same bits as that of the tiles (attention.inl.h), which prefill uses: each
 * score is one chain of multiply-adds over D, keys come in blocks of 64 with a maximum of their
 * own, a block's sum and its part of the output are chains over its keys, and are then added to
 * what was there before, rescaled. With one query these chains are the cost, so several run side by
 * side: scores have keys as lanes, and two blocks are mixed at a time.
 *
 *   top_b = max(top_b-1, scores of block b)     p = exp2((score - top_b) * scale / ln2)
 *   f_b = exp2((top_b-1 - top_b) * scale / ln2)
 *   sum = f_b sum + (sum of p)                  row = f_b row + (sum of p v)        out = row / sum
 *
 * The formats are widened in registers. */

enum {
    MG_SCORE_VECTORS = MG_BK / VN < 8 ? MG_BK / VN : 8, /* chains of scores side by side */
    /* Columns of values of one pass, in vectors; two blocks have a register each. 16 registers
     * (AVX2) hold twelve of them, two probabilities and what is loaded. */
    MG_MIX_VECTORS = VN == 8 ? 4 : 8
};

/* VN elements of a plane of the cache. MG_Q8 without its scale. */
MG_INLINE v_f32 cache_part(mg_type type, const void *plane, size_t at) {
    if (type == MG_F32) return v_load((const float *)plane + at);
    if (type == MG_F16) return v_load_f16((const uint16_t *)plane + at);
    return v_load_i8((const int8_t *)plane + at);
}

/* The first m of them; the rest is zero. */
MG_INLINE v_f32 cache_rest(mg_type type, const void *plane, size_t at, size_t m) {
    if (type == MG_F32) return v_load_n((const float *)plane + at, m, v_zero());
    if (type == MG_F16) return v_load_f16_n((const uint16_t *)plane + at, m);
    int8_t bytes[VN] = {0};
    memcpy(bytes, (const int8_t *)plane + at, m);
    return v_load_i8(bytes);
}

/* The scales of a block, as floats. */
MG_INLINE void cache_scales(const uint16_t *scales, float *wide) {
    for (size_t i = 0; i < MG_BK; i += VN) v_store(wide + i, v_load_f16(scales + i));
}

/* ---- Storing and loading --------------------------------------------------------------------- */

/* The scale of a head vector, as it will be read; see mg_kv_cache. */
static float cache_scale(size_t d, const float *x, uint16_t *stored) {
    v_f32 largest = v_zero(), sum = v_zero();
    MG_EACH(d, {
        v_f32 a = v_part(x + i, m, v_zero());
        largest = v_max(largest, v_abs(a));
        sum = v_add(sum, v_mul(a, v_zero())); /* NaN where there is one, or an infinity */
    });
    float lanes[VN];
    v_store(lanes, v_set1(v_hmax(largest) / 127.0f + v_hsum(sum)));
    v_store_f16_n(stored, v_load(lanes), 1);
    v_store(lanes, v_load_f16_n(stored, 1));
    return lanes[0];
}

/* q[i * step] = x[i] / scale. */
static void cache_quantize(size_t d, const float *x, uint16_t *stored, int8_t *q, size_t step) {
    float scale = cache_scale(d, x, stored), lanes[VN];
    v_f32 inverse = v_set1(scale > 0 ? 1.0f / scale : 0.0f);
    for (size_t i = 0; i < d; i += VN) {
        size_t m = d - i < VN ? d - i : VN;
        v_f32 a = v_mul(v_part(x + i, m, v_zero()), inverse);
        v_store(lanes, v_round(v_max(v_set1(-127.0f), v_min(v_set1(127.0f), a))));
        for (size_t j = 0; j < m; j++) /* what is no number has a scale that is none */
            q[(i + j) * step] = lanes[j] >= -127.0f && lanes[j] <= 127.0f ? (int8_t)lanes[j] : 0;
    }
}

/* One key and one value. */
static void cache_store(const mg_kv_cache *c, size_t kv_head, size_t slot, const float *k,
                        const float *v) {
    size_t d = c->head_width, row = kv_head * c->slots + slot;
    size_t column = mg_key_index(c, kv_head, slot, 0);
    if (c->type == MG_Q8) {
        cache_quantize(d, k, c->key_scales + row, (int8_t *)c->keys + column, MG_KEY_LANES);
        cache_quantize(d, v, c->value_scales + row, (int8_t *)c->values + row * d, 1);
    } else if (c->type == MG_F16) {
        uint16_t lanes[VN], *keys = (uint16_t *)c->keys + column;
        MG_EACH(d, {
            v_store_f16_n((uint16_t *)c->values + row * d + i, v_part(v + i, m, v_zero()), m);
        });
        for (size_t i = 0; i < d; i += VN) {
            size_t m = d - i < VN ? d - i : VN;
            v_store_f16(lanes, v_part(k + i, m, v_zero()));
            for (size_t j = 0; j < m; j++) keys[(i + j) * MG_KEY_LANES] = lanes[j];
        }
    } else {
        float *keys = (float *)c->keys + column;
        for (size_t i = 0; i < d; i++) keys[i * MG_KEY_LANES] = k[i];
        attention_narrow(1, d, v, d, (float *)c->values + row * d, d);
    }
}

/* A prompt's float32 keys are turned by whole groups: 4 x 4 of them in registers, where one token's
 * elements are a store each, to as many cache lines. */
static void kv_store(const mg_kv_cache *c, size_t kv_head, size_t slot, size_t count,
                     const float *k, const float *v, size_t ld) {
    size_t d = c->head_width, i = 0;
    while (i < count) {
        size_t at = slot + i, row = kv_head * c->slots + at;
        if (c->type == MG_F32 && at % MG_KEY_LANES == 0 && count - i >= MG_KEY_LANES) {
            attention_transpose(MG_KEY_LANES, d, k + i * ld, ld, MG_KEY_LANES,
                                (float *)c->keys + mg_key_index(c, kv_head, at, 0));
            attention_narrow(MG_KEY_LANES, d, v + i * ld, ld, (float *)c->values + row * d, d);
            i += MG_KEY_LANES;
        } else {
            cache_store(c, kv_head, at, k + i * ld, v + i * ld);
            i++;
        }
    }
}

/* `count` keys of a block to (64, D). */
MG_INLINE void cache_widen_keys(mg_type type, const mg_kv_cache *c, size_t kv_head, size_t slot,
                                size_t count, float *k, float *space) {
    size_t d = c->head_width;
    float scales[MG_BK];
    if (type == MG_Q8) cache_scales(c->key_scales + kv_head * c->slots + slot, scales);
    for (size_t p = 0; p < d; p++)
        for (size_t x = 0; x < MG_BK; x += VN) {
            v_f32 a = cache_part(type, c->keys, mg_key_index(c, kv_head, slot + x, p));
            if (type == MG_Q8) a = v_mul(a, v_load(scales + x));
            v_store(space + p * MG_BK + x, a);
        }
    attention_transpose(d, count, space, MG_BK, d, k);
}

MG_INLINE void cache_widen_values(mg_type type, const mg_kv_cache *c, size_t kv_head, size_t slot,
                                  size_t count, float *v) {
    size_t d = c->head_width, row = kv_head * c->slots + slot;
    float scales[MG_BK];
    if (type == MG_Q8) cache_scales(c->value_scales + row, scales);
    for (size_t j = 0; j < count; j++, row++, v += d) {
        v_f32 scale = type == MG_Q8 ? v_set1(scales[j]) : v_zero();
        size_t i = 0;
        for (; i + VN <= d; i += VN) {
            v_f32 a = cache_part(type, c->values, row * d + i);
            v_store(v + i, type == MG_Q8 ? v_mul(a, scale) : a);
        }
        if (i == d) continue;
        v_f32 a = cache_rest(type, c->values, row * d + i, d - i);
        v_store_n(v + i, type == MG_Q8 ? v_mul(a, scale) : a, d - i);
    }
}

MG_INLINE void cache_widen(mg_type type, const mg_kv_cache *c, size_t kv_head, size_t count,
                           float *k, float *v, float *space) {
    for (size_t j = 0; j < count; j += MG_BK) {
        size_t width = count - j < MG_BK ? count - j : MG_BK;
        cache_widen_keys(type, c, kv_head, j, width, k + j * c->head_width, space);
        if (v) cache_widen_values(type, c, kv_head, j, width, v + j * c->head_width);
    }
}

static void kv_load(const mg_kv_cache *c, size_t kv_head, size_t count, float *k, float *v,
                    float *space) {
    if (c->type == MG_F32) cache_widen(MG_F32, c, kv_head, count, k, v, space);
    if (c->type == MG_F16) cache_widen(MG_F16, c, kv_head, count, k, v, space);
    if (c->type == MG_Q8) cache_widen(MG_Q8, c, kv_head, count, k, v, space);
}

/* ---- One query ------------------------------------------------------------------------------- */

/* The scores of so many vectors of keys, a constant; `at` is the first key's first element. */
MG_INLINE void query_chains(mg_type type, size_t vectors, const mg_kv_cache *c, size_t at,
                            const float *q, const float *scales, float *scores) {
    size_t d = c->head_width;
    v_f32 sum[MG_SCORE_VECTORS];
    MG_UNROLL
    for (size_t i = 0; i < vectors; i++) sum[i] = v_zero();
    for (size_t p = 0; p < d; p++) {
        v_f32 qp = v_set1(q[p]);
        MG_UNROLL
        for (size_t i = 0; i < vectors; i++) {
            size_t lane = i * VN, group = lane / MG_KEY_LANES * d + p;
            v_f32 k = cache_part(type, c->keys, at + group * MG_KEY_LANES + lane % MG_KEY_LANES);
            if (type == MG_Q8) k = v_mul(k, v_load(scales + lane));
            sum[i] = v_fma(k, qp, sum[i]);
        }
    }
    MG_UNROLL
    for (size_t i = 0; i < vectors; i++) v_store(scores + i * VN, sum[i]);
}

/* The scores of a block, of which `width` keys count, for all query heads; `ld` between them. What
 * lies beyond the last group that counts is not read: it would come from memory. */
MG_INLINE void query_scores(mg_type type, const mg_attention_query *query, size_t slot,
                            size_t width, float *scores, size_t ld) {
    enum { MOST = MG_SCORE_VECTORS, GROUP = MG_KEY_LANES / VN, FEW = GROUP < MOST ? GROUP : MOST };
    const mg_kv_cache *c = query->cache;
    float scales[MG_BK];
    if (type == MG_Q8) cache_scales(c->key_scales + query->kv_head * c->slots + slot, scales);
    for (size_t h = 0; h < query->group; h++, scores += ld) {
        const float *q = query->q + h * c->head_width;
        for (size_t x = 0; x < width;) {
            size_t at = mg_key_index(c, query->kv_head, slot + x, 0);
            if (width - x > MOST / 2 * VN) {
                query_chains(type, MOST, c, at, q, scales + x, scores + x);
                x += MOST * VN;
            } else {
                query_chains(type, FEW, c, at, q, scales + x, scores + x);
                x += FEW * VN;
            }
        }
    }
}

/* Scores of a query head become probabilities relative to the maximum so far; factors[b] is what
 * results of the blocks before b are to be multiplied by. */
static void query_probabilities(size_t keys, float scale, float *scores, float *factors) {
    v_f32 vscale = v_set1(scale * 1.44269504f), lowest = v_set1(-INFINITY),
          top = lowest; /* 1/ln2 */
    float *factor = factors;
    for (size_t b = 0; b < keys; b += MG_BK, factor++) {
        size_t width = keys - b < MG_BK ? keys - b : MG_BK;
        float *block = scores + b, lanes[VN];
        v_f32 old = top, largest = lowest;
        MG_EACH(width, { largest = v_max(largest, v_part(block + i, m, lowest)); });
        top = v_max(old, v_set1(v_hmax(largest)));
        MG_EACH(width, {
            v_f32 p = v_exp2(v_mul(v_sub(v_part(block + i, m, lowest), top), vscale));
            v_put(block + i, p, m);
        });
        v_store(lanes, v_exp2(v_mul(v_sub(old, top), vscale)));
        *factor = lanes[0];
    }
}

/* What a pass over the values works on: columns of one query head. */
typedef struct {
    const mg_kv_cache *cache;
    size_t kv_head, column;
    const float *p, *factors;
    size_t keys, rest; /* rest: elements of the last vector, where it is not whole */
    float *out;
} query_pass;

/* One block's probabilities times its values, and their sum. */
typedef struct {
    const float *p, *scales;
    size_t at; /* in the plane */
} query_block;

MG_INLINE void query_step(mg_type type, size_t vectors, int whole, const query_pass *s,
                          query_block *b, v_f32 *sum, v_f32 *row) {
    v_f32 p = v_set1(*b->p++), scale = type == MG_Q8 ? v_set1(*b->scales++) : p;
    *sum = v_add(*sum, p);
    MG_UNROLL
    for (size_t i = 0; i < vectors; i++) {
        v_f32 v = whole ? cache_part(type, s->cache->values, b->at + i * VN)
                        : cache_rest(type, s->cache->values, b->at, s->rest);
        if (type == MG_Q8) v = v_mul(v, scale);
        row[i] = v_fma(p, v, row[i]);
    }
    b->at += s->cache->head_width;
}

/* A block is added to what the ones before it gave. */
MG_INLINE void query_fold(size_t vectors, float factor, v_f32 block_sum, const v_f32 *block,
                          v_f32 *sum, v_f32 *row) {
    v_f32 f = v_set1(factor);
    *sum = v_fma(*sum, f, block_sum);
    MG_UNROLL
    for (size_t i = 0; i < vectors; i++) row[i] = v_add(block[i], v_mul(row[i], f));
}

MG_INLINE query_block query_begin(mg_type type, const query_pass *s, size_t slot, float *scales) {
    const mg_kv_cache *c = s->cache;
    size_t row = s->kv_head * c->slots + slot;
    if (type == MG_Q8 && slot < s->keys) cache_scales(c->value_scales + row, scales);
    return (query_block){s->p + slot, scales, row * c->head_width + s->column};
}

/* Columns of the output: two blocks at a time, whose chains don't wait for each other. */
MG_INLINE void query_mix(mg_type type, size_t vectors, int whole, const query_pass *s) {
    v_f32 row[MG_MIX_VECTORS], sum = v_zero();
    MG_UNROLL
    for (size_t i = 0; i < vectors; i++) row[i] = v_zero();
    for (size_t slot = 0; slot < s->keys; slot += 2 * MG_BK) {
        v_f32 even[MG_MIX_VECTORS], odd[MG_MIX_VECTORS], even_sum = v_zero(), odd_sum = even_sum;
        float even_scales[MG_BK], odd_scales[MG_BK];
        size_t left = s->keys - slot, both = left < MG_BK ? 0 : left - MG_BK;
        if (both > MG_BK) both = MG_BK;
        query_block b0 = query_begin(type, s, slot, even_scales);
        query_block b1 = query_begin(type, s, slot + MG_BK, odd_scales);
        MG_UNROLL
        for (size_t i = 0; i < vectors; i++) even[i] = odd[i] = v_zero();
        size_t j = 0;
        for (; j < both; j++) {
            query_step(type, vectors, whole, s, &b0, &even_sum, even);
            query_step(type, vectors, whole, s, &b1, &odd_sum, odd);
        }
        for (; j < left && j < MG_BK; j++)
            query_step(type, vectors, whole, s, &b0, &even_sum, even);
        const float *factor = s->factors + slot / MG_BK;
        query_fold(vectors, factor[0], even_sum, even, &sum, row);
        if (both) query_fold(vectors, factor[1], odd_sum, odd, &sum, row);
    }
    v_f32 inverse = v_div(v_set1(1.0f), sum);
    MG_UNROLL
    for (size_t i = 0; i < vectors; i++)
        v_put(s->out + i * VN, v_mul(row[i], inverse), whole ? VN : s->rest);
}

/* All columns of a query head, in passes that are each compiled once. */
MG_INLINE void query_columns(mg_type type, query_pass s) {
    size_t left = s.cache->head_width, taken = 0;
    for (; left > 0; left -= taken, s.column += taken, s.out += taken) {
        size_t vectors = left / VN < MG_MIX_VECTORS ? left / VN : MG_MIX_VECTORS;
        taken = vectors >= 8 ? 8 * VN : vectors >= 4 ? 4 * VN : vectors >= 2 ? 2 * VN : VN;
        if (vectors >= 8) {
            query_mix(type, MG_MIX_VECTORS, 1, &s);
        } else if (vectors >= 4) {
            query_mix(type, 4, 1, &s);
        } else if (vectors >= 2) {
            query_mix(type, 2, 1, &s);
        } else if (vectors == 1) {
            query_mix(type, 1, 1, &s);
        } else {
            s.rest = taken = left;
            query_mix(type, 1, 0, &s);
        }
    }
}

MG_INLINE void query_attend(mg_type type, const mg_attention_query *query) {
    size_t slots = query->cache->slots, d = query->cache->head_width, keys = query->key_count;
    float *scores = query->scratch, *factors = scores + query->group * slots;
    for (size_t slot = 0; slot < keys; slot += MG_BK)
        query_scores(type, query, slot, keys - slot < MG_BK ? keys - slot : MG_BK, scores + slot,
                     slots);
    for (size_t h = 0; h < query->group; h++, scores += slots) {
        query_probabilities(keys, query->scale, scores, factors);
        query_columns(type, (query_pass){query->cache, query->kv_head, 0, scores, factors, keys, 0,
                                         query->out + h * d});
    }
}

static void attention_query(const mg_attention_query *query) {
    if (query->cache->type == MG_F32) query_attend(MG_F32, query);
    if (query->cache->type == MG_F16) query_attend(MG_F16, query);
    if (query->cache->type == MG_Q8) query_attend(MG_Q8, query);
}
