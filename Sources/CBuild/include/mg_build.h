/* From what the program was built. A target of its own, so that another commit compiles one file
 * anew and no other. Not here: the compiler (mg_bench.h). */
#ifndef MG_BUILD_H
#define MG_BUILD_H

/* The commit, with "-dirty" where files were changed since; "unknown" where neither make nor the
 * environment's MGPT_COMMIT told Package.swift. */
const char *mg_build_commit(void);

#endif
