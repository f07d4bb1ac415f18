/* What the compilers spell differently.
 *
 * Attribute regions: every function between MG_TARGET_BEGIN and MG_TARGET_END is compiled for the
 * named instruction set, whatever the compiler's flags are. System headers must be included before
 * the region opens. */
#ifndef MG_TARGET_H
#define MG_TARGET_H

#define MG_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define MG_TARGET_BEGIN(isa)                                                                       \
    MG_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define MG_TARGET_END MG_PRAGMA(clang attribute pop)
#else
#define MG_TARGET_BEGIN(isa) MG_PRAGMA(GCC push_options) MG_PRAGMA(GCC target(isa))
#define MG_TARGET_END MG_PRAGMA(GCC pop_options)
#endif

/* In front of a loop over registers, whose count is a constant: without it the registers become an
 * array in memory. */
#if defined(__clang__)
#define MG_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MG_UNROLL _Pragma("GCC unroll 32")
#endif

#endif
