/* Checks of every kernel of every back end, and of the threaded operations and the pool, against
 * references in double precision. Plain C, so that the same checks run as Swift tests, under
 * sanitizers and as aarch64 under QEMU (tools/kernel_checks_main.c).
 *
 * Not here: timing (bench) and anything that knows models. Start reading at check.h. */
#ifndef MG_KERNEL_CHECKS_H
#define MG_KERNEL_CHECKS_H
#include <stddef.h>
#include <stdint.h>
#include "CKernels.h"
#include "malloc_count.h"

/* How much to run: the same kernels and edge shapes always, fewer and smaller cases in QUICK
 * (emulators), every float32 input of exp and tanh in LONG (two to four minutes each). */
typedef enum { MG_CHECK_QUICK, MG_CHECK_NORMAL, MG_CHECK_LONG } mg_check_scale;

/* What is checked: a table of kernels and the two functions of the pool, copied so that a fault can
 * be planted. */
typedef struct {
    mg_kernels kernels;
    void (*pool_run)(mg_pool *pool, mg_job job, void *argument);
    mg_range (*share)(size_t count, size_t grain, size_t worker, size_t workers);
} mg_check_subject;

/* What a check found. */
typedef struct {
    size_t cases;     /* shapes tried */
    size_t failures;  /* wrong values, stray writes, differing bits */
    double worst;     /* largest error met, in units of its bound */
    double worst_ulp; /* the same in ULP, where the bound is in ULP; else 0 */
    char where[200];  /* case and index of `worst` */
    char text[4096];  /* the first failures, a line each, with the command that replays them */
} mg_check_report;

/* Number of checks: one per kernel of mg_kernels.def, then operations, then the pool. */
size_t mg_check_count(void);

/* Name of a check: the kernel's, or op_..., or pool; NULL if out of range. */
const char *mg_check_name(size_t check);

/* The subject as it ships. */
mg_check_subject mg_check_subject_for(const mg_kernels *kernels);

/* Tests of the tests: makes the subject the scalar back end with fault number `fault` (from 0) of
 * this check planted, which the check must report. Returns what is wrong in one phrase, or NULL
 * where there is no such fault; every check has at least one. */
const char *mg_check_plant(size_t check, size_t fault, mg_check_subject *subject);

/* Runs a check with random input from the seed (the same on every machine). Returns the number of
 * failures. */
size_t mg_check_run(size_t check, const mg_check_subject *subject, uint64_t seed,
                    mg_check_scale scale, mg_check_report *report);

#endif
