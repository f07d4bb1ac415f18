/* Back end avx2. 6 x 16: 12 accumulators, 2 vectors of b and a broadcast in 16 registers. */
#if defined(__x86_64__)
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <immintrin.h>
#include "../include/mg_kernels.h"
#include "target.h"

MG_TARGET_BEGIN("avx2,fma,f16c")
#include "../vec/vec_avx2.h"
enum { MG_MR = 6, MG_NRV = 2 };
/* As for avx512. */
enum { MG_KC = 512, MG_NC = 1024 };
/* 8-bit: the product needs both magnitude and sign of b, and two registers between. */
#define MG_Q8_NRV 1
#include "bodies.inl.h"

const mg_kernels mg_kernels_avx2 = {
    .isa = MG_ISA_AVX2,
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
