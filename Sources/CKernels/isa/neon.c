/* Back end neon. 8 x 12: 24 accumulators, 3 vectors of b and 2 of a in 32 registers. */
#if defined(__aarch64__)
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <arm_neon.h>
#include "../include/mg_kernels.h"
#include "target.h"

#include "../vec/vec_neon.h"
enum { MG_MR = 8, MG_NRV = 3 };
/* Columns where the caches are unknown: 256 x 384 floats of b (393 KB) fit in the second level of
 * the Cortex-A76 (512 KB). */
enum { MG_KC = 256, MG_NC = 384 };
/* 8-bit: the product needs two registers of its own, and a row's word in all lanes a third. */
#define MG_Q8_MR 4
#define MG_BLOCK_PAIRS 0 /* neon_dotprod.c has the reason */
#include "bodies.inl.h"

const mg_kernels mg_kernels_neon = {
    .isa = MG_ISA_NEON,
    .vector_width = VN,
    .mr = MG_MR,
    .nr = MG_NR,
    .kc = MG_KC,
    .nc = MG_NC,
    .bf16_step = MG_BF16_STEP,
    .q8_bias = MG_Q8_BIAS,
#include "table.inl.h"
};
#endif
