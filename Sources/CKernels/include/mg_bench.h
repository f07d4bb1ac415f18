/* Timing of every kernel and of the threaded operations, and the peaks to compare with. Here is
 * what must run between two looks at the clock; statistics, the roofline rule and reports are in
 * Swift (MicroGPT/Benchmark). Unlike kernels, all of this allocates. */
#ifndef MG_BENCH_H
#define MG_BENCH_H
#include <stddef.h>
#include "mg_ops.h"

/* A benchmark: all shapes of one kernel or operation. */
typedef struct {
    const char *name;   /* of the kernel or operation */
    int threaded;       /* an operation of mg_ops.h; kernels run on the caller alone */
    size_t shape_count; /* at least 1; the first is the quickest or the most typical */
} mg_bench_info;

/* One line per line of mg_kernels.def, in its order, then one per operation. */
size_t mg_bench_count(void);

/* Requires: benchmark < mg_bench_count(). */
mg_bench_info mg_bench_about(size_t benchmark);

/* What one run works on and costs. */
typedef struct {
    char shape[64];
    double flops;       /* additions, multiplications, comparisons ...: 1 each, fused 2 */
    mg_type arithmetic; /* which peak to compare flops with */
    double bytes;       /* operands read once and results written once */
    size_t footprint;   /* memory of all operands together, scratch left out */
    size_t repetitions; /* runs per sample */
    double checksum;    /* depends on the results */
} mg_bench_result;

/* Times one shape: repeats until a sample lasts `least` seconds (that is the warm-up), then takes
 * `samples` samples; seconds[i] is the duration of one run in sample i. With 0 samples nothing
 * runs and only shape and cost are filled. The context's scratch is not used.
 * Returns 0, or -1 if memory lacks. Requires: benchmark and shape in range. */
int mg_bench_measure(const mg_context *context, size_t benchmark, size_t shape, size_t samples,
                     double least, double *seconds, mg_bench_result *result);

/* Multiply-add rate of all workers of the context in FLOP/s: the best of samples of 1 ms or
 * more over `seconds`. The loop is fma_peak_f32, dot_peak_bf16 or dot_peak_q8; on back end scalar
 * the faster of that and the tile of gemm_block_f32 or gemm_block_q8, because compilers turn the
 * tile into vector code but not the loop. */
double mg_bench_peak(const mg_context *context, mg_type arithmetic, double seconds);

/* Reading rate in bytes/s: sum_f32 again and again over a buffer of `byte_count` bytes that the
 * workers share; the best of samples of 1 ms or more. 0 if memory lacks. */
double mg_bench_read(const mg_context *context, size_t byte_count, double seconds);

/* The same over `count` floats of the caller, once or more within `seconds`: the mean rate, 0 if
 * memory lacks. To stand beside something else that is timed in turns. */
double mg_bench_read_again(const mg_context *context, size_t count, const float *data,
                           double seconds);

/* The compiler of this library, as it calls itself. */
const char *mg_bench_compiler(void);

/* The commit that the program was built from, with "-dirty" where files were changed since:
 * "unknown" unless the program brings a function of that name which knows it (Sources/CBuild). */
const char *mg_bench_commit(void);

/* Whether it optimised: 1 or 0. */
int mg_bench_optimized(void);

#endif
