/* A few rows of x times the rows of a matrix, one of these after the other: one stream in order of
 * addresses is what the prefetcher of the hardware follows best, and nothing is fetched for a row
 * of x alone.
 * Four rows of w at a time, so that x is loaded once for all of them, took 1.12 times as long from
 * the third-level cache and 1.1 to 1.2 times from memory (Zen 4, one thread); this is within 3 % of
 * reading alone. A row of w is loaded once for up to MG_VECTOR_ROWS rows of x, whose sums are those
 * that each has alone. */

/* Rows of x, with four sums each: a back end says what fits its registers. */
#ifndef MG_VECTOR_ROWS
#define MG_VECTOR_ROWS 2
#endif

enum {
    VECTOR_STRIP = 4096
}; /* elements of w that stay in the first-level cache for more of them */

typedef struct {
    size_t k, ldw, ldx, ldy;
    const float *w, *x, *bias;
    int accumulate;
    float *y;    /* of the first row of x */
    size_t next; /* so many rows further are fetched, or none: the next strip */
} vector_product;

/* `count`, a constant, rows of x; rows first ... end - 1 of w. */
MG_INLINE void vector_rows(const vector_product *p, size_t count, size_t first, size_t end) {
    for (size_t i = first; i < end; i++) {
        float sums[MG_VECTOR_ROWS];
        if (count > 1 && p->next) { /* nothing for one row of x, the last of five among them */
            const float *next = p->w + (i + p->next) * p->ldw;
            for (size_t j = 0; j < p->k; j += 16) __builtin_prefetch(next + j, 0, 2);
        }
        inner_products(count, p->k, p->w + i * p->ldw, p->x, p->ldx, sums);
        MG_UNROLL
        for (size_t t = 0; t < count; t++) {
            float *y = p->y + t * p->ldy + i;
            if (p->bias) sums[t] += p->bias[i];
            if (p->accumulate) sums[t] += *y;
            *y = sums[t];
        }
    }
}

/* Each is compiled once. */
typedef void vector_kernel(const vector_product *p, size_t first, size_t end);
#define MG_VECTOR(name, count)                                                                     \
    static __attribute__((noinline)) void name(const vector_product *p, size_t first,              \
                                               size_t end) {                                       \
        vector_rows(p, count, first, end);                                                         \
    }
MG_VECTOR(vector_one, 1)
MG_VECTOR(vector_two, 2)
#if MG_VECTOR_ROWS == 4
MG_VECTOR(vector_three, 3)
MG_VECTOR(vector_four, 4)
static vector_kernel *const vector_kernels[] = {vector_one, vector_two, vector_three, vector_four};
#elif MG_VECTOR_ROWS == 2
static vector_kernel *const vector_kernels[] = {vector_one, vector_two};
#else
#error "MG_VECTOR_ROWS: two or four"
#endif
#undef MG_VECTOR

static void gemv_f32(size_t m, size_t n, size_t k, const float *w, size_t ldw, const float *x,
                     size_t ldx, const float *bias, int accumulate, float *y, size_t ldy) {
    size_t rows = m <= MG_VECTOR_ROWS || k == 0 ? n : VECTOR_STRIP / k + 1;
    for (size_t i = 0; i < n; i += rows)
        for (size_t t = 0; t < m; t += MG_VECTOR_ROWS) {
            size_t count = m - t < MG_VECTOR_ROWS ? m - t : MG_VECTOR_ROWS;
            int is_last = t + count == m && i + 2 * rows <= n;
            vector_product p = {k,           ldw,  ldx,        ldy,         w,
                                x + t * ldx, bias, accumulate, y + t * ldy, is_last ? rows : 0};
            vector_kernels[count - 1](&p, i, n - i < rows ? n : i + rows);
        }
}
