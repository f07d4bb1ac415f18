/* Names and detection of back ends. See mg_cpu.h. */
#include "mg_cpu.h"
#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
/* Bits of AT_HWCAP, from the Linux user-space ABI of arm64. */
enum { MG_HWCAP_ASIMDHP = 1 << 10, MG_HWCAP_ASIMDDP = 1 << 20 };
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const names[MG_ISA_COUNT] = {"scalar", "neon",   "neon_dotprod",
                                                "avx2",   "avx512", "avx512_bf16"};

const char *mg_isa_name(mg_isa isa) { return (unsigned)isa < MG_ISA_COUNT ? names[isa] : NULL; }

mg_isa mg_isa_named(const char *name) {
    int isa = 0;
    while (isa < MG_ISA_COUNT && strcmp(name, names[isa]) != 0) isa++;
    return (mg_isa)isa;
}

bool mg_isa_compiled(mg_isa isa) {
    switch (isa) {
    case MG_ISA_SCALAR:
        return true;
    case MG_ISA_NEON:
    case MG_ISA_NEON_DOTPROD:
#if defined(__aarch64__)
        return true;
#else
        return false;
#endif
    case MG_ISA_AVX2:
    case MG_ISA_AVX512:
    case MG_ISA_AVX512_BF16:
#if defined(__x86_64__)
        return true;
#else
        return false;
#endif
    default:
        return false;
    }
}

#if defined(__aarch64__)
static bool has_dot_product(void) {
#if defined(__linux__)
    unsigned long wanted = MG_HWCAP_ASIMDHP | MG_HWCAP_ASIMDDP;
    return (getauxval(AT_HWCAP) & wanted) == wanted;
#elif defined(__APPLE__)
    int present = 0;
    size_t size = sizeof present;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &present, &size, NULL, 0) == 0 && present;
#else
    return false;
#endif
}
#endif

#if defined(__x86_64__)
/* Clang 17 (Swift 6.0) does not know "f16c" in __builtin_cpu_supports. */
static bool has_f16c(void) {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}
#endif

bool mg_isa_supported(mg_isa isa) {
    if (!mg_isa_compiled(isa)) return false;
    switch (isa) {
#if defined(__aarch64__)
    case MG_ISA_NEON_DOTPROD:
        return has_dot_product();
#elif defined(__x86_64__)
    /* These ask CPUID and, through XGETBV, whether the system saves the registers. */
    case MG_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    case MG_ISA_AVX512:
        return mg_isa_supported(MG_ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    case MG_ISA_AVX512_BF16:
        return mg_isa_supported(MG_ISA_AVX512) && __builtin_cpu_supports("avx512bf16");
#endif
    default:
        return true;
    }
}
