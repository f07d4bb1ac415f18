/* A fixed pool of worker threads for loops whose parts are known in advance.
 *
 * The caller is worker 0. Workers spin for some microseconds after each job, then sleep, so that a
 * run of short operations costs no system call and an idle program costs no power. Where the system
 * keeps two of them on one core, who waits there lets the other go on. One job at a time, from one
 * thread at a time. */
#ifndef MG_POOL_H
#define MG_POOL_H
#include <stddef.h>

typedef struct mg_pool mg_pool;

/* A part of a job: does its share, number `worker` of `workers`. */
typedef void (*mg_job)(void *argument, size_t worker, size_t workers);

/* A pool of `workers` threads in all (>= 1, the caller counts). NULL if threads or memory lack. */
mg_pool *mg_pool_create(size_t workers);

/* Stops and joins the workers. NULL is allowed. */
void mg_pool_destroy(mg_pool *pool);

/* Number of workers, the caller included; 1 for NULL. */
size_t mg_pool_workers(const mg_pool *pool);

/* Runs the job on all workers and returns when every part is done. Not reentrant. */
void mg_pool_run(mg_pool *pool, mg_job job, void *argument);

/* A stretch of memory. */
typedef struct {
    const char *at, *end;
} mg_stretch;

/* What worker `worker` will read first in a later job: it is fetched into the worker's cache while
 * it waits, and what was said before is dropped. Said by the worker itself, within a job. The
 * memory may be gone by then: it is never read. NULL for the pool is allowed. */
enum { MG_STRETCHES = 2 };
void mg_pool_expect(mg_pool *pool, size_t worker, const mg_stretch stretches[MG_STRETCHES]);

/* The half-open range of worker `worker` in 0 ... count, in whole multiples of `grain`: static, so
 * that the same worker meets the same memory in every step. */
typedef struct {
    size_t first, end;
} mg_range;
mg_range mg_share(size_t count, size_t grain, size_t worker, size_t workers);

#endif
