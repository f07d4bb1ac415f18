/* The choice of a kernel table, made once per process. See mg_cpu.h and mg_kernels.h. */
#include "mg_kernels.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const mg_kernels mg_kernels_scalar;
#if defined(__aarch64__)
extern const mg_kernels mg_kernels_neon, mg_kernels_neon_dotprod;
#elif defined(__x86_64__)
extern const mg_kernels mg_kernels_avx2, mg_kernels_avx512, mg_kernels_avx512_bf16;
#endif

static const mg_kernels *const tables[MG_ISA_COUNT] = {
    [MG_ISA_SCALAR] = &mg_kernels_scalar,
#if defined(__aarch64__)
    [MG_ISA_NEON] = &mg_kernels_neon,
    [MG_ISA_NEON_DOTPROD] = &mg_kernels_neon_dotprod,
#elif defined(__x86_64__)
    [MG_ISA_AVX2] = &mg_kernels_avx2,
    [MG_ISA_AVX512] = &mg_kernels_avx512,
    [MG_ISA_AVX512_BF16] = &mg_kernels_avx512_bf16,
#endif
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const mg_kernels *chosen;
static char failure[256];

const mg_kernels *mg_kernels_for(mg_isa isa) { return mg_isa_supported(isa) ? tables[isa] : NULL; }

/* "scalar, avx2, avx512": what MGPT_ISA may be on this machine. */
static void list_supported(char *text, size_t size) {
    text[0] = 0;
    for (int isa = 0; isa < MG_ISA_COUNT; isa++) {
        if (!mg_isa_supported((mg_isa)isa)) continue;
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", mg_isa_name((mg_isa)isa));
    }
}

static void choose(void) {
    const char *forced = getenv("MGPT_ISA");
    if (!forced || !*forced) {
        for (int isa = MG_ISA_COUNT; isa-- > 0 && !chosen;) chosen = mg_kernels_for((mg_isa)isa);
        return;
    }
    char supported[96];
    list_supported(supported, sizeof supported);
    mg_isa isa = mg_isa_named(forced);
    if (isa == MG_ISA_COUNT)
        snprintf(failure, sizeof failure,
                 "MGPT_ISA names no back end. Found \"%.40s\", expected one of: %s. Unset MGPT_ISA "
                 "to use the best one.",
                 forced, supported);
    else if (!(chosen = mg_kernels_for(isa)))
        snprintf(failure, sizeof failure,
                 "MGPT_ISA=%s can't run here: this %s lacks it. Expected one of: %s. Unset "
                 "MGPT_ISA to use the best one.",
                 forced, mg_isa_compiled(isa) ? "CPU" : "processor architecture", supported);
}

const mg_kernels *mg_kernels_default(void) {
    pthread_once(&once, choose);
    return chosen;
}

const char *mg_dispatch_error(void) {
    pthread_once(&once, choose);
    return failure;
}
