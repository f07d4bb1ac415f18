/* Back end avx512. 12 x 32: 24 accumulators, 2 vectors of b; a is broadcast from memory. */
#if defined(__x86_64__)
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <immintrin.h>
#include "../include/mg_kernels.h"
#include "target.h"

MG_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#include "../vec/vec_avx512.h"
enum { MG_MR = 12, MG_NRV = 2 };
#include "bodies.inl.h"

const mg_kernels mg_kernels_avx512 = {
    .isa = MG_ISA_AVX512,
    .vector_width = VN,
    .mr = MG_MR,
    .nr = MG_NR,
#include "table.inl.h"
};
MG_TARGET_END
#endif
