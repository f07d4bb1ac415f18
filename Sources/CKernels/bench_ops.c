/* Benchmarks of the threaded operations but products and attention: loss, optimizer, and fork and
 * join of the pool. How they are written: bench.h. */
#include "bench.h"

/* ---- Loss and optimizer ---------------------------------------------------------------------- */

/* Three products; logits are not compulsory traffic. */
void bench_mg_linear_cross_entropy(bench *b) {
    /* Rows, width, vocabulary, chunk. */
    SHAPES({768, 128, 65, 768}, {96, 768, 8192, 96}, {16, 16, 27, 16});
    size_t rows = size[0], c = size[1], v = size[2];
    int32_t *targets = bench_block(b, rows * sizeof *targets);
    mg_loss loss = {
        .rows = rows,
        .width = c,
        .vocabulary = v,
        .chunk = size[3],
        .x = bench_floats(b, rows * c),
        .head = bench_floats(b, v * c),
        .targets = targets,
        .weight_per_token = 1.0f / 768,
        .logits = bench_floats(b, size[3] * v),
        .losses = bench_floats(b, rows),
        .dx = bench_floats(b, rows * c),
        .dhead = bench_floats(b, v * c),
    };
    for (size_t i = 0; bench_ready(b) && i < rows; i++) targets[i] = (int32_t)(i % v);
    mg_context context = bench_context(b, mg_matmul_scratch(b->kernels), mg_shared_scratch(c, 0));
    bench_describe(b, 6.0 * (double)(rows * c * v),
                   8.0 * (double)(rows * c) + 12.0 * (double)(v * c), "rows=%zu C=%zu V=%zu", rows,
                   c, v);
    while (bench_continue(b)) b->sum += (float)mg_linear_cross_entropy(&context, &loss);
    bench_consume(b, rows * c, loss.dx);
}

void bench_mg_adamw_step(bench *b) {
    /* The model of width 128; one whose state leaves the cache; microgpt. */
    SHAPES({803584}, {4 << 20}, {4192});
    size_t n = size[0];
    mg_adamw h = {1e-4f, 0.9f, 0.99f, 1e-8f, 0, 1, 1, 1, 1e30f};
    mg_segment all = {0, n, 0, 0.1f};
    float *g = bench_floats(b, n), *p = bench_floats(b, n), *m = bench_floats(b, n);
    float *v = bench_floats(b, n);
    for (size_t i = 0; bench_ready(b) && i < n; i++) v[i] = 1.0f;
    mg_moments mean = {MG_STATE_F32, m, NULL}, square = {MG_STATE_F32, v, NULL};
    bench_describe(b, 17.0 * (double)n, 28.0 * (double)n, "n=%zu", n);
    while (bench_continue(b)) mg_adamw_step(b->context, &h, &all, 1, g, p, &mean, &square, 1);
    bench_consume(b, n, p);
}

/* Four layers of the given width: query, key, value, output, up (4:1) and down. FLOP count
 * triangles half (muon.c): 10 products n x n of a square matrix, 14.5 of one at 4:1. */
void bench_mg_muon_step(bench *b) {
    SHAPES({128}, {256}, {64}, {16}); /* the last two are the demo's and microgpt's */
    size_t width = size[0], count = 0, elements = 0;
    mg_muon_matrix matrices[24];
    for (int tall = 1; tall >= 0; tall--)
        for (size_t i = 0; i < (tall ? 8 : 16); i++) {
            size_t rows = tall && i % 2 ? 4 * width : width;
            size_t columns = tall && i % 2 == 0 ? 4 * width : width;
            matrices[count++] = (mg_muon_matrix){elements, rows, columns};
            elements += rows * columns;
        }
    float *u = bench_floats(b, elements), *p = bench_floats(b, elements);
    float *work = bench_floats(b, mg_muon_work(matrices, count, mg_pool_workers(b->context->pool)));
    mg_context context = bench_context(b, mg_matmul_scratch(b->kernels), 0);
    mg_muon h = {1e-3f, 0};
    double n3 = 2.0 * (double)(width * width * width);
    bench_describe(b, n3 * (16 * 10.0 + 8 * 14.5), 0, "4 layers, width %zu", width);
    while (bench_continue(b)) mg_muon_step(&context, &h, matrices, count, u, p, work);
    bench_consume(b, elements, p);
}

/* ---- Pool ------------------------------------------------------------------------------------ */

static void nothing(void *argument, size_t worker, size_t workers) {
    (void)argument;
    (void)worker;
    (void)workers;
}

/* The cost of sharing work: a job that does nothing. */
void bench_mg_fork_join(bench *b) {
    SHAPES({1});
    bench_describe(b, 0, 0, "workers=%zu", size[0] * mg_pool_workers(b->context->pool));
    while (bench_continue(b)) mg_pool_run(b->context->pool, nothing, NULL);
}
