/* Threaded operations: what a graph operation calls, whole tensors at a time.
 *
 * They partition work over the pool, call kernels through the table and allocate nothing: scratch
 * comes with the context. Results are the same bits for any number of workers: a sum is never split
 * by worker, only by fixed blocks added in fixed order. Operations too small to share run on the
 * caller alone. Tensors are row-major, dense float32 unless a struct has a type or a distance of
 * rows for them; letters: B batch, T time, C width, F hidden width, H query heads, G key/value
 * heads, D head width, V vocabulary; rows = B*T. Those on quantised tensors are in mg_quantized.h.
 */
#ifndef MG_OPS_H
#define MG_OPS_H
#include <stddef.h>
#include <stdint.h>
#include "mg_formats.h"
#include "mg_kernels.h"
#include "mg_pool.h"

/* What every operation needs. */
typedef struct {
    mg_pool *pool;
    const mg_kernels *kernels;
    float *scratch;            /* workers * scratch_per_worker floats, 64-byte aligned */
    size_t scratch_per_worker; /* floats, a multiple of 16 */
    float *shared;             /* mg_shared_scratch(...) floats, 64-byte aligned */
} mg_context;

/* ---- Matrix multiply ------------------------------------------------------------------------- */

/* Which operands are stored transposed. c is (m, n), the summed dimension is k. */
typedef enum {
    MG_NN, /* a (m, k), b (k, n): dx = dy W */
    MG_NT, /* a (m, k), b (n, k): y = x W^T, weights are (out, in) */
    MG_TN  /* a (k, m), b (k, n): dW = dy^T x */
} mg_form;

/* A matrix in memory: rows `ld` elements apart. No matrix where `data` is NULL. */
typedef struct {
    const void *data;
    size_t ld;
    mg_type type;
} mg_operand;

typedef struct {
    void *data;
    size_t ld;
    mg_type type;
} mg_result;

/* What becomes of v = scale * a b + bias. */
typedef enum {
    MG_KEEP,         /* v */
    MG_ACTIVATE,     /* act(v); v itself goes to z, if there is one */
    MG_DIFFERENTIATE /* v * act'(z): the gradient through an activation whose input was z */
} mg_finish;

enum { MG_FEW_ROWS = 8 }; /* see mg_product */

/* A matrix product with what is done to its elements while they stand in the cache:
 *
 *     c = finish(scale * a b + bias) [+ residual] [+ c]
 *
 * Sums run over k in order, in blocks whose size depends on k and the back end alone. Up to
 * MG_FEW_ROWS rows of form MG_NT with float32 operands, with panels up to two, run in the lanes of
 * gemv_f32: other bits, but the same for any number of workers, and for a row whatever rows are
 * beside it there. Needs mg_matmul_scratch. */
typedef struct {
    mg_form form;
    size_t m, n, k;
    mg_operand a, b;
    mg_result c;
    int accumulate; /* add to c, which must be float32 then */
    mg_type
        arithmetic; /* MG_BF16: a and b are rounded to bf16 first; sums are float32 either way */
    float scale;
    const float *bias; /* (n), or NULL */
    mg_finish finish;
    int activation;      /* an mg_activation but MG_SWIGLU */
    mg_result z;         /* (m, n): written by MG_ACTIVATE unless NULL, read by MG_DIFFERENTIATE */
    mg_operand residual; /* (m, n), or NULL; not c: that is `accumulate` */
    const float *panels; /* b as mg_pack_operand leaves it, for float32 arithmetic and more than two
                            rows; or NULL */
} mg_product;

/* c = a b of dense float32 matrices: what is more is set afterwards. */
static inline mg_product mg_dense_product(mg_form form, size_t m, size_t n, size_t k,
                                          const float *a, const float *b, float *c) {
    return (mg_product){.form = form,
                        .m = m,
                        .n = n,
                        .k = k,
                        .a = {a, form == MG_TN ? m : k, MG_F32},
                        .b = {b, form == MG_NT ? k : n, MG_F32},
                        .c = {c, n, MG_F32},
                        .scale = 1.0f};
}

void mg_matmul(const mg_context *context, const mg_product *product);

/* For many products with the same b: panels = that of `product`, mg_packed_count(...) floats, once.
 * The bits of c are those of more than MG_FEW_ROWS rows, but for one or two. */
void mg_pack_operand(const mg_context *context, const mg_product *product, float *panels);
size_t mg_packed_count(const mg_kernels *kernels, size_t n, size_t k);

/* Scratch per worker of mg_matmul, floats. */
size_t mg_matmul_scratch(const mg_kernels *kernels);

/* y[j] += sum over rows of x (rows, n): the gradient of a bias. */
void mg_column_sum(const mg_context *context, size_t rows, size_t n, const float *x, float *y);

/* ---- Attention ------------------------------------------------------------------------------- */

/* Causal self-attention. Rows of qkv (B*T, (H + 2G) * D) are all query heads, then key heads, then
 * value heads. */
typedef struct {
    size_t batch, time, heads, kv_heads, head_width;
    mg_type type; /* of qkv and out: MG_F32 or MG_BF16 */
    const void *qkv;
    void *out;  /* (B*T, H * D) */
    float *lse; /* (B, H, T), or NULL in inference */
} mg_attention;

void mg_attention_forward(const mg_context *context, const mg_attention *attention);

/* dqkv (B*T, (H + 2G) * D) is overwritten. */
void mg_attention_backward(const mg_context *context, const mg_attention *attention,
                           const float *dout, float *dqkv);

/* Floats per worker for up to `key_count` keys; the layout is that of `a`, its pointers are unused.
 */
size_t mg_attention_scratch(const mg_kernels *kernels, const mg_attention *a, size_t key_count,
                            int backward);

/* Attention of new tokens that first enter the caches of their sequences, which may stand at
 * different positions. Each token sees itself and the capacity - 1 tokens before it, of which those
 * past the capacity are gone. A result is the same bits however the tokens are divided among calls
 * and, with caches in MG_F32 that nothing has left, those of mg_attention_forward. */
typedef struct {
    size_t batch, time, heads, kv_heads, head_width;
    const float *qkv;                 /* (B*T, (H + 2G) * D) */
    const mg_kv_cache *const *caches; /* (B): the layers of each sequence; formats may differ */
    size_t layer;
    const size_t *positions; /* (B): tokens in the cache, and those that have left it */
    const size_t *counts;    /* (B): new tokens, at most T; the rows behind them become zero */
    int last_only; /* 1: of each sequence's new tokens only the last one's row is wanted */
    float *out;    /* (B*T, H * D), or (B, H * D) */
} mg_cached_attention;

void mg_cached_attention_forward(const mg_context *context, const mg_cached_attention *attention);
/* The part of it that puts new keys and values into the caches; `out` is unused. */
void mg_cached_attention_store(const mg_context *context, const mg_cached_attention *attention);

/* Floats per worker for caches of `capacity`; of `a` the layout alone is read. */
size_t mg_cached_attention_scratch(const mg_kernels *kernels, const mg_cached_attention *a,
                                   size_t capacity);

/* base^(-i / half): radians that pair i of `half` turns by from one position to the next. */
double mg_rope_frequency(size_t i, size_t half, double base);

/* Cosine and sine of position times frequency, (positions, half) each, computed in double. */
void mg_rope_table(size_t positions, size_t half, double base, float *cosine, float *sine);

/* The same for rows of sequences that stand anywhere: row b*T + t is at positions[b] + t; cosine
 * and sine are (B*T, half). What a table (2, known, half) has comes from there, the rest is
 * computed to the same bits. */
typedef struct {
    size_t batch, time, half, known;
    const double *frequencies; /* (half) */
    const float *table;
    const size_t *positions; /* (B) */
} mg_rope_rows;

void mg_rope_rows_forward(const mg_rope_rows *rows, float *cosine, float *sine);

/* Rotates (and with `normalize` first normalises) the query and key heads of qkv in place. factors
 * (B*T, H + G) receives the normalisation's factors. */
typedef struct {
    size_t batch, time, heads, kv_heads, head_width;
    mg_type type;               /* of qkv; bf16 needs a row of scratch */
    const float *cosine, *sine; /* (period, D / 2) at least; NULL: no rotation */
    size_t period;              /* row r turns by row r mod period */
    int normalize;
    float epsilon;
    float *factors; /* or NULL where not normalised or no gradient is wanted */
} mg_rope;

void mg_rope_forward(const mg_context *context, const mg_rope *rope, void *qkv);
void mg_rope_backward(const mg_context *context, const mg_rope *rope, const void *qkv, float *dqkv);

/* ---- Normalisation --------------------------------------------------------------------------- */

typedef enum { MG_RMSNORM, MG_LAYERNORM } mg_norm_kind;

/* [sum = x + add;] y = norm(x) * gain + bias, rows of width n. stats (rows, 2): mean and factor.
 * y in MG_BF16 or MG_Q8 (mg_q8_rows_bytes(rows, n) at y) needs a row of scratch; it is the float32
 * result rounded once. */
typedef struct {
    mg_norm_kind kind;
    size_t rows, n;
    float epsilon;
    const float *x, *add; /* add may be NULL */
    float *sum;           /* NULL with add; may be x or add */
    const float *gain, *bias;
    mg_type y_type;
    void *y;
    float *stats;
} mg_norm;

void mg_norm_forward(const mg_context *context, const mg_norm *norm);

/* dx [+]= gradient of the normalised row (norm->sum or norm->x); dgain, dbias +=. dx may be dy. */
void mg_norm_backward(const mg_context *context, const mg_norm *norm, const float *dy, float *dx,
                      int accumulate, float *dgain, float *dbias);

/* ---- Activations, element by element --------------------------------------------------------- */

typedef enum { MG_RELU, MG_RELU2, MG_GELU, MG_SWIGLU } mg_activation;

/* x (rows, f) -> y (rows, f); for MG_SWIGLU x is (rows, 2f): gate columns, then up columns. */
void mg_activation_forward(const mg_context *context, mg_activation kind, size_t rows, size_t f,
                           const float *x, float *y);
/* Overwrites dx, which has the shape of x. */
void mg_activation_backward(const mg_context *context, mg_activation kind, size_t rows, size_t f,
                            const float *x, const float *dy, float *dx);

void mg_add(const mg_context *context, size_t n, const float *a, const float *b, float *y);
void mg_accumulate(const mg_context *context, size_t n, const float *x, float *y);
void mg_zero(const mg_context *context, size_t n, float *x);

/* y = dropout(x), see dropout_f32; backward is the same call on the gradient. In place allowed. */
void mg_dropout(const mg_context *context, size_t n, uint64_t key, float rate, const float *x,
                float *y);

/* ---- Embedding ------------------------------------------------------------------------------- */

/* y (B*T, C) = scale * table[token] [+ positions[first[b] + t]]. tokens are in 0 ... V-1. */
typedef struct {
    size_t batch, time, width;
    const int32_t *tokens; /* (B*T) */
    float scale;
    const size_t *first; /* (B): position of a sequence's first token; NULL: 0 */
} mg_embedding;

void mg_embedding_forward(const mg_context *context, const mg_embedding *e, const float *table,
                          const float *positions, float *y);
/* The same from a quantised table (V, C). */
void mg_embedding_forward_quantized(const mg_context *context, const mg_embedding *e,
                                    const mg_quantized *table, const float *positions, float *y);
/* dtable and dpositions +=; dpositions may be NULL. */
void mg_embedding_backward(const mg_context *context, const mg_embedding *e, const float *dy,
                           float *dtable, float *dpositions);

/* ---- Output head and loss -------------------------------------------------------------------- */

/* Cross-entropy of x (rows, C) through the head weight (V, C), `chunk` rows at a time: logits of
 * the whole batch never exist. Targets below 0 are ignored. With dx, also the gradients of
 * weight_per_token * (sum of losses): dx [+]=, dhead +=. With weights q, which may differ from
 * token to token, of weight_per_token * sum of (q * loss + entropy * q log q), dweights
 * too. */
typedef struct {
    size_t rows, width, vocabulary, chunk;
    const float *x, *head;
    const mg_quantized *quantized_head; /* instead of head, without dx; or NULL */
    void *rows_memory;                  /* mg_q8_rows_bytes(chunk, C) for it */
    const int32_t *targets;
    mg_type arithmetic; /* of the products */
    float cap;
    float weight_per_token;
    float *logits;        /* (chunk, V) work space */
    float *losses;        /* (rows) */
    const float *weights; /* (rows), or NULL: ones */
    float entropy;
    float *dweights; /* (rows), or NULL */
    float *dx;       /* or NULL */
    int accumulate;
    float *dhead;
} mg_loss;

/* Returns the sum of the losses, unweighted, added in order of rows in double. */
double mg_linear_cross_entropy(const mg_context *context, const mg_loss *loss);

/* What the predictions q (rows, V) of a changed model are beside p, those of the original: logits
 * after their cap. Needs V floats of scratch. */
typedef struct {
    size_t rows, vocabulary;
    const float *p, *q;
    const int32_t *targets;     /* (rows); rows with one below 0 give zeros */
    float *losses_p, *losses_q; /* (rows): nats */
    float *divergences;         /* (rows): Kullback-Leibler of softmax(q) from softmax(p), nats */
    float *agreements; /* (rows): 1 where both have their largest logit at the same place */
} mg_comparison;

void mg_compare_predictions(const mg_context *context, const mg_comparison *comparison);

/* x = cap * tanh(x / cap). */
void mg_soft_cap(const mg_context *context, size_t n, float cap, float *x);

/* ---- Optimizer ------------------------------------------------------------------------------- */

/* A range of the parameter arena with a common weight decay. */
typedef struct {
    size_t offset, count;
    size_t state; /* where its moments begin in theirs, elements */
    float weight_decay;
} mg_segment;

/* How moments are stored, see adamw_f32, adamw_bf16, adamw_q8. */
typedef enum { MG_STATE_F32, MG_STATE_BF16, MG_STATE_Q8 } mg_state_format;

/* One moment of all segments. 8-bit formats have a scale for MG_STATE_BLOCK elements: segments and
 * moments then begin at multiples of it. */
enum { MG_STATE_BLOCK = 64 };
typedef struct {
    mg_state_format format;
    void *values;
    float *scales; /* or NULL */
} mg_moments;

/* AdamW on all segments; h->weight_decay is replaced by each segment's. m and v have one format,
 * whose rounding is a function of `key` and place. */
void mg_adamw_step(const mg_context *context, const mg_adamw *h, const mg_segment *segments,
                   size_t segment_count, const float *g, float *p, const mg_moments *m,
                   const mg_moments *v, uint64_t key);

/* Momentum on all segments, whose weight decay is ignored; g becomes what is applied. */
void mg_momentum_step(const mg_context *context, const mg_momentum *h, const mg_segment *segments,
                      size_t segment_count, float *g, const mg_moments *m, uint64_t key);

/* A matrix that Muon orthogonalises by itself, dense in the parameter arena. */
typedef struct {
    size_t offset, rows, columns;
} mg_muon_matrix;

typedef struct {
    float learning_rate;
    float weight_decay; /* decoupled */
} mg_muon;

/* The largest min(rows, columns) that one worker updates alone. A build for an emulator sets a
 * smaller one, so that its check of larger matrices, n^3, ends (tools/arm/test.sh). */
#ifndef MG_MUON_SHARED_SIDE
#define MG_MUON_SHARED_SIDE 512
#endif

/* p -= lr * (weight_decay * p + sqrt(max(1, rows / columns)) * orthogonalised(u)) for each matrix.
 * u is what mg_momentum_step made of the gradients. Requires: larger min(rows, columns) first;
 * scratch of mg_matmul; `work` of mg_muon_work(...) floats, 64-byte aligned. */
void mg_muon_step(const mg_context *context, const mg_muon *h, const mg_muon_matrix *matrices,
                  size_t count, const float *u, float *p, float *work);

/* Floats of work space that mg_muon_step needs on so many workers. */
size_t mg_muon_work(const mg_muon_matrix *matrices, size_t count, size_t workers);

/* Sum of squares in double, by fixed blocks. */
double mg_sum_squares(const mg_context *context, size_t n, const float *x);

/* Floats of mg_context.shared that all operations together need for rows of width n and
 * element counts up to `elements`. */
size_t mg_shared_scratch(size_t width, size_t elements);

#endif
