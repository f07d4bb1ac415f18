/* Back end neon_dotprod. 8 x 12, as in neon.c; the dot product serves the INT8 kernels. */
#if defined(__aarch64__)
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <arm_neon.h>
#include "../include/mg_kernels.h"
#include "target.h"

MG_TARGET_BEGIN("arch=armv8.2-a+dotprod+fp16")
#define MG_DOT_PRODUCT
#include "../vec/vec_neon.h"
enum { MG_MR = 8, MG_NRV = 3 };
enum { MG_KC = 256, MG_NC = 384 };
/* Two tokens at once take 43 cycles a block in int8, which spills, and 56 in int4; one after the
 * other 40 and 58 (neon_dotprod, make arm-report). */
#define MG_BLOCK_PAIRS 0
#include "bodies.inl.h"

const mg_kernels mg_kernels_neon_dotprod = {
    .isa = MG_ISA_NEON_DOTPROD,
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
