/* Checks of mg_quantized_matmul: against the exact arithmetic of mg_formats.h, bit by bit. */
#include "checks.h"
#include "quantized.h"
#include "reference.h"

typedef struct {
    mg_quantized_product x; /* c not set */
    float *residual;        /* (m, n) as float32, dense; or NULL */
} quantized_case;

static quantized_case make_case(checker *c, mg_quantization format, size_t m, size_t n, size_t k) {
    quantized_case q = {.x = {.a = random_q8_rows(c, m, k, RANDOM_VALUES),
                              .w = random_quantized(c, format, n, k, RANDOM_VALUES),
                              .ldc = n + random_below(c, 3) * 3,
                              .bias = random_below(c, 2) ? normals(c, n, 1) : NULL,
                              .activation = (int)random_below(c, 4) - 1}};
    if (random_below(c, 2)) q.x.w.sums = normals(c, n, 1);
    mg_type type = random_below(c, 2) ? MG_BF16 : MG_F32;
    if (random_below(c, 3) == 0) return q;
    q.residual = normals(c, m * n, 1);
    uint16_t *narrow = (uint16_t *)(void *)output(c, m * n / 2 + 1);
    for (size_t i = 0; i < m * n && type == MG_BF16; i++) {
        narrow[i] = ref_bf16_round(q.residual[i]);
        q.residual[i] = ref_bf16(narrow[i]);
    }
    q.x.residual = (mg_operand){type == MG_BF16 ? (const void *)narrow : q.residual, n, type};
    return q;
}

/* Row i of what c must be. Activations are the kernels', which have checks of their own. */
static void expected_row(checker *c, const quantized_case *q, size_t i, float *row) {
    const mg_quantized_product *x = &q->x;
    size_t n = x->w.n;
    for (size_t j = 0; j < n; j++) {
        row[j] = quantized_product(c, &x->a, i, &x->w, j);
        if (x->bias) row[j] += x->bias[j];
        if (x->w.sums) row[j] = rounded_fma(c, x->a.offsets[i], x->w.sums[j], row[j]);
    }
    if (x->activation == MG_RELU) c->k->relu_f32(n, row, row);
    if (x->activation == MG_RELU2) c->k->relu2_f32(n, row, row);
    if (x->activation == MG_GELU) c->k->gelu_f32(n, row, row);
    for (size_t j = 0; q->residual && j < n; j++) row[j] += q->residual[i * n + j];
}

static float *run(checker *c, const mg_quantized_product *product, size_t workers) {
    mg_quantized_product x = *product;
    size_t m = x.a.rows, scratch = mg_quantized_matmul_scratch(c->k, m, x.w.k);
    mg_context context = {.pool = mg_pool_create(workers),
                          .kernels = c->k,
                          .scratch = aligned_output(c, workers * scratch),
                          .scratch_per_worker = scratch,
                          .shared = aligned_output(c, mg_quantized_matmul_shared(c->k, m, x.w.k))};
    x.c = output(c, m ? (m - 1) * x.ldc + x.w.n : 0);
    mg_quantized_matmul(&context, &x);
    context_free(&context);
    return x.c;
}

/* One row alone, as in decoding, has the bits it has among others. */
static void compare_alone(checker *c, const quantized_case *q, size_t i, const float *found) {
    mg_quantized_product x = q->x;
    x.a = q8_rows_part(&q->x.a, i, 1);
    if (q->residual) x.residual = (mg_operand){q->residual + i * x.w.n, x.w.n, MG_F32};
    for (size_t w = 0; w < 3; w++)
        expect_same(c, "row alone", x.w.n, run(c, &x, worker_counts[w]), found + i * x.ldc);
}

static void check_case(checker *c, mg_quantization format, size_t m, size_t n, size_t k) {
    case_begin(c, "format %d, m %zu, n %zu, k %zu", (int)format, m, n, k);
    quantized_case q = make_case(c, format, m, n, k);
    float *found[3], *row = output(c, n);
    if (random_below(c, 2)) q.x.w.next = &q.x.w;
    for (size_t w = 0; w < 3; w++) {
        found[w] = run(c, &q.x, worker_counts[w]);
        for (size_t i = 0; i < m; i++)
            expect_same(c, "c by workers", n, found[w] + i * q.x.ldc, found[0] + i * q.x.ldc);
    }
    for (size_t i = 0; i < m; i++) {
        expected_row(c, &q, i, row);
        expect_same(c, "c", n, found[0] + i * q.x.ldc, row);
    }
    expect_gaps(c, "c", found[0], m, n, q.x.ldc);
    if (m && n) compare_alone(c, &q, random_below(c, m), found[0]);
    case_end(c);
}

void check_op_quantized_matmul(checker *c) {
    size_t mr = c->k->mr, nr = c->k->nr, times = by_scale(c, 2, 6);
    for (int f = 0; f < QUANTIZATIONS; f++) {
        mg_quantization format = (mg_quantization)f;
        check_case(c, format, 0, 3, 5);
        check_case(c, format, 3, 0, 5);
        check_case(c, format, mr + 1, nr + 3, 0);
        for (size_t i = 0; i < times; i++) {
            for (size_t m = 1; m <= 5; m++) check_case(c, format, m, 2 * nr + 5, 37 + 61 * i);
            check_case(c, format, 3, 700 + i, 100); /* few rows, shared by workers */
            check_case(c, format, mr + 1, nr + 3, 37);
            check_case(c, format, 4 * mr + 3, 4 * nr + 1, 160); /* shared by workers */
            check_case(c, format, 9, 67, 3 * i);
        }
        check_case(c, format, 1, 1100, 512); /* workers help each other */
        check_case(c, format, 2, 9, 65536);  /* the same, a worker with one group and less */
        if (c->scale == MG_CHECK_QUICK) continue;
        check_case(c, format, mr + 3, 5 * nr, 1537);         /* several groups of columns */
        check_case(c, format, 2, 2 * c->k->nc + nr + 1, 40); /* the epilogue in pieces */
        check_case(c, format, mr * 9, 9, 300);               /* workers along m */
    }
}
