/* The kernel table: one function pointer per line of mg_kernels.def, once per back end.
 *
 * Rules that hold for every kernel. It allocates nothing, keeps no state, starts no thread and
 * computes any part of a result. Pointers need only the alignment of their element type. Sizes may
 * be zero. Buffers don't overlap unless the contract says "in place". Matrices are row-major, `ld`
 * is the distance of two rows in elements. Results of one back end are the same bits on every call;
 * results of two back ends differ by rounding. Contracts are beside each entry of mg_kernels.def.
 */
#ifndef MG_KERNELS_H
#define MG_KERNELS_H
#include <stddef.h>
#include <stdint.h>
#include "mg_cpu.h"
#include "mg_formats.h"

/* Types of stored numbers. bf16 is the upper half of a float32, F16 is IEEE half precision (both
 * uint16_t in C). MG_Q8 is int8 with scales beside it, as mg_q8_rows_at and mg_kv_cache lay them
 * out; these two only where a contract names them. */
typedef enum { MG_F32, MG_BF16, MG_Q8, MG_F16 } mg_type;

/* A matrix to pack, see pack_panels. */
typedef struct {
    const void *src; /* (count, k), or (k, count) where `columns` is set; rows ld apart */
    mg_type type;    /* of src */
    int columns;
    size_t count, k, ld;
    mg_type arithmetic; /* MG_F32: panels of gemm_block_f32, MG_BF16: of gemm_block_bf16 */
    size_t width;       /* mr or nr */
    float *dst;         /* ceil(count / width) panels of width * ceil(k / step) words */
} mg_panels;

/* Words that a row of k elements takes in a panel of gemm_block_q8, or by_block in one of
 * gemm_block_q8b: four int8 in each, after a scale or start for each block. */
static inline size_t mg_q8_words(size_t k, int by_block) {
    size_t blocks = mg_quantized_stride(k) / MG_BLOCK;
    return by_block ? blocks * (1 + MG_BLOCK / 4) : 1 + blocks * (MG_BLOCK / 4);
}

/* Hyper-parameters of one AdamW step, see adamw_f32. */
typedef struct {
    float learning_rate;
    float beta1, beta2; /* decay of the first and second moment */
    float epsilon;
    float weight_decay;   /* decoupled; 0 for vectors */
    float correction1;    /* 1 / (1 - beta1^t), t counted from 1 */
    float correction2;    /* 1 / (1 - beta2^t) */
    float gradient_scale; /* multiplies every gradient first: clipping by global norm */
    float gradient_limit; /* then clamps each element to +-limit; INFINITY for none */
} mg_adamw;

/* Hyper-parameters of one step of momentum, see momentum_f32. */
typedef struct {
    float decay;
    float gradient_scale, gradient_limit; /* as in mg_adamw */
} mg_momentum;

/* Queries that attention_forward_f32 works on at once. Calls on whole blocks of them give the
 * bits of one call. */
enum { MG_QUERY_BLOCK = 64 };

/* Keys that attention takes together: their scores have one maximum and one sum. */
enum { MG_KEY_BLOCK = 64 };

/* Keys that lie side by side in a cache. */
enum { MG_KEY_LANES = 16 };

/* One head of attention over one sequence. Query i stands at position `position + i` of the keys
 * and sees keys 0 ... min(key_count, position + i + 1) - 1.
 *
 *        keys ->   0 1 2 3 4 5        position = 2, query_count = 4, key_count = 6
 *   query 0        x x x
 *   query 1        x x x x
 *   query 2        x x x x x
 *   query 3        x x x x x x
 *
 * Requires key_count > 0 where there is a query: what sees nothing has no softmax. */
typedef struct {
    size_t query_count, key_count, head_width;
    size_t position;
    const float *q; /* (query_count, head_width), rows ld_q apart */
    const float *k; /* (key_count, head_width), rows ld_kv apart */
    const float *v; /* (key_count, head_width), rows ld_kv apart */
    size_t ld_q, ld_kv;
    float scale; /* multiplies the scores, 1 / sqrt(head_width); above 0 */
    float *out;  /* (query_count, head_width), rows ld_out apart; backward reads it */
    size_t ld_out;
    float *lse;     /* (query_count): log of the softmax denominator; may be NULL in forward */
    float *scratch; /* attention_scratch(...) floats, 64-byte aligned */
} mg_attention_head;

/* Gradients of the queries that share one key/value head; see attention_backward_f32. */
typedef struct {
    mg_attention_head head;  /* q, out and lse are those of the first query head */
    size_t group_size;       /* query heads that share k and v */
    size_t group_stride_q;   /* elements from one query head to the next in q, dq */
    size_t group_stride_out; /* the same in out, dout */
    size_t group_stride_lse; /* the same in lse */
    const float *dout;       /* like out, rows ld_dout apart */
    float *dq;               /* like q, rows ld_dq apart; overwritten */
    float *dk, *dv;          /* like k and v, rows ld_dkv apart; overwritten */
    size_t ld_dout, ld_dq, ld_dkv;
} mg_attention_gradient;

/* Keys and values of one layer of one sequence. A token has a slot, position mod capacity: past the
 * capacity the newest overwrites the oldest. `slots` is the capacity rounded up to whole blocks.
 *
 *     keys    [G][slots / 16][D][16]    transposed by groups: lanes are keys, and one query streams
 *     values  [G][slots][D]             through memory
 *
 * In MG_Q8 a head vector has one scale, fp16: x = (float)q * scale, q in -127 ... 127. A vector
 * with a NaN, an infinity or an element beyond 127 * 65504 becomes NaN as a whole. MG_F16 makes
 * infinite what rounds beyond 65504. */
typedef struct {
    mg_type type; /* MG_F32, MG_F16 or MG_Q8 */
    size_t capacity, slots, kv_heads, head_width;
    void *keys, *values;
    uint16_t *key_scales, *value_scales; /* [G][slots], or NULL */
} mg_kv_cache;

/* Query heads that read the same key/value head, one token of them. They see the slots
 * 0 ... key_count - 1. Requires key_count > 0. */
typedef struct {
    const mg_kv_cache *cache;
    size_t kv_head, group, key_count;
    const float *q; /* (group, D) */
    float scale;    /* as in mg_attention_head */
    float *out;     /* (group, D) */
    float *scratch; /* mg_query_scratch(...) floats, 64-byte aligned */
} mg_attention_query;

static inline size_t mg_query_scratch(size_t slots, size_t group) {
    return group * slots + (slots / MG_KEY_BLOCK + 15) / 16 * 16;
}

/* Where element i of the key in a slot is. */
static inline size_t mg_key_index(const mg_kv_cache *c, size_t kv_head, size_t slot, size_t i) {
    size_t group = (kv_head * c->slots + slot) / MG_KEY_LANES;
    return (group * c->head_width + i) * MG_KEY_LANES + slot % MG_KEY_LANES;
}

/* Bytes of a cache, exactly; a multiple of 64. */
static inline size_t mg_kv_cache_bytes(mg_type type, size_t capacity, size_t kv_heads,
                                       size_t head_width) {
    size_t slots = (capacity + MG_KEY_BLOCK - 1) / MG_KEY_BLOCK * MG_KEY_BLOCK;
    size_t vector = type == MG_Q8 ? head_width + 2 : head_width * (type == MG_F16 ? 2 : 4);
    return 2 * slots * kv_heads * vector;
}

/* The cache in so many bytes at `memory`, 64-byte aligned. */
static inline mg_kv_cache mg_kv_cache_at(void *memory, mg_type type, size_t capacity,
                                         size_t kv_heads, size_t head_width) {
    size_t slots = (capacity + MG_KEY_BLOCK - 1) / MG_KEY_BLOCK * MG_KEY_BLOCK;
    size_t element = type == MG_Q8 ? 1 : type == MG_F16 ? 2 : 4;
    size_t plane = slots * kv_heads * head_width * element;
    char *keys = memory, *values = keys + plane;
    uint16_t *scales = type == MG_Q8 ? (uint16_t *)(void *)(values + plane) : NULL;
    return (mg_kv_cache){type,     capacity,   slots,
                         kv_heads, head_width, keys,
                         values,   scales,     scales ? scales + slots * kv_heads : NULL};
}

typedef struct mg_kernels {
    mg_isa isa;
    size_t vector_width; /* floats in a vector register */
    size_t mr, nr;       /* register tile of gemm_block_f32 */
    size_t kc;           /* depth in words of what mg_matmul packs at once */
    size_t nc;           /* columns of b that it packs at once: no bit of a result depends on it */
    size_t bf16_step;    /* products per word of a panel of gemm_block_bf16: 2 where the CPU
                            multiplies pairs, else 1 */
    int q8_bias; /* what panels of pack_quantized hold beyond q: 128 where the CPU multiplies
                    unsigned by signed bytes, else 0 */
#define MG_KERNEL(result, name, parameters) result(*name) parameters;
#include "mg_kernels.def"
#undef MG_KERNEL
} mg_kernels;

/* The table of a back end, or NULL where it is not compiled in or not supported here. */
const mg_kernels *mg_kernels_for(mg_isa isa);

/* The table this process uses: the one MGPT_ISA names, else the best supported. NULL if MGPT_ISA
 * can't be honoured; mg_dispatch_error() then holds one line for the user. */
const mg_kernels *mg_kernels_default(void);

/* Why mg_kernels_default() returned NULL, as one English line; "" if it did not. */
const char *mg_dispatch_error(void);

#endif
