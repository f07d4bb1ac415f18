/* Checks of the operations of recursive models (mg_recursion.h), on 1, 2 and 4 workers. */
#include "checks.h"
#include "compare.h"
#include "reference.h"

enum { WIDTHS = 2 };

/* Rows small enough for one thread, and enough for four. */
static size_t rows_of(size_t size) { return size ? 311 : 5; }
static size_t width_of(size_t size) { return size ? 67 : 16; }

static double at(const float *x, size_t i, double otherwise) {
    return x ? (double)x[i] : otherwise;
}

/* ---- Blends ---------------------------------------------------------------------------------- */

typedef struct {
    size_t rows, n;
    float *x, *a, *d, *b, *active, *dy, *dx_before, *dd_before; /* some NULL */
} blend_input;

typedef struct {
    float *y, *dx, *dd, *da, *db;
} blend_output;

static blend_input blend_make(checker *c, size_t i) {
    size_t rows = rows_of(i & 1), n = width_of(i & 1), all = rows * n;
    bool has_x = i & 2, has_a = i & 4, has_b = i & 8, accumulates = i & 16;
    case_begin(c, "rows %zu, n %zu, x %d, a %d, b %d, accumulate %d", rows, n, has_x, has_a, has_b,
               accumulates);
    blend_input in = {.rows = rows, .n = n, .d = normals(c, all, 1), .dy = normals(c, all, 1)};
    if (has_x) in.x = normals(c, all, 1);
    if (has_x && has_a) in.a = normals(c, n, 1);
    if (has_b) in.b = normals(c, n, 1);
    if (has_x && has_a && !accumulates) {
        in.active = constant(c, rows, 1);
        for (size_t r = 0; r < rows; r += 3) in.active[r] = 0;
    }
    if (accumulates) {
        in.dd_before = normals(c, all, 1);
        in.dx_before = normals(c, all, 1);
    }
    return in;
}

static blend_output blend_run(checker *c, const blend_input *in, size_t workers) {
    size_t all = in->rows * in->n;
    blend_output o = {.y = output(c, all)};
    o.dd = in->dd_before ? copied(c, all, in->dd_before) : output(c, all);
    if (in->a) o.dx = in->dx_before ? copied(c, all, in->dx_before) : output(c, all);
    if (in->a) o.da = constant(c, in->n, 0.5);
    if (in->b) o.db = constant(c, in->n, 0.5);
    mg_blend blend = {in->rows, in->n, in->x, in->a, in->d, in->b, in->active, o.y};
    mg_blend_gradient gradient = {.dy = in->dy,
                                  .dx = o.dx,
                                  .dd = o.dd,
                                  .accumulate_x = in->dx_before != NULL,
                                  .accumulate_d = in->dd_before != NULL,
                                  .da = o.da,
                                  .db = o.db};
    mg_context context = context_make(c, workers, 1, 1, in->n, 1);
    mg_blend_forward(&context, &blend);
    mg_blend_backward(&context, &blend, &gradient);
    context_free(&context);
    return o;
}

static void compare_blend(checker *c, const blend_input *in, const blend_output *o) {
    size_t n = in->n;
    for (size_t i = 0; i < in->rows * n; i++) {
        size_t j = i % n;
        double x = at(in->x, i, 0), ax = at(in->a, j, 1) * x,
               bd = at(in->b, j, 1) * (double)in->d[i];
        bool rests = in->active && in->active[i / n] == 0;
        expect(c, "y", i, (double)o->y[i], rests ? x : ax + bd,
               rests ? 0 : EPS * (fabs(ax) + fabs(bd)));
        double dd = at(in->b, j, 1) * (double)in->dy[i], before = at(in->dd_before, i, 0);
        expect(c, "dd", i, (double)o->dd[i], before + dd, EPS * (fabs(before) + fabs(dd)));
        double dx = at(in->a, j, 1) * (double)in->dy[i], old = at(in->dx_before, i, 0);
        if (o->dx) expect(c, "dx", i, (double)o->dx[i], old + dx, EPS * (fabs(old) + fabs(dx)));
    }
    for (size_t j = 0; j < n; j++) {
        double da = 0.5, db = 0.5, da_size = 0.5, db_size = 0.5;
        for (size_t i = j; i < in->rows * n; i += n) {
            double x = at(in->x, i, 0) * (double)in->dy[i],
                   d = (double)in->d[i] * (double)in->dy[i];
            da += x, da_size += fabs(x);
            db += d, db_size += fabs(d);
        }
        if (o->da) expect(c, "da", j, (double)o->da[j], da, sum_bound(in->rows, da_size));
        if (o->db) expect(c, "db", j, (double)o->db[j], db, sum_bound(in->rows, db_size));
    }
}

void check_op_blend(checker *c) {
    for (size_t i = 0; i < 32; i++) {
        blend_input in = blend_make(c, i);
        size_t all = in.rows * in.n;
        blend_output o[3];
        for (size_t w = 0; w < 3; w++) {
            o[w] = blend_run(c, &in, worker_counts[w]);
            expect_same(c, "y by workers", all, o[w].y, o[0].y);
            expect_same(c, "dd by workers", all, o[w].dd, o[0].dd);
            if (o[w].dx) expect_same(c, "dx by workers", all, o[w].dx, o[0].dx);
            if (o[w].da) expect_same(c, "da by workers", in.n, o[w].da, o[0].da);
            if (o[w].db) expect_same(c, "db by workers", in.n, o[w].db, o[0].db);
        }
        compare_blend(c, &in, &o[0]);
        case_end(c);
    }
}

/* ---- Gates ----------------------------------------------------------------------------------- */

typedef struct {
    size_t rows, n;
    float *x, *w, *before, *dleave, *dstay, *dx_before, *dbefore_before;
    float bias;
} gate_input;

typedef struct {
    float *chance, *leave, *stay, *dx, *dbefore, *dw, *dc;
} gate_output;

static gate_input gate_make(checker *c, size_t i) {
    size_t rows = rows_of(i & 1), n = width_of(i & 1);
    bool has_before = i & 2, accumulates = i & 4;
    case_begin(c, "rows %zu, n %zu, before %d, accumulate %d", rows, n, has_before, accumulates);
    gate_input in = {.rows = rows, .n = n, .bias = 0.25f};
    in.x = normals(c, rows * n, 1);
    in.w = normals(c, n, 0.3);
    in.dleave = normals(c, rows, 1);
    in.dstay = normals(c, rows, 1);
    if (has_before) {
        in.before = output(c, rows);
        for (size_t r = 0; r < rows; r++) in.before[r] = (float)random_below(c, 1000) / 1000;
    }
    if (accumulates) in.dx_before = normals(c, rows * n, 1);
    if (accumulates) in.dbefore_before = normals(c, rows, 1);
    return in;
}

static gate_output gate_run(checker *c, const gate_input *in, size_t workers) {
    size_t rows = in->rows, n = in->n;
    gate_output o = {.chance = output(c, rows), .leave = output(c, rows), .stay = output(c, rows)};
    o.dx = in->dx_before ? copied(c, rows * n, in->dx_before) : output(c, rows * n);
    o.dbefore = in->dbefore_before ? copied(c, rows, in->dbefore_before) : output(c, rows);
    o.dw = constant(c, n, 0.5);
    o.dc = constant(c, 1, 0.5);
    mg_exit_gate gate = {.rows = rows,
                         .n = n,
                         .x = in->x,
                         .w = in->w,
                         .c = &in->bias,
                         .before = in->before,
                         .chance = o.chance,
                         .leave = o.leave,
                         .stay = o.stay};
    mg_exit_gate_gradient gradient = {.dleave = in->dleave,
                                      .dstay = in->dstay,
                                      .dx = o.dx,
                                      .dbefore = in->before ? o.dbefore : NULL,
                                      .accumulate_x = in->dx_before != NULL,
                                      .accumulate_before = in->dbefore_before != NULL,
                                      .dw = o.dw,
                                      .dc = o.dc};
    mg_context context = context_make(c, workers, 1, 1, n + 1, 1);
    mg_exit_gate_forward(&context, &gate);
    mg_exit_gate_backward(&context, &gate, &gradient);
    context_free(&context);
    return o;
}

static void compare_gate(checker *c, const gate_input *in, const gate_output *o) {
    size_t n = in->n;
    double *dw = doubles(c, n + 1), *size = doubles(c, n + 1);
    for (size_t j = 0; j <= n; j++) dw[j] = size[j] = 0.5;
    for (size_t r = 0; r < in->rows; r++) {
        double z = (double)in->bias, magnitude = fabs(z);
        for (size_t j = 0; j < n; j++) {
            double product = (double)in->x[r * n + j] * (double)in->w[j];
            z += product, magnitude += fabs(product);
        }
        double chance = 1 / (1 + exp(-z)), before = at(in->before, r, 1);
        /* A sigmoid's slope is a quarter at most. */
        double error = sum_bound(n + 1, magnitude) / 4 + 4 * EPS;
        expect(c, "chance", r, (double)o->chance[r], chance, error);
        expect(c, "leave", r, (double)o->leave[r], before * chance, 2 * error);
        expect(c, "stay", r, (double)o->stay[r], before * (1 - chance), 2 * error);
        double leave = (double)in->dleave[r], stay = (double)in->dstay[r];
        double dz = before * (leave - stay) * chance * (1 - chance);
        double slack = 4 * error * (fabs(leave) + fabs(stay));
        for (size_t j = 0; j < n; j++) {
            double w = (double)in->w[j], x = (double)in->x[r * n + j],
                   old = at(in->dx_before, r * n + j, 0);
            expect(c, "dx", r * n + j, (double)o->dx[r * n + j], old + dz * w,
                   slack * fabs(w) + EPS * fabs(old));
            dw[j] += dz * x, size[j] += (fabs(dz) + slack / EPS) * fabs(x);
        }
        dw[n] += dz, size[n] += fabs(dz) + slack / EPS;
        double share = chance * leave + (1 - chance) * stay, old = at(in->dbefore_before, r, 0);
        if (in->before)
            expect(c, "dbefore", r, (double)o->dbefore[r], old + share, slack + EPS * fabs(old));
    }
    for (size_t j = 0; j < n; j++)
        expect(c, "dw", j, (double)o->dw[j], dw[j], sum_bound(in->rows, size[j]));
    expect(c, "dc", 0, (double)o->dc[0], dw[n], sum_bound(in->rows, size[n]));
}

void check_op_exit_gate(checker *c) {
    for (size_t i = 0; i < 8; i++) {
        gate_input in = gate_make(c, i);
        gate_output o[3];
        for (size_t w = 0; w < 3; w++) {
            o[w] = gate_run(c, &in, worker_counts[w]);
            expect_same(c, "leave by workers", in.rows, o[w].leave, o[0].leave);
            expect_same(c, "stay by workers", in.rows, o[w].stay, o[0].stay);
            expect_same(c, "dx by workers", in.rows * in.n, o[w].dx, o[0].dx);
            expect_same(c, "dw by workers", in.n, o[w].dw, o[0].dw);
            expect_same(c, "dc by workers", 1, o[w].dc, o[0].dc);
            if (in.before)
                expect_same(c, "dbefore by workers", in.rows, o[w].dbefore, o[0].dbefore);
        }
        compare_gate(c, &in, &o[0]);
        case_end(c);
    }
}

/* ---- Exit rules ------------------------------------------------------------------------------ */

void check_op_row_entropies(checker *c) {
    for (size_t i = 0; i < 4; i++) {
        size_t rows = i & 1 ? 77 : 3, v = i & 1 ? 301 : 13;
        double scale = i & 2 ? 20 : 0.5;
        case_begin(c, "rows %zu, V %zu, deviation %g", rows, v, scale);
        float *z = normals(c, rows * v, scale), *found[3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], v, 8, v, 1);
            found[w] = output(c, rows);
            mg_row_entropies(&context, rows, v, z, found[w]);
            expect_same(c, "by workers", rows, found[w], found[0]);
            context_free(&context);
        }
        double *p = doubles(c, v), *row = doubles(c, v);
        for (size_t r = 0; r < rows; r++) {
            double entropy = 0;
            for (size_t j = 0; j < v; j++) row[j] = (double)z[r * v + j];
            ref_softmax(v, 1, row, p);
            for (size_t j = 0; j < v; j++) entropy -= p[j] > 0 ? p[j] * log(p[j]) : 0;
            /* Logits relative to the largest, up to eight deviations below it, come in with p. */
            expect(c, "entropy", r, (double)found[0][r], entropy,
                   EPS * (20 + 8 * scale) * (2 + sqrt((double)v)));
        }
        case_end(c);
    }
}
