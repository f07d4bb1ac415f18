/* AdamW and momentum over the segments of the parameter arena. Orthogonalising is in muon.c. */
#include "ops.h"

typedef struct {
    const mg_context *context;
    const mg_adamw *adamw;       /* or NULL */
    const mg_momentum *momentum; /* or NULL */
    const mg_segment *segments;
    size_t count;
    const float *g;
    float *p; /* parameters for AdamW, gradients again for momentum */
    mg_moments m, v;
    uint64_t key;
} moment_job;

static float *scales(const mg_moments *moments, size_t at) {
    return moments->scales + at / MG_STATE_BLOCK;
}

static void adamw_range(const moment_job *job, size_t n, float weight_decay, size_t at,
                        size_t state) {
    const mg_kernels *k = job->context->kernels;
    mg_adamw h = *job->adamw;
    h.weight_decay = weight_decay;
    const float *g = job->g + at;
    float *p = job->p + at;
    void *m = job->m.values, *v = job->v.values;
    switch (job->m.format) {
    case MG_STATE_F32:
        k->adamw_f32(n, &h, g, p, (float *)m + state, (float *)v + state);
        break;
    case MG_STATE_BF16:
        k->adamw_bf16(n, &h, job->key, state, g, p, (uint16_t *)m + state, (uint16_t *)v + state);
        break;
    case MG_STATE_Q8:
        k->adamw_q8(n, &h, job->key, state, g, p, (int8_t *)m + state, scales(&job->m, state),
                    (uint8_t *)v + state, scales(&job->v, state));
        break;
    }
}

static void momentum_range(const moment_job *job, size_t n, size_t at, size_t state) {
    const mg_kernels *k = job->context->kernels;
    const mg_momentum *h = job->momentum;
    void *m = job->m.values;
    switch (job->m.format) {
    case MG_STATE_F32:
        k->momentum_f32(n, h, job->p + at, (float *)m + state);
        break;
    case MG_STATE_BF16:
        k->momentum_bf16(n, h, job->key, state, job->p + at, (uint16_t *)m + state);
        break;
    case MG_STATE_Q8:
        k->momentum_q8(n, h, job->key, state, job->p + at, (int8_t *)m + state,
                       scales(&job->m, state));
        break;
    }
}

static void moment_worker(void *argument, size_t worker, size_t workers) {
    const moment_job *job = argument;
    for (size_t s = 0; s < job->count; s++) {
        const mg_segment *segment = job->segments + s;
        mg_range r = mg_share(segment->count, MG_STATE_BLOCK, worker, workers);
        size_t n = r.end - r.first, at = segment->offset + r.first;
        if (job->adamw)
            adamw_range(job, n, segment->weight_decay, at, segment->state + r.first);
        else
            momentum_range(job, n, at, segment->state + r.first);
    }
}

static void run(moment_job job) {
    size_t elements = 0;
    for (size_t s = 0; s < job.count; s++) elements += job.segments[s].count;
    mg_dispatch(job.context, 4 * elements * sizeof(float) >= MG_SERIAL_BYTES, moment_worker, &job);
}

void mg_adamw_step(const mg_context *context, const mg_adamw *h, const mg_segment *segments,
                   size_t segment_count, const float *g, float *p, const mg_moments *m,
                   const mg_moments *v, uint64_t key) {
    run((moment_job){.context = context,
                     .adamw = h,
                     .segments = segments,
                     .count = segment_count,
                     .g = g,
                     .p = p,
                     .m = *m,
                     .v = *v,
                     .key = key});
}

void mg_momentum_step(const mg_context *context, const mg_momentum *h, const mg_segment *segments,
                      size_t segment_count, float *g, const mg_moments *m, uint64_t key) {
    run((moment_job){.context = context,
                     .momentum = h,
                     .segments = segments,
                     .count = segment_count,
                     .p = g,
                     .m = *m,
                     .key = key});
}
