/* Whole matrices to integers and back, rows shared by workers. See mg_quantized.h; the
 * layouts are those of mg_formats.h, the work on a row is that of kernels. */
#include "ops.h"
#include <string.h>

typedef struct {
    const mg_context *context;
    mg_quantized matrix; /* its arrays are written by quantize_worker only */
    const float *w;
    int search;
    void *values, *scales;
    float *to;
} matrix_job;

/* Row i of MG_Q8_ROW: its blocks are not side by side. */
static void quantize_row(const matrix_job *job, size_t i, void *space) {
    size_t k = job->matrix.k;
    const char *from = space;
    job->context->kernels->quantize_row_q8(k, job->w + i * k, space, NULL,
                                           (float *)job->scales + i);
    for (size_t b = 0; b < mg_quantized_stride(k) / MG_BLOCK; b++)
        memcpy((char *)job->values + mg_block_index(k, i, b) * MG_BLOCK, from + b * MG_BLOCK,
               MG_BLOCK);
}

static void quantize_worker(void *argument, size_t worker, size_t workers) {
    const matrix_job *job = argument;
    const mg_quantized *m = &job->matrix;
    const mg_kernels *f = job->context->kernels;
    mg_range rows = mg_share(m->n, 1, worker, workers);
    for (size_t i = rows.first; i < rows.end; i++) {
        const float *x = job->w + i * m->k;
        size_t block = mg_block_index(m->k, i, 0);
        char *values = (char *)job->values + block * mg_block_bytes(m->format);
        uint16_t *halves = (uint16_t *)job->scales + block;
        switch (m->format) {
        case MG_Q8_ROW:
            quantize_row(job, i, mg_scratch_of(job->context, worker));
            break;
        case MG_Q8_BLOCK:
            f->quantize_blocks_q8(m->k, x, (int8_t *)values, halves);
            break;
        case MG_Q4_BLOCK:
            f->quantize_blocks_q4(m->k, x, NULL, job->search, (uint8_t *)values, halves);
            break;
        }
    }
}

void mg_quantize_matrix(const mg_context *context, mg_quantization format, size_t n, size_t k,
                        const float *w, int search, void *values, void *scales) {
    matrix_job job = {.context = context,
                      .matrix = {.format = format, .n = n, .k = k},
                      .w = w,
                      .search = search,
                      .values = values,
                      .scales = scales};
    mg_dispatch(context, n * k * sizeof *w >= MG_SERIAL_BYTES, quantize_worker, &job);
}

static void dequantize_worker(void *argument, size_t worker, size_t workers) {
    const matrix_job *job = argument;
    const mg_quantized *m = &job->matrix;
    mg_range rows = mg_share(m->n, 1, worker, workers);
    for (size_t i = rows.first; i < rows.end; i++)
        job->context->kernels->dequantize_row(m, i, job->to + i * m->k);
}

void mg_dequantize_matrix(const mg_context *context, const mg_quantized *matrix, float *w) {
    matrix_job job = {.context = context, .matrix = *matrix, .to = w};
    mg_dispatch(context, matrix->n * matrix->k * sizeof *w >= MG_SERIAL_BYTES, dequantize_worker,
                &job);
}

void mg_quantized_row_sums(const mg_context *context, const mg_quantized *matrix, float *sums) {
    for (size_t i = 0; i < matrix->n; i++) {
        double sum = 0;
        context->kernels->dequantize_row(matrix, i, context->scratch);
        for (size_t j = 0; j < matrix->k; j++) sum += (double)context->scratch[j];
        sums[i] = (float)sum;
    }
}

/* For a report, once per model: on the caller alone. */
void mg_compare_quantized(const mg_context *context, const mg_quantized *matrix, const float *w,
                          mg_quantization_statistics *statistics) {
    size_t n = matrix->n, k = matrix->k;
    mg_quantization_statistics s = {.least = n * k ? w[0] : 0.0f, .greatest = n * k ? w[0] : 0.0f};
    float *row = context->scratch;
    for (size_t i = 0; i < n; i++) {
        context->kernels->dequantize_row(matrix, i, row);
        for (size_t j = 0; j < k; j++) {
            float x = w[i * k + j];
            double error = (double)row[j] - x;
            s.squares += (double)x * x;
            s.square_errors += error * error;
            if (x < s.least) s.least = x;
            if (x > s.greatest) s.greatest = x;
        }
    }
    double limit = n * k ? 36 * s.squares / (double)(n * k) : 0;
    for (size_t i = 0; i < n * k; i++)
        if ((double)w[i] * w[i] > limit) s.outliers++;
    *statistics = s;
}
