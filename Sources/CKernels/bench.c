/* The list of benchmarks, their clock and memory, and the two ends of the roofline. See mg_bench.h;
 * the benchmarks themselves are in bench_<subject>.c. */
#include "bench.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mg_system.h"

/* ---- The list -------------------------------------------------------------------------------- */

#define MG_OPERATIONS(X)                                                                           \
    X(matmul_nn)                                                                                   \
    X(matmul_nt)                                                                                   \
    X(matmul_tn)                                                                                   \
    X(matmul_bf16_nn)                                                                              \
    X(matmul_bf16_nt)                                                                              \
    X(matmul_bf16_tn)                                                                              \
    X(matmul_q8_row)                                                                               \
    X(matmul_q8_block)                                                                             \
    X(matmul_q4_block)                                                                             \
    X(attention_forward)                                                                           \
    X(attention_backward)                                                                          \
    X(attention_both)                                                                              \
    X(attention_plain)                                                                             \
    X(attention_rows)                                                                              \
    X(linear_cross_entropy)                                                                        \
    X(adamw_step)                                                                                  \
    X(muon_step)                                                                                   \
    X(fork_join)

/* A kernel of mg_kernels.def without a function bench_<name> does not link. */
#define MG_KERNEL(result, name, parameters) void bench_##name(bench *b);
#include "mg_kernels.def"
#undef MG_KERNEL
#define DECLARE(name) void bench_mg_##name(bench *b);
MG_OPERATIONS(DECLARE)
#undef DECLARE

static const struct {
    const char *name;
    void (*measure)(bench *b);
    int threaded;
} list[] = {
#define MG_KERNEL(result, name, parameters) {#name, bench_##name, 0},
#include "mg_kernels.def"
#undef MG_KERNEL
#define ENTRY(name) {"mg_" #name, bench_mg_##name, 1},
    MG_OPERATIONS(ENTRY)
#undef ENTRY
};

size_t mg_bench_count(void) { return sizeof list / sizeof *list; }

const char *mg_bench_compiler(void) { return __VERSION__; }

__attribute__((weak)) const char *mg_bench_commit(void) { return "unknown"; }

int mg_bench_optimized(void) {
#if defined(__OPTIMIZE__)
    return 1;
#else
    return 0;
#endif
}

/* ---- Memory ---------------------------------------------------------------------------------- */

size_t bench_choose(bench *b, size_t shape_count) {
    b->shape_count = shape_count;
    return b->shape < shape_count ? b->shape : 0;
}

int bench_ready(const bench *b) { return b->samples > 0 && !b->failed; }

void *bench_block(bench *b, size_t byte_count) {
    b->result->footprint += byte_count;
    if (!bench_ready(b)) return NULL;
    void *block =
        b->block_count < BENCH_BLOCKS ? aligned_alloc(64, (byte_count + 64) / 64 * 64) : NULL;
    if (block)
        b->blocks[b->block_count++] = block;
    else
        b->failed = 1;
    return block;
}

/* A linear congruential generator: the numbers need no quality, only to be neither zero nor huge.
 */
static void fill(bench *b, float *x, size_t count) {
    for (size_t i = 0; i < count; i++) {
        b->random = b->random * 1664525u + 1013904223u;
        x[i] = (float)(b->random >> 8) * 0x1p-23f - 1.0f;
    }
}

float *bench_floats(bench *b, size_t count) {
    float *x = bench_block(b, count * sizeof *x);
    if (x) fill(b, x, count);
    return x;
}

float *bench_scratch(bench *b, size_t count) {
    size_t footprint = b->result->footprint;
    float *x = bench_floats(b, count);
    b->result->footprint = footprint;
    return x;
}

mg_context bench_context(bench *b, size_t scratch_per_worker, size_t shared) {
    mg_context context = *b->context;
    context.scratch_per_worker = (scratch_per_worker + 15) / 16 * 16;
    context.scratch = bench_scratch(b, context.scratch_per_worker * mg_pool_workers(context.pool));
    context.shared = bench_scratch(b, shared);
    return context;
}

/* ---- Time ------------------------------------------------------------------------------------ */

void bench_describe(bench *b, double flops, double bytes, const char *format, ...) {
    b->result->flops = flops;
    b->result->bytes = bytes;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(b->result->shape, sizeof b->result->shape, format, arguments);
    va_end(arguments);
}

int bench_next_sample(bench *b) {
    double now = mg_seconds(), elapsed = now - b->started;
    size_t repetitions = b->result->repetitions;
    if (!bench_ready(b)) return 0;
    if (repetitions == 0) {
        b->result->repetitions = 1;
    } else if (b->calibrated) {
        b->seconds[b->taken++] = elapsed / (double)repetitions;
        if (b->taken == b->samples) return 0;
    } else if (elapsed >= b->least) {
        b->calibrated = 1;
    } else if (elapsed * 8 < b->least) {
        b->result->repetitions = repetitions * 8;
    } else { /* a fifth more than needed, so that a faster sample lasts long enough too */
        b->result->repetitions = 1 + (size_t)(1.2 * (double)repetitions * b->least / elapsed);
    }
    b->remaining = b->result->repetitions;
    b->started = mg_seconds();
    return 1;
}

void bench_consume(bench *b, size_t count, const float *x) {
    if (!bench_ready(b)) return;
    for (size_t i = 0; i < count; i++) b->result->checksum += (double)x[i];
}

void bench_consume_bytes(bench *b, size_t count, const void *x) {
    if (!bench_ready(b)) return;
    for (size_t i = 0; i < count; i++) b->result->checksum += ((const uint8_t *)x)[i];
}

static int measure(bench *b, size_t benchmark) {
    list[benchmark].measure(b);
    b->result->checksum += (double)b->sum;
    for (size_t i = 0; i < b->block_count; i++) free(b->blocks[i]);
    return b->failed ? -1 : 0;
}

mg_bench_info mg_bench_about(size_t benchmark) {
    mg_bench_result result = {0};
    mg_context context = {.kernels = mg_kernels_for(MG_ISA_SCALAR)};
    bench b = {.context = &context, .kernels = context.kernels, .result = &result};
    measure(&b, benchmark);
    return (mg_bench_info){list[benchmark].name, list[benchmark].threaded, b.shape_count};
}

int mg_bench_measure(const mg_context *context, size_t benchmark, size_t shape, size_t samples,
                     double least, double *seconds, mg_bench_result *result) {
    *result = (mg_bench_result){0};
    bench b = {.context = context,
               .kernels = context->kernels,
               .shape = shape,
               .result = result,
               .samples = samples,
               .least = least,
               .seconds = seconds,
               .random = 1};
    return measure(&b, benchmark);
}

/* ---- Roofline -------------------------------------------------------------------------------- */

enum { LEAST_SAMPLES = 8, SLOT = 16, TILE_DEPTH = 256, TILE_SIDE = 32 };
static const double sample_seconds = 1e-3;

/* What all workers do at once, `rounds` times. */
typedef struct {
    const mg_context *context;
    mg_type arithmetic;
    size_t rounds;
    const float *data; /* of `count` floats, or NULL */
    size_t count;
    float *sums; /* one per worker, a cache line apart: keeps the work from being dropped */
} roof_job;

static void peak_worker(void *argument, size_t worker, size_t workers) {
    (void)workers;
    roof_job *job = argument;
    const mg_kernels *f = job->context->kernels;
    float (*peak)(size_t rounds) = job->arithmetic == MG_Q8     ? f->dot_peak_q8
                                   : job->arithmetic == MG_BF16 ? f->dot_peak_bf16
                                                                : f->fma_peak_f32;
    job->sums[worker * SLOT] += peak(job->rounds);
}

static void tile_worker(void *argument, size_t worker, size_t workers) {
    (void)workers;
    roof_job *job = argument;
    const mg_kernels *f = job->context->kernels;
    float a[(1 + TILE_DEPTH) * TILE_SIDE] = {0}, b[(1 + TILE_DEPTH) * TILE_SIDE] = {0};
    float c[TILE_SIDE * TILE_SIDE] = {0};
    for (size_t i = 0; i < job->rounds; i++) {
        if (job->arithmetic == MG_Q8)
            f->gemm_block_q8(f->mr, f->nr, 4 * TILE_DEPTH, a, b, a, c, f->nr, NULL);
        else
            f->gemm_block_f32(f->mr, f->nr, TILE_DEPTH, a, b, c, f->nr, NULL, 1);
    }
    job->sums[worker * SLOT] += c[0];
}

static void read_worker(void *argument, size_t worker, size_t workers) {
    roof_job *job = argument;
    mg_range part = mg_share(job->count, SLOT, worker, workers);
    float sum = 0;
    for (size_t i = 0; i < job->rounds; i++)
        sum += job->context->kernels->sum_f32(part.end - part.first, job->data + part.first);
    job->sums[worker * SLOT] += sum;
}

/* The largest number of rounds per second that was seen within `seconds`, in LEAST_SAMPLES samples
 * or more: the largest, because whatever disturbs a sample makes it smaller. */
static double best_rate(roof_job *job, mg_job worker, double seconds) {
    float *sums = calloc(mg_pool_workers(job->context->pool) * SLOT, sizeof *sums);
    if (!sums) return 0;
    job->sums = sums;
    job->rounds = 1;
    double begun = mg_seconds(), now = begun, best = 0;
    for (int samples = 0; samples < LEAST_SAMPLES || now - begun < seconds;) {
        double start = mg_seconds();
        mg_pool_run(job->context->pool, worker, job);
        now = mg_seconds();
        if (now - start < sample_seconds) { /* a short sample would measure the fork and join */
            job->rounds *= 2;
            samples = 0;
            begun = now;
        } else {
            double rate = (double)job->rounds / (now - start);
            if (rate > best) best = rate;
            samples++;
        }
    }
    volatile float kept = sums[0];
    (void)kept;
    free(sums);
    return best;
}

double mg_bench_peak(const mg_context *context, mg_type arithmetic, double seconds) {
    const mg_kernels *f = context->kernels;
    double flops = 2.0 * (double)(f->mr * f->nr * mg_pool_workers(context->pool));
    int tile = f->isa == MG_ISA_SCALAR && f->mr <= TILE_SIDE && f->nr <= TILE_SIDE;
    if (arithmetic == MG_BF16) flops *= (double)f->bf16_step;
    if (arithmetic == MG_Q8) flops *= 4;
    roof_job job = {.context = context, .arithmetic = arithmetic};
    double loop = flops * best_rate(&job, peak_worker, tile ? seconds / 2 : seconds);
    if (!tile) return loop;
    double block = flops * TILE_DEPTH * best_rate(&job, tile_worker, seconds / 2);
    return block > loop ? block : loop;
}

double mg_bench_read(const mg_context *context, size_t byte_count, double seconds) {
    roof_job job = {.context = context, .count = byte_count / sizeof(float)};
    float *data = aligned_alloc(64, (byte_count + 64) / 64 * 64);
    if (!data) return 0;
    for (size_t i = 0; i < job.count; i++) data[i] = 1.0f;
    job.data = data;
    double rate = (double)byte_count * best_rate(&job, read_worker, seconds);
    free(data);
    return rate;
}

double mg_bench_read_again(const mg_context *context, size_t count, const float *data,
                           double seconds) {
    float *sums = count ? calloc(mg_pool_workers(context->pool) * SLOT, sizeof *sums) : NULL;
    if (!sums) return 0;
    roof_job job = {.context = context, .rounds = 1, .data = data, .count = count, .sums = sums};
    double begun = mg_seconds(), elapsed = 0;
    size_t passes = 0;
    for (; passes == 0 || elapsed < seconds; passes++) {
        mg_pool_run(context->pool, read_worker, &job);
        elapsed = mg_seconds() - begun;
    }
    volatile float kept = sums[0];
    (void)kept;
    free(sums);
    return (double)(passes * count * sizeof *data) / elapsed;
}

void *bench_codes(bench *b, size_t count) {
    int8_t *x = bench_block(b, count);
    for (size_t i = 0; bench_ready(b) && i < count; i++) x[i] = (int8_t)(i * 37 % 255) - 127;
    return x;
}

mg_quantized bench_weights(bench *b, mg_quantization format, size_t n, size_t k) {
    mg_quantized w = {.format = format, .n = n, .k = k};
    w.values = bench_codes(b, mg_quantized_value_bytes(format, n, k));
    size_t size = mg_quantized_scale_bytes(format, n, k);
    if (format == MG_Q8_ROW) {
        w.scales = bench_floats(b, n);
    } else {
        uint16_t *scales = bench_block(b, size);
        for (size_t i = 0; bench_ready(b) && i < size / sizeof *scales; i++) scales[i] = 0x2400;
        w.scales = scales;
    }
    return w;
}
