/* Rotary position embedding over a batch. See mg_ops.h. */
#include "ops.h"
#include <math.h>
#include <string.h>

double mg_rope_frequency(size_t i, size_t half, double base) {
    return pow(base, -(double)i / (double)half);
}

void mg_rope_table(size_t positions, size_t half, double base, float *cosine, float *sine) {
    for (size_t i = 0; i < half; i++) {
        double step = mg_rope_frequency(i, half, base);
        for (size_t p = 0; p < positions; p++) {
            cosine[p * half + i] = (float)cos((double)p * step);
            sine[p * half + i] = (float)sin((double)p * step);
        }
    }
}

void mg_rope_rows_forward(const mg_rope_rows *rows, float *cosine, float *sine) {
    size_t half = rows->half;
    for (size_t r = 0; r < rows->batch * rows->time; r++, cosine += half, sine += half) {
        size_t position = rows->positions[r / rows->time] + r % rows->time;
        if (position < rows->known) {
            const float *row = rows->table + position * half;
            memcpy(cosine, row, half * sizeof *row);
            memcpy(sine, row + rows->known * half, half * sizeof *row);
            continue;
        }
        for (size_t i = 0; i < half; i++) {
            double angle = (double)position * rows->frequencies[i];
            cosine[i] = (float)cos(angle);
            sine[i] = (float)sin(angle);
        }
    }
}

typedef struct {
    const mg_context *context;
    const mg_rope *rope;
    void *qkv;           /* the tensor, or its gradient in backward */
    const void *rotated; /* the tensor, in backward */
} rope_job;

static float *widened(const mg_kernels *f, size_t n, const uint16_t *x, float *y) {
    f->f32_from_bf16(n, x, y);
    return y;
}

/* Heads that are normalised and don't turn: z is NULL in the forward direction. */
static void normalize_heads(const rope_job *job, const float *z, float *factors, float *x) {
    const mg_rope *p = job->rope;
    const mg_kernels *f = job->context->kernels;
    size_t d = p->head_width;
    for (size_t h = 0; h < p->heads + p->kv_heads; h++) {
        float *head = x + h * d;
        if (z) { /* dx = r (dz - z mean(z dz)) */
            f->rmsnorm_backward_f32(d, z + h * d, NULL, 1.0f, head, head, 0, NULL);
            f->scale_add_f32(d, factors[h], head, NULL, head);
        } else {
            float r = f->rmsnorm_f32(d, p->epsilon, head, NULL, NULL, NULL, head);
            if (factors) factors[h] = r;
        }
    }
}

static void rope_worker(void *argument, size_t worker, size_t workers) {
    const rope_job *job = argument;
    const mg_rope *p = job->rope;
    const mg_kernels *f = job->context->kernels;
    size_t d = p->head_width, half = d / 2, turning = p->heads + p->kv_heads;
    size_t width = (turning + p->kv_heads) * d;
    mg_range rows = mg_share(p->batch * p->time, 1, worker, workers);
    float *space = mg_scratch_of(job->context, worker); /* a row, where the tensor is bf16 */
    for (size_t r = rows.first; r < rows.end; r++) {
        const float *z = NULL;
        float *x = (float *)job->qkv + r * width;
        uint16_t *narrow = (uint16_t *)job->qkv + r * width;
        if (p->type == MG_BF16 && job->rotated)
            z = widened(f, turning * d, (const uint16_t *)job->rotated + r * width, space);
        else if (p->type == MG_BF16)
            x = widened(f, turning * d, narrow, space);
        else if (job->rotated)
            z = (const float *)job->rotated + r * width;
        float *factors = p->normalize && p->factors ? p->factors + r * turning : NULL;
        size_t at = p->cosine ? r % p->period * half : 0;
        if (!p->cosine)
            normalize_heads(job, z, factors, x);
        else if (z)
            f->rope_backward_f32(turning, half, p->cosine + at, p->sine + at, factors, z, x);
        else
            f->rope_f32(turning, half, p->cosine + at, p->sine + at, p->normalize, p->epsilon, x,
                        factors);
        if (p->type == MG_BF16 && !job->rotated) f->bf16_from_f32(turning * d, x, narrow);
    }
}

static void rope_run(rope_job job) {
    const mg_rope *p = job.rope;
    if (!p->cosine && !p->normalize) return;
    size_t bytes = p->batch * p->time * (p->heads + p->kv_heads) * p->head_width * sizeof(float);
    mg_dispatch(job.context, bytes >= MG_SERIAL_BYTES, rope_worker, &job);
}

void mg_rope_forward(const mg_context *context, const mg_rope *rope, void *qkv) {
    rope_run((rope_job){context, rope, qkv, NULL});
}

void mg_rope_backward(const mg_context *context, const mg_rope *rope, const void *qkv,
                      float *dqkv) {
    rope_run((rope_job){context, rope, dqkv, qkv});
}
