/* Attention over key/value caches: which worker takes which head. See mg_ops.h.
 *
 * Few tokens of a sequence go one by one through attention_query; so does the last where it alone
 * is wanted, and so do all where the ring closes among them, because a token overwrites what the
 * ones before it still see. Many go through the tiles, which need the keys of a head as rows. The
 * bits are the same. */
#include "ops.h"
#include <math.h>
#include <string.h>

/* Up to so many tokens go one by one: tiles have at least eight rows, and widen all keys. */
enum { MG_SINGLE_TOKENS = 4 };

/* A single query's sums are chains that wait for themselves: 40 GFLOP/s on Zen 5, a quarter of what
 * other operations do, so that sharing its heads pays from a quarter of the work on. */
enum { MG_SERIAL_QUERY_FLOPS = MG_SERIAL_FLOPS / 4 };

typedef struct {
    const mg_context *context;
    const mg_cached_attention *attention;
    size_t members; /* query heads of a unit of work: those of a key/value head, or one */
} cached_job;

static const mg_kv_cache *cache_of(const mg_cached_attention *a, size_t b) {
    return a->caches[b] + a->layer;
}

static int takes_tiles(const mg_cached_attention *a, size_t b) {
    return !a->last_only && a->counts[b] > MG_SINGLE_TOKENS &&
           a->positions[b] + a->counts[b] <= cache_of(a, b)->capacity;
}

/* Token t of sequence b. */
static const float *row_of(const mg_cached_attention *a, size_t b, size_t t) {
    return a->qkv + (b * a->time + t) * (a->heads + 2 * a->kv_heads) * a->head_width;
}

static float *out_of(const mg_cached_attention *a, size_t b, size_t t) {
    return a->out + (a->last_only ? b : b * a->time + t) * a->heads * a->head_width;
}

/* Tokens t ... end - 1 of it: to where the ring closes, then from its start on. */
static void store(const cached_job *job, size_t b, size_t g, size_t t, size_t end) {
    const mg_cached_attention *a = job->attention;
    const mg_kv_cache *cache = cache_of(a, b);
    size_t d = a->head_width, ld = (a->heads + 2 * a->kv_heads) * d;
    for (size_t count; t < end; t += count) {
        size_t slot = (a->positions[b] + t) % cache->capacity;
        const float *k = row_of(a, b, t) + (a->heads + g) * d;
        count = mg_min(end - t, cache->capacity - slot);
        job->context->kernels->kv_store(cache, g, slot, count, k, k + a->kv_heads * d, ld);
    }
}

/* ---- One by one ------------------------------------------------------------------------------ */

static size_t seen_by(const mg_cached_attention *a, size_t b, size_t t) {
    return mg_min(a->positions[b] + t + 1, cache_of(a, b)->capacity);
}

/* Query heads h ... h + members - 1 of a sequence. */
static void attend(const cached_job *job, size_t b, size_t h, size_t worker) {
    const mg_cached_attention *a = job->attention;
    size_t d = a->head_width, g = h / (a->heads / a->kv_heads), count = a->counts[b];
    int owner = job->members == a->heads / a->kv_heads;
    /* Where nothing looks at them meanwhile, all are stored at once. */
    size_t t = takes_tiles(a, b) ? count : a->last_only && count > 0 ? count - 1 : 0;
    if (owner) store(job, b, g, 0, t);
    for (; t < count; t++) {
        if (owner) store(job, b, g, t, t + 1);
        mg_attention_query query = {
            .cache = cache_of(a, b),
            .kv_head = g,
            .group = job->members,
            .key_count = seen_by(a, b, t),
            .q = row_of(a, b, t) + h * d,
            .scale = 1.0f / sqrtf((float)d),
            .out = out_of(a, b, t) + h * d,
            .scratch = mg_scratch_of(job->context, worker),
        };
        job->context->kernels->attention_query(&query);
    }
    size_t rows = a->last_only ? 1 : a->time;
    for (t = a->last_only ? count > 0 : count; t < rows; t++)
        memset(out_of(a, b, t) + h * d, 0, job->members * d * sizeof(float));
}

/* What a unit of sequence b costs: tokens times keys. */
static size_t cost_of(const mg_cached_attention *a, size_t b) {
    size_t count = a->counts[b];
    if (count == 0 || takes_tiles(a, b)) return count + 1;
    return a->last_only ? count + seen_by(a, b, count - 1) : count * seen_by(a, b, count - 1);
}

static size_t total_cost(const mg_cached_attention *a) {
    size_t sum = 0;
    for (size_t b = 0; b < a->batch; b++) sum += cost_of(a, b);
    return sum;
}

/* Sequences differ in length: units are shared by their cost. */
static void single_worker(void *argument, size_t worker, size_t workers) {
    const cached_job *job = argument;
    const mg_cached_attention *a = job->attention;
    size_t units = a->heads / job->members, total = total_cost(a) * units, before = 0;
    for (size_t b = 0; b < a->batch; b++) {
        size_t cost = cost_of(a, b);
        for (size_t u = 0; u < units; u++, before += cost)
            if (before * workers / total == worker) attend(job, b, u * job->members, worker);
    }
}

/* ---- By tiles -------------------------------------------------------------------------------- */

static size_t blocks_of(const mg_cached_attention *a, size_t b) {
    return takes_tiles(a, b) ? (a->counts[b] + MG_QUERY_BLOCK - 1) / MG_QUERY_BLOCK : 0;
}

/* Keys and values of a head as rows of floats. */
typedef struct {
    const float *k, *v;
} wide_head;

/* Behind the scratch of the tiles, but for values that are such rows already. */
static wide_head widen(const cached_job *job, size_t b, size_t g, size_t worker) {
    const mg_cached_attention *a = job->attention;
    const mg_kernels *f = job->context->kernels;
    const mg_kv_cache *c = cache_of(a, b);
    size_t plane = c->slots * a->head_width;
    float *k =
        mg_scratch_of(job->context, worker) + f->attention_scratch(c->capacity, a->head_width, 0);
    float *v = c->type == MG_F32 ? NULL : k + plane;
    f->kv_load(c, g, a->positions[b] + a->counts[b], k, v, k + 2 * plane);
    return (wide_head){k, v ? v : (const float *)c->values + g * plane};
}

/* Blocks of queries `first` ... `end` - 1 of one head, whose keys and values are `wide`. */
static void attend_blocks(const cached_job *job, size_t b, size_t h, size_t first, size_t end,
                          const wide_head *wide, size_t worker) {
    const mg_cached_attention *a = job->attention;
    size_t d = a->head_width, from = first * MG_QUERY_BLOCK;
    size_t to = mg_min(end * MG_QUERY_BLOCK, a->counts[b]);
    mg_attention_head head = {
        .query_count = to - from,
        .key_count = a->positions[b] + to,
        .head_width = d,
        .position = a->positions[b] + from,
        .q = row_of(a, b, from) + h * d,
        .k = wide->k,
        .v = wide->v,
        .ld_q = (a->heads + 2 * a->kv_heads) * d,
        .ld_kv = d,
        .scale = 1.0f / sqrtf((float)d),
        .out = out_of(a, b, from) + h * d,
        .ld_out = a->heads * d,
        .scratch = mg_scratch_of(job->context, worker),
    };
    job->context->kernels->attention_forward_f32(&head);
}

/* Workers share the blocks of queries of all heads of all sequences. */
static void tile_worker(void *argument, size_t worker, size_t workers) {
    const cached_job *job = argument;
    const mg_cached_attention *a = job->attention;
    size_t total = 0, before = 0, group = a->heads / a->kv_heads;
    for (size_t b = 0; b < a->batch; b++) total += a->heads * blocks_of(a, b);
    mg_range mine = mg_share(total, 1, worker, workers);
    for (size_t b = 0; b < a->batch; b++) {
        wide_head wide = {NULL, NULL};
        size_t blocks = blocks_of(a, b), loaded = a->kv_heads;
        for (size_t h = 0; h < a->heads && blocks > 0; h++, before += blocks) {
            if (before + blocks <= mine.first || before >= mine.end) continue;
            size_t first = mine.first > before ? mine.first - before : 0, g = h / group;
            if (g != loaded) wide = widen(job, b, g, worker);
            loaded = g;
            attend_blocks(job, b, h, first, mg_min(mine.end - before, blocks), &wide, worker);
        }
    }
}

/* ---- Calls ----------------------------------------------------------------------------------- */

void mg_cached_attention_forward(const mg_context *context, const mg_cached_attention *a) {
    size_t group = a->heads / a->kv_heads, workers = mg_pool_workers(context->pool);
    cached_job job = {context, a, group};
    if (group > 1 && a->time == 1 && a->batch * a->kv_heads < workers) {
        job.members = 1; /* heads that share their keys are shared out: the keys come first */
        for (size_t b = 0; b < a->batch; b++)
            for (size_t g = 0; g < a->kv_heads && a->counts[b]; g++) store(&job, b, g, 0, 1);
    }
    double each = 4.0 * (double)(a->heads * a->head_width);
    mg_dispatch(context, each * (double)total_cost(a) >= MG_SERIAL_QUERY_FLOPS, single_worker,
                &job);
    size_t pairs = 0;
    for (size_t b = 0; b < a->batch; b++)
        if (takes_tiles(a, b)) pairs += a->counts[b] * seen_by(a, b, a->counts[b] - 1);
    if (pairs > 0) mg_dispatch(context, each * (double)pairs >= MG_SERIAL_FLOPS, tile_worker, &job);
}

void mg_cached_attention_store(const mg_context *context, const mg_cached_attention *a) {
    cached_job job = {context, a, 1};
    for (size_t b = 0; b < a->batch; b++)
        for (size_t g = 0; g < a->kv_heads; g++) store(&job, b, g, 0, a->counts[b]);
}

size_t mg_cached_attention_scratch(const mg_kernels *kernels, const mg_cached_attention *a,
                                   size_t capacity) {
    size_t d = a->head_width;
    size_t slots = (capacity + MG_KEY_BLOCK - 1) / MG_KEY_BLOCK * MG_KEY_BLOCK;
    size_t single = mg_query_scratch(slots, a->heads / a->kv_heads);
    size_t tiles = kernels->attention_scratch(capacity, d, 0) + (2 * slots + MG_KEY_BLOCK) * d;
    return single > tiles || a->last_only || a->time <= MG_SINGLE_TOKENS ? single : tiles;
}
