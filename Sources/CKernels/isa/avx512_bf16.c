/* Back end avx512_bf16. 12 x 32, as in avx512.c; products of bf16 in pairs. */
#if defined(__x86_64__)
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <immintrin.h>
#include "../include/mg_kernels.h"
#include "target.h"

MG_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma,f16c")
#include "../vec/vec_avx512.h"
#include "../vec/vec_avx512_bf16.h"
enum { MG_MR = 12, MG_NRV = 2 };
/* As for avx512; 512 pairs. */
#define MG_BF16_STEP 2
enum { MG_KC = 512, MG_NC = 1024 };
#include "bodies.inl.h"

const mg_kernels mg_kernels_avx512_bf16 = {
    .isa = MG_ISA_AVX512_BF16,
    .vector_width = VN,
    .mr = MG_MR,
    .nr = MG_NR,
    .kc = MG_KC,
    .nc = MG_NC,
    .bf16_step = MG_BF16_STEP,
    .q8_bias = MG_Q8_BIAS,
#include "table.inl.h"
};
MG_TARGET_END
#endif
