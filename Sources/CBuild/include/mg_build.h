/* The program's own mg_bench_commit, for the linker alone: no target depends on this one, so that
 * another commit compiles one file anew and links. Not here: the compiler (mg_bench.h). */
#ifndef MG_BUILD_H
#define MG_BUILD_H

/* The commit that Package.swift was told, or "unknown". */
const char *mg_bench_commit(void);

#endif
