/* Back end scalar. VN is 1: a 4 x 8 tile keeps 32 sums, which the compiler may put into SSE
 * registers. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "../include/mg_kernels.h"
#include "target.h"

#include "../vec/vec_scalar.h"
enum { MG_MR = 4, MG_NRV = 8 };
enum { MG_KC = 256, MG_NC = 512 };
#include "bodies.inl.h"

const mg_kernels mg_kernels_scalar = {
    .isa = MG_ISA_SCALAR,
    .vector_width = VN,
    .mr = MG_MR,
    .nr = MG_NR,
    .kc = MG_KC,
    .nc = MG_NC,
    .bf16_step = MG_BF16_STEP,
    .q8_bias = MG_Q8_BIAS,
#include "table.inl.h"
};
