/* Checks of every kernel of every back end against references in double precision. */
#ifndef MG_KERNEL_CHECKS_H
#define MG_KERNEL_CHECKS_H
#endif
