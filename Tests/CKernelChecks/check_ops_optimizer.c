/* Checks of the threaded optimizers: AdamW and momentum over segments, Muon. */
#include "checks.h"
#include "compare.h"

void check_op_adamw(checker *c) {
    for (size_t large = 0; large < 2; large++) {
        size_t unit = large ? 9001 : 50, n = 4 * unit;
        const mg_segment segments[] = {{unit, unit + 7, unit, 0.1f},
                                       {2 * unit + 10, 1, 2 * unit + 10, 0},
                                       {3 * unit, unit, 3 * unit, 0}};
        case_begin(c, "segments of %zu, 1 and %zu", unit + 7, unit);
        mg_adamw h = {.learning_rate = 1e-2f,
                      .beta1 = 0.9f,
                      .beta2 = 0.95f,
                      .epsilon = 1e-8f,
                      .weight_decay = 9,
                      .correction1 = 3,
                      .correction2 = 5,
                      .gradient_scale = 0.5f,
                      .gradient_limit = INFINITY};
        float *g = normals(c, n, 1), *m = normals(c, n, 0.1), *p = normals(c, n, 1);
        float *v = constant(c, n, 0.01), *found[3][3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
            found[w][0] = copied(c, n, p), found[w][1] = copied(c, n, m),
            found[w][2] = copied(c, n, v);
            mg_moments mean = {MG_STATE_F32, found[w][1], NULL};
            mg_moments square = {MG_STATE_F32, found[w][2], NULL};
            mg_adamw_step(&context, &h, segments, 3, g, found[w][0], &mean, &square, 1);
            for (int i = 0; i < 3; i++) expect_same(c, "by workers", n, found[w][i], found[0][i]);
            context_free(&context);
        }
        size_t end = 0;
        for (size_t s = 0; s < 3; s++) {
            size_t at = segments[s].offset, count = segments[s].count;
            expect_same(c, "p between segments", at - end, found[0][0] + end, p + end);
            h.weight_decay = segments[s].weight_decay;
            expect_adamw(c, count, &h, g + at, (const float *[]){p + at, m + at, v + at},
                         (const float *[]){found[0][0] + at, found[0][1] + at, found[0][2] + at});
            end = at + count;
        }
        case_end(c);
    }
}

/* Two segments whose moments lie elsewhere than their parameters: every format gives the same bits
 * for any number of workers, and what the kernel gives. */
void check_op_moments(checker *c) {
    const mg_state_format formats[] = {MG_STATE_F32, MG_STATE_BF16, MG_STATE_Q8};
    for (size_t f = 0; f < 3; f++) {
        size_t unit = 64 * 150, n = 3 * unit;
        case_begin(c, "format %zu, segments of %zu and %zu", f, unit, (size_t)64);
        const mg_segment segments[] = {{unit, unit, 64, 0.1f}, {0, 64, 0, 0}};
        mg_adamw h = {1e-2f, 0.9f, 0.95f, 1e-8f, 9, 3, 5, 0.5f, INFINITY};
        mg_momentum k = {0.95f, 0.5f, INFINITY};
        float *g = normals(c, n, 1), *p = normals(c, n, 1), *found[3][5];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
            found[w][0] = copied(c, n, p);
            found[w][1] = copied(c, n, g);
            for (size_t i = 2; i < 5; i++) found[w][i] = constant(c, unit + 64, 0);
            float *scales = constant(c, 3 * (unit / 64 + 1), 0);
            mg_moments m = {formats[f], found[w][2], scales};
            mg_moments v = {formats[f], found[w][3], scales + unit / 64 + 1};
            mg_moments momentum = {formats[f], found[w][4], scales + 2 * (unit / 64 + 1)};
            for (uint64_t key = 1; key < 4; key++) {
                mg_adamw_step(&context, &h, segments, 2, g, found[w][0], &m, &v, key);
                mg_momentum_step(&context, &k, segments, 2, found[w][1], &momentum, key);
            }
            for (size_t i = 0; i < 5; i++)
                expect_same(c, "by workers", i < 2 ? n : unit + 64, found[w][i], found[0][i]);
            context_free(&context);
        }
        expect_same(c, "p outside of segments", unit, found[0][0] + 2 * unit, p + 2 * unit);
        for (size_t i = unit; i < 2 * unit; i++) { /* three steps of momentum on one gradient */
            double u = (double)g[i], m = 0;
            for (int step = 0; step < 3; step++) {
                double x = u * 0.5;
                m = (double)k.decay * m + x;
                u = x + (double)k.decay * m;
            }
            /* m errs by a step of its code twice: 1/127 of the largest of a block, below 5. */
            double bound = f == 0 ? 1e-5 : f == 1 ? 0.03 * (1 + fabs(u)) : 0.15 * (1 + fabs(u));
            expect(c, "u", i, (double)found[0][1][i], u, bound);
        }
        case_end(c);
    }
}

/* ---- Muon ------------------------------------------------------------------------------------ */

/* x (rows, columns) = the direct Newton-Schulz of u in double: X <- (a I + b A + c A^2) X,
 * A = X X^T, five times from u / |u|. */
static void orthogonalize(checker *c, size_t rows, size_t columns, const float *u, double *x) {
    double *gram = doubles(c, rows * rows), *p = doubles(c, rows * rows);
    double *next = doubles(c, rows * columns), norm = 0;
    for (size_t i = 0; i < rows * columns; i++) norm += (double)u[i] * (double)u[i];
    for (size_t i = 0; i < rows * columns; i++) x[i] = (double)u[i] / (sqrt(norm) + 1e-7);
    for (int step = 0; step < 5; step++) {
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < rows; j++) {
                double sum = 0;
                for (size_t k = 0; k < columns; k++) sum += x[i * columns + k] * x[j * columns + k];
                gram[i * rows + j] = sum;
            }
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < rows; j++) {
                double sum = 0;
                for (size_t k = 0; k < rows; k++) sum += gram[i * rows + k] * gram[k * rows + j];
                p[i * rows + j] =
                    (i == j ? 3.4445 : 0) - 4.7750 * gram[i * rows + j] + 2.0315 * sum;
            }
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++) {
                double sum = 0;
                for (size_t k = 0; k < rows; k++) sum += p[i * rows + k] * x[k * columns + j];
                next[i * columns + j] = sum;
            }
        memcpy(x, next, rows * columns * sizeof *x);
    }
}

/* Normal, of low rank with falling singular values, or zero. */
static float *muon_input(checker *c, size_t rows, size_t columns, size_t kind) {
    float *u = constant(c, rows * columns, 0);
    if (kind == 0) return normals(c, rows * columns, 3);
    for (size_t r = 0; kind == 1 && r < 12; r++) {
        float *a = normals(c, rows, exp(-(double)r)), *b = normals(c, columns, 1);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++) u[i * columns + j] += a[i] * b[j];
    }
    return u;
}

/* One matrix: parameters after a step, for each number of workers, against the direct form. */
static void check_muon(checker *c, size_t rows, size_t columns, size_t kind) {
    case_begin(c, "%zu x %zu, kind %zu", rows, columns, kind);
    size_t n = rows * columns, lead = 5;
    mg_muon h = {0.25f, kind ? 0.125f : 0};
    mg_muon_matrix matrices[] = {{lead, rows, columns}};
    float *u = muon_input(c, rows, columns, kind), *all = normals(c, lead + n, 1);
    memcpy(all + lead, u, n * sizeof *u);
    float *p = normals(c, lead + n, 1), *found[3];
    for (size_t w = 0; w < 3; w++) {
        mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
        float *work = aligned_output(c, mg_muon_work(matrices, 1, worker_counts[w]));
        found[w] = copied(c, lead + n, p);
        mg_muon_step(&context, &h, matrices, 1, all, found[w], work);
        expect_same(c, "p by workers", lead + n, found[w], found[0]);
        context_free(&context);
    }
    expect_same(c, "p before the matrix", lead, found[0], p);
    double *x = doubles(c, n), stretch = sqrt(fmax(1, (double)rows / (double)columns));
    orthogonalize(c, rows, columns, u, x);
    for (size_t i = 0; i < n; i++) {
        double keep = 1 - (double)h.learning_rate * (double)h.weight_decay;
        double wanted = keep * (double)p[lead + i] - (double)h.learning_rate * stretch * x[i];
        /* Directions of small singular values err by 1e-3 of themselves (muon.c); a normal matrix
         * has none. */
        double error = kind == 1 ? 1e-3 : 3e-5;
        double bound = (double)h.learning_rate * stretch * error + 4 * EPS * fabs(wanted);
        expect(c, "p", i, (double)found[0][lead + i], wanted, bound);
    }
    case_end(c);
}

void check_op_muon(checker *c) {
    const size_t shapes[][2] = {{1, 1}, {1, 7}, {16, 5}, {33, 70}, {64, 64}, {40, 160}, {160, 40}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t kind = 0; kind < 3; kind++) check_muon(c, shapes[s][0], shapes[s][1], kind);
}

/* Many matrices, of which the first is shared by all workers and the rest go to one each: the same
 * bits as each matrix by itself. The first takes seconds under emulation: fewer runs where quick.
 */
void check_op_muon_shared(checker *c) {
    size_t side = MG_MUON_SHARED_SIDE + 1, large = side * side, runs = by_scale(c, 2, 3);
    const mg_muon_matrix matrices[] = {
        {0, side, side}, {large, 48, 100}, {large + 4800, 100, 48}, {large + 9600, 20, 20}};
    size_t n = large + 10000;
    case_begin(c, "%zu x %zu and three small ones", side, side);
    mg_muon h = {0.25f, 0.125f};
    float *u = normals(c, n, 1), *p = normals(c, n, 1), *single = copied(c, n, p), *found[3];
    for (size_t w = 0; w < runs; w++) {
        mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
        float *work = aligned_output(c, mg_muon_work(matrices, 4, worker_counts[w]));
        found[w] = copied(c, n, p);
        mg_muon_step(&context, &h, matrices, 4, u, found[w], work);
        expect_same(c, "p by workers", n, found[w], found[0]);
        for (size_t i = 1; w == 0 && i < 4; i++)
            mg_muon_step(&context, &h, matrices + i, 1, u, single, work);
        context_free(&context);
    }
    expect_same(c, "p one by one", n - large, single + large, found[0] + large);
    case_end(c);
}
