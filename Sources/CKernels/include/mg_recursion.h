/* Operations of recursive models: state updates, exit gates, exit rules. They follow the rules of
 * mg_ops.h: threaded, allocation-free, the same bits for any number of workers. */
#ifndef MG_RECURSION_H
#define MG_RECURSION_H
#include "mg_ops.h"

/* y = a * x + b * d by rows of width n, a and b by column. Rows that are not active keep y = x. */
typedef struct {
    size_t rows, n;
    const float *x;      /* (rows, n), or NULL: zeros */
    const float *a;      /* (n), or NULL: ones */
    const float *d;      /* (rows, n) */
    const float *b;      /* (n), or NULL: ones */
    const float *active; /* (rows): 0 for rows that rest; or NULL. In inference only */
    float *y;            /* may be x or d */
} mg_blend;

void mg_blend_forward(const mg_context *context, const mg_blend *blend);

/* What becomes of the gradient of a blend. NULL where none is wanted. */
typedef struct {
    const float *dy; /* (rows, n) */
    float *dx, *dd;  /* (rows, n): [+]=; neither may be dy unless it is added to nothing */
    int accumulate_x, accumulate_d;
    float *da, *db; /* (n): += */
} mg_blend_gradient;

/* Needs mg_shared_scratch(n, 0) shared scratch. */
void mg_blend_backward(const mg_context *context, const mg_blend *blend,
                       const mg_blend_gradient *gradient);

/* y = 1 / (1 + exp(-x)), n elements, on the caller alone: for vectors of a width. */
void mg_sigmoid(const mg_context *context, size_t n, const float *x, float *y);
/* dx += dy y (1 - y). */
void mg_sigmoid_backward(const mg_context *context, size_t n, const float *y, const float *dy,
                         float *dx);

/* A gate after a pass of a recursive model (Banino et al. 2021, arXiv 2107.05407). With the share
 * `before` of a token's probability that has not left yet,
 *
 *     chance = sigmoid(x . w + c)      leave = before chance      stay = before (1 - chance) */
typedef struct {
    size_t rows, n;
    const float *x;               /* (rows, n) */
    const float *w, *c;           /* (n), (1) */
    const float *before;          /* (rows), or NULL: ones */
    float *chance, *leave, *stay; /* (rows) */
} mg_exit_gate;

void mg_exit_gate_forward(const mg_context *context, const mg_exit_gate *gate);

/* dx [+]=, dbefore [+]= (NULL with before), dw +=, dc +=. Needs mg_shared_scratch(n + 1, 0). */
typedef struct {
    const float *dleave, *dstay; /* (rows) */
    float *dx, *dbefore;
    int accumulate_x, accumulate_before;
    float *dw, *dc;
} mg_exit_gate_gradient;

void mg_exit_gate_backward(const mg_context *context, const mg_exit_gate *gate,
                           const mg_exit_gate_gradient *gradient);

/* The entropy of softmax(logits) of each row (rows, V), nats. Needs V floats of scratch. */
void mg_row_entropies(const mg_context *context, size_t rows, size_t v, const float *logits,
                      float *entropies);

/* Copies columns `first` ... `end` - 1 of `from` to `to` (rows, n) in rows that rest. */
void mg_keep_columns(const mg_context *context, size_t rows, size_t n, size_t first, size_t end,
                     const float *active, const float *from, float *to);

#endif
