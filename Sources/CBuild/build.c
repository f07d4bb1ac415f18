/* The commit that Package.swift was told. */
#include "mg_build.h"

const char *mg_build_commit(void) { return sizeof MGPT_COMMIT > 1 ? MGPT_COMMIT : "unknown"; }
