/* Spin, then sleep. See mg_pool.h. */
#define _GNU_SOURCE
#include "mg_pool.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    /* Pauses before a worker sleeps and the caller yields: 27 us on Zen 4, as long as waking takes
     * there, so that waiting never costs more than twice what it must. */
    SPINS = 1500,
    SPINS_PER_LOOK = 64,  /* between two looks at the core (a microsecond) */
    LINES_PER_SPIN = 4,   /* of each stretch that is expected */
    STACK_BYTES = 1 << 20 /* musl's default of 128 KiB is small for the tile buffers */
};

typedef struct {
    mg_pool *pool;
    size_t number;
    pthread_t thread;
    _Alignas(64) _Atomic int core;          /* on which it was last seen running, or -1 */
    _Alignas(64) _Atomic uint64_t finished; /* its last job; the caller waits here */
    _Alignas(64) mg_stretch expected[MG_STRETCHES];
} worker;

struct mg_pool {
    size_t workers;                                 /* the caller included */
    worker *others;                                 /* workers - 1 of them */
    _Atomic int core;                               /* of the caller */
    _Alignas(64) mg_stretch expected[MG_STRETCHES]; /* by the caller */
    _Alignas(64) _Atomic uint64_t generation; /* a new number is a new job; the caller's to write */
    mg_job job;                               /* in the same line: it moves to a worker once */
    void *argument;
    _Alignas(64) _Atomic size_t sleeping;
    _Atomic bool stopping;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* "yield" is a no-op on the Cortex-A76 */
#endif
}

void mg_pool_expect(mg_pool *pool, size_t worker, const mg_stretch stretches[MG_STRETCHES]) {
    if (!pool) return;
    mg_stretch *expected = worker ? pool->others[worker - 1].expected : pool->expected;
    for (size_t i = 0; i < MG_STRETCHES; i++) expected[i] = stretches[i];
}

/* Fetches the next lines into the second-level cache. */
static inline void fetch_expected(mg_stretch expected[MG_STRETCHES]) {
    for (size_t i = 0; i < MG_STRETCHES; i++) {
        mg_stretch *stretch = &expected[i];
        for (int line = 0; line < LINES_PER_SPIN && stretch->at < stretch->end; line++) {
            __builtin_prefetch(stretch->at, 0, 2);
            stretch->at += 64;
        }
    }
}

static int current_core(void) {
#if defined(__linux__)
    return sched_getcpu();
#else
    return -1;
#endif
}

/* Written when it has changed: others read the line. */
static void note_core(_Atomic int *core) {
    int here = current_core();
    if (atomic_load_explicit(core, memory_order_relaxed) != here)
        atomic_store_explicit(core, here, memory_order_relaxed);
}

/* Whether the one that was last seen on this core waits for us to leave it: on a busy machine the
 * scheduler may keep the caller and a worker on one core for long, and each job would cost all
 * pauses of both. Yielding in all other cases would give the core to a stranger. */
static bool is_here(_Atomic int *core) {
    int there = atomic_load_explicit(core, memory_order_relaxed);
    return there >= 0 && there == current_core();
}

/* Returns the number of the job after `last`. */
static uint64_t wait_for_job(mg_pool *pool, uint64_t last, mg_stretch *expected) {
    for (int i = 1; i <= SPINS; i++) {
        uint64_t now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != last) return now;
        fetch_expected(expected);
        if (i % SPINS_PER_LOOK == 0 && is_here(&pool->core))
            sched_yield();
        else
            relax();
    }
    /* The caller raises `generation` before it reads `sleeping` a second time; we raise `sleeping`
     * before we read `generation`: with sequential consistency one of the two sees the other. */
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleeping, 1);
    uint64_t now;
    while ((now = atomic_load(&pool->generation)) == last)
        pthread_cond_wait(&pool->wake, &pool->mutex);
    atomic_fetch_sub(&pool->sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
    return now;
}

static void *work(void *argument) {
    worker *self = argument;
    mg_pool *pool = self->pool;
    uint64_t last = 0;
    for (;;) {
        last = wait_for_job(pool, last, self->expected);
        if (atomic_load_explicit(&pool->stopping, memory_order_relaxed)) return NULL;
        note_core(&self->core);
        pool->job(pool->argument, self->number, pool->workers);
        atomic_store_explicit(&self->finished, last, memory_order_release);
    }
}

static void wake_sleepers(mg_pool *pool) {
    if (atomic_load_explicit(&pool->sleeping, memory_order_relaxed) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

/* Publishes a job to all workers and returns its number. A worker that falls asleep at the same
 * time may be missed until wake_missed: a fence here would keep the caller from its part of the
 * job until the others have seen theirs. */
static uint64_t announce(mg_pool *pool) {
    uint64_t job = atomic_load_explicit(&pool->generation, memory_order_relaxed) + 1;
    atomic_store_explicit(&pool->generation, job, memory_order_release);
    wake_sleepers(pool);
    return job;
}

static void wake_missed(mg_pool *pool) {
    atomic_thread_fence(memory_order_seq_cst);
    wake_sleepers(pool);
}

mg_pool *mg_pool_create(size_t workers) {
    if (workers == 0) return NULL;
    mg_pool *pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
    if (!pool) return NULL;
    *pool = (mg_pool){.workers = 1, .core = -1};
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->others = aligned_alloc(64, workers * sizeof *pool->others);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    bool complete = pool->others != NULL;
    size_t started = 0;
    while (complete && started + 1 < workers) {
        worker *w = &pool->others[started];
        *w = (worker){.pool = pool, .number = started + 1, .core = -1};
        complete = pthread_create(&w->thread, &attributes, work, w) == 0;
        if (complete) started++;
    }
    pthread_attr_destroy(&attributes);
    pool->workers = started + 1;
    if (!complete) {
        mg_pool_destroy(pool);
        return NULL;
    }
    return pool;
}

void mg_pool_destroy(mg_pool *pool) {
    if (!pool) return;
    atomic_store(&pool->stopping, true);
    announce(pool);
    wake_missed(pool);
    for (size_t i = 0; i + 1 < pool->workers; i++) pthread_join(pool->others[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->others);
    free(pool);
}

size_t mg_pool_workers(const mg_pool *pool) { return pool ? pool->workers : 1; }

static bool has_finished(const worker *w, uint64_t job) {
    return atomic_load_explicit(&w->finished, memory_order_acquire) == job;
}

static void wait_for_workers(mg_pool *pool, uint64_t job) {
    worker *first = pool->others, *end = first + pool->workers - 1; /* first that is at work */
    while (first < end && has_finished(first, job)) first++;
    if (first == end) return;
    wake_missed(pool);
    for (int i = 1; first < end; i++) {
        bool yields = i > SPINS;
        fetch_expected(pool->expected);
        if (i % SPINS_PER_LOOK == 0)
            for (worker *w = first; w < end; w++) yields |= is_here(&w->core);
        if (yields)
            sched_yield();
        else
            relax();
        while (first < end && has_finished(first, job)) first++;
    }
}

void mg_pool_run(mg_pool *pool, mg_job job, void *argument) {
    if (!pool || pool->workers == 1) {
        job(argument, 0, 1);
        return;
    }
    pool->job = job;
    pool->argument = argument;
    uint64_t number = announce(pool);
    note_core(&pool->core);
    job(argument, 0, pool->workers);
    wait_for_workers(pool, number);
}

mg_range mg_share(size_t count, size_t grain, size_t worker, size_t workers) {
    size_t grains = (count + grain - 1) / grain;
    size_t first = grains * worker / workers * grain, end = grains * (worker + 1) / workers * grain;
    return (mg_range){first < count ? first : count, end < count ? end : count};
}
