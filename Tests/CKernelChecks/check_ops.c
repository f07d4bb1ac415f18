/* Contexts, and checks of the threaded row-wise and element-wise operations (mg_ops.h).
 *
 * Every operation runs on a pool of 1, 2 and 4 workers: the first result is compared with the
 * reference, the others must be the same bits. Sizes lie above the threshold where an operation is
 * shared at all (64 KB), and once below it. */
#include "checks.h"
#include "compare.h"

const size_t worker_counts[3] = {1, 2, 4};

mg_context context_make(checker *c, size_t workers, size_t keys, size_t d, size_t width,
                        size_t elements) {
    /* The largest group of all shapes, and bf16, which needs most. */
    const mg_attention a = {.heads = 6, .kv_heads = 1, .head_width = d, .type = MG_BF16};
    size_t scratch = mg_matmul_scratch(c->k), more = mg_attention_scratch(c->k, &a, keys, 1);
    if (scratch < more) scratch = more;
    scratch = (scratch + 15) / 16 * 16;
    return (mg_context){.pool = mg_pool_create(workers),
                        .kernels = c->k,
                        .scratch = aligned_output(c, workers * scratch),
                        .scratch_per_worker = scratch,
                        .shared = aligned_output(c, mg_shared_scratch(width, elements))};
}

void context_free(mg_context *context) { mg_pool_destroy(context->pool); }

/* Rows small enough for one thread, and enough for four. */
static size_t op_rows(size_t size, size_t n) { return size == 0 ? 3 : 17000 / n + 17; }

/* ---- Sums of rows -------------------------------------------------------------------------------
 */

void check_op_column_sum(checker *c) {
    for (size_t size = 0; size < 2; size++) {
        size_t n = size ? 211 : 37, rows = op_rows(size, n);
        case_begin(c, "rows %zu, n %zu", rows, n);
        float *x = normals(c, rows * n, 1), *before = normals(c, n, 1), *y[3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, n, 1);
            y[w] = copied(c, n, before);
            mg_column_sum(&context, rows, n, x, y[w]);
            expect_same(c, "y by workers", n, y[w], y[0]);
            context_free(&context);
        }
        for (size_t j = 0; j < n; j++) {
            double wanted = (double)before[j], magnitude = fabs(wanted);
            for (size_t r = 0; r < rows; r++) {
                wanted += (double)x[r * n + j];
                magnitude += fabs((double)x[r * n + j]);
            }
            expect(c, "y", j, (double)y[0][j], wanted, sum_bound(rows + 1, magnitude));
        }
        case_end(c);
    }
}

void check_op_sum_squares(checker *c) {
    const size_t sizes[] = {0, 1, 4095, 4096, 4097, 70001};
    for (size_t i = 0; i < 6; i++) {
        size_t n = sizes[i];
        case_begin(c, "n %zu", n);
        float *x = normals(c, n, 1);
        double found[3] = {0}, wanted = 0;
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, n);
            found[w] = mg_sum_squares(&context, n, x);
            expect_true(c, "the same bits by workers", w, found[w] == found[0]);
            context_free(&context);
        }
        for (size_t j = 0; j < n; j++) wanted += (double)x[j] * (double)x[j];
        expect(c, "sum", 0, found[0], wanted, sum_bound(4096, wanted));
        case_end(c);
    }
}

/* ---- Norms
 * ----------------------------------------------------------------------------------------- */

typedef struct {
    size_t rows, n;
    float *x, *add, *gain, *bias, *dy, *dx_before; /* add, gain, dx_before may be NULL */
} norm_input;

typedef struct {
    float *sum, *y, *stats, *dx, *dgain, *dbias;
} norm_output;

static norm_output norm_run(checker *c, mg_norm_kind kind, const norm_input *in, size_t workers) {
    size_t n = in->n, all = in->rows * n;
    norm_output o = {.y = output(c, all), .stats = output(c, 2 * in->rows)};
    if (in->add) o.sum = output(c, all);
    o.dx = in->dx_before ? copied(c, all, in->dx_before) : output(c, all);
    if (in->gain) o.dgain = constant(c, n, 0.5);
    if (in->bias) o.dbias = constant(c, n, 0.5);
    mg_norm norm = {.kind = kind,
                    .rows = in->rows,
                    .n = n,
                    .epsilon = 1e-5f,
                    .x = in->x,
                    .add = in->add,
                    .sum = o.sum,
                    .gain = in->gain,
                    .bias = in->bias,
                    .y = o.y,
                    .stats = o.stats};
    mg_context context = context_make(c, workers, 1, 1, n, 1);
    mg_norm_forward(&context, &norm);
    mg_norm_backward(&context, &norm, in->dy, o.dx, in->dx_before != NULL, o.dgain, o.dbias);
    context_free(&context);
    return o;
}

static void compare_norm(checker *c, mg_norm_kind kind, const norm_input *in,
                         const norm_output *o) {
    size_t n = in->n;
    double *sums[4];
    for (int i = 0; i < 4; i++) sums[i] = doubles(c, n);
    for (size_t j = 0; j < n; j++)
        for (int i = 0; i < 4; i++) sums[i][j] = 0.5;
    for (size_t r = 0; r < in->rows; r++) {
        float *row = copied(c, n, in->x + r * n);
        for (size_t j = 0; in->add && j < n; j++) row[j] += in->add[r * n + j];
        if (o->sum) expect_same(c, "sum", n, o->sum + r * n, row);
        norm_row described = {n, 1e-5f, row, in->gain, in->bias};
        const float *mean = kind == MG_LAYERNORM ? o->stats + 2 * r : NULL;
        float factor = o->stats[2 * r + 1];
        expect_norm(c, &described, o->y + r * n, mean, factor);
        norm_gradient g = {.mean = mean,
                           .r = factor,
                           .dy = in->dy + r * n,
                           .dx_before = in->dx_before ? in->dx_before + r * n : NULL,
                           .dx = o->dx + r * n,
                           .dgain = sums[0],
                           .dbias = sums[1],
                           .gain_magnitude = sums[2],
                           .bias_magnitude = sums[3]};
        expect_norm_gradient(c, &described, &g);
    }
    for (size_t j = 0; j < n; j++) {
        if (o->dgain)
            expect(c, "dgain", j, (double)o->dgain[j], sums[0][j], sum_bound(in->rows, sums[2][j]));
        if (o->dbias)
            expect(c, "dbias", j, (double)o->dbias[j], sums[1][j], sum_bound(in->rows, sums[3][j]));
    }
}

static void check_op_norm(checker *c, mg_norm_kind kind) {
    for (size_t i = 0; i < 8; i++) {
        size_t n = i & 1 ? 97 : 32, rows = op_rows(i & 1, n), all = rows * n;
        case_begin(c, "rows %zu, n %zu, add %zu, gain %zu", rows, n, i >> 1 & 1, i >> 2 & 1);
        norm_input in = {.rows = rows, .n = n, .x = normals(c, all, 1), .dy = normals(c, all, 1)};
        if (i & 2) in.add = normals(c, all, 1);
        if (i & 4) in.gain = normals(c, n, 1);
        if (i & 4 && kind == MG_LAYERNORM) in.bias = normals(c, n, 1);
        if (i == 3 || i == 4) in.dx_before = normals(c, all, 1);
        norm_output o[3];
        for (size_t w = 0; w < 3; w++) {
            o[w] = norm_run(c, kind, &in, worker_counts[w]);
            expect_same(c, "y by workers", all, o[w].y, o[0].y);
            expect_same(c, "dx by workers", all, o[w].dx, o[0].dx);
            if (in.gain) expect_same(c, "dgain by workers", n, o[w].dgain, o[0].dgain);
            if (in.bias) expect_same(c, "dbias by workers", n, o[w].dbias, o[0].dbias);
        }
        compare_norm(c, kind, &in, &o[0]);
        case_end(c);
    }
}

void check_op_rmsnorm(checker *c) { check_op_norm(c, MG_RMSNORM); }
void check_op_layernorm(checker *c) { check_op_norm(c, MG_LAYERNORM); }

/* ---- Activations
 * ------------------------------------------------------------------------------------ */

/* Kernels have tight bounds of their own; here only the placement can be wrong, so a bound in units
 * of the largest factor is enough. */
static void compare_activation(checker *c, mg_activation kind, size_t rows, size_t f,
                               const float *x, const float *dy, const float *found) {
    double (*value[])(double) = {ref_relu, ref_relu2, ref_gelu, ref_silu};
    double (*slope[])(double) = {ref_relu_slope, ref_relu2_slope, ref_gelu_slope, ref_silu_slope};
    size_t width = kind == MG_SWIGLU ? 2 * f : f;
    for (size_t i = 0; i < rows * f; i++) {
        size_t at = i / f * width + i % f;
        double v = (double)x[at], up = kind == MG_SWIGLU ? (double)x[at + f] : 1;
        double d = dy ? (double)dy[i] : 1, bound = 40 * EPS * (1 + fabs(v)) * fabs(d);
        if (dy) {
            expect(c, "dx", at, (double)found[at], d * up * slope[kind](v), bound * (1 + fabs(up)));
            if (kind == MG_SWIGLU)
                expect(c, "dx", at + f, (double)found[at + f], d * ref_silu(v), bound);
        } else {
            expect(c, "y", i, (double)found[i], up * value[kind](v),
                   bound * (1 + fabs(up)) * (1 + fabs(v)));
        }
    }
}

static void check_activations(checker *c, bool backward) {
    for (size_t i = 0; i < 8; i++) {
        mg_activation kind = (mg_activation)(i / 2);
        size_t f = 83, rows = op_rows(i % 2, f), inputs = rows * f * (kind == MG_SWIGLU ? 2 : 1);
        case_begin(c, "activation %d, rows %zu, f %zu", kind, rows, f);
        float *x = normals(c, inputs, 2), *dy = backward ? normals(c, rows * f, 1) : NULL, *y[3];
        size_t outputs = backward ? inputs : rows * f;
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
            y[w] = output(c, outputs);
            if (backward)
                mg_activation_backward(&context, kind, rows, f, x, dy, y[w]);
            else
                mg_activation_forward(&context, kind, rows, f, x, y[w]);
            expect_same(c, "result by workers", outputs, y[w], y[0]);
            context_free(&context);
        }
        compare_activation(c, kind, rows, f, x, dy, y[0]);
        case_end(c);
    }
}

void check_op_activation(checker *c) { check_activations(c, false); }
void check_op_activation_backward(checker *c) { check_activations(c, true); }

/* ---- Element by element
 * ---------------------------------------------------------------------------- */

void check_op_elements(checker *c) {
    const size_t sizes[] = {0, 1, 1000, 50021};
    for (size_t i = 0; i < 12; i++) {
        size_t n = sizes[i / 3], workers = worker_counts[i % 3];
        case_begin(c, "n %zu, workers %zu", n, workers);
        mg_context context = context_make(c, workers, 1, 1, 1, 1);
        float *a = normals(c, n, 9), *b = normals(c, n, 1), *y = output(c, n);
        float *sum = copied(c, n, b), *zero = output(c, n), *cap = copied(c, n, a);
        mg_add(&context, n, a, b, y);
        mg_accumulate(&context, n, a, sum);
        mg_zero(&context, n, zero);
        mg_soft_cap(&context, n, 15, cap);
        context_free(&context);
        for (size_t j = 0; j < n; j++) {
            double z = 15 * tanh((double)a[j] / 15);
            expect(c, "add", j, (double)y[j], (double)(a[j] + b[j]), 0);
            expect(c, "accumulate", j, (double)sum[j], (double)(a[j] + b[j]), 0);
            expect(c, "zero", j, (double)zero[j], 0, 0);
            expect(c, "soft cap", j, (double)cap[j], z, 9 * EPS * fabs(z) + TINY);
        }
        case_end(c);
    }
}

void check_op_dropout(checker *c) {
    const float rates[] = {0, 0.1f, 0.5f, 1};
    for (size_t i = 0; i < 8; i++) {
        size_t n = i & 4 ? 50021 : 999;
        float rate = rates[i & 3];
        uint64_t key = random_bits(c);
        case_begin(c, "n %zu, rate %g", n, (double)rate);
        float *x = normals(c, n, 1), *ones = constant(c, n, 1), *y[3], *mask = output(c, n);
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
            y[w] = output(c, n);
            mg_dropout(&context, n, key, rate, x, y[w]);
            mg_dropout(&context, n, key, rate, ones, mask); /* as backward calls it */
            expect_same(c, "y by workers", n, y[w], y[0]);
            context_free(&context);
        }
        size_t zeros = 0;
        for (size_t j = 0; j < n; j++) {
            zeros += mask[j] == 0;
            expect(c, "mask of backward", j, (double)y[0][j], (double)(x[j] * mask[j]), 0);
        }
        double deviation = sqrt((double)n * (double)rate * (1 - (double)rate));
        expect(c, "zeros", 0, (double)zeros, (double)n * (double)rate, 6 * deviation);
        case_end(c);
    }
}
