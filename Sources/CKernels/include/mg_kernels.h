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

/* Types of stored numbers. bf16 is the upper half of a float32 (uint16_t in C). MG_Q8 is what
 * mg_q8_rows_at lays out; only where a contract names it. */
typedef enum { MG_F32, MG_BF16, MG_Q8 } mg_type;

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

/* Queries that attention_forward_f32 works on at once. Calls on whole blocks of them, where none is
 * left with a single query, give the bits of one call. */
enum { MG_QUERY_BLOCK = 64 };

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

typedef struct mg_kernels {
    mg_isa isa;
    size_t vector_width; /* floats in a vector register */
    size_t mr, nr;       /* register tile of gemm_block_f32 */
    size_t kc, nc;       /* depth in words and columns of what mg_matmul packs of b at once */
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
