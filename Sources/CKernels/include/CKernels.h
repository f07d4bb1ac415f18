/* The only header that Swift sees. */
#ifndef MG_CKERNELS_H
#define MG_CKERNELS_H
#include "mg_bench.h"
#include "mg_checksum.h"
#include "mg_cpu.h"
#include "mg_formats.h"
#include "mg_kernels.h"
#include "mg_map_guard.h"
#include "mg_ops.h"
#include "mg_pool.h"
#include "mg_quantized.h"
#include "mg_recursion.h"
#include "mg_system.h"
#include "mg_terminal.h"
#endif
