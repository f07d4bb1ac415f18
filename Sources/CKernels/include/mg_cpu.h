/* Back ends (instruction sets) and which of them this process uses.
 *
 * The best supported back end is chosen once, at the first question. The environment variable
 * MGPT_ISA forces one by name; a name that is unknown, not compiled in or not supported by the CPU
 * is an error that the caller must report (mg_dispatch_error), never a silent fallback. */
#ifndef MG_CPU_H
#define MG_CPU_H
#include <stdbool.h>
#include <stddef.h>

/* From plainest to best within an architecture. */
typedef enum {
    MG_ISA_SCALAR,
    MG_ISA_NEON,         /* any AArch64 */
    MG_ISA_NEON_DOTPROD, /* FEAT_DotProd and half-precision arithmetic: Cortex-A76, Raspberry Pi 5
                          */
    MG_ISA_AVX2,         /* AVX2, FMA, F16C */
    MG_ISA_AVX512,       /* AVX-512 F, BW, DQ, VL and VNNI */
    MG_ISA_AVX512_BF16,  /* the same and AVX-512 BF16: Zen 4, Cooper Lake, Sapphire Rapids */
    MG_ISA_COUNT
} mg_isa;

/* The name of a back end as MGPT_ISA spells it; NULL if out of range. */
const char *mg_isa_name(mg_isa isa);

/* The back end of that name, or MG_ISA_COUNT. */
mg_isa mg_isa_named(const char *name);

/* Whether the back end is part of this build (that is, belongs to this architecture). */
bool mg_isa_compiled(mg_isa isa);

/* Whether it is compiled in and the CPU and the operating system have what it needs. */
bool mg_isa_supported(mg_isa isa);

#endif
