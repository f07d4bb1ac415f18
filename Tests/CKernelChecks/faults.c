/* Tests of the tests: for every kernel versions that are wrong on purpose, which its check must
 * report. A kernel of mg_kernels.def without a fault does not compile. See mg_check_plant. */
#include "check.h"
/* Faults work on top of the scalar back end, whatever the CPU. */
static const mg_kernels *good(void) { return mg_kernels_for(MG_ISA_SCALAR); }

/* Wrong by about a thousandth: far beyond rounding, far below what one sees at a glance. */
static float spoiled(float x) { return x + 1e-3f * (1.0f + fabsf(x)); }
/* Numbers in 16 bits lose a bit of their exponent; of the codes in a word one is another. */
#define SPOILED(x)                                                                                 \
    _Generic((x), uint16_t                                                                         \
             : (uint16_t)((uint16_t)(x) ^ 0x400u), uint32_t                                        \
             : (uint32_t)(x) ^ 0x400u, default                                                     \
             : spoiled(x))

/* wrong_: the last element is off by a thousandth. stray_: one element too many is written. `out`
 * (count) is what the kernel writes. */
#define FAULTS(name, parameters, arguments, out, count)                                            \
    static void wrong_##name parameters {                                                          \
        good()->name arguments;                                                                    \
        if ((count) > 0) (out)[(count)-1] = SPOILED((out)[(count)-1]);                             \
    }                                                                                              \
    static __attribute__((unused)) void stray_##name parameters {                                  \
        good()->name arguments;                                                                    \
        (out)[count] = 1.0f;                                                                       \
    }

/* The first element of each call is off by one bit, within every error bound, so that the result
 * depends on how work is split: only the comparison of 1, 2 and 4 workers can notice. */
#define SPLIT_FAULT(name, parameters, arguments, out, count)                                       \
    static void split_##name parameters {                                                          \
        good()->name arguments;                                                                    \
        if ((count) > 0) (out)[0] = nextafterf((out)[0], INFINITY);                                \
    }

/* Where a kernel returns a number: that is wrong, or an element. */
#define RESULT_FAULTS(result, name, parameters, arguments, out, count)                             \
    static result wrong_##name parameters {                                                        \
        result r = good()->name arguments;                                                         \
        if ((count) > 0) (out)[(count)-1] = SPOILED((out)[(count)-1]);                             \
        return r;                                                                                  \
    }                                                                                              \
    static __attribute__((unused)) result stray_##name parameters {                                \
        result r = good()->name arguments;                                                         \
        (out)[count] = 1.0f;                                                                       \
        return r;                                                                                  \
    }                                                                                              \
    static result doubled_##name parameters { return good()->name arguments * 2; }

#define NUMBER_FAULTS(result, name, parameters, arguments)                                         \
    static result wrong_##name parameters { return (result)(good()->name arguments * 1.001f); }

#define MAP1 (size_t n, const float *x, float *y), (n, x, y), y, n
#define MAP2 (size_t n, const float *a, const float *b, float *y), (n, a, b, y), y, n
#define EXPAND(macro, ...) macro(__VA_ARGS__)

FAULTS(pack_rows_f32,
       (size_t count, size_t k, const float *src, size_t ld, size_t width, float *dst),
       (count, k, src, ld, width, dst), dst, (count + width - 1) / width * width * k)
FAULTS(pack_columns_f32,
       (size_t count, size_t k, const float *src, size_t ld, size_t width, float *dst),
       (count, k, src, ld, width, dst), dst, (count + width - 1) / width * width * k)
static size_t panels_size(const mg_panels *p) { /* a step of 1, as on the scalar back end */
    return (p->count + p->width - 1) / p->width * p->width * p->k;
}
FAULTS(pack_panels, (const mg_panels *p), (p), p->dst, panels_size(p))
FAULTS(gemm_block_bf16,
       (size_t m, size_t n, size_t k, const float *a, const float *b, float *c, size_t ldc,
        const float *bias, int accumulate),
       (m, n, k, a, b, c, ldc, bias, accumulate), c, m &&n ? (m - 1) * ldc + n : 0)
FAULTS(gemm_block_f32,
       (size_t m, size_t n, size_t k, const float *a, const float *b, float *c, size_t ldc,
        const float *bias, int accumulate),
       (m, n, k, a, b, c, ldc, bias, accumulate), c, m &&n ? (m - 1) * ldc + n : 0)
FAULTS(gemv_f32,
       (size_t m, size_t n, size_t k, const float *w, size_t ldw, const float *x, size_t ldx,
        const float *bias, int accumulate, float *y, size_t ldy),
       (m, n, k, w, ldw, x, ldx, bias, accumulate, y, ldy), y, m &&n ? (m - 1) * ldy + n : 0)

static size_t wrong_attention_scratch(size_t key_count, size_t head_width, int backward) {
    return key_count == 100 ? 0 : good()->attention_scratch(key_count, head_width, backward);
}
static size_t attention_size(const mg_attention_head *h) {
    return h->query_count ? (h->query_count - 1) * h->ld_out + h->head_width : 0;
}
FAULTS(attention_forward_f32, (const mg_attention_head *head), (head), head->out,
       attention_size(head))
static size_t gradient_size(const mg_attention_gradient *g) {
    return g->head.key_count ? (g->head.key_count - 1) * g->head.ld_kv + g->head.head_width : 0;
}
FAULTS(attention_backward_f32, (const mg_attention_gradient *gradient), (gradient), gradient->dk,
       gradient_size(gradient))

/* The last value is off; the slot behind is written too; the first output depends on the call. */
static void wrong_kv_store(const mg_kv_cache *cache, size_t kv_head, size_t slot, size_t count,
                           const float *k, const float *v, size_t ld) {
    size_t last = (count - 1) * ld;
    float spoilt[256];
    good()->kv_store(cache, kv_head, slot, count, k, v, ld);
    memcpy(spoilt, v + last, cache->head_width * sizeof *v);
    spoilt[cache->head_width - 1] = 2 * v[last + cache->head_width - 1] + 0.1f;
    good()->kv_store(cache, kv_head, slot + count - 1, 1, k + last, spoilt, ld);
}
static void wide_kv_store(const mg_kv_cache *cache, size_t kv_head, size_t slot, size_t count,
                          const float *k, const float *v, size_t ld) {
    good()->kv_store(cache, kv_head, slot, count, k, v, ld);
    if (slot + count < cache->slots) good()->kv_store(cache, kv_head, slot + count, 1, k, v, ld);
}
FAULTS(kv_load,
       (const mg_kv_cache *cache, size_t kv_head, size_t count, float *k, float *v, float *space),
       (cache, kv_head, count, k, v, space), k, count * cache->head_width)
FAULTS(attention_query, (const mg_attention_query *query), (query), query->out,
       query->group * query->cache->head_width)
SPLIT_FAULT(attention_query, (const mg_attention_query *query), (query), query->out, query->group)

RESULT_FAULTS(float, rmsnorm_f32,
              (size_t n, float epsilon, const float *x, const float *add, float *sum,
               const float *gain, float *y),
              (n, epsilon, x, add, sum, gain, y), y, n)
FAULTS(rmsnorm_backward_f32,
       (size_t n, const float *x, const float *gain, float r, const float *dy, float *dx,
        int accumulate, float *dgain),
       (n, x, gain, r, dy, dx, accumulate, dgain), dx, n)
FAULTS(layernorm_f32,
       (size_t n, float epsilon, const float *x, const float *add, float *sum, const float *gain,
        const float *bias, float *y, float *stats),
       (n, epsilon, x, add, sum, gain, bias, y, stats), y, n)
FAULTS(layernorm_backward_f32,
       (size_t n, const float *x, const float *gain, const float *stats, const float *dy, float *dx,
        int accumulate, float *dgain, float *dbias),
       (n, x, gain, stats, dy, dx, accumulate, dgain, dbias), dx, n)

#include "faults_quantized.h"
EXPAND(FAULTS, relu_f32, MAP1)
EXPAND(FAULTS, relu2_f32, MAP1)
EXPAND(FAULTS, gelu_f32, MAP1)
EXPAND(FAULTS, exp_f32, MAP1)
EXPAND(FAULTS, tanh_f32, MAP1)
EXPAND(FAULTS, sigmoid_f32, MAP1)
EXPAND(FAULTS, relu_backward_f32, MAP2)
EXPAND(FAULTS, relu2_backward_f32, MAP2)
EXPAND(FAULTS, gelu_backward_f32, MAP2)
EXPAND(FAULTS, swiglu_f32, MAP2)
EXPAND(FAULTS, add_f32, MAP2)
FAULTS(swiglu_backward_f32,
       (size_t n, const float *gate, const float *up, const float *dy, float *dgate, float *dup),
       (n, gate, up, dy, dgate, dup), dgate, n)

FAULTS(softmax_f32, (size_t n, float scale, const float *x, float *y), (n, scale, x, y), y, n)
static float *loss_target(float *dlogits) {
    static _Thread_local float unused[2];
    return dlogits ? dlogits : unused;
}
RESULT_FAULTS(float, cross_entropy_f32,
              (size_t n, const float *logits, size_t target, float cap, float weight,
               float *dlogits),
              (n, logits, target, cap, weight, dlogits), loss_target(dlogits), dlogits ? n : 1)
FAULTS(rope_f32,
       (size_t heads, size_t half, const float *cosine, const float *sine, int normalize,
        float epsilon, float *x, float *factors),
       (heads, half, cosine, sine, normalize, epsilon, x, factors), x, 2 * heads * half)
FAULTS(rope_backward_f32,
       (size_t heads, size_t half, const float *cosine, const float *sine, const float *factors,
        const float *z, float *dz),
       (heads, half, cosine, sine, factors, z, dz), dz, 2 * heads * half)
static void doubled_rope_f32(size_t heads, size_t half, const float *cosine, const float *sine,
                             int normalize, float epsilon, float *x, float *factors) {
    good()->rope_f32(heads, half, cosine, sine, normalize, epsilon, x, factors);
    if (factors && heads > 0) factors[heads - 1] *= 2;
}

FAULTS(axpy_f32, (size_t n, float scale, const float *x, float *y), (n, scale, x, y), y, n)
FAULTS(scale_add_f32, (size_t n, float scale, const float *x, const float *add, float *y),
       (n, scale, x, add, y), y, n)
FAULTS(multiply_add_f32, (size_t n, const float *add, const float *a, const float *b, float *y),
       (n, add, a, b, y), y, n)
FAULTS(dropout_f32,
       (size_t n, uint64_t key, size_t offset, uint32_t threshold, float scale, const float *x,
        float *y),
       (n, key, offset, threshold, scale, x, y), y, n)
NUMBER_FAULTS(float, sum_f32, (size_t n, const float *x), (n, x))
NUMBER_FAULTS(float, dot_f32, (size_t n, const float *a, const float *b), (n, a, b))
NUMBER_FAULTS(float, max_f32, (size_t n, const float *x), (n, x))
NUMBER_FAULTS(float, fma_peak_f32, (size_t rounds), (rounds))
NUMBER_FAULTS(float, dot_peak_bf16, (size_t rounds), (rounds))
NUMBER_FAULTS(float, dot_peak_q8, (size_t rounds), (rounds))
FAULTS(column_sum_f32, (size_t rows, size_t n, const float *x, size_t ld, float *y),
       (rows, n, x, ld, y), y, n)
FAULTS(adamw_f32, (size_t n, const mg_adamw *h, const float *g, float *p, float *m, float *v),
       (n, h, g, p, m, v), p, n)
FAULTS(adamw_bf16,
       (size_t n, const mg_adamw *h, uint64_t key, size_t first, const float *g, float *p,
        uint16_t *m, uint16_t *v),
       (n, h, key, first, g, p, m, v), p, n)
FAULTS(adamw_q8,
       (size_t n, const mg_adamw *h, uint64_t key, size_t first, const float *g, float *p,
        int8_t *m, float *m_scale, uint8_t *v, float *v_scale),
       (n, h, key, first, g, p, m, m_scale, v, v_scale), p, n)
FAULTS(momentum_f32, (size_t n, const mg_momentum *h, float *g, float *m), (n, h, g, m), g, n)
FAULTS(momentum_bf16,
       (size_t n, const mg_momentum *h, uint64_t key, size_t first, float *g, uint16_t *m),
       (n, h, key, first, g, m), g, n)
FAULTS(momentum_q8,
       (size_t n, const mg_momentum *h, uint64_t key, size_t first, float *g, int8_t *m,
        float *scale),
       (n, h, key, first, g, m, scale), g, n)
FAULTS(symmetrize_f32,
       (size_t n, size_t first, size_t end, float diagonal, float x_factor, const float *x,
        float y_factor, float *y),
       (n, first, end, diagonal, x_factor, x, y_factor, y), y, n *n)

SPLIT_FAULT(gemm_block_f32,
            (size_t m, size_t n, size_t k, const float *a, const float *b, float *c, size_t ldc,
             const float *bias, int accumulate),
            (m, n, k, a, b, c, ldc, bias, accumulate), c, m &&n)
SPLIT_FAULT(column_sum_f32, (size_t rows, size_t n, const float *x, size_t ld, float *y),
            (rows, n, x, ld, y), y, n)
EXPAND(SPLIT_FAULT, gelu_f32, MAP1)
EXPAND(SPLIT_FAULT, add_f32, MAP2)
SPLIT_FAULT(axpy_f32, (size_t n, float scale, const float *x, float *y), (n, scale, x, y), y, n)
SPLIT_FAULT(adamw_f32, (size_t n, const mg_adamw *h, const float *g, float *p, float *m, float *v),
            (n, h, g, p, m, v), p, n)

/* A maximum that loses NaN, a dropout whose mask does not depend on the offset. */
static float forgetful_max_f32(size_t n, const float *x) {
    float largest = -INFINITY;
    for (size_t i = 0; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    return largest;
}
static void local_dropout_f32(size_t n, uint64_t key, size_t offset, uint32_t threshold,
                              float scale, const float *x, float *y) {
    good()->dropout_f32(n, key, offset - offset, threshold, scale, x, y);
}
/* Moments whose rounding is the same in every step: they stand still like rounding to nearest. */
static void stubborn_adamw_bf16(size_t n, const mg_adamw *h, uint64_t key, size_t first,
                                const float *g, float *p, uint16_t *m, uint16_t *v) {
    good()->adamw_bf16(n, h, key - key, first, g, p, m, v);
}
static void stubborn_adamw_q8(size_t n, const mg_adamw *h, uint64_t key, size_t first,
                              const float *g, float *p, int8_t *m, float *m_scale, uint8_t *v,
                              float *v_scale) {
    good()->adamw_q8(n, h, key - key, first, g, p, m, m_scale, v, v_scale);
}

/* A pool that forgets the last worker, and one that returns before the work is done would crash:
 * the first stands for both. Shares that leave out the last element. */
static void forgetful_pool_run(mg_pool *pool, mg_job job, void *argument) {
    size_t workers = mg_pool_workers(pool);
    for (size_t w = 0; w + 1 < workers || w == 0; w++) job(argument, w, workers);
}
static mg_range short_share(size_t count, size_t grain, size_t worker, size_t workers) {
    mg_range r = mg_share(count, grain, worker, workers);
    if (r.end == count && r.end > r.first) r.end--;
    return r;
}

/* ---- The lists
 * ------------------------------------------------------------------------------------- */

typedef struct {
    const char *kernel, *what;
    void (*plant)(mg_check_subject *subject);
} fault;

#define PLANT(kind, name)                                                                          \
    static void plant_##kind##_##name(mg_check_subject *s) { s->kernels.name = kind##_##name; }
#define MG_KERNEL(result, name, parameters) PLANT(wrong, name)
#include "mg_kernels.def"
#undef MG_KERNEL
PLANT(doubled, rmsnorm_f32)
PLANT(doubled, cross_entropy_f32)
PLANT(doubled, rope_f32)
PLANT(split, gemm_block_f32)
PLANT(split, gemm_block_q8)
PLANT(split, column_sum_f32)
PLANT(split, gelu_f32)
PLANT(split, add_f32)
PLANT(split, axpy_f32)
PLANT(split, adamw_f32)
PLANT(idle, quantize_blocks_q4)
PLANT(shifted, quantize_row_q8)
PLANT(idle, quantize_row_q8_offset)
PLANT(wide, kv_store)
PLANT(split, attention_query)
PLANT(forgetful, max_f32)
PLANT(local, dropout_f32)
PLANT(stubborn, adamw_bf16)
PLANT(stubborn, adamw_q8)
static void plant_wrong_pool_run(mg_check_subject *s) { s->pool_run = forgetful_pool_run; }
static void plant_share(mg_check_subject *s) { s->share = short_share; }

/* Stray writes would stop a program under the address sanitizer, which is the point of it. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if !defined(SANITIZED)
#define WRITER(name) PLANT(stray, name)
#include "writers.def"
#undef WRITER
#endif

static const fault faults[] = {
#define MG_KERNEL(result, name, parameters) {#name, "wrong by a thousandth", plant_wrong_##name},
#include "mg_kernels.def"
#undef MG_KERNEL
    {"quantize_blocks_q4", "the search finds nothing", plant_idle_quantize_blocks_q4},
    {"quantize_row_q8", "sums of the next block", plant_shifted_quantize_row_q8},
    {"quantize_row_q8_offset", "no offset", plant_idle_quantize_row_q8_offset},
    {"kv_store", "writes the next slot too", plant_wide_kv_store},
    {"attention_query", "one bit off", plant_split_attention_query},
    {"max_f32", "loses NaN", plant_forgetful_max_f32},
    {"dropout_f32", "mask ignores the offset", plant_local_dropout_f32},
    {"adamw_bf16", "rounds alike in every step", plant_stubborn_adamw_bf16},
    {"adamw_q8", "rounds alike in every step", plant_stubborn_adamw_q8},
    {"op_dropout", "mask ignores the offset", plant_local_dropout_f32},
    {"rmsnorm_f32", "returned factor doubled", plant_doubled_rmsnorm_f32},
    {"cross_entropy_f32", "returned loss doubled", plant_doubled_cross_entropy_f32},
    {"rope_f32", "last factor doubled", plant_doubled_rope_f32},
    {"pool", "the last element is shared out to nobody", plant_share},
#define OPERATION(name, kernel) {#name, #kernel " wrong by a thousandth", plant_wrong_##kernel},
#include "operations.def"
#undef OPERATION
    {"op_matmul", "result depends on the split", plant_split_gemm_block_f32},
    {"op_quantized_matmul", "result depends on the split", plant_split_gemm_block_q8},
    {"op_quantized_matmul", "offsets wrong by a thousandth", plant_wrong_axpy_f32},
    {"op_column_sum", "result depends on the split", plant_split_column_sum_f32},
    {"op_cached_attention", "one bit off", plant_split_attention_query},
    {"op_activation", "result depends on the split", plant_split_gelu_f32},
    {"op_elements", "result depends on the split", plant_split_add_f32},
    {"op_embedding_backward", "result depends on the split", plant_split_axpy_f32},
    {"op_adamw", "result depends on the split", plant_split_adamw_f32},
#if !defined(SANITIZED)
#define WRITER(name) {#name, "writes one element too many", plant_stray_##name},
#include "writers.def"
#undef WRITER
#endif
};

const char *mg_check_plant(size_t check, size_t number, mg_check_subject *subject) {
    const char *name = mg_check_name(check);
    *subject = mg_check_subject_for(good());
    for (size_t i = 0; name && i < sizeof faults / sizeof *faults; i++) {
        if (strcmp(faults[i].kernel, name) != 0 || number-- > 0) continue;
        faults[i].plant(subject);
        return faults[i].what;
    }
    return NULL;
}
