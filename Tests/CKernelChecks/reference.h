/* The kernels in double precision, as plain as their formulas: what every back end is compared
 * with.
 *
 * All matrices are dense and row-major. Nothing here is fast, and nothing shares code with the
 * kernels. The gradients are checked against central differences of the forward functions, see
 * expect_gradient. Formulas and names: mg_kernels.def. */
#ifndef MG_REFERENCE_H
#define MG_REFERENCE_H
#include <stddef.h>
#include <stdint.h>

/* bf16 by arithmetic on doubles: x rounded to 8 significant bits, ties to even. */
uint16_t ref_bf16_round(float x);
float ref_bf16(uint16_t bits);

/* c (m, n) = a (m, k) b (k, n), and the sums of |a b|. Strides of rows (r) and columns (c) in
 * elements say how a and b are stored. */
void ref_matmul(size_t m, size_t n, size_t k, const float *a, size_t ar, size_t ac, const float *b,
                size_t br, size_t bc, double *c, double *magnitude);

/* ---- One element --------------------------------------------------------------------------------
 */

double ref_sigmoid(double x);
double ref_relu(double x);
double ref_relu_slope(double x);
double ref_relu2(double x);
double ref_relu2_slope(double x);
double ref_gelu(double x);
double ref_gelu_slope(double x);
double ref_silu(double x);
double ref_silu_slope(double x);
/* The nearest bfloat16 number, the even one of two. */
double ref_bfloat16(double x);
/* The same in IEEE half precision. */
double ref_half(double x);

/* ---- One row
 * --------------------------------------------------------------------------------------- */

void ref_softmax(size_t n, double scale, const double *x, double *y);
/* dlogits may be NULL. */
double ref_cross_entropy(size_t n, const double *logits, size_t target, double cap, double weight,
                         double *dlogits);
/* gain and bias may be NULL. Returns r. */
double ref_rmsnorm(size_t n, double epsilon, const double *x, const double *gain, double *y);
/* dx is overwritten, dgain (may be NULL) is added to. */
void ref_rmsnorm_backward(size_t n, const double *x, const double *gain, double r, const double *dy,
                          double *dx, double *dgain);
void ref_layernorm(size_t n, double epsilon, const double *x, const double *gain,
                   const double *bias, double *y, double *mean, double *r);
void ref_layernorm_backward(size_t n, const double *x, const double *gain, double mean, double r,
                            const double *dy, double *dx, double *dgain, double *dbias);
/* x (2 * half) in place; returns r, 1 without normalize. */
double ref_rope(size_t half, const double *cosine, const double *sine, int normalize,
                double epsilon, double *x);
/* From the *input* x of ref_rope, not its result: dx = r (g - xhat mean(g xhat)), g = R^T dz. */
void ref_rope_backward(size_t half, const double *cosine, const double *sine, int normalize,
                       double epsilon, const double *x, const double *dz, double *dx);

/* ---- Attention of one head
 * ------------------------------------------------------------------------- */

typedef struct {
    size_t queries, keys, d, position;
    double scale;
    const double *q, *k, *v; /* (queries, d), (keys, d), (keys, d) */
} ref_attention;

/* p (queries, keys), out (queries, d), lse (queries): all overwritten. */
void ref_attention_forward(const ref_attention *a, double *p, double *out, double *lse);
/* dq is overwritten; dk and dv are added to, for heads that share them. ds (queries, keys). */
void ref_attention_backward(const ref_attention *a, const double *p, const double *dout, double *ds,
                            double *dq, double *dk, double *dv);

/* ---- Optimizer
 * ---------------------------------------------------------------------------------------- */

typedef struct {
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double correction1, correction2, gradient_scale, gradient_limit;
} ref_adamw_settings;
/* One element; p, m and v are updated. */
void ref_adamw(const ref_adamw_settings *h, double g, double *p, double *m, double *v);

#endif
