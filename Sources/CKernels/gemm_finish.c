/* The epilogue of a matrix product: what happens to rows of sums while they stand in the cache,
 * by row kernels. See mg_product in mg_ops.h and gemm.c. */
#include "gemm.h"
#include <string.h>

typedef void map(size_t n, const float *x, float *y);
typedef void gradient(size_t n, const float *x, const float *dy, float *dx);

static map *activation_of(const mg_kernels *f, int kind) {
    return kind == MG_RELU ? f->relu_f32 : kind == MG_RELU2 ? f->relu2_f32 : f->gelu_f32;
}
static gradient *gradient_of(const mg_kernels *f, int kind) {
    return kind == MG_RELU    ? f->relu_backward_f32
           : kind == MG_RELU2 ? f->relu2_backward_f32
                              : f->gelu_backward_f32;
}

/* n elements of a row as float32: in place, or widened into `space`. */
static const float *read_row(const mg_kernels *f, const void *data, mg_type type, size_t at,
                             size_t n, float *space) {
    if (type == MG_F32) return (const float *)data + at;
    f->f32_from_bf16(n, (const uint16_t *)data + at, space);
    return space;
}

static void write_row(const mg_kernels *f, size_t n, const float *v, const mg_result *to,
                      size_t at) {
    if (to->type == MG_BF16)
        f->bf16_from_f32(n, v, (uint16_t *)to->data + at);
    else if ((float *)to->data + at != v)
        memcpy((float *)to->data + at, v, n * sizeof *v);
}

/* v = finish(scale * v + bias) [+ residual], n elements from (row, column) on. */
static void finish_row(const mg_kernels *f, const mg_product *x, size_t row, size_t column,
                       size_t n, float *v, float *space) {
    if (x->scale != 1.0f) f->scale_add_f32(n, x->scale, v, x->bias ? x->bias + column : NULL, v);
    size_t at = row * x->z.ld + column;
    if (x->finish == MG_ACTIVATE) {
        if (x->z.data) write_row(f, n, v, &x->z, at);
        activation_of(f, x->activation)(n, v, v);
    } else if (x->finish == MG_DIFFERENTIATE) {
        const float *z = read_row(f, x->z.data, x->z.type, at, n, space);
        gradient_of(f, x->activation)(n, z, v, v);
    }
    if (x->residual.data)
        f->add_f32(n, v,
                   read_row(f, x->residual.data, x->residual.type, row * x->residual.ld + column, n,
                            space),
                   v);
}

void mg_product_finish(const mg_kernels *kernels, const mg_product *x, size_t row, size_t count,
                       mg_range columns, float *sums, size_t ld, float *space) {
    size_t n = columns.end - columns.first;
    for (size_t i = row; i < row + count; i++, sums += ld) {
        size_t at = i * x->c.ld + columns.first;
        finish_row(kernels, x, i, columns.first, n, sums, space);
        if (x->accumulate)
            kernels->add_f32(n, sums, (float *)x->c.data + at, (float *)x->c.data + at);
        else
            write_row(kernels, n, sums, &x->c, at);
    }
}
