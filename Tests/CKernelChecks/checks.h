/* One check per kernel of mg_kernels.def and per line of operations.def: a kernel without a check
 * does not link. */
#ifndef MG_CHECKS_H
#define MG_CHECKS_H
#include "check.h"

#define MG_KERNEL(result, name, parameters) void check_##name(checker *c);
#include "mg_kernels.def"
#undef MG_KERNEL
#define OPERATION(name, kernel) void check_##name(checker *c);
#include "operations.def"
#undef OPERATION

#endif
