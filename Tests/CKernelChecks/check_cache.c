/* Checks of the key/value cache: its formats, one query over it, and attention of whole sequences
 * that pass through it and beyond its capacity. */
#include "checks.h"
#include "compare.h"

static const mg_type types[] = {MG_F32, MG_F16, MG_Q8};
static const char *const type_names[] = {"float32", "fp16", "int8"};
enum { TYPES = 3 };

/* Every element is a marker: what nobody stored must not count. */
static mg_kv_cache cache_make(checker *c, mg_type type, size_t capacity, size_t heads, size_t d) {
    float *memory = aligned_output(c, mg_kv_cache_bytes(type, capacity, heads, d) / sizeof(float));
    return mg_kv_cache_at(memory, type, capacity, heads, d);
}

/* Where element i of a key or value lies, by the picture at mg_kv_cache. */
static size_t key_at(const mg_kv_cache *c, size_t head, size_t slot, size_t i) {
    return ((head * (c->slots / 16) + slot / 16) * c->head_width + i) * 16 + slot % 16;
}
static size_t value_at(const mg_kv_cache *c, size_t head, size_t slot, size_t i) {
    return (head * c->slots + slot) * c->head_width + i;
}

static float half_value(const checker *c, const uint16_t *bits) {
    float x;
    c->k->f32_from_f16(1, bits, &x);
    return x;
}

/* An element as it is read. */
static float element(const checker *c, const mg_kv_cache *cache, const void *plane, size_t at,
                     const uint16_t *scale) {
    if (cache->type == MG_F32) return ((const float *)plane)[at];
    if (cache->type == MG_F16) return half_value(c, (const uint16_t *)plane + at);
    return (float)((const int8_t *)plane)[at] * half_value(c, scale);
}
static float key_element(const checker *c, const mg_kv_cache *cache, size_t head, size_t slot,
                         size_t i) {
    return element(c, cache, cache->keys, key_at(cache, head, slot, i),
                   cache->key_scales + (cache->type == MG_Q8 ? head * cache->slots + slot : 0));
}
static float value_element(const checker *c, const mg_kv_cache *cache, size_t head, size_t slot,
                           size_t i) {
    return element(c, cache, cache->values, value_at(cache, head, slot, i),
                   cache->value_scales + (cache->type == MG_Q8 ? head * cache->slots + slot : 0));
}

/* ---- Storing --------------------------------------------------------------------------------- */

/* fp16: the nearest. int8: half a step of the scale, which is the largest over 127 to the nearest
 * fp16; of subnormal scales steps are missing at the end. */
static void expect_vector(checker *c, const mg_kv_cache *cache, const char *what, const float *x,
                          const float *found, size_t step) {
    size_t d = cache->head_width;
    double largest = 0;
    bool finite = true;
    for (size_t i = 0; i < d; i++) {
        largest = fmax(largest, fabs((double)x[i]));
        finite = finite && fabs((double)x[i]) <= 127.0 * 65504;
    }
    for (size_t i = 0; i < d; i++) {
        double wanted = (double)x[i], bound = 0;
        if (cache->type == MG_F16) wanted = ref_half(wanted);
        if (cache->type == MG_Q8 && !finite) wanted = (double)NAN;
        if (cache->type == MG_Q8) bound = largest / 254 * (1 + 0x1p-10) + 128 * 0x1p-25;
        expect(c, what, i, (double)found[i * step], wanted, bound);
    }
}

/* Some vectors into a full cache: they arrive, and nothing else changes. */
static void check_store(checker *c, size_t t, size_t d, size_t slot, size_t count, int kind) {
    case_begin(c, "%s, D %zu, slots %zu to %zu, kind %d", type_names[t], d, slot, slot + count - 1,
               kind);
    mg_kv_cache cache = cache_make(c, types[t], 70, 2, d);
    const double deviations[] = {1, 1e-3, 2e-6, 1, 1, 0};
    size_t ld = d + 3, last = (count - 1) * ld;
    float *k = normals(c, last + d, deviations[kind]), *v = normals(c, last + d, 1);
    if (kind == 3) k[last + d / 2] = NAN;
    if (kind == 4) k[last + d - 1] = -INFINITY;
    memset(cache.keys, 17, mg_kv_cache_bytes(types[t], 70, 2, d));
    float *before = output(c, cache.slots * 2 * d), *other = output(c, cache.slots * 2 * d);
    for (size_t at = 0; at < cache.slots * 2 * d; at++) {
        size_t h = at / d / cache.slots, s = at / d % cache.slots, i = at % d;
        before[at] = key_element(c, &cache, h, s, i);
        other[at] = value_element(c, &cache, h, s, i);
    }
    c->k->kv_store(&cache, 1, slot, count, k, v, ld);
    float *found = output(c, d), *value = output(c, d);
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; i < d; i++) {
            found[i] = key_element(c, &cache, 1, slot + s, i);
            value[i] = value_element(c, &cache, 1, slot + s, i);
        }
        expect_vector(c, &cache, "key", k + s * ld, found, 1);
        expect_vector(c, &cache, "value", v + s * ld, value, 1);
    }
    for (size_t at = 0; at < cache.slots * 2 * d; at++) {
        size_t h = at / d / cache.slots, s = at / d % cache.slots, i = at % d;
        if (h == 1 && s >= slot && s < slot + count) continue;
        expect(c, "other key", at, (double)key_element(c, &cache, h, s, i), (double)before[at], 0);
        expect(c, "other value", at, (double)value_element(c, &cache, h, s, i), (double)other[at],
               0);
    }
    case_end(c);
}

void check_kv_store(checker *c) {
    const size_t widths[] = {1, 4, 15, 16, 33, 64};
    for (size_t t = 0; t < TYPES; t++)
        for (size_t w = 0; w < 6; w++)
            for (int kind = 0; kind < 6; kind++)
                check_store(c, t, widths[w], (size_t)kind * 13 % 70, 1, kind);
    for (size_t t = 0; t < TYPES; t++) check_store(c, t, 8, 69, 1, 0);
    /* Whole groups of keys, and what is in front of them and behind. */
    const size_t firsts[] = {0, 0, 16, 13, 48}, counts[] = {16, 35, 17, 50, 15};
    for (size_t t = 0; t < TYPES; t++)
        for (size_t w = 0; w < 6; w++)
            for (size_t i = 0; i < 5; i++)
                check_store(c, t, widths[w], firsts[i], counts[i], (int)i);
    case_begin(c, "bytes of the formats");
    double full = (double)mg_kv_cache_bytes(MG_F32, 1024, 12, 64);
    expect(c, "fp16", 0, (double)mg_kv_cache_bytes(MG_F16, 1024, 12, 64), full / 2, 0);
    expect(c, "int8", 0, (double)mg_kv_cache_bytes(MG_Q8, 1024, 12, 64), full * 66 / 256, 0);
    case_end(c);
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* Stores normals, but writes no slot from `count` on. */
static void fill(checker *c, const mg_kv_cache *cache, size_t head, size_t count, double keys) {
    float *k = normals(c, cache->head_width * count, keys);
    float *v = normals(c, cache->head_width * count, 1);
    const mg_kernels *good = mg_kernels_for(MG_ISA_SCALAR);
    good->kv_store(cache, head, 0, count, k, v, cache->head_width);
}

void check_kv_load(checker *c) {
    const size_t widths[] = {1, 7, 16, 20, 64}, counts[] = {0, 1, 63, 64, 65, 130};
    for (size_t i = 0; i < TYPES * 5 * 6; i++) {
        size_t t = i % TYPES, d = widths[i / TYPES % 5], count = counts[i / TYPES / 5];
        case_begin(c, "%s, D %zu, count %zu", type_names[t], d, count);
        mg_kv_cache cache = cache_make(c, types[t], 130, 2, d);
        fill(c, &cache, 1, count, 1);
        float *k = output(c, count * d), *v = i % 4 ? output(c, count * d) : NULL;
        c->k->kv_load(&cache, 1, count, k, v, aligned_output(c, 64 * d));
        for (size_t j = 0; j < count * d; j++) {
            expect(c, "k", j, (double)k[j], (double)key_element(c, &cache, 1, j / d, j % d), 0);
            if (v)
                expect(c, "v", j, (double)v[j], (double)value_element(c, &cache, 1, j / d, j % d),
                       0);
        }
        case_end(c);
    }
}

/* ---- One query ------------------------------------------------------------------------------- */

/* Against the reference, and bit by bit against the tiles. */
static void check_query(checker *c, size_t t, size_t d, size_t keys, size_t group, double size) {
    case_begin(c, "%s, D %zu, keys %zu, group %zu, q %g", type_names[t], d, keys, group, size);
    mg_kv_cache cache = cache_make(c, types[t], keys + 3, 2, d);
    fill(c, &cache, 1, keys, 1);
    float *k = output(c, keys * d), *v = output(c, keys * d), *q = normals(c, group * d, size);
    for (size_t j = 0; j < keys * d; j++) {
        k[j] = key_element(c, &cache, 1, j / d, j % d);
        v[j] = value_element(c, &cache, 1, j / d, j % d);
    }
    mg_attention_query query = {
        .cache = &cache,
        .kv_head = 1,
        .group = group,
        .key_count = keys,
        .q = q,
        .scale = 1.0f / sqrtf((float)d),
        .out = output(c, group * d),
        .scratch = aligned_output(c, mg_query_scratch(cache.slots, group)),
    };
    c->k->attention_query(&query);
    for (size_t h = 0; h < group; h++) {
        float *tiled = output(c, d);
        mg_attention_head head = {
            .query_count = 1,
            .key_count = keys,
            .head_width = d,
            .position = keys - 1,
            .q = q + h * d,
            .k = k,
            .v = v,
            .ld_q = d,
            .ld_kv = d,
            .scale = query.scale,
            .out = tiled,
            .ld_out = d,
            .scratch = aligned_output(c, c->k->attention_scratch(keys, d, 0)),
        };
        attention_result wanted = attention_reference(c, &head);
        expect_attention(c, &wanted, query.out + h * d, d, NULL);
        c->k->attention_forward_f32(&head);
        expect_same(c, "as the tiles", d, query.out + h * d, tiled);
    }
    case_end(c);
}

void check_attention_query(checker *c) {
    size_t vn = c->k->vector_width;
    const size_t widths[] = {1, 4, 16, vn + 1, 32, 64, 15 * vn + 3};
    const size_t counts[] = {1, 2, 17, 63, 64, 65, 128, 129, 200, 331};
    for (size_t i = 0; i < TYPES * 7 * 10; i++) {
        if (c->scale == MG_CHECK_QUICK && i % 5 > 1) continue;
        size_t d = widths[i / TYPES % 7], keys = counts[i / TYPES / 7];
        check_query(c, i % TYPES, d, keys, 1 + i % 3, 1);
        if (i % 4 == 0) check_query(c, i % TYPES, d, keys, 1, i % 8 ? 30 : 1e4);
    }
}

/* ---- Sequences ------------------------------------------------------------------------------- */

enum { SEQUENCES = 2, TOKENS = 230, CAPACITY = 100, LAYER = 1 };

typedef struct {
    mg_cached_attention a;
    size_t t;           /* type */
    const float *qkv;   /* (SEQUENCES, TOKENS, width) */
    size_t width, wide; /* of a row of qkv and of out */
} sequence_case;

/* The last rows of what `a` has just computed, asked for alone: the keys enter once more, where
 * they were. */
static void compare_last(checker *c, const mg_context *context, mg_cached_attention a) {
    size_t wide = a.heads * a.head_width;
    const float *all = a.out;
    a.last_only = 1;
    a.out = output(c, a.batch * wide);
    mg_cached_attention_forward(context, &a);
    for (size_t b = 0; b < a.batch; b++) {
        size_t last = a.counts[b] ? a.counts[b] - 1 : 0;
        expect_same(c, "the last row alone", wide, a.out + b * wide,
                    all + (b * a.time + last) * wide);
    }
}

/* Passes all tokens through fresh caches, `pieces[i mod count]` at a time, the second sequence half
 * as many; returns (SEQUENCES, TOKENS, H * D). */
static float *pass(checker *c, sequence_case *s, const size_t *pieces, size_t count,
                   size_t workers) {
    mg_cached_attention a = s->a;
    float *all = output(c, SEQUENCES * TOKENS * s->wide);
    mg_kv_cache caches[SEQUENCES][LAYER + 1];
    const mg_kv_cache *layers[SEQUENCES] = {caches[0], caches[1]};
    size_t positions[SEQUENCES] = {0}, counts[SEQUENCES];
    for (size_t b = 0; b < SEQUENCES; b++)
        for (size_t l = 0; l <= LAYER; l++)
            caches[b][l] = cache_make(c, types[s->t], CAPACITY, a.kv_heads, a.head_width);
    a.time = 130; /* the longest piece */
    size_t scratch = (mg_cached_attention_scratch(c->k, &a, CAPACITY) + 15) / 16 * 16;
    mg_context context = {.pool = mg_pool_create(workers),
                          .kernels = c->k,
                          .scratch = aligned_output(c, workers * scratch),
                          .scratch_per_worker = scratch};
    a.caches = layers;
    a.layer = LAYER;
    a.positions = positions;
    a.counts = counts;
    for (size_t i = 0; positions[0] < TOKENS || positions[1] < TOKENS; i++) {
        a.time = pieces[i % count];
        float *qkv = output(c, SEQUENCES * a.time * s->width);
        a.qkv = qkv;
        a.out = output(c, SEQUENCES * a.time * s->wide);
        for (size_t b = 0; b < SEQUENCES; b++) {
            size_t wanted = b ? (a.time + 1) / 2 : a.time, left = TOKENS - positions[b];
            counts[b] = wanted < left ? wanted : left;
            memcpy(qkv + b * a.time * s->width, s->qkv + (b * TOKENS + positions[b]) * s->width,
                   counts[b] * s->width * sizeof *qkv);
        }
        mg_cached_attention_forward(&context, &a);
        for (size_t b = 0; b < SEQUENCES; b++) {
            memcpy(all + (b * TOKENS + positions[b]) * s->wide, a.out + b * a.time * s->wide,
                   counts[b] * s->wide * sizeof *all);
            for (size_t j = counts[b] * s->wide; j < a.time * s->wide; j++)
                expect(c, "row behind", j, (double)a.out[b * a.time * s->wide + j], 0, 0);
        }
        compare_last(c, &context, a);
        for (size_t b = 0; b < SEQUENCES; b++) positions[b] += counts[b];
    }
    context_free(&context);
    return all;
}

/* Every token against the reference, over the keys that it still sees, as they were stored. */
static void compare_windows(checker *c, const sequence_case *s, const float *all) {
    size_t d = s->a.head_width, group = s->a.heads / s->a.kv_heads;
    for (size_t b = 0; b < SEQUENCES; b++)
        for (size_t g = 0; g < s->a.kv_heads; g++) {
            mg_kv_cache line = cache_make(c, types[s->t], TOKENS, 1, d);
            float *k = output(c, TOKENS * d), *v = output(c, TOKENS * d);
            for (size_t p = 0; p < TOKENS; p++) {
                const float *row = s->qkv + (b * TOKENS + p) * s->width + (s->a.heads + g) * d;
                c->k->kv_store(&line, 0, p, 1, row, row + s->a.kv_heads * d, d);
            }
            c->k->kv_load(&line, 0, TOKENS, k, v, aligned_output(c, 64 * d));
            for (size_t h = g * group; h < (g + 1) * group; h++)
                for (size_t p = 0; p < TOKENS; p += by_scale(c, 11, p % 7 ? 1 : 3)) {
                    size_t first = p < CAPACITY ? 0 : p + 1 - CAPACITY;
                    mg_attention_head head = {
                        .query_count = 1,
                        .key_count = p + 1 - first,
                        .head_width = d,
                        .position = p - first,
                        .q = s->qkv + (b * TOKENS + p) * s->width + h * d,
                        .k = k + first * d,
                        .v = v + first * d,
                        .ld_q = d,
                        .ld_kv = d,
                        .scale = 1.0f / sqrtf((float)d),
                    };
                    attention_result r = attention_reference(c, &head);
                    expect_attention(c, &r, all + (b * TOKENS + p) * s->wide + h * d, d, NULL);
                }
        }
}

/* Up to the capacity a float32 cache gives the bits of attention without one. */
static void compare_uncached(checker *c, const sequence_case *s, const float *all) {
    mg_attention a = {.batch = 1,
                      .time = CAPACITY,
                      .heads = s->a.heads,
                      .kv_heads = s->a.kv_heads,
                      .head_width = s->a.head_width};
    mg_context context = context_make(c, 1, CAPACITY, s->a.head_width, 1, 1);
    for (size_t b = 0; b < SEQUENCES; b++) {
        a.qkv = s->qkv + b * TOKENS * s->width;
        a.out = output(c, CAPACITY * s->wide);
        mg_attention_forward(&context, &a);
        expect_same(c, "as without a cache", CAPACITY * s->wide, all + b * TOKENS * s->wide, a.out);
    }
    context_free(&context);
}

void check_op_cached_attention(checker *c) {
    static const size_t pieces[] = {33, 5, 1, 2, 17, 1, 70, 130}, single[] = {1};
    static const size_t kv_heads[] = {4, 2, 1};
    for (size_t i = 0; i < TYPES * 3; i++) {
        sequence_case s = {.t = i % TYPES};
        s.a.batch = SEQUENCES;
        s.a.heads = 4;
        s.a.kv_heads = kv_heads[i / TYPES];
        s.a.head_width = i % 2 ? 16 : 12;
        s.width = (s.a.heads + 2 * s.a.kv_heads) * s.a.head_width;
        s.wide = s.a.heads * s.a.head_width;
        case_begin(c, "%s, H 4, G %zu, D %zu", type_names[s.t], s.a.kv_heads, s.a.head_width);
        s.qkv = normals(c, SEQUENCES * TOKENS * s.width, 1);
        const float *all = pass(c, &s, pieces, sizeof pieces / sizeof *pieces, 1);
        size_t size = SEQUENCES * TOKENS * s.wide;
        for (size_t w = 0; w < 3; w++) {
            if (c->scale == MG_CHECK_QUICK && (i + w) % 3) continue;
            expect_same(c, "one by one", size, pass(c, &s, single, 1, worker_counts[w]), all);
        }
        expect_same(c, "by 2 workers", size, pass(c, &s, pieces, sizeof pieces / sizeof *pieces, 2),
                    all);
        compare_windows(c, &s, all);
        if (types[s.t] == MG_F32) compare_uncached(c, &s, all);
        case_end(c);
    }
}
