/* All kernel bodies and the table of one back end. Included once per isa/<name>.c, inside its
 * attribute region and after its vector header and tile constants (MG_MR, MG_NRV). Everything is
 * static: a shared inline function compiled for one instruction set must never be the copy that the
 * linker keeps for another. */

/* Products of bf16 in one word of a panel: 2 where the back end has v_dot_bf16. */
#ifndef MG_BF16_STEP
#define MG_BF16_STEP 1
#endif

#include "../kernels/math.inl.h"
#include "../kernels/elementwise.inl.h"
#include "../kernels/convert.inl.h"
#include "../kernels/reduce.inl.h"
#include "../kernels/norm.inl.h"
#include "../kernels/softmax.inl.h"
#include "../kernels/rope.inl.h"
#include "../kernels/gemm.inl.h"
#include "../kernels/pack.inl.h"
#include "../kernels/gemm_q8.inl.h"
#include "../kernels/gemv.inl.h"
#include "../kernels/quantize.inl.h"
#include "../kernels/gemv_q8.inl.h"
#include "../kernels/attention_tile.inl.h"
#include "../kernels/attention.inl.h"
#include "../kernels/attention_cache.inl.h"
#include "../kernels/adamw.inl.h"
#include "../kernels/muon.inl.h"
#include "../kernels/state.inl.h"
