/* Checks of operations that write or read quantised tensors: they must give what the kernels give
 * row by row, for any number of workers. The kernels are checked elsewhere. */
#include "checks.h"
#include "quantized.h"
#include "quantizers.h"

static mg_q8_rows empty_rows(checker *c, size_t rows, size_t k) {
    return mg_q8_rows_at(aligned_output(c, mg_q8_rows_bytes(rows, k) / 4), rows, k);
}

static void expect_rows(checker *c, const mg_q8_rows *a, const float *x, size_t ld,
                        mg_row_quantization how) {
    size_t stride = mg_quantized_stride(a->k);
    for (size_t r = 0; r < a->rows; r++) {
        const int8_t *values = a->values + r * stride;
        const int32_t *sums = a->sums + r * (stride / MG_BLOCK);
        if (how == MG_OFFSET)
            expect_q8_row_offset(c, a->k, x + r * ld, values, sums, a->scales[r], a->offsets[r]);
        else
            expect_q8_row(c, a->k, x + r * ld, values, sums, a->scales[r]);
    }
}

static void expect_same_rows(checker *c, const mg_q8_rows *a, const mg_q8_rows *b) {
    size_t stride = mg_quantized_stride(a->k), blocks = stride / MG_BLOCK;
    expect_true(c, "values", 0, !memcmp(a->values, b->values, a->rows * stride));
    expect_true(c, "sums", 0, !memcmp(a->sums, b->sums, a->rows * blocks * sizeof *a->sums));
    expect_same(c, "scales", a->rows, a->scales, b->scales);
}

/* Below and above what is shared out. */
static void check_rows(checker *c, mg_row_quantization how) {
    static const size_t shapes[][2] = {{0, 5}, {1, 33}, {3, 768}, {70, 97}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t rows = shapes[i][0], k = shapes[i][1], ld = k + random_below(c, 3);
        case_begin(c, "rows %zu, k %zu, ld %zu", rows, k, ld);
        float *x = matrix(c, rows, k, ld, 1);
        mg_q8_rows a[3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
            a[w] = empty_rows(c, rows, k);
            mg_quantize_rows(&context, rows, k, x, ld, how, a[w]);
            expect_rows(c, &a[w], x, ld, how);
            expect_same_rows(c, &a[w], &a[0]);
            context_free(&context);
        }
        case_end(c);
    }
}

void check_op_quantize_rows(checker *c) { check_rows(c, MG_SYMMETRIC); }
void check_op_quantize_rows_offset(checker *c) { check_rows(c, MG_OFFSET); }

/* The first half as above; both together miss x by half a step of the second, and its largest
 * element is half a step of the first. */
void check_op_quantize_rows_twice(checker *c) {
    static const size_t shapes[][2] = {{0, 5}, {1, 33}, {3, 768}, {70, 97}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t rows = shapes[i][0], k = shapes[i][1], ld = k + random_below(c, 3);
        size_t stride = mg_quantized_stride(k);
        case_begin(c, "rows %zu, k %zu, ld %zu", rows, k, ld);
        float *x = matrix(c, rows, k, ld, 1);
        mg_q8_rows once = empty_rows(c, rows, k), a[3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, k, 1);
            mg_quantize_rows(&context, rows, k, x, ld, MG_SYMMETRIC, once);
            a[w] = empty_rows(c, 2 * rows, k);
            mg_quantize_rows(&context, rows, k, x, ld, MG_TWICE, a[w]);
            expect_same_rows(c, &a[w], &a[0]);
            expect_true(c, "values", 0, !memcmp(a[w].values, once.values, rows * stride));
            expect_same(c, "scales", rows, a[w].scales, once.scales);
            context_free(&context);
        }
        for (size_t r = 0; r < rows; r++) {
            float first = a[0].scales[r], second = a[0].scales[rows + r];
            expect_true(c, "rest", r, second <= first / 127.0f * 0.51f);
            for (size_t j = 0; j < k; j++) {
                double both = (double)first * a[0].values[r * stride + j] +
                              (double)second * a[0].values[(rows + r) * stride + j];
                expect(c, "both", r * k + j, both, (double)x[r * ld + j],
                       0.51 * (double)second + EPS * fabs((double)x[r * ld + j]));
            }
        }
        case_end(c);
    }
}

/* Each element is rounded once, their sum too. */
void check_op_quantized_row_sums(checker *c) {
    for (int i = 0; i < 3 * QUANTIZATIONS; i++) {
        size_t n = 7, k = i < QUANTIZATIONS ? 0 : i < 2 * QUANTIZATIONS ? 97 : 768;
        case_begin(c, "format %d, k %zu", i % QUANTIZATIONS, k);
        mg_quantization format = (mg_quantization)(i % QUANTIZATIONS);
        mg_quantized w = random_quantized(c, format, n, k, RANDOM_VALUES);
        mg_context context = context_make(c, 1, 1, 1, k, 1);
        float *sums = output(c, n);
        mg_quantized_row_sums(&context, &w, sums);
        for (size_t r = 0; r < n; r++) {
            double sum = 0, size = 0;
            for (size_t j = 0; j < k; j++) {
                double element = (double)quantized_scale(&w, r, j) * quantized_value(&w, r, j);
                sum += element;
                size += fabs(element);
            }
            expect(c, "sums", r, (double)sums[r], sum, EPS * (size + fabs(sum)));
        }
        context_free(&context);
        case_end(c);
    }
}

/* As in float32, then quantised. */
static void check_norm(checker *c, size_t workers, mg_norm_kind kind) {
    size_t rows = 70, n = 97;
    case_begin(c, "norm %d: %zu rows of %zu, %zu workers", (int)kind, rows, n, workers);
    mg_norm wide = {.kind = kind, .rows = rows, .n = n, .epsilon = 1e-5f};
    wide.x = normals(c, rows * n, 1);
    wide.gain = normals(c, n, 1);
    wide.y = output(c, rows * n);
    wide.stats = output(c, 2 * rows);
    mg_norm narrow = wide;
    mg_q8_rows found = empty_rows(c, rows, n);
    narrow.y_type = MG_Q8;
    narrow.y = found.values;
    narrow.stats = output(c, 2 * rows);
    mg_context context = context_make(c, workers, 1, 1, n, 1);
    mg_norm_forward(&context, &wide);
    mg_norm_forward(&context, &narrow);
    expect_rows(c, &found, wide.y, n, MG_SYMMETRIC);
    expect_same(c, "stats", 2 * rows, narrow.stats, wide.stats);
    context_free(&context);
    case_end(c);
}

void check_op_norm_quantized(checker *c) {
    for (size_t w = 0; w < 3; w++) {
        check_norm(c, worker_counts[w], MG_RMSNORM);
        check_norm(c, worker_counts[w], MG_LAYERNORM);
    }
}

/* Two roundings of the number of the table, one of the sum. */
static void expect_embedded(checker *c, const mg_embedding *e, const mg_quantized *table,
                            const float *positions, const float *y) {
    for (size_t t = 0; t < e->batch * e->time; t++)
        for (size_t j = 0; j < e->width; j++) {
            size_t row = (size_t)e->tokens[t];
            size_t at = (e->first[t / e->time] + t % e->time) * e->width + j;
            double token = (double)e->scale * (double)quantized_scale(table, row, j) *
                           quantized_value(table, row, j);
            double wanted = token + (positions ? (double)positions[at] : 0);
            expect(c, "y", t * e->width + j, (double)y[t * e->width + j], wanted,
                   EPS * (fabs(token) + fabs(wanted) / 2));
        }
}

void check_op_embedding_quantized(checker *c) {
    for (int i = 0; i < 6; i++) {
        mg_quantization format = (mg_quantization)(i % 3);
        size_t vocabulary = 37, width = i < 3 ? 97 : 768, batch = 2, time = i < 3 ? 1 : 5;
        case_begin(c, "format %d, width %zu, %zu tokens", (int)format, width, batch * time);
        int32_t *tokens = bytes(c, batch * time * sizeof *tokens);
        for (size_t t = 0; t < batch * time; t++) tokens[t] = (int32_t)random_below(c, vocabulary);
        const size_t first[] = {2, 2};
        mg_embedding e = {.batch = batch, .time = time, .width = width, .first = first};
        e.tokens = tokens;
        e.scale = i % 2 ? 1.5f : 1.0f;
        mg_quantized table = random_quantized(c, format, vocabulary, width, RANDOM_VALUES);
        float *positions = i % 2 ? normals(c, (time + 2) * width, 1) : NULL, *y[3];
        for (size_t w = 0; w < 3; w++) {
            mg_context context = context_make(c, worker_counts[w], 1, 1, 1, 1);
            y[w] = output(c, batch * time * width);
            mg_embedding_forward_quantized(&context, &e, &table, positions, y[w]);
            expect_same(c, "y by workers", batch * time * width, y[w], y[0]);
            context_free(&context);
        }
        expect_embedded(c, &e, &table, positions, y[0]);
        case_end(c);
    }
}
