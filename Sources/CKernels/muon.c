/* Muon: momentum whose matrix is orthogonalised before it is applied (Jordan et al. 2024,
 * kellerjordan.github.io/posts/muon). Here: Newton-Schulz on the Gram matrix, and its threads.
 *
 * Newton-Schulz takes X_0 = U / |U|_F five times through
 *
 *   X_{k+1} = P_k X_k,   P_k = a I + b A_k + c A_k^2,   A_k = X_k X_k^T          (n x n),
 *
 * which moves every singular value to about 1. All P_k are polynomials of A_0: they commute, are
 * symmetric, and P_k moves through the product. With Q_k = P_{k-1} ... P_0
 *
 *   X_5 = Q_5 X_0,   Q_{k+1} = Q_k P_k,   A_{k+1} = P_k A_k P_k,
 *
 * so that the long side m of the matrix is met twice, in A_0 and in Q_5 X_0, instead of fifteen
 * times; for n > m the same with X^T X from the right. (Zhang et al. 2026, "Gram Newton-Schulz",
 * use this form, too.) Every product but the last is symmetric: its lower triangle is enough. Work
 * in units of n x n by n x n products, triangles counted half: 8.5 + 1.5 m / n, against
 * 2.5 + 7.5 m / n for the direct form. They are equal for square matrices, at 4:1 it is 2.2 times
 * less.
 *
 * Precision. A_0 has rounding errors e of some eps, which matter for singular values s of the
 * order of sqrt(eps) and below, where s^2 drowns in e. There P_k = a + b (A_k + e_k) + ... errs by
 * b e_k / a of itself, and e_k grows by a^2 = 11.9 per step: to 2e4 eps = 1e-3 at the last P_k.
 * A negative eigenvalue does no harm at this size. Mirroring keeps the errors symmetric. In
 * sixteen-bit arithmetic the iteration would have to begin anew from X_2. */
#include "ops.h"
#include <math.h>
#include <stdatomic.h>

enum {
    STEPS = 5,
    SQUARE_BLOCK = 4096, /* elements whose squares are summed in float32 */
    MIRROR_ROWS = 16,    /* rows of symmetrize_f32 per turn of a worker */
    /* Above this n, workers share the products of one matrix; below, each has matrices of its
     * own: no barrier inside, and 4 n^2 floats per worker stay small. */
    SHARED_SIDE = MG_MUON_SHARED_SIDE
};

/* The quintic's coefficients: steepest at zero, singular values end in 0.7 ... 1.2. */
static const float COEFFICIENT_A = 3.4445f, COEFFICIENT_B = -4.7750f, COEFFICIENT_C = 2.0315f;

/* c = a b [+ c], the only way to the matrix multiply from here. */
static void product(const mg_context *context, mg_form form, size_t m, size_t n, size_t k,
                    const float *a, size_t lda, const float *b, size_t ldb, float *c, size_t ldc,
                    int accumulate) {
    mg_product product = mg_dense_product(form, m, n, k, a, b, c);
    product.a.ld = lda;
    product.b.ld = ldb;
    product.c.ld = ldc;
    product.accumulate = accumulate;
    mg_matmul(context, &product);
}

/* Columns of a symmetric product that are computed at a time, from the diagonal down: 5/8 of the
 * work of a whole product remains, and packing small operands again and again costs less than it
 * saves. */
static size_t strip(const mg_kernels *kernels, size_t n) {
    size_t width = (n + 3) / 4;
    return (width + kernels->nr - 1) / kernels->nr * kernels->nr;
}

/* The lower triangle of c (n, n), and some of the upper one: a^T b for MG_TN, a and b being (k, n);
 * a b^T for MG_NT, both (n, k). */
static void symmetric_product(const mg_context *context, mg_form form, size_t n, size_t k,
                              const float *a, const float *b, float *c) {
    size_t ld = form == MG_TN ? n : k, width = strip(context->kernels, n);
    for (size_t j = 0; j < n; j += width) {
        size_t at = form == MG_TN ? j : j * k;
        product(context, form, n - j, mg_min(width, n - j), k, a + at, ld, b + at, ld,
                c + j * n + j, n, 0);
    }
}

typedef struct {
    const mg_context *context;
    size_t n;
    float diagonal, x_factor, y_factor;
    const float *x;
    float *y;
} mirror_job;

static void mirror_worker(void *argument, size_t worker, size_t workers) {
    const mirror_job *job = argument;
    for (size_t row = worker * MIRROR_ROWS; row < job->n; row += workers * MIRROR_ROWS)
        job->context->kernels->symmetrize_f32(job->n, row, mg_min(row + MIRROR_ROWS, job->n),
                                              job->diagonal, job->x_factor, job->x, job->y_factor,
                                              job->y);
}

static void mirror(mirror_job job) {
    mg_dispatch(job.context, job.n * job.n * sizeof(float) >= MG_SERIAL_BYTES, mirror_worker, &job);
}

static void swap(float **a, float **b) {
    float *c = *a;
    *a = *b;
    *b = c;
}

/* Q_5 of a symmetric A_0 (n, n), times `factor`. A_0 is the first of the four matrices of `work`,
 * all of which are overwritten; the result is one of them. */
static const float *newton_schulz(const mg_context *context, size_t n, float factor, float *work) {
    float *a = work, *p = a + n * n, *t = p + n * n, *spare = t + n * n, *q = NULL;
    for (int step = 0;; step++) {
        symmetric_product(context, MG_TN, n, n, a, a, p);
        mirror((mirror_job){context, n, COEFFICIENT_A, COEFFICIENT_B, COEFFICIENT_C, a, p});
        if (q) {
            symmetric_product(context, MG_TN, n, n, q, p, t);
            mirror((mirror_job){context, n, 0, 0, step == STEPS - 1 ? factor : 1.0f, NULL, t});
            swap(&q, &t);
        }
        if (step == STEPS - 1) return q;
        symmetric_product(context, MG_TN, n, n, a, p, t);
        mirror((mirror_job){context, n, 0, 0, 1, NULL, t});
        symmetric_product(context, MG_TN, n, n, t, p, a);
        mirror((mirror_job){context, n, 0, 0, 1, NULL, a});
        if (!q) {
            q = p;
            p = spare;
        }
    }
}

/* Sum of squares in double, by fixed blocks. */
static double squared_norm(const mg_kernels *kernels, size_t n, const float *x) {
    double sum = 0;
    for (size_t i = 0; i < n; i += SQUARE_BLOCK)
        sum += kernels->dot_f32(mg_min(SQUARE_BLOCK, n - i), x + i, x + i);
    return sum;
}

typedef struct {
    const mg_context *context;
    const mg_muon *h;
    const mg_muon_matrix *matrices;
    size_t count; /* of matrices that have a worker of their own */
    const float *u;
    float *p, *work;
    size_t work_per_worker;
    atomic_size_t next;
} muon_job;

typedef struct {
    const mg_context *context;
    float factor;
    float *p;
    size_t n;
} decay_job;

static void decay_worker(void *argument, size_t worker, size_t workers) {
    const decay_job *job = argument;
    mg_range r = mg_share(job->n, 64, worker, workers);
    job->context->kernels->scale_add_f32(r.end - r.first, job->factor, job->p + r.first, NULL,
                                         job->p + r.first);
}

/* p = (1 - lr * decay) p - lr * sqrt(max(1, rows / columns)) * orthogonalised u. The last product
 * adds to p itself, once for each part of k (KC): where there is one, p is rounded as by an update
 * from a buffer, which would cost a pass and its memory. */
static void update(const mg_context *context, const mg_muon *h, const mg_muon_matrix *matrix,
                   const float *u, float *p, float *work) {
    size_t rows = matrix->rows, columns = matrix->columns, n = mg_min(rows, columns);
    if (h->weight_decay != 0) {
        decay_job job = {context, 1.0f - h->learning_rate * h->weight_decay, p, rows * columns};
        mg_dispatch(context, job.n * sizeof(float) >= MG_SERIAL_BYTES, decay_worker, &job);
    }
    /* 1e-7 against division by zero: where u is 0, so is its product, and p only decays. */
    float scale = (float)(1 / (sqrt(squared_norm(context->kernels, rows * columns, u)) + 1e-7));
    if (rows <= columns)
        symmetric_product(context, MG_NT, n, columns, u, u, work);
    else
        symmetric_product(context, MG_TN, n, rows, u, u, work);
    mirror((mirror_job){context, n, 0, 0, scale * scale, NULL, work});
    float stretch = rows > columns ? sqrtf((float)rows / (float)columns) : 1.0f;
    const float *q = newton_schulz(context, n, -h->learning_rate * stretch * scale, work);
    if (rows <= columns)
        product(context, MG_TN, rows, columns, n, q, n, u, columns, p, columns, 1);
    else
        product(context, MG_NN, rows, columns, n, u, columns, q, n, p, columns, 1);
}

/* Takes the next matrix until there is none: which worker computes one does not change its bits. */
static void muon_worker(void *argument, size_t worker, size_t workers) {
    (void)workers;
    muon_job *job = argument;
    mg_context own = *job->context;
    own.pool = NULL;
    own.scratch += worker * own.scratch_per_worker;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        if (i >= job->count) return;
        const mg_muon_matrix *matrix = job->matrices + i;
        update(&own, job->h, matrix, job->u + matrix->offset, job->p + matrix->offset,
               job->work + worker * job->work_per_worker);
    }
}

static size_t side(const mg_muon_matrix *matrix) { return mg_min(matrix->rows, matrix->columns); }

size_t mg_muon_work(const mg_muon_matrix *matrices, size_t count, size_t workers) {
    size_t floats = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = side(matrices + i), own = (4 * n * n + 15) / 16 * 16;
        if (n <= SHARED_SIDE) own *= workers;
        if (own > floats) floats = own;
    }
    return floats;
}

void mg_muon_step(const mg_context *context, const mg_muon *h, const mg_muon_matrix *matrices,
                  size_t count, const float *u, float *p, float *work) {
    size_t largest = 0, shared = 0, flops = 0;
    for (; shared < count && side(matrices + shared) > SHARED_SIDE; shared++)
        update(context, h, matrices + shared, u + matrices[shared].offset,
               p + matrices[shared].offset, work);
    for (size_t i = shared; i < count; i++) {
        size_t n = side(matrices + i);
        largest = n > largest ? n : largest;
        flops += 20 * n * n * n;
    }
    muon_job job = {.context = context,
                    .h = h,
                    .matrices = matrices + shared,
                    .count = count - shared,
                    .u = u,
                    .p = p,
                    .work = work,
                    .work_per_worker = (4 * largest * largest + 15) / 16 * 16};
    atomic_init(&job.next, 0);
    mg_dispatch(context, flops >= MG_SERIAL_FLOPS, muon_worker, &job);
}
