/* See reference.h. */
#include "reference.h"
#include <math.h>

float ref_bf16(uint16_t bits) {
    double sign = bits >> 15 ? -1 : 1, fraction = bits & 127;
    int exponent = bits >> 7 & 255;
    if (exponent == 255) return (float)(fraction > 0 ? (double)NAN : sign * (double)INFINITY);
    return (float)(sign *
                   (exponent ? ldexp(128 + fraction, exponent - 134) : ldexp(fraction, -133)));
}

uint16_t ref_bf16_round(float x) {
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    if (isnan(x)) return 0x7fc0;
    int exponent = 0;
    frexp(fabs((double)x), &exponent);
    int unit = exponent - 8 < -133 ? -133 : exponent - 8;
    double count = isinf(x) ? INFINITY : nearbyint(ldexp(fabs((double)x), -unit));
    if (ldexp(count, unit) > 0x1.fep127) return sign | 0x7f80;
    if (count < 128) return (uint16_t)(sign | (uint16_t)count);
    if (count == 256) {
        count = 128;
        unit++;
    }
    return (uint16_t)(sign | (uint16_t)(unit + 134) << 7 | (uint16_t)(count - 128));
}

void ref_matmul(size_t m, size_t n, size_t k, const float *a, size_t ar, size_t ac, const float *b,
                size_t br, size_t bc, double *c, double *magnitude) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0, total = 0;
            for (size_t p = 0; p < k; p++) {
                double product = (double)a[i * ar + p * ac] * (double)b[p * br + j * bc];
                sum += product;
                total += fabs(product);
            }
            c[i * n + j] = sum;
            magnitude[i * n + j] = total;
        }
}

/* ---- One element ------------------------------------------------------------------------------
 */

double ref_sigmoid(double x) { return 1 / (1 + exp(-x)); }
/* x with so many bits of precision, but no finer than 2^least; at 2^top infinity begins. */
static double nearest(double x, int precision, int least, int top) {
    if (!isfinite(x) || x == 0) return x;
    int exponent;
    frexp(x, &exponent);
    double unit = ldexp(1, exponent - precision > least ? exponent - precision : least);
    double rounded = rint(x / unit) * unit;
    return fabs(rounded) < ldexp(1, top) ? rounded : copysign(INFINITY, x);
}
double ref_bfloat16(double x) { return nearest(x, 8, -133, 128); }
double ref_half(double x) { return nearest(x, 11, -24, 16); }
double ref_relu(double x) { return x > 0 || isnan(x) ? x : 0; }
double ref_relu_slope(double x) { return x > 0 ? 1 : 0; }
double ref_relu2(double x) { return ref_relu(x) * ref_relu(x); }
double ref_relu2_slope(double x) { return 2 * ref_relu(x); }

/* x/2 (1 + tanh u) = x sigmoid(2u): the same number, without cancellation for negative x. */
static const double gelu_factor = 1.5957691216057307118; /* 2 sqrt(2/pi) */
double ref_gelu(double x) { return x * ref_sigmoid(gelu_factor * (x + 0.044715 * x * x * x)); }
double ref_gelu_slope(double x) {
    double s = ref_sigmoid(gelu_factor * (x + 0.044715 * x * x * x));
    double ds = ref_sigmoid(-gelu_factor * (x + 0.044715 * x * x * x)) * s;
    if (ds == 0) return s;
    return s + x * ds * gelu_factor * (1 + 3 * 0.044715 * x * x);
}
double ref_silu(double x) { return x * ref_sigmoid(x); }
double ref_silu_slope(double x) {
    double s = ref_sigmoid(x);
    return s == 0 ? 0 : s + x * s * ref_sigmoid(-x);
}

/* ---- One row ------------------------------------------------------------------------------------
 */

void ref_softmax(size_t n, double scale, const double *x, double *y) {
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        if (!(scale * x[i] <= top)) top = scale * x[i];
    for (size_t i = 0; i < n; i++) sum += y[i] = exp(scale * x[i] - top);
    for (size_t i = 0; i < n; i++) y[i] /= sum;
}

static double capped(double x, double cap) { return cap > 0 ? cap * tanh(x / cap) : x; }

double ref_cross_entropy(size_t n, const double *logits, size_t target, double cap, double weight,
                         double *dlogits) {
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) top = fmax(top, capped(logits[i], cap));
    for (size_t i = 0; i < n; i++) sum += exp(capped(logits[i], cap) - top);
    for (size_t i = 0; dlogits && i < n; i++) {
        double z = capped(logits[i], cap), ratio = cap > 0 ? z / cap : 0;
        double p = exp(z - top) / sum;
        dlogits[i] = weight * (p - (i == target)) * (1 - ratio * ratio);
    }
    return log(sum) + top - capped(logits[target], cap);
}

double ref_rmsnorm(size_t n, double epsilon, const double *x, const double *gain, double *y) {
    double squares = 0;
    for (size_t i = 0; i < n; i++) squares += x[i] * x[i];
    double r = 1 / sqrt(squares / (double)n + epsilon);
    for (size_t i = 0; i < n; i++) y[i] = x[i] * r * (gain ? gain[i] : 1);
    return r;
}

void ref_rmsnorm_backward(size_t n, const double *x, const double *gain, double r, const double *dy,
                          double *dx, double *dgain) {
    double mean = 0;
    for (size_t i = 0; i < n; i++) mean += dy[i] * (gain ? gain[i] : 1) * x[i] * r / (double)n;
    for (size_t i = 0; i < n; i++) {
        if (dgain) dgain[i] += dy[i] * x[i] * r;
        dx[i] = r * (dy[i] * (gain ? gain[i] : 1) - x[i] * r * mean);
    }
}

void ref_layernorm(size_t n, double epsilon, const double *x, const double *gain,
                   const double *bias, double *y, double *mean, double *r) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
    *r = 1 / sqrt(squares / (double)n + epsilon);
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - *mean) * *r * (gain ? gain[i] : 1) + (bias ? bias[i] : 0);
}

void ref_layernorm_backward(size_t n, const double *x, const double *gain, double mean, double r,
                            const double *dy, double *dx, double *dgain, double *dbias) {
    double mean_g = 0, mean_gx = 0;
    for (size_t i = 0; i < n; i++) {
        double g = dy[i] * (gain ? gain[i] : 1);
        mean_g += g / (double)n;
        mean_gx += g * (x[i] - mean) * r / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double xhat = (x[i] - mean) * r;
        if (dgain) dgain[i] += dy[i] * xhat;
        if (dbias) dbias[i] += dy[i];
        dx[i] = r * (dy[i] * (gain ? gain[i] : 1) - mean_g - xhat * mean_gx);
    }
}

double ref_rope(size_t half, const double *cosine, const double *sine, int normalize,
                double epsilon, double *x) {
    double squares = 0, r = 1;
    for (size_t i = 0; i < 2 * half; i++) squares += x[i] * x[i];
    if (normalize) r = 1 / sqrt(squares / (double)(2 * half) + epsilon);
    for (size_t i = 0; i < half; i++) {
        double a = r * x[i], b = r * x[half + i];
        x[i] = a * cosine[i] - b * sine[i];
        x[half + i] = b * cosine[i] + a * sine[i];
    }
    return r;
}

void ref_rope_backward(size_t half, const double *cosine, const double *sine, int normalize,
                       double epsilon, const double *x, const double *dz, double *dx) {
    double squares = 0, mean = 0, r = 1;
    for (size_t i = 0; i < half; i++) {
        dx[i] = dz[i] * cosine[i] + dz[half + i] * sine[i];
        dx[half + i] = dz[half + i] * cosine[i] - dz[i] * sine[i];
    }
    if (!normalize) return;
    for (size_t i = 0; i < 2 * half; i++) squares += x[i] * x[i];
    r = 1 / sqrt(squares / (double)(2 * half) + epsilon);
    for (size_t i = 0; i < 2 * half; i++) mean += dx[i] * x[i] * r / (double)(2 * half);
    for (size_t i = 0; i < 2 * half; i++) dx[i] = r * (dx[i] - x[i] * r * mean);
}

/* ---- Attention of one head ----------------------------------------------------------------------
 */

static double dot(size_t n, const double *a, const double *b) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

void ref_attention_forward(const ref_attention *a, double *p, double *out, double *lse) {
    size_t d = a->d;
    for (size_t i = 0; i < a->queries; i++) {
        double *row = p + i * a->keys, top = -INFINITY, sum = 0;
        size_t visible = a->position + i + 1 < a->keys ? a->position + i + 1 : a->keys;
        for (size_t j = 0; j < visible; j++) {
            row[j] = a->scale * dot(d, a->q + i * d, a->k + j * d);
            top = fmax(top, row[j]);
        }
        for (size_t j = 0; j < visible; j++) sum += row[j] = exp(row[j] - top);
        for (size_t j = 0; j < a->keys; j++) row[j] = j < visible ? row[j] / sum : 0;
        lse[i] = top + log(sum);
        for (size_t c = 0; c < d; c++) {
            out[i * d + c] = 0;
            for (size_t j = 0; j < visible; j++) out[i * d + c] += row[j] * a->v[j * d + c];
        }
    }
}

void ref_attention_backward(const ref_attention *a, const double *p, const double *dout, double *ds,
                            double *dq, double *dk, double *dv) {
    size_t d = a->d, keys = a->keys;
    for (size_t i = 0; i < a->queries; i++) {
        double mean = 0; /* sum over j of P dP, which is dO . O */
        for (size_t j = 0; j < keys; j++) {
            ds[i * keys + j] = dot(d, dout + i * d, a->v + j * d);
            mean += p[i * keys + j] * ds[i * keys + j];
        }
        for (size_t c = 0; c < d; c++) dq[i * d + c] = 0;
        for (size_t j = 0; j < keys; j++) {
            double *s = ds + i * keys + j;
            *s = p[i * keys + j] * (*s - mean);
            for (size_t c = 0; c < d; c++) {
                dq[i * d + c] += a->scale * *s * a->k[j * d + c];
                dk[j * d + c] += a->scale * *s * a->q[i * d + c];
                dv[j * d + c] += p[i * keys + j] * dout[i * d + c];
            }
        }
    }
}

/* ---- Optimizer
 * ------------------------------------------------------------------------------------ */

void ref_adamw(const ref_adamw_settings *h, double g, double *p, double *m, double *v) {
    g *= h->gradient_scale;
    if (g > h->gradient_limit) g = h->gradient_limit;
    if (g < -h->gradient_limit) g = -h->gradient_limit;
    *m = h->beta1 * *m + (1 - h->beta1) * g;
    *v = h->beta2 * *v + (1 - h->beta2) * g * g;
    *p -= h->learning_rate *
          (h->weight_decay * *p + *m * h->correction1 / (sqrt(*v * h->correction2) + h->epsilon));
}
