/* See mg_build.h. */
#include "mg_build.h"

const char *mg_bench_commit(void) { return sizeof MGPT_COMMIT > 1 ? MGPT_COMMIT : "unknown"; }
