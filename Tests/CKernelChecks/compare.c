/* See compare.h. Each bound is the sum of what the roundings of a straightforward float32
 * evaluation can do; sums of n terms count 2 + sqrt n roundings (STYLE.md, Tests). */
#include "compare.h"

static double root(size_t n) { return sqrt((double)n); }
static double element(const float *x, size_t i, double otherwise) {
    return x ? (double)x[i] : otherwise;
}

/* ---- Norms --------------------------------------------------------------------------------------
 */

void expect_norm(checker *c, const norm_row *row, const float *y, const float *mean, float r) {
    size_t n = row->n;
    double *x = widened(c, 1, n, row->x, n), *wanted = doubles(c, n), middle = 0, factor, sum = 0;
    for (size_t i = 0; i < n; i++) sum += fabs(x[i]);
    if (mean)
        ref_layernorm(n, (double)row->epsilon, x, NULL, NULL, wanted, &middle, &factor);
    else
        factor = ref_rmsnorm(n, (double)row->epsilon, x, NULL, wanted);
    /* The error of the mean shifts all elements and adds its square to the variance. */
    double shift = mean ? sum_limit(n, sum / (double)n) : 0;
    if (mean && sum_bound(n, sum) < sum_limit(n, sum)) shift = sum_bound(n, sum) / (double)n;
    if (mean) shift += TINY; /* a subnormal mean is rounded like any other subnormal */
    double relative = EPS * (5 + root(n)) + shift * shift * factor * factor;
    if (mean) expect(c, "mean", 0, (double)*mean, middle, shift + EPS * fabs(middle) + TINY);
    if (n) expect(c, "r", 0, (double)r, factor, relative * factor);
    for (size_t i = 0; i < n; i++) {
        double gain = element(row->gain, i, 1), bias = element(row->bias, i, 0);
        double bound = fabs(gain) * (factor * shift + relative * fabs(wanted[i])) +
                       EPS * (2 * fabs(gain * wanted[i]) + fabs(bias)) + TINY;
        expect(c, "y", i, (double)y[i], wanted[i] * gain + bias, bound);
    }
}

void expect_norm_gradient(checker *c, const norm_row *row, const norm_gradient *g) {
    size_t n = row->n;
    double *x = widened(c, 1, n, row->x, n), *dy = widened(c, 1, n, g->dy, n);
    double *gain = row->gain ? widened(c, 1, n, row->gain, n) : NULL, *dx = doubles(c, n);
    double mean = g->mean ? (double)*g->mean : 0, r = (double)g->r, plain = 0, crossed = 0;
    if (g->mean)
        ref_layernorm_backward(n, x, gain, mean, r, dy, dx, g->dgain, g->dbias);
    else
        ref_rmsnorm_backward(n, x, gain, r, dy, dx, g->dgain);
    for (size_t i = 0; i < n; i++) {
        double gy = fabs(dy[i] * (gain ? gain[i] : 1)), xhat = fabs((x[i] - mean) * r);
        plain += gy / (double)n;
        crossed += gy * xhat / (double)n;
        if (g->gain_magnitude) g->gain_magnitude[i] += 3 * fabs(dy[i]) * xhat;
        if (g->bias_magnitude) g->bias_magnitude[i] += fabs(dy[i]);
    }
    if (!g->mean) plain = 0;
    for (size_t i = 0; i < n; i++) {
        double gy = fabs(dy[i] * (gain ? gain[i] : 1)), xhat = fabs((x[i] - mean) * r);
        double old = element(g->dx_before, i, 0);
        double bound = r * EPS * (4 * gy + (5 + root(n)) * plain + xhat * (8 + root(n)) * crossed);
        expect(c, "dx", i, (double)g->dx[i], dx[i] + old, bound + EPS * fabs(old) + TINY);
    }
}

/* ---- Loss
 * ------------------------------------------------------------------------------------------- */

void expect_cross_entropy(checker *c, size_t n, const float *logits, size_t target, float cap,
                          float weight, double z, float loss, const float *dlogits) {
    double *x = widened(c, 1, n, logits, n), *d = doubles(c, n), largest = 0;
    double wanted = ref_cross_entropy(n, x, target, (double)cap, (double)weight, d);
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i])) largest = fmax(largest, fabs(x[i]));
    if (cap > 0) largest = fmin(largest, (double)cap);
    /* The capped logit: three roundings and tanh's four units; each difference of two logits one.
     */
    double argument = EPS * (cap > 0 ? 9 : 1) * 2 * largest + 2 * z;
    double relative = argument + EPS * (6 + root(n));
    expect(c, "loss", 0, (double)loss, wanted, relative + EPS * fabs(wanted));
    for (size_t i = 0; dlogits && i < n; i++) {
        double q = cap > 0 ? tanh(x[i] / (double)cap) : 0, p = d[i] / (double)weight;
        if (cap > 0 && 1 - q * q > 0) p /= 1 - q * q;
        p += i == target;
        double bound = relative * p + EPS * (p + 3 * (i == target)) + 18 * EPS * q * q;
        expect(c, "dlogits", i, (double)dlogits[i], d[i], fabs((double)weight) * bound + TINY);
    }
}

/* ---- Rotary embedding
 * ------------------------------------------------------------------------------- */

void expect_rope(checker *c, const rope_head *h, const float *x, const float *z, const float *r) {
    size_t half = h->half;
    double *wanted = widened(c, 1, 2 * half, x, 2 * half);
    double *cosine = widened(c, 1, half, h->cosine, half);
    double *sine = widened(c, 1, half, h->sine, half);
    double factor = ref_rope(half, cosine, sine, h->normalize, (double)h->epsilon, wanted);
    double relative = h->normalize ? EPS * (5 + root(2 * half)) : 0;
    if (half && r) expect(c, "r", 0, (double)*r, factor, relative * factor);
    for (size_t i = 0; i < 2 * half; i++) {
        double a = factor * (double)x[i % half], b = factor * (double)x[half + i % half];
        double u = fabs(a * (i < half ? cosine[i % half] : sine[i % half]));
        double w = fabs(b * (i < half ? sine[i % half] : cosine[i % half]));
        expect(c, "z", i, (double)z[i], wanted[i], (relative + 2 * EPS) * (u + w) + TINY);
    }
}

void expect_rope_gradient(checker *c, const rope_head *h, const float *x, const float *dz,
                          const float *dx) {
    size_t half = h->half, n = 2 * half;
    double *xs = widened(c, 1, n, x, n), *ds = widened(c, 1, n, dz, n), *wanted = doubles(c, n);
    double *cosine = widened(c, 1, half, h->cosine, half);
    double *sine = widened(c, 1, half, h->sine, half), *z = widened(c, 1, n, x, n), crossed = 0;
    ref_rope_backward(half, cosine, sine, h->normalize, (double)h->epsilon, xs, ds, wanted);
    double r = ref_rope(half, cosine, sine, h->normalize, (double)h->epsilon, z);
    for (size_t i = 0; i < n; i++) crossed += fabs(z[i] * ds[i]) / (double)n;
    /* z and r carry the error of the forward kernel, which the sum over z * dz inherits. */
    double relative = h->normalize ? EPS * (5 + root(n)) : 0;
    for (size_t i = 0; i < n; i++) {
        size_t j = i % half;
        double near = fabs(i < half ? cosine[j] : sine[j]),
               far = fabs(i < half ? sine[j] : cosine[j]);
        double da = fabs(ds[j]), db = fabs(ds[half + j]);
        double za = fabs(z[j]), zb = fabs(z[half + j]);
        double bound = (3 * EPS + relative) * (near * da + far * db);
        if (h->normalize)
            bound += (6 * EPS + 4 * relative) * crossed * (near * za + far * zb + za + zb);
        expect(c, "dx", i, (double)dx[i], wanted[i], r * bound + TINY);
    }
}

/* ---- Attention
 * ---------------------------------------------------------------------------------------- */

attention_result attention_reference(checker *c, const mg_attention_head *h) {
    size_t t = h->query_count, keys = h->key_count, d = h->head_width;
    attention_result r = {.in = {.queries = t,
                                 .keys = keys,
                                 .d = d,
                                 .position = h->position,
                                 .scale = (double)h->scale,
                                 .q = widened(c, t, d, h->q, h->ld_q),
                                 .k = widened(c, keys, d, h->k, h->ld_kv),
                                 .v = widened(c, keys, d, h->v, h->ld_kv)},
                          .p = doubles(c, t * keys),
                          .out = doubles(c, t * d),
                          .lse = doubles(c, t),
                          .p_error = doubles(c, t)};
    ref_attention_forward(&r.in, r.p, r.out, r.lse);
    for (size_t i = 0; i < t; i++) {
        size_t end = h->position + i + 1 < keys ? h->position + i + 1 : keys;
        double score = 0, largest = 0;
        for (size_t j = 0; j < end; j++) {
            double magnitude = 0, sum = 0;
            for (size_t x = 0; x < d; x++) {
                double product = r.in.q[i * d + x] * r.in.k[j * d + x];
                sum += product;
                magnitude += fabs(product);
            }
            score = fmax(score, EPS * (3 + root(d)) * r.in.scale * magnitude);
            largest = fmax(largest, r.in.scale * fabs(sum));
        }
        /* exp turns the absolute errors of its argument, s - max, into relative ones of p; the
         * denominator has them again; each block of keys rescales what went before. */
        double blocks = (double)(keys / 64 + 1);
        r.p_error[i] = 2 * score + EPS * (8 + root(keys) + 2 * blocks + 4 * largest);
    }
    return r;
}

void expect_attention(checker *c, const attention_result *r, const float *out, size_t ld_out,
                      const float *lse) {
    size_t d = r->in.d, keys = r->in.keys;
    for (size_t i = 0; i < r->in.queries; i++) {
        for (size_t x = 0; x < d; x++) {
            double magnitude = 0, lost = TINY; /* a probability may underflow */
            for (size_t j = 0; j < keys; j++) {
                magnitude += r->p[i * keys + j] * fabs(r->in.v[j * d + x]);
                lost += TINY * fabs(r->in.v[j * d + x]);
            }
            double bound = (2 * r->p_error[i] + EPS * (3 + root(keys))) * magnitude + lost;
            expect(c, "out", i * ld_out + x, (double)out[i * ld_out + x], r->out[i * d + x], bound);
        }
        if (lse)
            expect(c, "lse", i, (double)lse[i], r->lse[i], r->p_error[i] + EPS * fabs(r->lse[i]));
    }
}

void expect_attention_gradient(checker *c, const attention_result *r, const float *dout,
                               size_t ld_out, const float *dq, size_t ld_q,
                               const attention_sums *sums) {
    size_t t = r->in.queries, keys = r->in.keys, d = r->in.d;
    double *ds = doubles(c, t * keys), *wanted = doubles(c, t * d), *bounds = doubles(c, t * d);
    double *go = widened(c, t, d, dout, ld_out), scale = r->in.scale;
    ref_attention_backward(&r->in, r->p, go, ds, wanted, sums->dk, sums->dv);
    for (size_t i = 0; i < t; i++) {
        double out_error = 2 * r->p_error[i] + EPS * (3 + root(keys)), own = 0;
        for (size_t x = 0; x < d; x++) {
            double magnitude = 0; /* out may be wrong by out_error of this */
            for (size_t j = 0; j < keys; j++)
                magnitude += r->p[i * keys + j] * fabs(r->in.v[j * d + x]);
            own += fabs(go[i * d + x]) * (out_error + EPS * (2 + root(d))) * magnitude;
        }
        for (size_t j = 0; j < keys; j++) {
            double p = r->p[i * keys + j], dp = 0;
            if (p == 0) continue;
            for (size_t x = 0; x < d; x++) dp += fabs(go[i * d + x] * r->in.v[j * d + x]);
            double row = (2 * r->p_error[i] + 3 * EPS) * fabs(ds[i * keys + j]) +
                         p * (own + EPS * (2 + root(d)) * dp) + TINY * (1 + dp);
            double sum = EPS * (2 + root(keys > t ? keys : t));
            for (size_t x = 0; x < d; x++) {
                double s = fabs(ds[i * keys + j]);
                bounds[i * d + x] += scale * (row + sum * s) * fabs(r->in.k[j * d + x]);
                sums->dk_bound[j * d + x] += scale * (row + sum * s) * fabs(r->in.q[i * d + x]);
                sums->dv_bound[j * d + x] +=
                    (p * (2 * r->p_error[i] + sum) + TINY) * fabs(go[i * d + x]);
            }
        }
    }
    for (size_t i = 0; i < t; i++)
        for (size_t x = 0; x < d; x++)
            expect(c, "dq", i * ld_q + x, (double)dq[i * ld_q + x], wanted[i * d + x],
                   bounds[i * d + x] + TINY);
}
