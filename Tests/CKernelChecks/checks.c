#include "CKernelChecks.h"
