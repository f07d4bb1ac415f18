/* Comparisons with their error bounds that kernel checks and operation checks share: one row, one
 * head, one AdamW range at a time. */
#ifndef MG_COMPARE_H
#define MG_COMPARE_H
#include "check.h"
#include "reference.h"

/* One row of a norm: rmsnorm if `mean` is NULL. */
typedef struct {
    size_t n;
    float epsilon;
    const float *x, *gain, *bias; /* gain and bias may be NULL */
} norm_row;

/* y, *mean (NULL for RMSNorm) and r against the reference. */
void expect_norm(checker *c, const norm_row *row, const float *y, const float *mean, float r);

/* dx against the reference, given the float32 statistics the kernel had. dx_before: what dx is
 * added to, or NULL. dgain, dbias (double, may be NULL) and their magnitudes are added to. */
typedef struct {
    const float *mean; /* NULL for RMSNorm */
    float r;
    const float *dy, *dx_before, *dx;
    double *dgain, *dbias, *gain_magnitude, *bias_magnitude;
} norm_gradient;
void expect_norm_gradient(checker *c, const norm_row *row, const norm_gradient *g);

/* Softmax cross-entropy of a row; `z` is the error that logits bring along (0 if exact). */
void expect_cross_entropy(checker *c, size_t n, const float *logits, size_t target, float cap,
                          float weight, double z, float loss, const float *dlogits);

/* A head vector (2 * half): z and r from x. */
typedef struct {
    size_t half;
    const float *cosine, *sine;
    int normalize;
    float epsilon;
} rope_head;
/* r may be NULL: not looked at. */
void expect_rope(checker *c, const rope_head *h, const float *x, const float *z, const float *r);
/* dx from x and dz; tolerates the rounding of z and r that the kernel reads. */
void expect_rope_gradient(checker *c, const rope_head *h, const float *x, const float *dz,
                          const float *dx);

/* A head of attention. Gathers strided float32 input into a reference. */
typedef struct {
    ref_attention in;
    double *p, *out, *lse; /* (queries, keys), (queries, d), (queries) */
    double *p_error;       /* (queries): relative error of a row of p, see compare.c */
} attention_result;
attention_result attention_reference(checker *c, const mg_attention_head *h);
void expect_attention(checker *c, const attention_result *r, const float *out, size_t ld_out,
                      const float *lse);
/* Gradient of one query head: dq is compared, dk and dv with their bounds are added up. */
typedef struct {
    double *dk, *dv, *dk_bound, *dv_bound; /* (keys, d) */
} attention_sums;
void expect_attention_gradient(checker *c, const attention_result *r, const float *dout,
                               size_t ld_out, const float *dq, size_t ld_q,
                               const attention_sums *sums);

/* before and after: p, m, v. */
void expect_adamw(checker *c, size_t n, const mg_adamw *settings, const float *g,
                  const float *const before[3], const float *const after[3]);

#endif
