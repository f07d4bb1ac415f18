/* The only header that Swift sees. */
#ifndef MG_CKERNELS_H
#define MG_CKERNELS_H
#include "mg_checksum.h"
#include "mg_system.h"
#endif
