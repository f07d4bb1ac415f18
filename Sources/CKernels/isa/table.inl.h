/* Designated initialisers of the table, one per kernel of the list. */
#define MG_KERNEL(result, name, parameters) .name = name,
#include "../include/mg_kernels.def"
#undef MG_KERNEL
