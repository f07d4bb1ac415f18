/* Back end avx512. 12 x 32: 24 accumulators, 2 vectors of b; a is broadcast from memory. */
#if defined(__x86_64__)
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <immintrin.h>
#include "../include/mg_kernels.h"
#include "target.h"

MG_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#include "../vec/vec_avx512.h"
enum { MG_MR = 12, MG_NRV = 2 };
/* Columns where the caches are unknown. Zen 4 with 1 MB of second level, share of the peak at
 * 1024^3, NT and TN: 256 x 768 90 and 88 %, 512 x 512 91 and 91 %, 512 x 1024 93 and 93 %: b comes
 * from the third level at 5 of its bytes a cycle. */
enum { MG_KC = 512, MG_NC = 1024 };
#include "bodies.inl.h"

const mg_kernels mg_kernels_avx512 = {
    .isa = MG_ISA_AVX512,
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
